//! The container's side: addresses, routes, and where its questions for names go, in its own network namespace.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fstatfs, openat};
use rustix::io::Errno;
use sys::Context;
use sys::netlink::Subject;

use crate::elements::link_local;
use crate::endpoint::{Endpoint, Link};
use crate::error::Result;
use crate::forwarding::{has_ipv6, set_interface};
use crate::nft::constants::OUTPUT;
use crate::nft::{Base, Chain, Expression, Family, Hook, Rule, Source, Table, create_table, replace_table};
use crate::route::{delete_link, list_links, new_address, new_default_route, no_own_address, start_link};
use crate::socket::Socket;
use crate::wire::Batch;
use crate::{Cidr, Protocol};

const OWN: &str = "/proc/thread-self/ns/net";
/// Where programs of a container ask for names.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// The network namespace of a container, and the way back.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    given: BorrowedFd<'a>,
    /// The namespace itself, where a process was given.
    opened: Option<OwnedFd>,
    own: OwnedFd,
}

impl<'a> Container<'a> {
    /// Takes a network namespace, or that of a process, given by its pidfd.
    pub(crate) fn open(given: BorrowedFd<'a>) -> Result<Self> {
        /// File systems of namespaces (linux/magic.h).
        const NAMESPACES: u64 = 0x6e73_6673;
        let own = open_own()?;
        let kind = fstatfs(given).context(|| "cannot look at the container's network namespace".into())?;
        let mut container = Self { given, opened: None, own };
        if kind.f_type as u64 != NAMESPACES {
            // Messages take no pidfd for a namespace.
            container.opened = Some(container.enter(open_own)??);
        }
        Ok(container)
    }

    pub(crate) fn netns(&self) -> BorrowedFd<'_> {
        self.opened.as_ref().map_or(self.given, AsFd::as_fd)
    }

    /// Runs `body` inside. A socket belongs for ever to the namespace that it was made in (socket(2), setns(2)).
    fn enter<T>(&self, body: impl FnOnce() -> T) -> Result<T> {
        sys::process::join_namespaces(self.netns(), sys::process::NEWNET)?;
        let result = body();
        // Only the engine's own process could have lost the right to come back to where it came from.
        sys::process::join_namespaces(self.own.as_fd(), sys::process::NEWNET)?;
        Ok(result)
    }

    /// Gives interfaces their addresses and routes, and leads questions for names to a port.
    pub(crate) fn configure(&self, endpoints: &[Endpoint], resolver_port: Option<u16>) -> Result<()> {
        self.enter(|| {
            if !endpoints.is_empty() {
                let socket = Socket::open(Subject::Route)?;
                let refusals = socket.send(interfaces(&socket, endpoints, has_ipv6())?)?;
                let switched_off = refusals.iter().any(|refusal| refusal.errno == Errno::ACCESS);
                match refusals.into_iter().next() {
                    None => {}
                    // Where the container itself has IPv6 switched off (`--sysctl`), it stays off.
                    Some(_) if switched_off => socket.apply(interfaces(&socket, endpoints, false)?)?,
                    Some(refusal) => return Err(refusal.into()),
                }
            }
            resolver_port.map_or(Ok(()), lead_questions)
        })?
    }

    /// Makes the default routes go through an interface that is there already.
    pub(crate) fn route(&self, endpoint: &Endpoint) -> Result<()> {
        self.enter(|| {
            let socket = Socket::open(Subject::Route)?;
            let name = &endpoint.interface;
            let index = index_inside(&socket, name)?;
            let mut batch = Batch::new();
            for gateway in endpoint.gateways.iter().filter(|gateway| gateway.is_ipv4() || has_ipv6()) {
                new_default_route(&mut batch, index, *gateway);
            }
            socket.apply(batch)
        })?
    }

    /// Removes what a predecessor has left of interfaces that no host end takes along.
    pub(crate) fn remove_macvlans(&self, endpoints: &[Endpoint]) -> Result<()> {
        let names = || {
            let macvlans = endpoints.iter().filter(|endpoint| matches!(endpoint.link, Link::Macvlan { .. }));
            macvlans.map(|endpoint| endpoint.interface.as_str())
        };
        if names().next().is_none() {
            return Ok(());
        }
        let socket = self.enter(|| Socket::open(Subject::Route))??;
        let links = list_links(&socket)?;
        let mut batch = Batch::new();
        for name in names() {
            if links.iter().any(|link| link.name == name && link.kind.as_deref() == Some("macvlan")) {
                delete_link(&mut batch, name);
            }
        }
        socket.apply(batch)
    }
}

