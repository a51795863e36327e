//! Links, addresses and routes as netlink messages (rtnetlink(7)). Which ones there are to be is decided elsewhere.

mod list;

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::wire::{Batch, CREATE, EXCLUSIVE, REPLACE};
use crate::{Cidr, Mac, MacvlanMode};

pub(crate) use list::{
    RouteListed, await_carrier, find_link, list_addresses, list_links, list_ports, list_routes,
};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;

/// Attributes of links (linux/if_link.h).
mod link {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const NAME: u16 = 3;
    pub(super) const MTU: u16 = 4;
    pub(super) const PARENT: u16 = 5;
    pub(super) const MASTER: u16 = 10;
    pub(super) const STATE: u16 = 16;
    pub(super) const INFO: u16 = 18;
    pub(super) const FAMILIES: u16 = 26;
    pub(super) const NAMESPACE: u16 = 28;
    pub(super) const MASK: u16 = 29;
    /// Values of `STATE` of what carries frames (RFC 2863, `ifOperStatus`; linux/if.h).
    pub(super) const STATE_UNKNOWN: u8 = 0;
    pub(super) const STATE_UP: u8 = 6;
    pub(super) const INFO_KIND: u16 = 1;
    pub(super) const INFO_DATA: u16 = 2;
    pub(super) const INFO_PORT_KIND: u16 = 4;
    pub(super) const INFO_PORT_DATA: u16 = 5;
}

const IPV4: u8 = 2;
const IPV6: u8 = 10;

/// The table that packets are routed by, but for rules of the administrator.
const MAIN: u8 = 254;
const UNICAST: u8 = 1;
/// Routes and addresses of the administrator, as all of ours.
const STATIC: u8 = 4;
const UP: u32 = 1;

/// What becomes of the inner end of a pair, or of an interface beside one of the host's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inside<'a> {
    pub(crate) netns: BorrowedFd<'a>,
    pub(crate) name: &'a str,
    pub(crate) mac: Mac,
    pub(crate) mtu: Option<u32>,
}

/// How a port of a bridge behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PortFlags {
    /// Frames may go back to where they came from: a container reaches its own published port (br_netfilter).
    pub(crate) hairpin: bool,
    /// No frames to other such ports.
    pub(crate) isolated: bool,
}

/// Builds a `struct ifinfomsg`; 0 stands for an interface that is named by an attribute.
fn header(index: u32, flags: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..16].copy_from_slice(&flags.to_ne_bytes());
    bytes
}

/// Creates a pair: one end a port of a bridge, the other in a container; both down.
pub(crate) fn new_pair(batch: &mut Batch, host: &str, bridge: u32, inside: &Inside<'_>) {
    let label = format!("create interface `{}` in the container", inside.name);
    batch.message(NEW_LINK, CREATE | EXCLUSIVE, &header(0, 0), label);
    batch.put_text(link::NAME, host).put_u32(link::MASTER, bridge);
    if let Some(mtu) = inside.mtu {
        batch.put_u32(link::MTU, mtu);
    }
    batch.nest(link::INFO, |info| {
        info.put_text(link::INFO_KIND, "veth").nest(link::INFO_DATA, |data| {
            const PEER: u16 = 1;
            data.nest(PEER, |peer| put_inside(peer.raw(&header(0, 0)), inside));
        });
    });
}

fn put_inside(batch: &mut Batch, inside: &Inside<'_>) {
    batch.put_text(link::NAME, inside.name).put(link::ADDRESS, &inside.mac.0);
    batch.put_u32(link::NAMESPACE, inside.netns.as_raw_fd() as u32);
    if let Some(mtu) = inside.mtu {
        batch.put_u32(link::MTU, mtu);
    }
}

/// Creates an interface beside one of the host's, in a container; down.
pub(crate) fn new_macvlan(batch: &mut Batch, parent: u32, mode: MacvlanMode, inside: &Inside<'_>) {
    const MODE: u16 = 1;
    let mode: u32 = match mode {
        MacvlanMode::Private => 1,
        MacvlanMode::Vepa => 2,
        MacvlanMode::Bridge => 4,
        MacvlanMode::Passthru => 8,
    };
    let label = format!("create interface `{}` in the container", inside.name);
    batch.message(NEW_LINK, CREATE | EXCLUSIVE, &header(0, 0), label).put_u32(link::PARENT, parent);
    put_inside(batch, inside);
    batch.nest(link::INFO, |info| {
        info.put_text(link::INFO_KIND, "macvlan").nest(link::INFO_DATA, |data| {
            data.put_u32(MODE, mode);
        });
    });
}

/// Creates two interfaces, each the other end of the other.
pub(crate) fn new_join(batch: &mut Batch, one: &str, other: &str) {
    const PEER: u16 = 1;
    batch.message(NEW_LINK, CREATE | EXCLUSIVE, &header(0, 0), "create the connection of two bridges");
    batch.put_text(link::NAME, one).nest(link::INFO, |info| {
        info.put_text(link::INFO_KIND, "veth").nest(link::INFO_DATA, |data| {
            data.nest(PEER, |peer| {
                peer.raw(&header(0, 0)).put_text(link::NAME, other);
            });
        });
    });
}

/// Makes an interface a port of a bridge.
pub(crate) fn set_master(batch: &mut Batch, name: &str, bridge: u32) {
    batch.message(NEW_LINK, 0, &header(0, 0), format!("make interface `{name}` a port of its bridge"));
    batch.put_text(link::NAME, name).put_u32(link::MASTER, bridge);
}

