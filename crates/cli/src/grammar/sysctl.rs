//! `--sysctl KEY=VALUE`: only what belongs to a namespace of the container.

use super::{Invalid, Read, key_value::Pair};

const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Reads the value of `--sysctl`.
pub(crate) fn parse(text: &str) -> Read<Pair> {
    let not_allowed = || {
        Invalid::new(format!("sysctl '{text}' is not allowed"))
            .hint("only net.*, fs.mqueue.* and the kernel.* keys of System V IPC belong to a container")
    };
    let (key, value) = text.split_once('=').ok_or_else(not_allowed)?;
    // sysctl(8) takes both separators.
    let key = key.trim().replace('/', ".");
    if is_ipc(&key) || is_net(&key) { Ok((key, value.trim().to_owned())) } else { Err(not_allowed()) }
}

/// Whether the key belongs to the ipc namespace.
pub(crate) fn is_ipc(key: &str) -> bool {
    IPC.contains(&key) || key.starts_with("fs.mqueue.")
}

/// Whether the key belongs to the network namespace.
pub(crate) fn is_net(key: &str) -> bool {
    key.starts_with("net.")
}

#[cfg(test)]
#[test]
fn keys() {
    let rows = [
        ("net.core.somaxconn=1024", "(\"net.core.somaxconn\", \"1024\")"),
        ("net/ipv4/ip_forward=1", "(\"net.ipv4.ip_forward\", \"1\")"),
        ("kernel.sem=1 2 3 4", "(\"kernel.sem\", \"1 2 3 4\")"),
        ("fs.mqueue.msg_max=1", "(\"fs.mqueue.msg_max\", \"1\")"),
        ("foo=1", "!sysctl 'foo=1' is not allowed"),
        ("kernel.panic=1", "!sysctl 'kernel.panic=1' is not allowed"),
        ("net.x", "!sysctl 'net.x' is not allowed"),
    ];
    super::check::table(parse, &rows);
}
