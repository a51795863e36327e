//! Capabilities by name: `NET_ADMIN`, `cap_net_admin`, `ALL`.

use engine::request::Capability;

use super::{Invalid, Read};

const NAMES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// Reads the value of `--cap-add` and `--cap-drop`.
pub(crate) fn parse(text: &str) -> Read<Capability> {
    let upper = text.trim().to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if name == "ALL" {
        return Ok(Capability::All);
    }
    if NAMES.contains(&name) {
        return Ok(Capability::Named(format!("CAP_{name}")));
    }
    let error = Invalid::new(format!("unknown capability: \"CAP_{name}\""));
    Err(match crate::suggest::nearest(name, NAMES) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error,
    })
}

#[cfg(test)]
#[test]
fn readings() {
    let rows = [
        ("NET_ADMIN", "Named(\"CAP_NET_ADMIN\")"),
        ("cap_net_raw", "Named(\"CAP_NET_RAW\")"),
        ("all", "All"),
        ("CAP_ALL", "All"),
        ("foo", "!unknown capability: \"CAP_FOO\""),
        ("", "!unknown capability: \"CAP_\""),
    ];
    super::check::table(parse, &rows);
    assert_eq!(parse("NET_ADMNI").unwrap_err().hint_text(), Some("did you mean NET_ADMIN?"));
}
