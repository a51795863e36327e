//! Ports of the host: held by real sockets, so that a taken one is an error at once, and by claims, which outlive
//! the processes that hold the sockets.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt};
use store::Durability;

use crate::error::{Error, Result};
use crate::state::{State, ensure};
use crate::{PortRule, Protocol};

/// A port that is ours, and the socket that says so.
///
/// Sockets of IPv4 are bound and do not listen: the firewall leads packets away before they get there, and without
/// it a refusal is the honest answer. Those of IPv6 listen where the container has no address of that family, and
/// for `::1`, which the firewall cannot lead away; both do where connections go through the host. The supervisor passes
/// those on.
#[derive(Debug)]
pub struct HeldPort {
    pub rule: PortRule,
    pub socket: OwnedFd,
}

/// Opens and claims a port of the host. Port 0 asks for a free one.
pub fn hold(state: &State, rule: PortRule, owner: &str) -> Result<HeldPort> {
    let socket = open(&rule).map_err(|errno| taken_or_failed(state, &rule, errno))?;
    let port = bound_port(&socket).unwrap_or(rule.host.port());
    let rule = PortRule { host: SocketAddr::new(rule.host.ip(), port), ..rule };
    let directory = ensure(&state.ports())?;
    match store::claim(&directory, &claim_name(&rule), owner, Durability::Volatile) {
        Ok(()) => Ok(HeldPort { rule, socket }),
        Err(store::Error::Taken { owner, .. }) => Err(taken(&rule, format!("container `{owner}` has it"))),
        Err(error) => Err(error.into()),
    }
}

/// Opens the socket of a port that is claimed already, for a supervisor whose predecessor was killed.
pub fn reopen(rule: &PortRule) -> Option<OwnedFd> {
    open(rule).ok()
}

/// Returns the name of a port's claim.
pub(crate) fn claim_name(rule: &PortRule) -> String {
    format!("{}-{}-{}", rule.protocol, rule.host.ip(), rule.host.port())
}

fn open(rule: &PortRule) -> rustix::io::Result<OwnedFd> {
    let family = if rule.host.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = match rule.protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if rule.host.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // Sees past what is left of connections (TIME_WAIT), and past sockets that were let go; no further.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &rule.host)?;
    if rule.protocol == Protocol::Tcp && rule.is_listened_for() {
        // A listener is in everybody's way whatever it says, and its connections must not be when they have ended.
        listen(&socket, 128)?;
    } else {
        sockopt::set_socket_reuseaddr(&socket, false)?;
    }
    Ok(socket)
}

/// Lets the next [`hold`] have the port of this socket, though other processes have the socket open for a moment yet.
/// Both must say so at the time of binding (SO_REUSEADDR in socket(7)), so no other program can take it in between.
pub fn let_go(socket: &OwnedFd) {
    // One that listens no more. Others have nothing to shut down.
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
    let _ = sockopt::set_socket_reuseaddr(socket, true);
}

fn bound_port(socket: &OwnedFd) -> Option<u16> {
    let address = SocketAddr::try_from(getsockname(socket).ok()?).ok()?;
    Some(address.port())
}

fn taken_or_failed(state: &State, rule: &PortRule, errno: Errno) -> Error {
    match errno {
        Errno::ADDRINUSE => {
            let who = claimant(state, rule).or_else(|| holder(rule));
            let who = who.unwrap_or_else(|| "another process has it".into());
            taken(rule, who)
        }
        errno => sys::Error::new(format!("cannot listen on {}/{}", rule.host, rule.protocol), errno).into(),
    }
}

fn taken(rule: &PortRule, holder: String) -> Error {
    Error::PortTaken { protocol: rule.protocol, address: rule.host, holder }
}

/// Finds the container that has claimed a port in the way of this one.
fn claimant(state: &State, rule: &PortRule) -> Option<String> {
    let claims = store::claims(sys::Dir::open(state.ports()).ok()?).ok()?;
    let (first, last) = (format!("{}-", rule.protocol), format!("-{}", rule.host.port()));
    let claim = claims.into_iter().find(|claim| {
        let address = claim.name.strip_prefix(&first).and_then(|rest| rest.strip_suffix(&last));
        address.and_then(|address| address.parse::<IpAddr>().ok()).is_some_and(|address| {
            let same_family = address.is_ipv4() == rule.host.is_ipv4();
            let either_all = address.is_unspecified() || rule.host.ip().is_unspecified();
            same_family && (either_all || address == rule.host.ip())
        })
    })?;
    Some(format!("container `{}` has it", claim.owner))
}

/// Finds the process that listens on a port: the socket's inode in /proc/net, then who has it open (proc(5)).
fn holder(rule: &PortRule) -> Option<String> {
    let inode = socket_inode(rule)?;
    let target = format!("socket:[{inode}]");
    for process in sys::Dir::open("/proc").and_then(|proc| proc.list(".")).ok()? {
        let Some(pid) = process.name.to_str().filter(|name| name.parse::<u32>().is_ok()) else { continue };
        let Ok(descriptors) = sys::Dir::open(format!("/proc/{pid}/fd")) else { continue };
        for entry in descriptors.list(".").unwrap_or_default() {
            let link = rustix::fs::readlinkat(&descriptors, &entry.name, Vec::new());
            if link.is_ok_and(|link| link.to_bytes() == target.as_bytes()) {
                let name = sys::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                return Some(format!("process {pid} ({}) has it", name.trim()));
            }
        }
    }
    None
}

