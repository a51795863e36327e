//! A network's bridge on the host: the link, its addresses, its switches.

use std::net::{IpAddr, Ipv4Addr};

use crate::elements::link_local;
use crate::error::Result;
use crate::forwarding::{has_ipv6, set_interface};
use crate::hash::fnv;
use crate::route::{new_address, new_bridge, no_own_address, start_link};
use crate::socket::Socket;
use crate::wire::Batch;
use crate::{BridgeRules, Cidr, Mac};

/// Makes a bridge, or makes one that is there as it should be; returns its index.
pub(crate) fn ensure(socket: &Socket, rules: &BridgeRules) -> Result<u32> {
    let bridge = &rules.bridge;
    let mac = mac(rules);
    let index = create(socket, bridge, mac)?;
    set_switches(rules, bridge)?;
    let mut batch = Batch::new();
    if speaks_ipv6(rules) {
        // The address that the kernel would choose it may not use before it has asked around for a second or two; until
        // then it could not ask for containers either (`ndisc_send_ns`).
        no_own_address(&mut batch, bridge, None);
        new_address(&mut batch, index, Cidr { address: link_local(mac).into(), prefix: 64 });
    }
    for subnet in &rules.subnets {
        if subnet.is_ipv4() || has_ipv6() {
            new_address(&mut batch, index, *subnet);
        }
    }
    start_link(&mut batch, bridge);
    socket.apply(batch)?;
    crate::forwarding::ensure(rules)?;
    Ok(index)
}

pub(crate) fn create(socket: &Socket, bridge: &str, mac: Mac) -> Result<u32> {
    let mut batch = Batch::new();
    new_bridge(&mut batch, bridge, mac);
    socket.apply(batch)?;
    socket.index_of(bridge)
}

/// Sets what is a switch and no attribute. Before the bridge is up: IPv6 would begin at once.
pub(crate) fn set_switches(rules: &BridgeRules, bridge: &str) -> Result<()> {
    if !rules.internal {
        // Answers from containers to the host's 127.0.0.1, which published ports lead away; `guard` in the firewall
        // keeps everything else from there.
        set_interface("ipv4", bridge, "route_localnet", "1")?;
    }
    if !has_ipv6() {
        return Ok(());
    }
    set_interface("ipv6", bridge, "accept_ra", "0")?;
    set_interface("ipv6", bridge, "disable_ipv6", if speaks_ipv6(rules) { "0" } else { "1" })
}

fn speaks_ipv6(rules: &BridgeRules) -> bool {
    has_ipv6() && rules.subnets.iter().any(|subnet| !subnet.is_ipv4())
}

/// Returns the hardware address of a bridge: that of its gateway, so that a bridge that is made anew is not another
/// machine for its containers.
pub(crate) fn mac(rules: &BridgeRules) -> Mac {
    let gateway = rules.subnets.iter().find_map(|subnet| match subnet.address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    gateway.map_or_else(|| mac_of_name(&rules.bridge), Mac::of_ipv4)
}

pub(crate) fn mac_of_name(name: &str) -> Mac {
    Mac::of_ipv4(Ipv4Addr::from((fnv(name.bytes()) >> 16) as u32))
}
