//! EXPOSE: `80`, `80/udp`, `8000-8010/tcp`, and with a warning what belongs to `--publish`.

/// The ports of one word.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exposed {
    /// `80/tcp`
    pub(super) ports: Vec<String>,
    /// Whether the protocol is in upper case.
    pub(super) odd_case: bool,
    /// Whether it names an address or a port of the host.
    pub(super) names_host: bool,
}

/// Parses one word.
pub(super) fn parse(text: &str) -> Result<Exposed, String> {
    let (address, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let container = address.rsplit(':').next().unwrap_or(address);
    let protocol = if protocol.is_empty() { "tcp" } else { protocol };
    let lower = protocol.to_ascii_lowercase();
    if !matches!(&*lower, "tcp" | "udp" | "sctp") {
        return Err(format!("invalid port `{text}`: unknown protocol `{protocol}`"));
    }
    let (first, last) = container.split_once('-').unwrap_or((container, container));
    let port = |text: &str| {
        text.parse::<u16>().map_err(|_| format!("invalid port `{container}`: it is a number up to 65535"))
    };
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return Err(format!("invalid port range `{container}`: it ends before it begins"));
    }
    Ok(Exposed {
        ports: (first..=last).map(|port| format!("{port}/{lower}")).collect(),
        odd_case: protocol != lower,
        names_host: address.contains(':'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        let ports = |text| parse(text).map(|exposed| exposed.ports.join(" "));
        assert_eq!(ports("80"), Ok("80/tcp".to_owned()));
        assert_eq!(ports("53/UDP"), Ok("53/udp".to_owned()));
        assert_eq!(ports("80-82/sctp"), Ok("80/sctp 81/sctp 82/sctp".to_owned()));
        assert_eq!(ports("127.0.0.1:8080:80"), Ok("80/tcp".to_owned()));
        for bad in ["", "http", "82-80", "80/icmp", "65536", "-"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("53/UDP").is_ok_and(|exposed| exposed.odd_case && !exposed.names_host));
        assert!(parse("8080:80").is_ok_and(|exposed| exposed.names_host));
    }
}
