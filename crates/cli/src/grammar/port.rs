//! Ports: `--publish`, `--expose`, the filters of `ps` and the second word of `port`.

use std::net::IpAddr;

use engine::request::{ExposedPorts, PortRange, Protocol, PublishRequest};

use super::{Invalid, Read};

const FORM: &str = "write [IP:][HOST_PORT:]CONTAINER_PORT[/PROTOCOL], such as 127.0.0.1:8080:80/tcp";
const PORTS: &str = "write PORT or FIRST-LAST, of 1 to 65535, and /tcp or /udp behind it";

/// Reads the value of `--publish`: the short form, or `published=8080,target=80,protocol=tcp`.
pub(crate) fn parse_publish(text: &str) -> Read<PublishRequest> {
    if text.contains('=') { parse_long(text) } else { parse_short(text) }
}

fn parse_short(text: &str) -> Read<PublishRequest> {
    // An IPv6 address has colons of its own, so that the ports are found from the end.
    let (front, container) = text.rsplit_once(':').unwrap_or(("", text));
    let (address, host) = match front.rsplit_once(':') {
        Some((address, host)) => (address, host),
        None => ("", front),
    };
    let (container, protocol) = container.split_once('/').unwrap_or((container, ""));
    publish(text, address, host, container, protocol)
}

fn parse_long(text: &str) -> Read<PublishRequest> {
    let (mut host, mut container, mut protocol) = ("", "", "");
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        match key {
            "published" => host = value,
            "target" => container = value,
            "protocol" => protocol = value,
            // Both mean the same where there is no swarm.
            "mode" if matches!(value, "host" | "ingress") => {}
            _ => {
                return Err(Invalid::new(format!("invalid field '{field}' of a published port"))
                    .hint("write published=8080,target=80,protocol=tcp, or 8080:80/tcp"));
            }
        }
    }
    publish(text, "", host, container, protocol)
}

fn publish(text: &str, address: &str, host: &str, container: &str, protocol: &str) -> Read<PublishRequest> {
    let protocol = parse_protocol(protocol)?;
    let host_ip = parse_address(address)?;
    if container.is_empty() {
        return Err(Invalid::new(format!("no port specified: {text}<empty>")).hint(FORM));
    }
    let range = parse_range(container)
        .filter(|range| range.first > 0)
        .ok_or_else(|| Invalid::new(format!("invalid containerPort: {container}")).hint(FORM))?;
    let host = match host {
        "" | "0" => None,
        _ => Some(
            parse_range(host)
                .filter(|range| range.first > 0)
                .ok_or_else(|| Invalid::new(format!("invalid hostPort: {host}")).hint(FORM))?,
        ),
    };
    // One port of the container may take a free one out of a range of the host's.
    if let Some(host) = host
        && range.first != range.last
        && range.last - range.first != host.last - host.first
    {
        return Err(Invalid::new(format!(
            "invalid ranges specified for container and host Ports: {} and {}",
            shown(range),
            shown(host)
        ))
        .hint("both ranges must have as many ports"));
    }
    Ok(PublishRequest { host_ip, host, container: range, protocol })
}

fn parse_address(text: &str) -> Read<Option<IpAddr>> {
    if text.is_empty() {
        return Ok(None);
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let read = match bare {
        // Brackets are for IPv6 alone.
        Some(bare) => bare.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    };
    match read {
        Some(address) => Ok(Some(address)),
        None => Err(Invalid::new(format!("invalid IP address: {text}")).hint(
            "write an address of this host, an IPv6 one in brackets: 127.0.0.1:8080:80, [::1]:8080:80",
        )),
    }
}

fn shown(range: PortRange) -> String {
    if range.first == range.last {
        range.first.to_string()
    } else {
        format!("{}-{}", range.first, range.last)
    }
}

/// Reads `PORT` or `FIRST-LAST`, 0 included.
fn parse_range(text: &str) -> Option<PortRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = PortRange { first: parse_number(first)?, last: parse_number(last)? };
    (range.first <= range.last).then_some(range)
}

fn parse_number(text: &str) -> Option<u16> {
    // Rust reads a sign too.
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn parse_protocol(text: &str) -> Read<Protocol> {
    match text.to_ascii_lowercase().as_str() {
        "" | "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Err(Invalid::new("protocol `sctp` is not supported: the engine forwards TCP and UDP")
            .hint("use tcp or udp")),
        _ => Err(Invalid::new(format!("invalid proto: {text}")).hint("use tcp or udp")),
    }
}

/// Reads the value of `--expose`.
pub(crate) fn parse_expose(text: &str) -> Read<ExposedPorts> {
    if text.contains(':') {
        return Err(Invalid::new(format!("invalid port format for --expose: {text}"))
            .hint("--expose takes ports of the container alone; --publish takes those of the host too"));
    }
    parse_ports(text, "invalid range format for --expose")
}

/// Reads the value of the filter `publish` or `expose`.
pub(crate) fn parse_filter(name: &str, text: &str) -> Read<ExposedPorts> {
    parse_ports(text, &format!("invalid filter '{name}'"))
}

fn parse_ports(text: &str, fault: &str) -> Read<ExposedPorts> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, ""));
    let protocol = parse_protocol(protocol)?;
    match parse_range(ports).filter(|range| range.first > 0) {
        Some(ports) => Ok(ExposedPorts { ports, protocol }),
        None => Err(Invalid::new(format!("{fault}: {text}")).hint(PORTS)),
    }
}

