//! Names of two networks in a run root of their own.
#![allow(clippy::disallowed_methods, reason = "tests may write files")]

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// A run root with one container, `self`.
pub(in crate::resolver) struct Root(tempfile::TempDir);

impl Root {
    pub(in crate::resolver) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(in crate::resolver) fn names(&self) -> Names {
        Names::new(self.0.path().to_owned(), "self".into())
    }

    pub(in crate::resolver) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Connects `self` to a network.
    pub(in crate::resolver) fn join(&self, network: &str, marker: &str) {
        let memberships = self.path().join("containers/self/networks");
        fs::create_dir_all(&memberships).unwrap();
        let _ = fs::remove_file(memberships.join(network));
        symlink(marker, memberships.join(network)).unwrap();
        self.endpoint(network, "self", "me");
    }

    pub(in crate::resolver) fn leave(&self, network: &str) {
        fs::remove_file(self.path().join("containers/self/networks").join(network)).unwrap();
    }

    fn endpoint(&self, network: &str, container: &str, name: &str) {
        let endpoints = self.path().join("networks").join(network).join("endpoints");
        fs::create_dir_all(&endpoints).unwrap();
        let endpoint =
            serde_json::json!({"network": format!("Net-{network}"), "names": [name, "x"], "mac": "ff"});
        fs::write(endpoints.join(container), endpoint.to_string()).unwrap();
    }

    /// Gives a container a name and addresses on a network.
    pub(in crate::resolver) fn name(&self, network: &str, name: &str, container: &str, addresses: &str) {
        let network_dir = self.path().join("networks").join(network);
        fs::create_dir_all(network_dir.join("names").join(name)).unwrap();
        fs::create_dir_all(network_dir.join("addresses")).unwrap();
        symlink(addresses, network_dir.join("names").join(name).join(container)).unwrap();
        for address in addresses.split_whitespace() {
            let _ = symlink(container, network_dir.join("addresses").join(address));
        }
        self.endpoint(network, container, name);
    }
}

fn texts(found: Option<Vec<IpAddr>>) -> Option<String> {
    found.map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
}

#[test]
fn names_are_found_on_the_networks_of_now_and_no_others() {
    let root = Root::new();
    let names = root.names();
    assert!(names.lookup("db", |_| true).is_none() && !names.may_forward());
    root.name("n1", "db", "c1", "10.0.0.2 fd00::2");
    root.name("n2", "db", "c2", "10.9.0.2");
    root.name("n2", "only2", "c3", "10.9.0.3");
    root.name("n2", "a.b", "c4", "10.9.0.4");
    root.name("plain", "db", "c9", "10.7.0.2");
    let all = |name: &str| texts(names.lookup(name, |_| true));
    root.join("plain", "plain");
    assert_eq!(all("db"), None);
    assert!(names.may_forward());
    root.join("n2", "names internal");
    assert_eq!(all("db").as_deref(), Some("10.9.0.2"));
    root.leave("plain");
    assert!(!names.may_forward(), "only an internal one is left");
    root.join("n1", "names");
    assert!(names.may_forward());
    assert_eq!(all("db").as_deref(), Some("10.0.0.2 fd00::2"));
    assert_eq!(all("only2").as_deref(), Some("10.9.0.3"));
    assert_eq!(all("a.b").as_deref(), Some("10.9.0.4"));
    // With the network's name behind it, whose spelling does not matter.
    assert_eq!(all("db.net-n2").as_deref(), Some("10.9.0.2"));
    assert_eq!(all("a.b.net-n2").as_deref(), Some("10.9.0.4"));
    assert_eq!(all("only2.net-n1"), None);
    assert_eq!(all("db.net-plain"), None);
    // The first network that has the family.
    assert_eq!(texts(names.lookup("db", IpAddr::is_ipv6)).as_deref(), Some("fd00::2"));
    assert_eq!(texts(names.lookup("only2", IpAddr::is_ipv6)).as_deref(), Some(""));
    root.leave("n1");
    assert_eq!(all("db").as_deref(), Some("10.9.0.2"));
    // Nothing outside of the directory of names, and nothing that is not there any more.
    fs::write(root.path().join("networks/n2/names/file"), "").unwrap();
    fs::create_dir(root.path().join("networks/n2/names/empty")).unwrap();
    symlink("only2", root.path().join("networks/n2/names/link")).unwrap();
    let long = "x".repeat(256);
    for name in
        ["", ".", "..", "../addresses", "/", ".net-n2", "db/c2", "file", "empty", "link", &long, "nobody"]
    {
        assert_eq!(all(name), None, "{name}");
    }
}

#[test]
fn an_address_tells_its_container_on_networks_of_ours() {
    let root = Root::new();
    root.name("n1", "db", "c1", "10.0.0.2 fd00::2");
    root.name("plain", "web", "c2", "10.7.0.2");
    root.join("plain", "plain");
    let reverse = |name: &str| root.names().reverse(address_of_reverse(name)?);
    assert_eq!(reverse("2.0.0.10.in-addr.arpa"), None);
    root.join("n1", "names");
    assert_eq!(reverse("2.0.0.10.in-addr.arpa").as_deref(), Some("db.Net-n1"));
    assert_eq!(reverse("2.0.7.10.in-addr.arpa"), None);
    let v6 = format!("2.{}0.0.d.f.ip6.arpa", "0.".repeat(27));
    assert_eq!(reverse(&v6).as_deref(), Some("db.Net-n1"));
    for bad in [
        "in-addr.arpa",
        "0.0.10.in-addr.arpa",
        "1.2.0.0.10.in-addr.arpa",
        "02.0.0.10.in-addr.arpa",
        "+2.0.0.10.in-addr.arpa",
        "256.0.0.10.in-addr.arpa",
        ".0.0.10.in-addr.arpa",
        "2.0.d.f.ip6.arpa",
        "g.ip6.arpa",
        "10.in-addr.arpa.org",
    ] {
        assert_eq!(address_of_reverse(bad), None, "{bad}");
    }
    assert_eq!(address_of_reverse(&v6.replace("2.0", "20")), None);
}
