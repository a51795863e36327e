//! Sysctls: which file a key names, and which a container may set.

use oci::runtime::{Linux, NamespaceKind};

use crate::error::{Error, Result};
use crate::step::BuildStep;

/// Allows only sysctls that a namespace of the container's own holds; anything else would
/// change the host (CVE-2022-0811: no other character than those of a key may pass).
pub(crate) fn sysctl_step(key: &str, value: &str, linux: &Linux) -> Result<BuildStep> {
    let path = sysctl_path(key);
    let plain = key.split(['.', '/']).all(|part| {
        !part.is_empty()
            && part != ".."
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-:@".contains(&b))
    });
    if !plain || value.contains(['\n', '\0']) {
        let text = format!("{key}={value}");
        return Err(Error::Invalid(format!("sysctl `{}` is malformed", text.escape_debug())));
    }
    let own = |kind: NamespaceKind| linux.namespaces.iter().any(|ns| ns.kind == kind);
    const IPC: [&str; 8] = [
        "kernel/msgmax",
        "kernel/msgmnb",
        "kernel/msgmni",
        "kernel/sem",
        "kernel/shmall",
        "kernel/shmmax",
        "kernel/shmmni",
        "kernel/shm_rmid_forced",
    ];
    let namespaced = if path.starts_with("net/") {
        own(NamespaceKind::Network)
    } else if IPC.contains(&path.as_str()) || path.starts_with("fs/mqueue/") {
        own(NamespaceKind::Ipc)
    } else if path == "kernel/domainname" || path == "kernel/hostname" {
        own(NamespaceKind::Uts)
    } else {
        false
    };
    if !namespaced {
        return Err(Error::Invalid(format!(
            "sysctl `{key}` is not in a separate namespace of the container"
        )));
    }
    Ok(BuildStep::Sysctl { key: path, value: value.to_owned() })
}

/// Names the file of a sysctl: whichever of dot and slash comes first parts it, the other stands for a
/// dot within a part, as in `eth0.100` (sysctl.d(5)).
fn sysctl_path(key: &str) -> String {
    if key.find(['.', '/']).is_some_and(|at| key.as_bytes()[at] == b'/') {
        return key.to_owned();
    }
    let swap = |letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    key.chars().map(swap).collect()
}