/// Reads one port of a container: `PORT[/PROTOCOL]`.
pub(crate) fn parse_private(text: &str) -> Read<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, ""));
    match parse_number(port).filter(|port| *port > 0) {
        Some(port) => Ok((port, parse_protocol(protocol)?)),
        None => Err(Invalid::new(format!("invalid port ({text})"))
            .hint("write a port of the container, such as 80 or 53/udp")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::table;
    use super::*;

    fn show(text: &str) -> Read<String> {
        let PublishRequest { host_ip, host, container, protocol } = parse_publish(text)?;
        let ip = host_ip.map_or("*".to_owned(), |ip| ip.to_string());
        let host = host.map_or("free".to_owned(), shown);
        Ok(format!("{ip} {host} > {} {protocol}", shown(container)))
    }

    #[test]
    fn published() {
        let rows = [
            ("80", "\"* free > 80 tcp\""),
            ("80/udp", "\"* free > 80 udp\""),
            ("80/UDP", "\"* free > 80 udp\""),
            ("80/", "\"* free > 80 tcp\""),
            ("8080:80", "\"* 8080 > 80 tcp\""),
            (":80", "\"* free > 80 tcp\""),
            ("0:80", "\"* free > 80 tcp\""),
            ("65535:1", "\"* 65535 > 1 tcp\""),
            ("127.0.0.1:8080:80/tcp", "\"127.0.0.1 8080 > 80 tcp\""),
            ("127.0.0.1::80", "\"127.0.0.1 free > 80 tcp\""),
            ("0.0.0.0:53:53/udp", "\"0.0.0.0 53 > 53 udp\""),
            ("[::1]:8080:80", "\"::1 8080 > 80 tcp\""),
            ("[::]::80", "\":: free > 80 tcp\""),
            ("::1:8080:80", "\"::1 8080 > 80 tcp\""),
            ("fe80::1::80", "\"fe80::1 free > 80 tcp\""),
            ("80-82", "\"* free > 80-82 tcp\""),
            ("8080-8082:80-82/udp", "\"* 8080-8082 > 80-82 udp\""),
            ("8080-8090:80", "\"* 8080-8090 > 80 tcp\""),
            ("127.0.0.1:8080-8082:80-82", "\"127.0.0.1 8080-8082 > 80-82 tcp\""),
            ("published=8080,target=80,protocol=udp", "\"* 8080 > 80 udp\""),
            ("target=80,mode=host", "\"* free > 80 tcp\""),
        ];
        table(show, &rows);
    }

    #[test]
    fn published_badly() {
        let rows = [
            ("", "!no port specified: <empty>"),
            ("8080:", "!no port specified: 8080:<empty>"),
            ("127.0.0.1:8080:", "!no port specified: 127.0.0.1:8080:<empty>"),
            ("/tcp", "!no port specified: /tcp<empty>"),
            ("x", "!invalid containerPort: x"),
            ("0", "!invalid containerPort: 0"),
            ("-1", "!invalid containerPort: -1"),
            ("+80", "!invalid containerPort: +80"),
            ("8080:65536", "!invalid containerPort: 65536"),
            ("82-80", "!invalid containerPort: 82-80"),
            ("80-", "!invalid containerPort: 80-"),
            ("8080: 80", "!invalid containerPort:  80"),
            ("x:80", "!invalid hostPort: x"),
            ("0-5:80", "!invalid hostPort: 0-5"),
            ("99999:80", "!invalid hostPort: 99999"),
            ("1-2:80-82", "!invalid ranges specified for container and host Ports: 80-82 and 1-2"),
            ("8080:80-82", "!invalid ranges specified for container and host Ports: 80-82 and 8080"),
            ("localhost:80:80", "!invalid IP address: localhost"),
            ("[::1:80:80", "!invalid IP address: [::1"),
            ("[127.0.0.1]:80:80", "!invalid IP address: [127.0.0.1]"),
            ("256.0.0.1:80:80", "!invalid IP address: 256.0.0.1"),
            ("fe80::1%eth0:80:80", "!invalid IP address: fe80::1%eth0"),
            ("80/sctp", "!protocol `sctp` is not supported: the engine forwards TCP and UDP"),
            ("80/foo", "!invalid proto: foo"),
            ("80/tcp/udp", "!invalid proto: tcp/udp"),
            ("published=8080", "!no port specified: published=8080<empty>"),
            ("target=80,foo=1", "!invalid field 'foo=1' of a published port"),
            ("target=80,mode=x", "!invalid field 'mode=x' of a published port"),
        ];
        table(show, &rows);
        for (text, _) in rows {
            assert!(parse_publish(text).unwrap_err().hint_text().is_some(), "{text}");
        }
    }

    #[test]
    fn exposed_and_private() {
        let show = |text: &str| parse_expose(text).map(|e| format!("{} {}", shown(e.ports), e.protocol));
        let rows = [
            ("80", "\"80 tcp\""),
            ("80-90/udp", "\"80-90 udp\""),
            ("80:80", "!invalid port format for --expose: 80:80"),
            ("90-80", "!invalid range format for --expose: 90-80"),
            ("0", "!invalid range format for --expose: 0"),
            ("", "!invalid range format for --expose: "),
            ("80/sctp", "!protocol `sctp` is not supported: the engine forwards TCP and UDP"),
        ];
        table(show, &rows);
        let private = [
            ("80", "(80, Tcp)"),
            ("53/udp", "(53, Udp)"),
            ("0", "!invalid port (0)"),
            ("80-81", "!invalid port (80-81)"),
            ("http", "!invalid port (http)"),
            ("80/x", "!invalid proto: x"),
        ];
        table(parse_private, &private);
        let filter = |text: &str| parse_filter("publish", text).map(|e| shown(e.ports));
        table(filter, &[("80-81/udp", "\"80-81\""), ("x", "!invalid filter 'publish': x")]);
    }
}