fn socket_inode(rule: &PortRule) -> Option<String> {
    for family in ["", "6"] {
        let Ok(table) = sys::fs::read_to_string(format!("/proc/net/{}{family}", rule.protocol)) else {
            continue;
        };
        for line in table.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, _, _, _, _, _, inode, ..] = words.as_slice() else { continue };
            // An established connection's own port is no listener's.
            let idle = rule.protocol == Protocol::Udp || *state == "0A" || *state == "07";
            if idle && local_matches(local, rule.host) {
                return Some((*inode).to_owned());
            }
        }
    }
    None
}

/// Whether an `ADDRESS:PORT` of /proc/net stands in the way of one that is to be bound.
fn local_matches(local: &str, wanted: SocketAddr) -> bool {
    let Some((address, port)) = local.split_once(':') else { return false };
    if u16::from_str_radix(port, 16) != Ok(wanted.port()) {
        return false;
    }
    let any = address.bytes().all(|digit| digit == b'0');
    any || wanted.ip().is_unspecified() || address.eq_ignore_ascii_case(&proc_form(wanted.ip()))
}

/// Prints an address as /proc/net does: words of 32 bits in the machine's order.
fn proc_form(address: IpAddr) -> String {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mut text = String::new();
    for word in octets.chunks_exact(4) {
        let word = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
        let _ = write!(text, "{word:08X}");
    }
    text
}

/// All addresses of the host in one family.
pub fn everywhere(ipv4: bool) -> IpAddr {
    if ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{hold, let_go, local_matches};
    use crate::error::Error;
    use crate::state::State;
    use crate::{PortRule, Protocol};

    fn rule(protocol: Protocol, host: &str) -> PortRule {
        PortRule::new(protocol, host.parse().unwrap(), "10.0.0.2:80".parse().unwrap())
    }

    #[test]
    fn a_free_port_is_found_and_a_taken_one_names_its_holder() {
        let temp = tempfile::tempdir().unwrap();
        let state = State::new(temp.path());
        for (protocol, host) in
            [(Protocol::Tcp, "127.0.0.1:0"), (Protocol::Udp, "127.0.0.1:0"), (Protocol::Tcp, "[::1]:0")]
        {
            let held = hold(&state, rule(protocol, host), "a").unwrap();
            assert_ne!(held.rule.host.port(), 0);
            let again = rule(protocol, &held.rule.host.to_string());
            let error = hold(&state, again, "b").unwrap_err();
            let Error::PortTaken { holder, .. } = error else { panic!("{error}") };
            assert_eq!(holder, "container `a` has it");
            // Whoever holds the socket may die; the claim stays.
            drop(held.socket);
            let Err(Error::PortTaken { holder, .. }) = hold(&state, again, "b") else {
                panic!("given twice")
            };
            assert_eq!(holder, "container `a` has it");
            state.release_ports("a", &[held.rule]).unwrap();
            assert!(hold(&state, again, "b").is_ok());
        }
    }

    #[test]
    fn a_port_that_was_let_go_is_free_though_the_socket_is_open() {
        let temp = tempfile::tempdir().unwrap();
        let state = State::new(temp.path());
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            for host in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
                let first = hold(&state, rule(protocol, host), "a").unwrap();
                let again = rule(protocol, &first.rule.host.to_string());
                state.release_ports("a", &[first.rule]).unwrap();
                assert!(hold(&state, again, "b").is_err(), "{again:?}");
                let_go(&first.socket);
                let second = hold(&state, again, "b").unwrap();
                // It has the port for itself.
                state.release_ports("b", &[second.rule]).unwrap();
                assert!(hold(&state, again, "c").is_err(), "{again:?}");
            }
        }
    }

    #[test]
    fn a_port_of_another_program_names_the_process() {
        let temp = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let wanted = rule(Protocol::Tcp, &listener.local_addr().unwrap().to_string());
        let Err(Error::PortTaken { holder, .. }) = hold(&State::new(temp.path()), wanted, "a") else {
            panic!("given twice")
        };
        assert!(holder.starts_with(&format!("process {} (", std::process::id())), "{holder}");
    }

    #[test]
    fn a_wildcard_and_a_single_address_stand_in_each_others_way() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(local_matches("00000000:1F90", at("10.0.0.1:8080")));
        assert!(local_matches("0100007F:1F90", at("0.0.0.0:8080")));
        assert!(local_matches("0100007F:1F90", at("127.0.0.1:8080")));
        assert!(!local_matches("0100007F:1F90", at("127.0.0.2:8080")));
        assert!(!local_matches("0100007F:1F91", at("127.0.0.1:8080")));
    }
}
