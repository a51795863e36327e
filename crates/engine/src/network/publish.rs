//! Published ports: from what was asked to sockets that hold them.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};

use network::{Endpoint, HeldPort, Link, PortRule, Protocol, State, everywhere};
use rustix::io::Errno;

use super::place::{free_the_dead, named};
use super::record::{Driver, NetworkRecord};
use crate::container::ContainerRecord;
use crate::error::{Error, Result};
use crate::paths::{Engine, Firewall};
use crate::request::{PortRange, PublishRequest};

/// How often a free port is looked for that both families have.
const ATTEMPTS: usize = 16;

/// One port of the container, and where it may be published.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    protocol: Protocol,
    container: u16,
    /// Absent: all of the host's addresses.
    host_ip: Option<IpAddr>,
    /// Any one of these; 0 is whatever is free.
    host: Vec<u16>,
}

/// Addresses of the container, a family each, and where ports are published unless asked otherwise.
struct Target {
    ipv4: Option<IpAddr>,
    ipv6: Option<IpAddr>,
    binding: Option<IpAddr>,
}

/// Holds all ports that a container publishes.
pub(super) fn hold(
    engine: &Engine,
    record: &ContainerRecord,
    endpoints: &[Endpoint],
    networks: &[NetworkRecord],
) -> Result<Vec<HeldPort>> {
    let wanted = wanted(record);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let Some(target) = target(endpoints, networks) else { return Ok(Vec::new()) };
    State::new(engine.run_root()).expect_ports(&record.id)?;
    let holder = Holder { engine, record, target, looked: Cell::new(false) };
    with_open_files(2 * wanted.len(), || {
        let mut held = Vec::new();
        for wanted in &wanted {
            held.extend(holder.one(wanted)?);
        }
        Ok(held)
    })
}

/// Holds ports for one container.
struct Holder<'a> {
    engine: &'a Engine,
    record: &'a ContainerRecord,
    target: Target,
    /// Whether claims of the dead were looked for: once is enough.
    looked: Cell<bool>,
}

/// Runs `body` with room for so many more open files. What is open stays open where the limit is lower again.
fn with_open_files<T>(more: usize, body: impl FnOnce() -> Result<T>) -> Result<T> {
    /// Enough for all else that a start has open.
    const OTHERS: u64 = 200;
    const KIND: u32 = libc::RLIMIT_NOFILE as u32;
    let failed = |error| sys::Error::new("cannot change the limit of open files", error);
    let (soft, hard) = sys::process::rlimit(0, KIND).map_err(failed)?;
    if more as u64 + OTHERS <= soft {
        return body();
    }
    sys::process::set_rlimit(0, KIND, hard, hard).map_err(failed)?;
    let result = body();
    sys::process::set_rlimit(0, KIND, soft, hard).map_err(failed)?;
    result
}

/// The first network that leads outside takes the ports; macvlan needs none, its containers have addresses of the
/// network outside.
fn target(endpoints: &[Endpoint], networks: &[NetworkRecord]) -> Option<Target> {
    let open = endpoints.iter().find(|endpoint| match &endpoint.link {
        Link::Bridge { rules, .. } => !rules.internal,
        Link::Macvlan { .. } => false,
    })?;
    let network = networks.iter().find(|network| network.id == open.network_id)?;
    let address =
        |ipv4: bool| open.addresses.iter().map(|cidr| cidr.address).find(|address| address.is_ipv4() == ipv4);
    let binding = match &network.driver {
        Driver::Bridge { host_binding, .. } => *host_binding,
        _ => None,
    };
    Some(Target { ipv4: address(true), ipv6: address(false), binding })
}

/// Spreads ranges, and adds what `-P` publishes.
fn wanted(record: &ContainerRecord) -> Vec<Wanted> {
    let request = &record.request;
    let mut list: Vec<Wanted> = request.publish.iter().flat_map(spread).collect();
    if request.publish_all {
        for (container, protocol) in exposed(record) {
            if !list.iter().any(|wanted| (wanted.container, wanted.protocol) == (container, protocol)) {
                list.push(Wanted { protocol, container, host_ip: None, host: vec![0] });
            }
        }
    }
    list
}

