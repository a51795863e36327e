//! Remembered flows (ctnetlink). A flow of UDP has no end: one to a published port goes on leading to where it led
//! before, if it is not forgotten when the port comes or goes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sys::netlink::Subject;

use crate::error::Result;
use crate::route::list_addresses;
use crate::socket::Socket;
use crate::wire::{Batch, DUMP, attribute, attributes};
use crate::{PortRule, Protocol};

const SUBSYSTEM: u16 = 1 << 8;
const NEW: u16 = SUBSYSTEM;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;

const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const ZONE: u16 = 18;

/// A remembered flow.
#[derive(Debug)]
struct Flow {
    family: u8,
    protocol: u8,
    destination: SocketAddr,
    /// Who answers.
    answering: SocketAddr,
    /// As the kernel wrote them.
    tuple: Vec<u8>,
    zone: Option<Vec<u8>>,
}

/// Forgets flows of UDP to published ports, wherever they led. What nobody remembers is fine.
pub(crate) fn forget(socket: &Socket, ports: &[PortRule]) -> Result<()> {
    let datagrams: Vec<&PortRule> = ports.iter().filter(|port| port.protocol == Protocol::Udp).collect();
    if datagrams.is_empty() {
        return Ok(());
    }
    let flows = list(socket)?;
    let mut own = None;
    for flow in flows {
        let mut concerned = false;
        for port in &datagrams {
            concerned |= flow.answering == port.container || leads_to(&flow, port, &mut own)?;
        }
        if concerned {
            let mut batch = Batch::new();
            batch.message(DELETE, 0, &[flow.family, 0, 0, 0], "forget a flow to a published port");
            batch.put(ORIGINAL | 0x8000, &flow.tuple);
            if let Some(zone) = &flow.zone {
                batch.put(ZONE, zone);
            }
            // It may have ended by itself.
            socket.exchange(batch)?;
        }
    }
    Ok(())
}

/// Whether a flow was to a port of the host. Another machine may have a port of that number too.
fn leads_to(flow: &Flow, port: &PortRule, own: &mut Option<Vec<IpAddr>>) -> Result<bool> {
    let same = flow.protocol == port.protocol.number()
        && flow.destination.port() == port.host.port()
        && flow.destination.is_ipv4() == port.host.is_ipv4();
    if !same || !port.host.ip().is_unspecified() {
        return Ok(same && flow.destination.ip() == port.host.ip());
    }
    if flow.destination.ip().is_loopback() {
        return Ok(true);
    }
    if own.is_none() {
        let listed = list_addresses(&Socket::open(Subject::Route)?)?;
        *own = Some(listed.into_iter().map(|listed| listed.address.address).collect());
    }
    Ok(own.as_ref().is_some_and(|own| own.contains(&flow.destination.ip())))
}

fn list(socket: &Socket) -> Result<Vec<Flow>> {
    let mut request = Batch::new();
    request.message(GET, DUMP, &[0; 4], "list flows");
    socket.dump(request, |found: &mut Vec<_>, message| {
        if message.kind == NEW {
            found.extend(flow_of(message.body));
        }
    })
}

fn flow_of(body: &[u8]) -> Option<Flow> {
    let family = *body.first()?;
    let rest = body.get(4..)?;
    let tuple = attribute(rest, ORIGINAL)?;
    let (protocol, _, destination) = ends(tuple)?;
    let (_, answering, _) = ends(attribute(rest, REPLY)?)?;
    (protocol == Protocol::Udp.number()).then(|| Flow {
        family,
        protocol,
        destination,
        answering,
        tuple: tuple.to_vec(),
        zone: attribute(rest, ZONE).map(<[u8]>::to_vec),
    })
}

/// Reads protocol, source and destination of one direction.
fn ends(tuple: &[u8]) -> Option<(u8, SocketAddr, SocketAddr)> {
    let (mut source, mut destination) = (None, None);
    for (kind, value) in attributes(attribute(tuple, 1)?) {
        match kind {
            1 => source = Some(IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?))),
            2 => destination = Some(IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?))),
            3 => source = Some(IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?))),
            4 => destination = Some(IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?))),
            _ => {}
        }
    }
    let ports = attribute(tuple, 2)?;
    let port = |kind| {
        let value: [u8; 2] = attribute(ports, kind)?.try_into().ok()?;
        Some(u16::from_be_bytes(value))
    };
    let protocol = *attribute(ports, 1)?.first()?;
    Some((protocol, SocketAddr::new(source?, port(2)?), SocketAddr::new(destination?, port(3)?)))
}
