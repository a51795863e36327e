//! `--network` and what goes with it: addresses, hardware addresses, aliases, drivers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use engine::request::{DEFAULT_NETWORK, EndpointRequest, Mac};

use super::mount::split_csv;
use super::{Invalid, Read};

/// Why the old links are refused.
pub(crate) const NO_LINKS: &str =
    "containers on one network that the user made find each other by name, and by --network-alias";
/// Why `--link-local-ip` is refused.
pub(crate) const NO_LINK_LOCAL: &str = "the kernel gives an interface its link-local address";
/// Why `--driver-opt` is refused.
pub(crate) const NO_DRIVER_OPTIONS: &str = "drivers take options for a whole network only";
/// Why `--gw-priority` is refused.
pub(crate) const NO_PRIORITY: &str = "the first network has the default route";

/// Reads the value of `--network`: a name, or `name=NETWORK,alias=…,ip=…,ip6=…,mac-address=…`.
pub(crate) fn parse_network(text: &str) -> Read<EndpointRequest> {
    let mut endpoint = EndpointRequest::default();
    if text.contains('=') {
        for field in split_csv(text)? {
            apply(&field, &mut endpoint)?;
        }
    } else {
        text.trim().clone_into(&mut endpoint.network);
    }
    match endpoint.network.as_str() {
        "" => Err(Invalid::new(format!("network name/id is not specified in '{text}'"))
            .hint("write NETWORK, or name=NETWORK,alias=NAME,ip=ADDRESS")),
        "container:" => Err(Invalid::new("`container:` names no container").hint("write container:NAME")),
        "default" => Ok(EndpointRequest { network: DEFAULT_NETWORK.to_owned(), ..endpoint }),
        _ => Ok(endpoint),
    }
}

fn apply(field: &str, endpoint: &mut EndpointRequest) -> Read<()> {
    let Some((key, value)) = field.split_once('=') else {
        return Err(Invalid::new(format!("invalid field '{field}' must be a key=value pair")));
    };
    let value = value.trim();
    let refused = |why| Err(Invalid::new(format!("field `{}` is not supported: {why}", key.trim())));
    match key.trim().to_ascii_lowercase().as_str() {
        "name" => value.clone_into(&mut endpoint.network),
        "alias" => endpoint.aliases.push(parse_alias(value)?),
        "ip" => endpoint.ipv4 = Some(parse_ipv4(value)?),
        "ip6" => endpoint.ipv6 = Some(parse_ipv6(value)?),
        "mac-address" => endpoint.mac = Some(parse_mac(value)?),
        "link-local-ip" => return refused(NO_LINK_LOCAL),
        "driver-opt" => return refused(NO_DRIVER_OPTIONS),
        "gw-priority" if value != "0" => return refused(NO_PRIORITY),
        "gw-priority" => {}
        _ => {
            return Err(Invalid::new(format!("invalid field key '{key}' in '{field}'"))
                .hint("use name, alias, ip, ip6 or mac-address"));
        }
    }
    Ok(())
}

/// Reads a further name of a container on a network.
pub(crate) fn parse_alias(text: &str) -> Read<String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if text.len() <= 253 && text.split('.').all(label) {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(format!("`{text}` is not a name of a host"))
        .hint("use letters, digits, - and _, in parts of at most 63 that are joined by dots"))
}

/// Reads the value of `--ip`.
pub(crate) fn parse_ipv4(text: &str) -> Read<Ipv4Addr> {
    match text.parse() {
        Ok(IpAddr::V4(address)) => Ok(address),
        Ok(IpAddr::V6(_)) => {
            Err(Invalid::new(format!("`{text}` is not an IPv4 address")).hint("IPv6 addresses go to ip6"))
        }
        Err(_) => Err(Invalid::new(format!("`{text}` is not an IPv4 address"))
            .hint("write an address of the network's subnet, such as 172.30.100.104")),
    }
}

/// Reads the value of `--ip6`.
pub(crate) fn parse_ipv6(text: &str) -> Read<Ipv6Addr> {
    match text.parse() {
        Ok(IpAddr::V6(address)) => Ok(address),
        Ok(IpAddr::V4(_)) => {
            Err(Invalid::new(format!("`{text}` is not an IPv6 address")).hint("IPv4 addresses go to ip"))
        }
        Err(_) => Err(Invalid::new(format!("`{text}` is not an IPv6 address"))
            .hint("write an address of the network's subnet, such as 2001:db8::33")),
    }
}

/// Reads a hardware address.
pub(crate) fn parse_mac(text: &str) -> Read<Mac> {
    text.parse().map_err(|_| {
        Invalid::new(format!("`{text}` is not a hardware address of one interface"))
            .hint("write six bytes, the first of which is even, such as 92:d0:c6:0a:29:33")
    })
}

/// Reads the driver of a new network.
pub(crate) fn parse_driver(text: &str) -> Read<String> {
    let why = match text {
        "bridge" | "macvlan" => return Ok(text.to_owned()),
        "host" | "null" => {
            return Err(Invalid::new(format!("only one instance of \"{text}\" network is allowed")).hint(
                format!("run containers with --network {}", if text == "null" { "none" } else { "host" }),
            ));
        }
        "ipvlan" => "macvlan does the same for containers with addresses of their own",
        "overlay" => "there is no swarm",
        _ => "there are no network plugins",
    };
    Err(Invalid::new(format!("network driver `{text}` is not supported: {why}"))
        .hint("use bridge or macvlan"))
}

