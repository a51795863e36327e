//! Options of networks, as Docker's drivers `bridge` and `macvlan` have them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use network::MacvlanMode;

use super::record::Driver;
use crate::error::{Error, Result};

type Options = BTreeMap<String, String>;

const NAME: &str = "com.docker.network.bridge.name";
const BETWEEN: &str = "com.docker.network.bridge.enable_icc";
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
const BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
const MTU: &str = "com.docker.network.driver.mtu";
const PREFIX: &str = "com.docker.network.container_iface_prefix";
const PARENT: &str = "parent";
const MODE: &str = "macvlan_mode";

/// Reads the options of a bridge, whose name is given unless they name one.
pub(super) fn bridge(options: &Options, name: String) -> Result<Driver> {
    known(options, "bridge", &[NAME, BETWEEN, MASQUERADE, BINDING, MTU, PREFIX])?;
    let bridge = match options.get(NAME) {
        Some(name) => interface(NAME, name)?,
        None => name,
    };
    let binding = options.get(BINDING).map(|text| {
        text.parse::<IpAddr>().map_err(|_| invalid(BINDING, text, "an address such as 127.0.0.1"))
    });
    let prefix = match options.get(PREFIX) {
        // Room for a number behind it.
        Some(prefix) if prefix.len() <= 11 => interface(PREFIX, prefix)?,
        Some(prefix) => return Err(invalid(PREFIX, prefix, "at most 11 characters")),
        None => "eth".to_owned(),
    };
    Ok(Driver::Bridge {
        bridge,
        between: switch(options, BETWEEN)?,
        masquerade: switch(options, MASQUERADE)?,
        mtu: mtu(options)?,
        host_binding: binding.transpose()?,
        prefix,
    })
}

/// Reads the options of macvlan.
pub(super) fn macvlan(options: &Options) -> Result<Driver> {
    known(options, "macvlan", &[PARENT, MODE, MTU])?;
    let Some(parent) = options.get(PARENT) else {
        return Err(Error::invalid("a macvlan network needs an interface of the host to stand beside")
            .hint("name it with `--opt parent=eth0`"));
    };
    let mode = match options.get(MODE).map_or("bridge", String::as_str) {
        "bridge" => MacvlanMode::Bridge,
        "private" => MacvlanMode::Private,
        "vepa" => MacvlanMode::Vepa,
        "passthru" => MacvlanMode::Passthru,
        other => return Err(invalid(MODE, other, "bridge, private, vepa or passthru")),
    };
    Ok(Driver::Macvlan { parent: interface(PARENT, parent)?, mode, mtu: mtu(options)? })
}

fn known(options: &Options, driver: &str, names: &[&str]) -> Result<()> {
    match options.keys().find(|key| !names.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Error::unsupported(format!("option `{key}` is not supported by driver `{driver}`"))
            .hint(format!("there are: {}", names.join(", ")))),
    }
}

fn invalid(name: &str, value: &str, wanted: &str) -> Error {
    Error::invalid(format!("option `{name}={value}` does not read")).hint(format!("give {wanted}"))
}

fn switch(options: &Options, name: &str) -> Result<bool> {
    match options.get(name).map(String::as_str) {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(invalid(name, other, "true or false")),
    }
}

fn mtu(options: &Options) -> Result<Option<u32>> {
    let Some(text) = options.get(MTU) else { return Ok(None) };
    match text.parse() {
        // RFC 791: every module forwards 68 bytes; the kernel's own limit is that of a veth pair.
        Ok(0) => Ok(None),
        Ok(mtu @ 68..=65_535) => Ok(Some(mtu)),
        _ => Err(invalid(MTU, text, "a number from 68 to 65535")),
    }
}

/// What the kernel takes as a name (`dev_valid_name`).
fn interface(option: &str, name: &str) -> Result<String> {
    let bad = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b':' | 0);
    if name.is_empty() || name.len() > 15 || matches!(name, "." | "..") || name.bytes().any(bad) {
        return Err(invalid(option, name, "the name of an interface, 15 characters at most"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
#[test]
fn options_read_or_say_why_not() {
    let options = |pairs: &[(&str, &str)]| -> Options {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let read = bridge(&options(&[(BETWEEN, "false"), (MTU, "1400"), (NAME, "br9")]), "x".into()).unwrap();
    let Driver::Bridge { bridge: name, between, masquerade, mtu, .. } = read else { panic!() };
    assert_eq!((name.as_str(), between, masquerade, mtu), ("br9", false, true, Some(1400)));
    for (pairs, part) in [
        (&[("foo", "bar")][..], "`foo` is not supported"),
        (&[(MTU, "17")], "does not read"),
        (&[(BETWEEN, "maybe")], "does not read"),
        (&[(NAME, "a/b")], "does not read"),
        (&[(NAME, "0123456789abcdef")], "does not read"),
        (&[(BINDING, "localhost")], "does not read"),
    ] {
        let error = bridge(&options(pairs), "x".into()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(macvlan(&options(&[])).unwrap_err().to_string().contains("needs an interface"));
    assert!(macvlan(&options(&[(PARENT, "eth0"), (MODE, "x")])).is_err());
    assert!(macvlan(&options(&[(PARENT, "eth0"), (MODE, "vepa")])).is_ok());
}
