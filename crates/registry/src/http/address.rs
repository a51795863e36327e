//! Where a request goes: addresses, and where an answer's `Location` leads. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ureq::http::Uri;

/// An absolute `http` or `https` address without user, password and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address(Uri);

/// Reads an absolute address; `None` where it is none, or holds a user.
pub(crate) fn parse_address(text: &str) -> Option<Address> {
    let text = text.split('#').next().unwrap_or_default();
    let uri: Uri = text.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority()?.as_str();
    (known && !authority.contains('@') && !authority.is_empty()).then_some(Address(uri))
}

impl Address {
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.0.scheme_str() == Some("http")
    }

    pub(crate) fn authority(&self) -> &str {
        self.0.authority().map_or("", |authority| authority.as_str())
    }

    /// Whether a credential for one may be sent to the other: same scheme, host and port (RFC 6454).
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        let port = |address: &Self| {
            let default = if address.is_plain() { 80 } else { 443 };
            address.0.port_u16().unwrap_or(default)
        };
        let host = |address: &Self| address.0.host().map(str::to_ascii_lowercase);
        self.is_plain() == other.is_plain() && host(self) == host(other) && port(self) == port(other)
    }

    /// Whether it names this machine, or a neighbour by an address of the link alone (RFC 3927, RFC 4291): what cloud
    /// providers tell a machine of its credentials is there.
    pub(crate) fn is_near(&self) -> bool {
        let host = self.0.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => is_near_v4(address),
            Ok(IpAddr::V6(address)) => {
                let mapped = address.to_ipv4_mapped().is_some_and(is_near_v4);
                mapped || address.is_loopback() || address.is_unspecified() || address.is_unicast_link_local()
            }
            Err(_) => name == "localhost" || name.ends_with(".localhost"),
        }
    }

    /// Resolves what a `Location` header says (RFC 3986, section 5.2); `None` where it makes no sense.
    pub(crate) fn locate(&self, location: &str) -> Option<Self> {
        let scheme = self.0.scheme_str()?;
        let base = format!("{scheme}://{}", self.authority());
        let head = location.split(['/', '?', '#']).next().unwrap_or_default();
        if head.contains(':') {
            return parse_address(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return parse_address(&format!("{scheme}://{rest}"));
        }
        let path = self.0.path();
        match location.as_bytes().first() {
            None => None,
            Some(b'/') => parse_address(&format!("{base}{location}")),
            Some(b'?') => parse_address(&format!("{base}{path}{location}")),
            _ => {
                let parent = path.rfind('/').map_or("/", |slash| &path[..=slash]);
                parse_address(&format!("{base}{parent}{location}"))
            }
        }
    }

    /// Adds `name=value`, escaped, to the query.
    pub(crate) fn with_query(&self, name: &str, value: &str) -> Option<Self> {
        let text = self.0.to_string();
        let joint = match self.0.query() {
            Some("") => "",
            Some(_) => "&",
            None => "?",
        };
        parse_address(&format!("{text}{joint}{name}={}", escaped(value)))
    }
}

fn is_near_v4(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_link_local() || address.octets()[0] == 0
}

/// Escapes a value of a query or a form.
pub(crate) fn escaped(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Without the query: signed links keep their secret there.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        write!(f, "{scheme}://{}{}", self.authority(), self.0.path())
    }
}

#[cfg(test)]
mod tests {
    use super::parse_address;

    #[test]
    fn locations_are_resolved_against_what_was_asked() {
        let base = parse_address("https://r.example:5000/v2/a/blobs/uploads/7?x=1").unwrap();
        for (location, expected) in [
            ("https://cdn.example/b?sig=s", Some("https://cdn.example/b?sig=s")),
            (
                "/v2/a/blobs/uploads/8?_state=q%3D",
                Some("https://r.example:5000/v2/a/blobs/uploads/8?_state=q%3D"),
            ),
            ("//other.example/x", Some("https://other.example/x")),
            ("9?y=2", Some("https://r.example:5000/v2/a/blobs/uploads/9?y=2")),
            ("?y=2", Some("https://r.example:5000/v2/a/blobs/uploads/7?y=2")),
            ("", None),
            ("ftp://r.example/x", None),
            ("file:///etc/passwd", None),
            ("https://me:secret@r.example/x", None),
            ("//me@r.example/x", None),
            ("javascript:x", None),
        ] {
            let found = base.locate(location).map(|address| address.uri().to_string());
            assert_eq!(found.as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let at = |text| parse_address(text).unwrap();
        let base = at("https://r.example/v2/");
        assert!(base.same_origin(&at("https://R.EXAMPLE:443/other")));
        for other in
            ["http://r.example/", "https://r.example:444/", "https://a.r.example/", "https://r.example.evil/"]
        {
            assert!(!base.same_origin(&at(other)), "{other}");
        }
    }

    #[test]
    fn near_is_this_machine_and_its_link() {
        for text in [
            "localhost",
            "A.localhost.",
            "127.9.9.9",
            "169.254.169.254",
            "0.0.0.0",
            "[::1]",
            "[fe80::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(parse_address(&format!("http://{text}:80/x")).unwrap().is_near(), "{text}");
        }
        for text in ["example.org", "10.0.0.1", "localhost.example.org", "[2001:db8::1]"] {
            assert!(!parse_address(&format!("http://{text}/x")).unwrap().is_near(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_has_no_query() {
        let address = parse_address("https://cdn.example/b?X-Amz-Signature=secret").unwrap();
        assert_eq!(address.to_string(), "https://cdn.example/b");
        let asked = address.with_query("scope", "repository:a/b:pull").unwrap();
        assert!(asked.uri().to_string().ends_with("&scope=repository%3Aa%2Fb%3Apull"));
    }
}
