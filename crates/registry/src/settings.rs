//! What is configured: mirrors, insecure registries, certificates, patience. Plain values that the
//! engine hands over; nothing is read from the environment here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::credentials::Keychain;

/// All that a conversation with registries depends on.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// By domain, as it stands in references: `docker.io`, `localhost:5000`.
    pub registries: BTreeMap<String, RegistrySettings>,
    /// Directories with `HOST:PORT/{ca.crt,client.cert,client.key}`; all of them count.
    pub certs_dirs: Vec<PathBuf>,
    pub keychain: Keychain,
    pub proxies: Proxies,
    pub patience: Patience,
}

/// What is configured of one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Asked first, in order; the registry itself comes last.
    pub mirrors: Vec<Mirror>,
    /// Its certificate is not checked, and plain HTTP is allowed.
    pub insecure: bool,
}

/// Another place that has the content of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// `https` or `http`; the latter only because somebody wrote it down.
    pub scheme: &'static str,
    /// `HOST` or `HOST:PORT`.
    pub authority: String,
    /// What comes before `/v2/`, without a slash at its end: mostly nothing.
    pub prefix: String,
}

impl Mirror {
    /// Reads `https://HOST[:PORT][/PREFIX]`; a bare host means HTTPS.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => ("https", rest),
            Some(("http", rest)) => ("http", rest),
            Some(_) => return None,
            None => ("https", text),
        };
        let (authority, prefix) = match rest.find('/') {
            Some(slash) => (&rest[..slash], rest[slash..].trim_end_matches('/')),
            None => (rest, ""),
        };
        let bad = authority.is_empty()
            || authority.contains('@')
            || rest.bytes().any(|byte| byte.is_ascii_whitespace() || matches!(byte, b'?' | b'#'));
        let mirror = Self { scheme, authority: authority.to_owned(), prefix: prefix.to_owned() };
        (!bad).then_some(mirror)
    }
}

/// Whom to go through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    pub http: Option<String>,
    pub https: Option<String>,
    /// Hosts that are reached directly, in the words of `NO_PROXY`.
    pub direct: Option<String>,
}

/// How long to wait, and how often to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    pub connect: Duration,
    /// Less than [`Patience::slowest_bytes`] in this time counts as a connection that is gone.
    pub stall: Duration,
    pub slowest_bytes: u64,
    /// How often to try in a row without any progress.
    pub attempts: u32,
    /// Before the second try; doubled each time.
    pub pause: Duration,
    /// The longest pause, and the longest `Retry-After` that is waited for.
    pub pause_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            slowest_bytes: 1024,
            attempts: 6,
            pause: Duration::from_millis(500),
            pause_max: Duration::from_secs(60),
        }
    }
}

impl Patience {
    /// Returns how long to pause before a try: the second is number 1.
    pub(crate) fn pause_before(&self, attempt: u32) -> Duration {
        let doubled = self.pause.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        doubled.min(self.pause_max)
    }
}

impl Settings {
    /// Returns what is configured of a host, whether it is named as registry or as mirror.
    pub(crate) fn is_insecure(&self, authority: &str) -> bool {
        self.registries.get(authority).is_some_and(|registry| registry.insecure)
    }

    /// Whether plain HTTP may be spoken to this host: it is this machine, or somebody wrote it down.
    pub(crate) fn allows_http(&self, authority: &str) -> bool {
        let named = |mirror: &Mirror| mirror.scheme == "http" && mirror.authority == authority;
        is_loopback(authority)
            || self.is_insecure(authority)
            || self.registries.values().any(|registry| registry.mirrors.iter().any(named))
    }
}

/// Whether the authority names this machine by its own word or address.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns the word under which Docker keeps what belongs to a registry: its domain, and for Docker's
/// own one the address of its index.
pub fn registry_key(domain: &str) -> String {
    match domain {
        "docker.io" => "https://index.docker.io/v1/".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Mirror, Patience, is_loopback};

    #[test]
    fn mirrors_read_as_docker_writes_them() {
        let mirror = Mirror::parse("http://mirror.local:5000/hub/").unwrap();
        assert_eq!(
            (mirror.scheme, &*mirror.authority, &*mirror.prefix),
            ("http", "mirror.local:5000", "/hub")
        );
        assert_eq!(Mirror::parse("mirror.local").unwrap().scheme, "https");
        for bad in ["", "ftp://x", "https://", "https://me:secret@x", "https://x?a=b", "https://x y"] {
            assert_eq!(Mirror::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn loopback_is_a_word_or_an_address_and_no_suffix() {
        for yes in ["localhost", "LOCALHOST:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "[::1]"] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in ["localhost.evil.example", "127.0.0.1.nip.io:80", "10.0.0.1", "[::2]:5000", "1127.0.0.1"] {
            assert!(!is_loopback(no), "{no}");
        }
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        let patience = Patience::default();
        let pauses: Vec<u128> = (1..=9).map(|attempt| patience.pause_before(attempt).as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    }
}
