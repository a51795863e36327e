//! Switches of the kernel that decide whether packets are passed on (sysctl, ip-sysctl.rst).

use std::io;
use std::sync::OnceLock;

use sys::netlink::Subject;

use crate::BridgeRules;
use crate::error::{Error, Result};
use crate::route::{RouteListed, list_routes};
use crate::socket::Socket;

/// Forwarding of IPv4 by all interfaces.
pub(crate) const IPV4: &str = "ipv4/ip_forward";
/// Forwarding of IPv6 by all interfaces; makes the host a router, which learns no routes from others.
const IPV6: &str = "ipv6/conf/all/forwarding";

/// Whether the kernel speaks IPv6 at all (`ipv6.disable=1`).
pub(crate) fn has_ipv6() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| sys::fs::exists("/proc/sys/net/ipv6/conf"))
}

/// Sets a switch of an interface in the calling thread's network namespace. What the kernel does not have cannot be on.
pub(crate) fn set_interface(family: &str, interface: &str, name: &str, value: &str) -> Result<()> {
    set(&format!("{family}/conf/{interface}/{name}"), value)
}

/// Reads a switch; none where the kernel does not have it.
pub(crate) fn get(path: &str) -> Option<String> {
    let text = sys::fs::read_to_string(format!("/proc/sys/net/{path}")).ok()?;
    Some(text.trim().to_owned())
}

fn set(path: &str, value: &str) -> Result<()> {
    match sys::fs::write(format!("/proc/sys/net/{path}"), value) {
        Err(error) if error.is_not_found() => Ok(()),
        other => Ok(other?),
    }
}

/// Lets the host pass packets on for a network that is not internal.
pub(crate) fn ensure(rules: &BridgeRules) -> Result<()> {
    if rules.internal {
        return Ok(());
    }
    if !ipv4_on() {
        set(IPV4, "1")?;
    }
    let wants_ipv6 = rules.subnets.iter().any(|subnet| !subnet.is_ipv4());
    if wants_ipv6 && has_ipv6() && !ipv6_on(&rules.bridge) { forward_ipv6(&rules.bridge) } else { Ok(()) }
}

pub(crate) fn ipv4_on() -> bool {
    get(IPV4).is_none_or(|value| value != "0")
}

/// Whether what a bridge receives is passed on.
pub(crate) fn ipv6_on(bridge: &str) -> bool {
    let on = |path: &str| get(path).is_some_and(|value| value != "0");
    on(IPV6) || on(&format!("ipv6/conf/{bridge}/force_forwarding"))
}

/// Since Linux 6.17 an interface can be told to pass IPv6 on while the host goes on learning its routes from router
/// advertisements. Answers come in by other interfaces, those made later included.
fn forward_ipv6(bridge: &str) -> Result<()> {
    if get(&format!("ipv6/conf/{bridge}/force_forwarding")).is_some() {
        set_interface("ipv6", "default", "force_forwarding", "1")?;
        // Switching forwarding off switches this off on all interfaces, but not on `all`: only a change is passed on.
        set_interface("ipv6", "all", "force_forwarding", "0")?;
        set_interface("ipv6", "all", "force_forwarding", "1")?;
        return set_interface("ipv6", bridge, "force_forwarding", "1");
    }
    let routes = list_routes(&Socket::open(Subject::Route)?)?;
    if let Some(interface) = learned_from(&routes)? {
        return Err(Error::WouldLoseRoute { interface });
    }
    set(IPV6, "1")
}

/// Finds the interface by which the host has learned its default route and would no longer.
fn learned_from(routes: &[RouteListed]) -> Result<Option<String>> {
    /// Routes by router advertisements (rtnetlink(7), `RTPROT_RA`).
    const ADVERTISED: u8 = 9;
    let default = |route: &&RouteListed| {
        !route.destination.is_ipv4() && route.destination.prefix == 0 && route.protocol == ADVERTISED
    };
    let socket = Socket::open(Subject::Route)?;
    for route in routes.iter().filter(default) {
        let name = rustix::net::netdevice::index_to_name(&socket, route.index)
            .map_err(|errno| sys::Error::new("cannot name an interface", io::Error::from(errno)))?;
        if get(&format!("ipv6/conf/{name}/accept_ra")).is_none_or(|value| value != "2") {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