fn open_own() -> Result<OwnedFd> {
    let path = Path::new(OWN);
    Ok(openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).on_path("open", path)?)
}

fn index_inside(socket: &Socket, name: &str) -> Result<u32> {
    let missing =
        || sys::Error::new(format!("cannot find interface `{name}` in the container"), Errno::NODEV);
    Ok(socket.find_index(name)?.ok_or_else(missing)?)
}

/// Says what interfaces of the container get; called inside.
fn interfaces(socket: &Socket, endpoints: &[Endpoint], ipv6: bool) -> Result<Batch> {
    let mut batch = Batch::new();
    for endpoint in endpoints {
        let name = &endpoint.interface;
        let index = index_inside(socket, name)?;
        if ipv6 {
            set_ipv6(&mut batch, endpoint)?;
        }
        start_link(&mut batch, name);
        for address in endpoint.addresses.iter().filter(|address| address.is_ipv4() || ipv6) {
            new_address(&mut batch, index, *address);
        }
        if ipv6 && speaks_ipv6(endpoint) {
            // The one that the kernel would choose cannot be used before it has asked around for a second.
            new_address(&mut batch, index, Cidr { address: link_local(endpoint.mac).into(), prefix: 64 });
        }
        for gateway in endpoint.gateways.iter().filter(|gateway| gateway.is_ipv4() || ipv6) {
            new_default_route(&mut batch, index, *gateway);
        }
    }
    Ok(batch)
}

fn speaks_ipv6(endpoint: &Endpoint) -> bool {
    endpoint.addresses.iter().any(|address| !address.is_ipv4())
}

/// Decides about IPv6 of an interface, before it is up. Without an address of IPv6 it gets not even one that is valid on
/// the network alone (CVE-2024-32473). On a bridge it is enough that the kernel gives it none: nobody there may say that
/// he is a router, and an address that root inside sets is not let through. Elsewhere routers are heard, and IPv6 is
/// switched off. A switch is looked for among those of all network namespaces (`proc_sys_compare`), which takes a
/// millisecond where there are a thousand.
fn set_ipv6(batch: &mut Batch, endpoint: &Endpoint) -> Result<()> {
    let name = &endpoint.interface;
    match (&endpoint.link, speaks_ipv6(endpoint)) {
        (_, true) => set_interface("ipv6", name, "accept_ra", "0")?,
        (Link::Macvlan { .. }, false) => return set_interface("ipv6", name, "disable_ipv6", "1"),
        (Link::Bridge { .. }, false) => {}
    }
    no_own_address(batch, name, endpoint.mtu);
    Ok(())
}

/// Leads questions to the resolver's port: nobody holds port 53, so that a program may. Called inside.
fn lead_questions(port: u16) -> Result<()> {
    let socket = Socket::open(Subject::Netfilter)?;
    let table = question_table(port);
    let mut batch = Batch::new();
    create_table(&mut batch, &table);
    match socket.send(batch)?.into_iter().next() {
        None => Ok(()),
        Some(refusal) if refusal.errno == Errno::EXIST => {
            let mut batch = Batch::new();
            replace_table(&mut batch, &table);
            socket.apply(batch)
        }
        Some(refusal) => Err(refusal.into()),
    }
}

/// Returns the one table inside. A new destination and not a redirection: that would lead to 127.0.0.1.
fn question_table(port: u16) -> Table {
    let rule = |protocol: Protocol| Rule {
        comment: "questions for names",
        expressions: vec![
            Expression::Load {
                register: 0,
                source: Source::Header { base: Base::Network, offset: 16, length: 4 },
            },
            Expression::Equals { register: 0, value: RESOLVER.octets().to_vec() },
            Expression::Load { register: 0, source: Source::Protocol },
            Expression::Equals { register: 0, value: vec![protocol.number()] },
            Expression::Load {
                register: 0,
                source: Source::Header { base: Base::Transport, offset: 2, length: 2 },
            },
            Expression::Equals { register: 0, value: 53u16.to_be_bytes().to_vec() },
            Expression::Constant { register: 0, value: RESOLVER.octets().to_vec() },
            Expression::Constant { register: 1, value: port.to_be_bytes().to_vec() },
            Expression::Destination { family: Family::Ipv4, address: 0, port: 1 },
        ],
    };
    Table {
        family: Family::Ipv4,
        name: "coracle".into(),
        sets: Vec::new(),
        chains: vec![Chain {
            name: "questions",
            hook: Some(Hook { kind: "nat", number: OUTPUT, priority: -100 }),
            rules: vec![rule(Protocol::Udp), rule(Protocol::Tcp)],
        }],
    }
}
