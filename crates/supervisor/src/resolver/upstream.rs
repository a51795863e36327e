//! The resolvers that are asked about names which are not ours, and which of them are worth asking now.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Upstreams that are asked; the C library of the host looks at no more either (MAXNS of resolv.h).
pub(super) const UPSTREAMS_MAX: usize = 3;
/// An upstream is taken for dead after this many questions without any answer …
const SILENT_MAX: u32 = 3;
/// … in at least this time.
const SILENCE: Duration = Duration::from_secs(1);
/// How long a dead upstream is not asked while another one lives.
const REST: Duration = Duration::from_secs(15);

/// One resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    /// Questions since its last answer, and when the first of them was sent.
    silent: u32,
    silent_since: Option<Instant>,
    resting_until: Option<Instant>,
}

impl Upstream {
    fn new(address: SocketAddr) -> Self {
        Self { address, silent: 0, silent_since: None, resting_until: None }
    }

    /// Whether it is worth asking.
    pub(super) fn is_live(&self, now: Instant) -> bool {
        self.resting_until.is_none_or(|until| now >= until)
    }

    /// Notes a question that is sent to it.
    pub(super) fn asked(&mut self, now: Instant) {
        self.silent = self.silent.saturating_add(1);
        let since = *self.silent_since.get_or_insert(now);
        if self.silent > SILENT_MAX && now.duration_since(since) >= SILENCE {
            self.unreachable(now);
        }
    }

    /// Notes an answer, whatever it says.
    pub(super) fn answered(&mut self) {
        *self = Self::new(self.address);
    }

    /// Notes that nobody listens there. It is not asked for a while; then one silent second is enough for the next rest.
    pub(super) fn unreachable(&mut self, now: Instant) {
        self.silent_since = None;
        self.resting_until = Some(now + REST);
    }
}

/// Where the upstreams come from.
#[derive(Debug)]
pub(super) struct Upstreams {
    /// The host's `resolv.conf`; absent when the user named the upstreams.
    file: Option<PathBuf>,
    /// What was seen of the file when it was read: device, inode, size and time.
    seen: Option<(u64, u64, i64, i64, u64)>,
    pub(super) list: Vec<Upstream>,
}

impl Upstreams {
    pub(super) fn new(asked: &[IpAddr], file: PathBuf) -> Self {
        let list = asked.iter().map(|address| Upstream::new(SocketAddr::new(*address, 53)));
        let file = if asked.is_empty() { Some(file) } else { None };
        Self { file, seen: None, list: list.take(UPSTREAMS_MAX).collect() }
    }

    /// Uses these, at any port.
    #[cfg(test)]
    pub(super) fn fixed(addresses: &[SocketAddr]) -> Self {
        let list = addresses.iter().map(|address| Upstream::new(*address)).collect();
        Self { file: None, seen: None, list }
    }

    /// Reads the file again if it is another one or was changed.
    pub(super) fn refresh(&mut self) {
        let Some(file) = &self.file else { return };
        let seen = rustix::fs::stat(file).ok().map(|stat| {
            (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime, u64::from(stat.st_mtime_nsec as u32))
        });
        if seen == self.seen && !self.list.is_empty() {
            return;
        }
        self.seen = seen;
        let text = sys::fs::read_to_string(file).unwrap_or_default();
        let addresses = parse_nameservers(&text);
        // What is known of one that stays is kept.
        self.list = addresses
            .into_iter()
            .map(|address| {
                let known = self.list.iter().find(|upstream| upstream.address == address);
                known.cloned().unwrap_or_else(|| Upstream::new(address))
            })
            .collect();
    }
}

/// Reads the resolvers out of a `resolv.conf`; without any it is the machine itself (resolv.conf(5)).
fn parse_nameservers(text: &str) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        let Some(address) = words.next().and_then(parse_address) else { continue };
        if !found.contains(&address) && found.len() < UPSTREAMS_MAX {
            found.push(address);
        }
    }
    if found.is_empty() {
        found.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)));
    }
    found
}

