//! The names that a container can ask for, read from the run root at each question, so that they are always those of now.
//!
//! ```text
//!   RUN_ROOT/containers/ID/networks/NETID -> "names" | "plain" | "names internal" | "plain internal"
//!   RUN_ROOT/networks/NETID/
//!     names/NAME/CONTAINER_ID -> "10.0.0.2 fd00::2"
//!     addresses/IP -> CONTAINER_ID
//!     endpoints/CONTAINER_ID       JSON, of which we read `network` (its name) and `names` (the container's first)
//! ```
//!
//! Everything is on tmpfs: a question costs a handful of system calls and no memory stays behind.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, Mode, OFlags, openat, readlinkat};
use serde::Deserialize;

/// Networks of one container that are looked at.
const NETWORKS_MAX: usize = 256;
/// Owners of one name that are looked at: as many records as a message by TCP can carry.
const OWNERS_MAX: usize = 2048;

/// Where a container's names are found.
#[derive(Debug, Clone)]
pub(super) struct Names {
    container: String,
    run_root: PathBuf,
}

/// A network that the container is on.
#[derive(Debug, PartialEq, Eq)]
struct Membership {
    id: String,
    serves_names: bool,
    internal: bool,
}

#[derive(Debug, Deserialize)]
struct Endpoint {
    #[serde(default)]
    network: String,
    #[serde(default)]
    names: Vec<String>,
}

impl Names {
    pub(super) fn new(run_root: PathBuf, container: String) -> Self {
        Self { container, run_root }
    }

    /// Whether questions may leave: only through a network that leads outside. With internal ones alone nothing is
    /// forwarded, or names would carry data out of them (CVE-2024-29018).
    pub(super) fn may_forward(&self) -> bool {
        self.memberships().iter().any(|network| !network.internal)
    }

    /// Returns the addresses behind a name in lower case; `None` when no network of ours knows it. The first network
    /// with addresses of the wanted family decides.
    pub(super) fn lookup(&self, name: &str, wanted: impl Fn(&IpAddr) -> bool) -> Option<Vec<IpAddr>> {
        if name.is_empty() || name.len() > 255 || name.starts_with('.') || name.contains('/') {
            return None;
        }
        let mut known = false;
        for network in self.memberships().iter().filter(|network| network.serves_names) {
            let Some(addresses) = self.on_network(&network.id, name) else { continue };
            known = true;
            let wanted: Vec<IpAddr> = addresses.into_iter().filter(&wanted).collect();
            if !wanted.is_empty() {
                return Some(wanted);
            }
        }
        known.then(Vec::new)
    }

    /// Looks up `NAME` and `NAME.NETWORK` on one network.
    fn on_network(&self, network: &str, name: &str) -> Option<Vec<IpAddr>> {
        if let Some(addresses) = self.owners(network, name) {
            return Some(addresses);
        }
        if !name.contains('.') {
            return None;
        }
        let suffix = self.endpoint(network, &self.container)?.network.to_ascii_lowercase();
        let short = name.strip_suffix(&suffix)?.strip_suffix('.')?;
        if short.is_empty() { None } else { self.owners(network, short) }
    }

    /// Returns the addresses of all who own a name, in the order of addresses.
    fn owners(&self, network: &str, name: &str) -> Option<Vec<IpAddr>> {
        let directory = open_directory(&self.network(network).join("names").join(name))?;
        let mut addresses = Vec::new();
        for owner in links(&directory, OWNERS_MAX) {
            addresses.extend(owner.text.split_whitespace().filter_map(|word| word.parse::<IpAddr>().ok()));
        }
        // The directory outlives the last owner for a moment.
        if addresses.is_empty() {
            return None;
        }
        addresses.sort_unstable();
        addresses.dedup();
        Some(addresses)
    }

    /// Returns the name of whoever has an address, as `NAME.NETWORK`.
    pub(super) fn reverse(&self, address: IpAddr) -> Option<String> {
        self.memberships().iter().filter(|network| network.serves_names).find_map(|network| {
            let claim = self.network(&network.id).join("addresses").join(address.to_string());
            let owner = link_text(CWD, &claim)?;
            let endpoint = self.endpoint(&network.id, &owner)?;
            Some(format!("{}.{}", endpoint.names.first()?, endpoint.network))
        })
    }

    fn endpoint(&self, network: &str, container: &str) -> Option<Endpoint> {
        if container.contains('/') {
            return None;
        }
        let bytes = sys::fs::read(self.network(network).join("endpoints").join(container)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    fn network(&self, id: &str) -> PathBuf {
        self.run_root.join("networks").join(id)
    }

    /// Reads which networks the container is on now, in the order of their ids.
    fn memberships(&self) -> Vec<Membership> {
        let path = self.run_root.join("containers").join(&self.container).join("networks");
        let Some(directory) = open_directory(&path) else { return Vec::new() };
        let mut found: Vec<Membership> = links(&directory, NETWORKS_MAX)
            .into_iter()
            .map(|link| Membership {
                serves_names: link.text.split_whitespace().any(|word| word == "names"),
                internal: link.text.split_whitespace().any(|word| word == "internal"),
                id: link.name,
            })
            .collect();
        found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        found
    }
}

struct Link {
    name: String,
    text: String,
}

fn open_directory(path: &Path) -> Option<std::os::fd::OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).ok()
}

/// Reads the links of a directory; what goes meanwhile is not among them.
fn links(directory: &std::os::fd::OwnedFd, count_max: usize) -> Vec<Link> {
    let Ok(entries) = Dir::read_from(directory) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().to_str().ok()?.to_owned();
            let text = link_text(directory, Path::new(&name))?;
            Some(Link { name, text })
        })
        .take(count_max)
        .collect()
}

fn link_text(directory: impl std::os::fd::AsFd, path: &Path) -> Option<String> {
    readlinkat(directory, path, Vec::new()).ok()?.into_string().ok()
}

/// Reads the address out of a name for reverse look-ups (RFC 1035 3.5, RFC 3596 2.5).
pub(super) fn address_of_reverse(name: &str) -> Option<IpAddr> {
    if let Some(octets) = name.strip_suffix(".in-addr.arpa") {
        let mut parts = octets.split('.').rev();
        let mut address = [0u8; 4];
        for octet in &mut address {
            let part = parts.next()?;
            let plain =
                part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            *octet = if plain { part.parse().ok()? } else { return None };
        }
        return parts.next().is_none().then(|| IpAddr::from(address));
    }
    let nibbles = name.strip_suffix(".ip6.arpa")?;
    let mut address = 0u128;
    let mut count = 0;
    for nibble in nibbles.split('.').rev() {
        let [digit] = nibble.as_bytes() else { return None };
        address = address << 4 | u128::from(char::from(*digit).to_digit(16)?);
        count += 1;
    }
    (count == 32).then(|| IpAddr::from(address.to_be_bytes()))
}

#[cfg(test)]
#[path = "names_tests.rs"]
pub(super) mod tests;