fn spread(asked: &PublishRequest) -> Vec<Wanted> {
    let count = |range: PortRange| range.last - range.first;
    let one = |container: u16, host: Vec<u16>| Wanted {
        protocol: asked.protocol,
        container,
        host_ip: asked.host_ip,
        host,
    };
    let containers = asked.container.first..=asked.container.last;
    match asked.host {
        None => containers.map(|container| one(container, vec![0])).collect(),
        Some(host) if count(host) == count(asked.container) => containers
            .zip(host.first..=host.last)
            .map(|(container, host)| one(container, vec![host]))
            .collect(),
        // One port of the container at whichever of several is free.
        Some(host) => vec![one(asked.container.first, (host.first..=host.last).collect())],
    }
}

/// Lists the ports that image and request say are served.
pub(crate) fn exposed(record: &ContainerRecord) -> Vec<(u16, Protocol)> {
    let mut ports: Vec<(u16, Protocol)> =
        record.exposed_ports.iter().flat_map(|text| parse_exposed(text)).collect();
    for asked in &record.request.expose {
        ports.extend((asked.ports.first..=asked.ports.last).map(|port| (port, asked.protocol)));
    }
    // A published port is served as well.
    for asked in &record.request.publish {
        ports.extend((asked.container.first..=asked.container.last).map(|port| (port, asked.protocol)));
    }
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Reads `80`, `80/tcp` or `8000-8010/udp` of an image's configuration; what does not read exposes nothing.
fn parse_exposed(text: &str) -> Vec<(u16, Protocol)> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (first.parse::<u16>(), last.parse::<u16>(), protocol.parse()) {
        (Ok(first @ 1..), Ok(last), Ok(protocol)) => (first..=last).map(|port| (port, protocol)).collect(),
        _ => Vec::new(),
    }
}

impl Holder<'_> {
    /// Holds one port, in both families where it is asked for everywhere.
    fn one(&self, wanted: &Wanted) -> Result<Vec<HeldPort>> {
        let mut last = None;
        for host in &wanted.host {
            let attempts = if *host == 0 { ATTEMPTS } else { 1 };
            for _ in 0..attempts {
                match self.both(wanted, *host) {
                    Err(error @ network::Error::PortTaken { .. }) => last = Some(error),
                    Err(error) => return Err(named(self.engine, error)),
                    Ok(held) => return Ok(held),
                }
            }
        }
        let error = last.map(|error| named(self.engine, error));
        let error = error.unwrap_or_else(|| Error::invalid("no port of the host was named"));
        Err(error.hint("publish it at another port of the host, or stop who has it"))
    }

    fn both(&self, wanted: &Wanted, port: u16) -> network::Result<Vec<HeldPort>> {
        let target = &self.target;
        let through_host = self.engine.firewall == Firewall::Host;
        let container = |ipv4: bool| if ipv4 { target.ipv4 } else { target.ipv6.or(target.ipv4) };
        let rule = |host: IpAddr, port: u16| {
            let container = SocketAddr::new(container(host.is_ipv4())?, wanted.container);
            Some(PortRule {
                through_host,
                ..PortRule::new(wanted.protocol, SocketAddr::new(host, port), container)
            })
        };
        if let Some(host) = wanted.host_ip.or(target.binding).filter(|ip| !is_everywhere(*ip, wanted)) {
            let Some(rule) = rule(host, port) else { return Ok(Vec::new()) };
            return Ok(vec![self.claim(rule)?]);
        }
        let Some(first) = rule(everywhere(true), port) else { return Ok(Vec::new()) };
        let first = self.claim(first)?;
        let mut held = Vec::new();
        if let Some(second) = rule(everywhere(false), first.rule.host.port()) {
            match self.claim(second) {
                Ok(second) => held.push(second),
                // A host without IPv6.
                Err(network::Error::System(error))
                    if matches!(error.errno(), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)) => {}
                Err(error) => {
                    let state = State::new(self.engine.run_root());
                    state.release_ports(&self.record.id, &[first.rule])?;
                    return Err(error);
                }
            }
        }
        held.insert(0, first);
        Ok(held)
    }

    fn claim(&self, rule: PortRule) -> network::Result<HeldPort> {
        let state = State::new(self.engine.run_root());
        match network::hold(&state, rule, &self.record.id) {
            Err(network::Error::PortTaken { .. }) if rule.host.port() != 0 && !self.looked.replace(true) => {
                // Whether or not that was possible: the second try tells.
                let _ = free_the_dead(self.engine);
                network::hold(&state, rule, &self.record.id)
            }
            other => other,
        }
    }
}

/// A network's binding of 0.0.0.0 stands for both families, as no address does; one that was typed is meant.
fn is_everywhere(ip: IpAddr, wanted: &Wanted) -> bool {
    wanted.host_ip.is_none() && ip.is_unspecified()
}

