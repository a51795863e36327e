//! Links, addresses and routes that there are, read by dumps.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Errno;

use crate::Cidr;
use crate::error::Result;
use crate::route::{
    GET_ADDRESS, GET_LINK, GET_ROUTE, IPV4, IPV6, MAIN, NEW_ADDRESS, UNICAST, UP, header, link,
};
use crate::route::{NEW_LINK, NEW_ROUTE};
use crate::socket::Socket;
use crate::wire::{Batch, DUMP, Message, attribute, text_of, u32_of};

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkListed {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) up: bool,
    /// It carries frames: it is up, and so is what it is connected to.
    pub(crate) carries: bool,
    /// Index of the bridge that it is a port of.
    pub(crate) master: Option<u32>,
    /// Such as "bridge"; none for hardware.
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressListed {
    pub(crate) index: u32,
    pub(crate) address: Cidr,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteListed {
    pub(crate) destination: Cidr,
    pub(crate) index: u32,
    /// Who made it (rtnetlink(7), `rtm_protocol`).
    pub(crate) protocol: u8,
}

/// Counters are most of an answer, and nobody reads them (Linux 4.4).
const WITHOUT_COUNTERS: u32 = 8;

/// Looks at one interface; none if there is no such.
pub(crate) fn find_link(socket: &Socket, name: &str) -> Result<Option<LinkListed>> {
    let mut request = Batch::new();
    request.message(GET_LINK, 0, &header(0, 0), format!("look at interface `{name}`"));
    request.put_u32(link::MASK, WITHOUT_COUNTERS).put_text(link::NAME, name);
    match socket.ask(request, link_of) {
        Err(error) if error.errno() == Some(Errno::NODEV) => Ok(None),
        other => other,
    }
}

impl Socket {
    /// Returns the number of an interface that must be there.
    pub(crate) fn index_of(&self, name: &str) -> Result<u32> {
        let missing = || sys::Error::new(format!("cannot find interface `{name}`"), Errno::NODEV);
        Ok(self.find_index(name)?.ok_or_else(missing)?)
    }

    /// Returns the number of an interface; none if there is no such. What cannot be asked is no absence.
    ///
    /// Not by SIOCGIFINDEX: for a name that is not there the kernel then starts modprobe, twice, and waits for it
    /// (`dev_load` in net/core/dev_ioctl.c). Most names that are asked for are not there.
    pub(crate) fn find_index(&self, name: &str) -> Result<Option<u32>> {
        Ok(find_link(self, name)?.map(|link| link.index))
    }
}

/// Returns when an interface carries frames, or is gone. The kernel notices that the other end of a pair has come up by
/// a work item (net/core/link_watch.c), milliseconds later on a busy machine; what is sent until then is dropped, and a
/// program that began with a question would wait for seconds. Since Linux 6.8 looking runs that work at once; before, it
/// is awaited for a tenth of a second at most.
pub(crate) fn await_carrier(socket: &Socket, name: &str) -> Result<()> {
    const LOOKS: usize = 100;
    for _ in 0..LOOKS {
        if find_link(socket, name)?.is_none_or(|link| link.carries) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Lists all interfaces.
pub(crate) fn list_links(socket: &Socket) -> Result<Vec<LinkListed>> {
    links(socket, None)
}

/// Lists the ports of a bridge.
pub(crate) fn list_ports(socket: &Socket, bridge: u32) -> Result<Vec<LinkListed>> {
    links(socket, Some(bridge))
}

fn links(socket: &Socket, master: Option<u32>) -> Result<Vec<LinkListed>> {
    sys::netlink::check_strictly(socket.as_fd())?;
    let mut request = Batch::new();
    request.message(GET_LINK, DUMP, &header(0, 0), "list interfaces").put_u32(link::MASK, WITHOUT_COUNTERS);
    if let Some(master) = master {
        request.put_u32(link::MASTER, master);
    }
    socket.dump(request, |found: &mut Vec<_>, message| found.extend(link_of(message)))
}

fn link_of(message: Message<'_>) -> Option<LinkListed> {
    let body = message.body;
    let mut found = LinkListed {
        index: u32_of(body.get(4..8)?)?,
        name: String::new(),
        up: u32_of(body.get(8..12)?)? & UP != 0,
        carries: false,
        master: None,
        kind: None,
    };
    for (kind, value) in message.attributes(16) {
        match kind {
            link::NAME => found.name = text_of(value),
            link::STATE => found.carries = matches!(value, [link::STATE_UNKNOWN | link::STATE_UP, ..]),
            link::MASTER => found.master = u32_of(value),
            link::INFO => found.kind = attribute(value, link::INFO_KIND).map(text_of),
            _ => {}
        }
    }
    (message.kind == NEW_LINK).then_some(found)
}

/// Lists all addresses of both families.
pub(crate) fn list_addresses(socket: &Socket) -> Result<Vec<AddressListed>> {
    let mut request = Batch::new();
    request.message(GET_ADDRESS, DUMP, &[0; 8], "list addresses");
    socket.dump(request, |found: &mut Vec<_>, message| found.extend(address_of(message)))
}

fn address_of(message: Message<'_>) -> Option<AddressListed> {
    const ADDRESS: u16 = 1;
    const LOCAL: u16 = 2;
    let body = message.body;
    let (family, prefix) = (*body.first()?, *body.get(1)?);
    let index = u32_of(body.get(4..8)?)?;
    // With a peer the address proper is another one; IPv6 has none of that kind otherwise.
    let value = |wanted| message.attributes(8).find(|(kind, _)| *kind == wanted);
    let (_, value) = value(LOCAL).or_else(|| value(ADDRESS))?;
    let address = Cidr::new(address(family, value)?, prefix)?;
    (message.kind == NEW_ADDRESS).then_some(AddressListed { index, address })
}

/// Lists the routes of the main table to single hosts or networks, default routes too.
pub(crate) fn list_routes(socket: &Socket) -> Result<Vec<RouteListed>> {
    let mut request = Batch::new();
    request.message(GET_ROUTE, DUMP, &[0; 12], "list routes");
    socket.dump(request, |found: &mut Vec<_>, message| found.extend(routes_of(message)))
}

fn routes_of(message: Message<'_>) -> Vec<RouteListed> {
    const DESTINATION: u16 = 1;
    const INTERFACE: u16 = 4;
    const SEVERAL: u16 = 9;
    const TABLE: u16 = 15;
    let body = message.body;
    let [family, prefix, _, _, table, protocol, _, kind, ..] = *body else { return Vec::new() };
    let find = |wanted| message.attributes(12).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let table = find(TABLE).and_then(u32_of).unwrap_or(table.into());
    let known = matches!(family, IPV4 | IPV6);
    if !known || message.kind != NEW_ROUTE || table != u32::from(MAIN) || kind != UNICAST {
        return Vec::new();
    }
    let everywhere = crate::ports::everywhere(family == IPV4);
    let destination = find(DESTINATION).and_then(|value| address(family, value)).unwrap_or(everywhere);
    let Some(destination) = Cidr::new(destination, prefix) else { return Vec::new() };
    let mut indices: Vec<u32> = find(INTERFACE).and_then(u32_of).into_iter().collect();
    // Several next hops: `struct rtnexthop`, its length first, its interface in the second word.
    let mut hops = find(SEVERAL).unwrap_or_default();
    while let Some(hop) = hops.get(..8) {
        indices.extend(u32_of(&hop[4..]));
        let length = usize::from(u16::from_ne_bytes([hop[0], hop[1]]));
        hops = hops.get(length.max(8).next_multiple_of(4)..).unwrap_or_default();
    }
    indices.into_iter().map(|index| RouteListed { destination, index, protocol }).collect()
}

fn address(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        IPV4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?).into()),
        IPV6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?).into()),
        _ => None,
    }
}