/// Parses an address, with the interface where it is link-local: `fe80::1%eth0`.
fn parse_address(word: &str) -> Option<SocketAddr> {
    let Some((address, zone)) = word.split_once('%') else {
        return word.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 53));
    };
    let address: Ipv6Addr = address.parse().ok()?;
    let scope = zone.parse().ok().or_else(|| interface_index(zone))?;
    Some(SocketAddr::V6(SocketAddrV6::new(address, 53, 0, scope)))
}

fn interface_index(name: &str) -> Option<u32> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    netdevice::name_to_index(socket, name).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may write files")]

    use super::*;

    fn texts(text: &str) -> Vec<String> {
        parse_nameservers(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nameservers_are_read_as_the_c_library_reads_them() {
        for (text, expected) in [
            ("", vec!["127.0.0.1:53"]),
            ("search a.b\n#nameserver 1.1.1.1\n;nameserver 1.1.1.1\nnameserver", vec!["127.0.0.1:53"]),
            (" nameserver\t127.0.0.53 # stub\noptions edns0", vec!["127.0.0.53:53"]),
            (
                "nameserver 1.1.1.1\nnameserver x\nnameserver 1.1.1.1\nnameserver fd00::1\nnameserver 2.2.2.2\nnameserver 3.3.3.3",
                vec!["1.1.1.1:53", "[fd00::1]:53", "2.2.2.2:53"],
            ),
            ("nameserver fe80::1%7\nnameserver fe80::1%no-such-interface", vec!["[fe80::1%7]:53"]),
            ("nameserver fe80::1%lo", vec!["[fe80::1%1]:53"]),
        ] {
            assert_eq!(texts(text), expected, "{text}");
        }
    }

    #[test]
    fn the_file_is_read_again_when_it_changed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("resolv.conf");
        let mut upstreams = Upstreams::new(&[], file.clone());
        let addresses = |upstreams: &Upstreams| -> Vec<String> {
            upstreams.list.iter().map(|upstream| upstream.address.ip().to_string()).collect()
        };
        upstreams.refresh();
        assert_eq!(addresses(&upstreams), ["127.0.0.1"]);
        std::fs::write(&file, "nameserver 10.0.0.1\nnameserver 10.0.0.2\n").unwrap();
        upstreams.refresh();
        upstreams.list[1].unreachable(Instant::now());
        std::fs::write(directory.path().join("new"), "nameserver 10.0.0.2\nnameserver 10.0.0.3\n").unwrap();
        std::fs::rename(directory.path().join("new"), &file).unwrap();
        upstreams.refresh();
        assert_eq!(addresses(&upstreams), ["10.0.0.2", "10.0.0.3"]);
        assert!(!upstreams.list[0].is_live(Instant::now()), "what was known of it is kept");
        assert!(upstreams.list[1].is_live(Instant::now()));
        let mut asked = Upstreams::new(&["9.9.9.9".parse().unwrap()], file);
        asked.refresh();
        assert_eq!(addresses(&asked), ["9.9.9.9"]);
    }

    #[test]
    fn who_is_silent_for_long_rests_and_one_answer_heals() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut upstream = Upstream::new("10.0.0.1:53".parse().unwrap());
        for question in 0..10 {
            upstream.asked(at(question));
        }
        assert!(upstream.is_live(at(10)), "many questions in no time say nothing");
        upstream.answered();
        upstream.asked(at(20));
        upstream.asked(at(60_000));
        assert!(upstream.is_live(at(60_000)), "one answer that was lost says nothing");
        upstream.asked(at(60_001));
        upstream.asked(at(60_002));
        assert!(!upstream.is_live(at(60_002)));
        assert!(upstream.is_live(at(60_002) + REST));
        upstream.asked(at(80_000));
        assert!(upstream.is_live(at(80_000)));
        upstream.asked(at(81_000));
        assert!(!upstream.is_live(at(81_000)));
        upstream.answered();
        assert!(upstream.is_live(at(81_000)));
    }
}