/// Shows ports as `ps` does: `0.0.0.0:80->80/tcp, [::]:80->80/tcp, 443/tcp`; neighbours in one range.
pub(super) fn told(ports: &[PortRule], exposed: &[(u16, Protocol)]) -> String {
    let mut rows: Vec<(Option<SocketAddr>, u16, Protocol)> =
        ports.iter().map(|rule| (Some(rule.host), rule.container.port(), rule.protocol)).collect();
    for (port, protocol) in exposed {
        if !rows.iter().any(|(_, known, of)| (known, of) == (port, protocol)) {
            rows.push((None, *port, *protocol));
        }
    }
    rows.sort_by_key(|(host, port, protocol)| {
        (*protocol, host.is_none(), host.map(|host| host.ip()), *port, host.map(|host| host.port()))
    });
    let mut shown: Vec<String> = Vec::new();
    let mut rest = rows.as_slice();
    while let Some((host, port, protocol)) = rest.first() {
        let follows = |(index, row): (usize, &(Option<SocketAddr>, u16, Protocol))| {
            let offset = index as u32;
            let same_host = match (row.0, host) {
                (Some(one), Some(other)) => {
                    one.ip() == other.ip() && u32::from(one.port()) == u32::from(other.port()) + offset
                }
                (None, None) => true,
                _ => false,
            };
            same_host && u32::from(row.1) == u32::from(*port) + offset && row.2 == *protocol
        };
        let count = rest.iter().enumerate().take_while(|(index, row)| follows((*index, row))).count().max(1);
        let range = |first: u16| match count {
            1 => first.to_string(),
            _ => format!("{first}-{}", u32::from(first) + count as u32 - 1),
        };
        shown.push(match host {
            Some(host) => {
                let ip = if host.is_ipv4() { host.ip().to_string() } else { format!("[{}]", host.ip()) };
                format!("{ip}:{}->{}/{protocol}", range(host.port()), range(*port))
            }
            None => format!("{}/{protocol}", range(*port)),
        });
        rest = &rest[count..];
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use network::{PortRule, Protocol};

    use super::{parse_exposed, spread, told};
    use crate::request::{PortRange, PublishRequest};

    #[test]
    fn ranges_are_spread() {
        let range = |first, last| PortRange { first, last };
        let asked =
            |host, container| PublishRequest { host_ip: None, host, container, protocol: Protocol::Tcp };
        let spread = |asked: PublishRequest| -> Vec<(u16, Vec<u16>)> {
            spread(&asked).into_iter().map(|wanted| (wanted.container, wanted.host)).collect()
        };
        assert_eq!(spread(asked(None, range(80, 80))), [(80, vec![0])]);
        assert_eq!(spread(asked(Some(range(8080, 8080)), range(80, 80))), [(80, vec![8080])]);
        assert_eq!(
            spread(asked(Some(range(8080, 8081)), range(80, 81))),
            [(80, vec![8080]), (81, vec![8081])]
        );
        assert_eq!(spread(asked(Some(range(8080, 8082)), range(80, 80))), [(80, vec![8080, 8081, 8082])]);
    }

    #[test]
    fn what_an_image_exposes() {
        assert_eq!(parse_exposed("80/tcp"), [(80, Protocol::Tcp)]);
        assert_eq!(parse_exposed("53/udp"), [(53, Protocol::Udp)]);
        assert_eq!(parse_exposed("80"), [(80, Protocol::Tcp)]);
        assert_eq!(parse_exposed("80-82/tcp").len(), 3);
        for text in ["", "x", "0/tcp", "80/sctp", "70000/tcp", "82-80/tcp"] {
            assert!(parse_exposed(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn ports_are_shown_as_docker_shows_them() {
        let rule = |host: &str, container: &str| {
            PortRule::new(Protocol::Tcp, host.parse().unwrap(), container.parse().unwrap())
        };
        let ports = [
            rule("0.0.0.0:8081", "10.0.0.2:81"),
            rule("0.0.0.0:8080", "10.0.0.2:80"),
            rule("[::]:8080", "10.0.0.2:80"),
            rule("127.0.0.1:9000", "10.0.0.2:9"),
        ];
        assert_eq!(
            told(&ports, &[(80, Protocol::Tcp), (443, Protocol::Tcp), (53, Protocol::Udp)]),
            "0.0.0.0:8080-8081->80-81/tcp, 127.0.0.1:9000->9/tcp, [::]:8080->80/tcp, 443/tcp, 53/udp"
        );
        assert_eq!(told(&[], &[]), "");
    }
}