#[cfg(test)]
mod tests {
    use super::super::check::table;
    use super::*;

    fn show(text: &str) -> Read<String> {
        let EndpointRequest { network, aliases, ipv4, ipv6, mac } = parse_network(text)?;
        let aliases = aliases.join("+");
        let ipv4 = ipv4.map(|ip| ip.to_string()).unwrap_or_default();
        let ipv6 = ipv6.map(|ip| ip.to_string()).unwrap_or_default();
        let mac = mac.map(|mac| mac.to_string()).unwrap_or_default();
        Ok([network, aliases, ipv4, ipv6, mac].join("|"))
    }

    #[test]
    fn networks() {
        let rows = [
            ("web", "\"web||||\""),
            ("host", "\"host||||\""),
            ("container:a", "\"container:a||||\""),
            ("default", "\"bridge||||\""),
            ("bridge", "\"bridge||||\""),
            ("name=web", "\"web||||\""),
            ("NAME=web,alias=a,alias=b.c", "\"web|a+b.c|||\""),
            ("alias=Db_1,name=web", "\"web|Db_1|||\""),
            (
                "name=web,ip=10.0.0.5,ip6=fd00::5,mac-address=92:D0:c6:0a:29:33,gw-priority=0",
                "\"web||10.0.0.5|fd00::5|92:d0:c6:0a:29:33\"",
            ),
            ("\"name=web\",alias=a", "\"web|a|||\""),
            ("", "!network name/id is not specified in ''"),
            (" ", "!network name/id is not specified in ' '"),
            ("alias=a", "!network name/id is not specified in 'alias=a'"),
            ("name=,alias=a", "!network name/id is not specified in 'name=,alias=a'"),
            ("container:", "!`container:` names no container"),
            ("name=web,alias", "!invalid field 'alias' must be a key=value pair"),
            ("name=web,", "!invalid field '' must be a key=value pair"),
            ("name=web,foo=1", "!invalid field key 'foo' in 'foo=1'"),
            ("name=web,alias=a b", "!`a b` is not a name of a host"),
            ("name=web,ip=fd00::5", "!`fd00::5` is not an IPv4 address"),
            ("name=web,ip6=10.0.0.5", "!`10.0.0.5` is not an IPv6 address"),
            ("name=web,mac-address=x", "!`x` is not a hardware address of one interface"),
            (
                "name=web,link-local-ip=169.254.1.1",
                "!field `link-local-ip` is not supported: the kernel gives an interface its link-local address",
            ),
            (
                "name=web,\"driver-opt=a=b\"",
                "!field `driver-opt` is not supported: drivers take options for a whole network only",
            ),
            (
                "name=web,gw-priority=1",
                "!field `gw-priority` is not supported: the first network has the default route",
            ),
            ("name=\"web", "!bare \" in field 'name=\"web'"),
        ];
        table(show, &rows);
    }

    #[test]
    fn parts() {
        let long = "a".repeat(64);
        let fault = format!("!`{long}` is not a name of a host");
        let aliases = [
            ("db", "\"db\""),
            ("9-a_b.c", "\"9-a_b.c\""),
            ("", "!`` is not a name of a host"),
            ("a..b", "!`a..b` is not a name of a host"),
            (".a", "!`.a` is not a name of a host"),
            ("ä", "!`ä` is not a name of a host"),
            ("a\nb", "!`a\nb` is not a name of a host"),
            (long.as_str(), fault.as_str()),
        ];
        table(parse_alias, &aliases);
        let macs = [
            ("02:42:ac:11:00:02", "Mac([2, 66, 172, 17, 0, 2])"),
            ("02-42-AC-11-00-02", "Mac([2, 66, 172, 17, 0, 2])"),
            ("01:42:ac:11:00:02", "!`01:42:ac:11:00:02` is not a hardware address of one interface"),
            ("00:00:00:00:00:00", "!`00:00:00:00:00:00` is not a hardware address of one interface"),
            ("02:42:ac:11:00", "!`02:42:ac:11:00` is not a hardware address of one interface"),
            ("02:42:ac:11:00:zz", "!`02:42:ac:11:00:zz` is not a hardware address of one interface"),
            ("", "!`` is not a hardware address of one interface"),
        ];
        table(parse_mac, &macs);
        table(parse_ipv4, &[("10.0.0.1", "10.0.0.1"), ("10.0.0", "!`10.0.0` is not an IPv4 address")]);
        table(parse_ipv6, &[("::1", "::1"), ("[::1]", "!`[::1]` is not an IPv6 address")]);
        let drivers = [
            ("bridge", "\"bridge\""),
            ("macvlan", "\"macvlan\""),
            ("host", "!only one instance of \"host\" network is allowed"),
            ("overlay", "!network driver `overlay` is not supported: there is no swarm"),
            ("weave", "!network driver `weave` is not supported: there are no network plugins"),
            ("", "!network driver `` is not supported: there are no network plugins"),
        ];
        table(parse_driver, &drivers);
    }
}