/// Starts a port of a bridge.
pub(crate) fn start_port(batch: &mut Batch, name: &str, mtu: Option<u32>, flags: PortFlags) {
    const HAIRPIN: u16 = 4;
    const ISOLATED: u16 = 33;
    batch.message(NEW_LINK, 0, &header(0, 0), format!("set up interface `{name}`"));
    batch.put_text(link::NAME, name);
    // The host does not speak on it.
    put_no_address(batch, mtu);
    batch.nest(link::INFO, |info| {
        info.put_text(link::INFO_PORT_KIND, "bridge").nest(link::INFO_PORT_DATA, |data| {
            data.put_u8(HAIRPIN, flags.hairpin.into()).put_u8(ISOLATED, flags.isolated.into());
        });
    });
    start_link(batch, name);
}

/// Keeps the kernel from giving an interface an address of its own. In a message before the one that starts it.
pub(crate) fn no_own_address(batch: &mut Batch, name: &str, mtu: Option<u32>) {
    batch.message(NEW_LINK, 0, &header(0, 0), format!("set up interface `{name}`"));
    batch.put_text(link::NAME, name);
    put_no_address(batch, mtu);
}

fn put_no_address(batch: &mut Batch, mtu: Option<u32>) {
    /// Below, an interface has no IPv6 (RFC 8200, section 5).
    const IPV6_MTU: u32 = 1280;
    const GENERATION: u16 = 8;
    const NONE: u8 = 1;
    if crate::forwarding::has_ipv6() && mtu.is_none_or(|mtu| mtu >= IPV6_MTU) {
        batch.nest(link::FAMILIES, |families| {
            families.nest(IPV6.into(), |family| {
                family.put_u8(GENERATION, NONE);
            });
        });
    }
}

/// Creates a bridge, or makes one that is there like it. Its hardware address stays when ports come and go. It does not
/// listen in on who wants which multicast: where nobody asks for that it sends everything to everybody all the same, and
/// a container that did ask would decide who hears the questions for neighbours' addresses.
pub(crate) fn new_bridge(batch: &mut Batch, name: &str, mac: Mac) {
    const FORWARD_DELAY: u16 = 1;
    const SPANNING_TREE: u16 = 5;
    const SNOOPING: u16 = 23;
    batch.message(NEW_LINK, CREATE, &header(0, 0), format!("create bridge `{name}`"));
    batch.put_text(link::NAME, name).put(link::ADDRESS, &mac.0).nest(link::INFO, |info| {
        info.put_text(link::INFO_KIND, "bridge").nest(link::INFO_DATA, |data| {
            data.put_u32(FORWARD_DELAY, 0).put_u32(SPANNING_TREE, 0).put_u8(SNOOPING, 0);
        });
    });
}

/// Has a bridge forget where it has seen whom.
pub(crate) fn flush_bridge(batch: &mut Batch, name: &str) {
    const FLUSH: u16 = 21;
    batch.message(NEW_LINK, 0, &header(0, 0), format!("flush bridge `{name}`"));
    batch.put_text(link::NAME, name).nest(link::INFO, |info| {
        info.put_text(link::INFO_KIND, "bridge").nest(link::INFO_DATA, |data| {
            data.put(FLUSH, &[]);
        });
    });
}

pub(crate) fn start_link(batch: &mut Batch, name: &str) {
    batch
        .message(NEW_LINK, 0, &header(0, UP), format!("start interface `{name}`"))
        .put_text(link::NAME, name);
}

pub(crate) fn delete_link(batch: &mut Batch, name: &str) {
    batch
        .message(DELETE_LINK, 0, &header(0, 0), format!("remove interface `{name}`"))
        .put_text(link::NAME, name);
}

/// Gives an interface an address. Nobody else has it, so there is no need to ask around (RFC 4862, section 5.4): an
/// address that is being asked for cannot be used for a second.
pub(crate) fn new_address(batch: &mut Batch, index: u32, address: Cidr) {
    const ADDRESS: u16 = 1;
    const LOCAL: u16 = 2;
    const BROADCAST: u16 = 4;
    const FLAGS: u16 = 8;
    const DO_NOT_ASK: u32 = 2;
    let mut header = [family(address.address), address.prefix, 0, 0, 0, 0, 0, 0];
    header[4..].copy_from_slice(&index.to_ne_bytes());
    batch.message(NEW_ADDRESS, CREATE | REPLACE, &header, format!("set address {address}"));
    match address.address {
        IpAddr::V4(local) => {
            batch.put(LOCAL, &local.octets()).put(ADDRESS, &local.octets());
            if address.prefix < 31
                && let IpAddr::V4(last) = address.at(u128::MAX)
            {
                batch.put(BROADCAST, &last.octets());
            }
        }
        IpAddr::V6(local) => {
            batch.put(LOCAL, &local.octets()).put(ADDRESS, &local.octets()).put_u32(FLAGS, DO_NOT_ASK);
        }
    }
}

/// Leads all packets of a family that no other route wants to a gateway.
pub(crate) fn new_default_route(batch: &mut Batch, index: u32, gateway: IpAddr) {
    const INTERFACE: u16 = 4;
    const GATEWAY: u16 = 5;
    let header = [family(gateway), 0, 0, 0, MAIN, STATIC, 0, UNICAST, 0, 0, 0, 0];
    batch.message(NEW_ROUTE, CREATE | REPLACE, &header, format!("set default route via {gateway}"));
    batch.put_u32(INTERFACE, index);
    match gateway {
        IpAddr::V4(gateway) => batch.put(GATEWAY, &gateway.octets()),
        IpAddr::V6(gateway) => batch.put(GATEWAY, &gateway.octets()),
    };
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { IPV4 } else { IPV6 }
}
