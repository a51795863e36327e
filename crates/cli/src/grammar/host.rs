//! Names and addresses: `--add-host`, `--dns`, `--dns-search`, `--hostname`.

use std::net::IpAddr;

use super::{Invalid, Read};

/// Reads `NAME:ADDRESS` or `NAME=ADDRESS`; no address stands for `host-gateway`.
pub(crate) fn parse_extra(text: &str) -> Read<(String, Option<IpAddr>)> {
    let bad = || {
        Invalid::new(format!("bad format for add-host: \"{text}\""))
            .hint("write HOST:ADDRESS or HOST=ADDRESS, where the address may be host-gateway")
    };
    let (name, address) = text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(bad)?;
    // A line of the hosts file is split at blanks.
    if name.is_empty()
        || name.contains(|letter: char| letter == ':' || letter == '#' || letter.is_whitespace())
    {
        return Err(bad());
    }
    if address == "host-gateway" {
        return Ok((name.to_owned(), None));
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    match bare.parse() {
        Ok(ip) => Ok((name.to_owned(), Some(ip))),
        Err(_) => Err(Invalid::new(format!("invalid IP address in add-host: \"{address}\""))),
    }
}

/// Reads the address of a name server.
pub(crate) fn parse_ip(text: &str) -> Read<IpAddr> {
    text.trim().parse().map_err(|_| Invalid::new(format!("IP address is not correctly formatted: {text}")))
}

/// Reads a search domain; `.` stands for none.
pub(crate) fn parse_search(text: &str) -> Read<String> {
    let text = text.trim();
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if text == "." || text.strip_suffix('.').unwrap_or(text).split('.').all(label) {
        Ok(text.to_owned())
    } else {
        Err(Invalid::new(format!("{text} is not a valid domain")))
    }
}

/// Reads a host or domain name; sethostname(2) takes 64 bytes at most.
pub(crate) fn parse_hostname(text: &str) -> Read<String> {
    if text.len() > 64 || text.contains(['/', '\0', '\n', ' ']) {
        return Err(Invalid::new(format!("invalid hostname: '{text}'")));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
#[test]
fn readings() {
    use super::check::table;
    let extra = [
        ("a:1.2.3.4", "(\"a\", Some(1.2.3.4))"),
        ("a=::1", "(\"a\", Some(::1))"),
        ("a:::1", "(\"a\", Some(::1))"),
        ("a=[::1]", "(\"a\", Some(::1))"),
        ("a:[::1]", "(\"a\", Some(::1))"),
        ("a=1.2.3.4", "(\"a\", Some(1.2.3.4))"),
        ("a=host-gateway", "(\"a\", None)"),
        ("a:host-gateway", "(\"a\", None)"),
        ("a", "!bad format for add-host: \"a\""),
        (":1.2.3.4", "!bad format for add-host: \":1.2.3.4\""),
        ("a:b=1.2.3.4", "!bad format for add-host: \"a:b=1.2.3.4\""),
        ("a b:1.2.3.4", "!bad format for add-host: \"a b:1.2.3.4\""),
        ("a\nb:1.2.3.4", "!bad format for add-host: \"a\nb:1.2.3.4\""),
        ("a:", "!invalid IP address in add-host: \"\""),
        ("a=[1.2.3.4", "!invalid IP address in add-host: \"[1.2.3.4\""),
        ("a:b", "!invalid IP address in add-host: \"b\""),
    ];
    table(parse_extra, &extra);
    table(parse_ip, &[("8.8.8.8", "8.8.8.8"), ("foo", "!IP address is not correctly formatted: foo")]);
    table(parse_search, &[("a.b.", "\"a.b.\""), (".", "\".\""), ("a..b", "!a..b is not a valid domain")]);
}
