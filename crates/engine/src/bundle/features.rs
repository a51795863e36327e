//! `features`: what this runtime supports, as the specification's document of that name tells it.

use serde_json::{Value, json};

/// Returns the document (runtime-spec 1.2, features.md). Every list holds what is built, no more.
pub fn features() -> Value {
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": oci::runtime::SPEC_VERSION,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": runtime::mount_options(),
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": sys::credentials::CAPABILITIES.as_slice(),
            "cgroup": { "v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true },
            "seccomp": seccomp_features(),
            "apparmor": { "enabled": true },
            "selinux": { "enabled": true },
            "memoryPolicy": { "modes": runtime::MEMORY_POLICY_MODES, "flags": runtime::MEMORY_POLICY_FLAGS },
            "intelRdt": { "enabled": false },
            "mountExtensions": { "idmap": { "enabled": true } },
            "netDevices": { "enabled": false },
        },
        "annotations": { "coracle.version": env!("CARGO_PKG_VERSION") },
        "potentiallyUnsafeConfigAnnotations": [],
    })
}

fn seccomp_features() -> Value {
    let arches: Vec<&str> = seccomp::Arch::ALL.iter().map(|arch| arch.name()).collect();
    json!({
        "enabled": true,
        "actions": [
            "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
            "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
        ],
        "operators": [
            "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
            "SCMP_CMP_NE",
        ],
        "archs": arches,
        "knownFlags": FLAGS,
        "supportedFlags": FLAGS,
    })
}

const FLAGS: [&str; 4] = [
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_operator_architecture_and_flag_compiles() {
        let features = seccomp_features();
        let words = |name: &str| -> Vec<String> { serde_json::from_value(features[name].clone()).unwrap() };
        for (action, operator) in words("actions").iter().zip(words("operators").iter().cycle()) {
            // The one that cannot be the default.
            let (default, action) = match action.as_str() {
                "SCMP_ACT_NOTIFY" => ("SCMP_ACT_ALLOW", action.as_str()),
                other => (other, "SCMP_ACT_ALLOW"),
            };
            let filter = json!({
                "defaultAction": default,
                "architectures": words("archs"),
                "flags": words("supportedFlags"),
                "syscalls": [{ "names": ["read"], "action": action,
                    "args": [{ "index": 0, "value": 1, "op": operator }] }],
            });
            let filter = serde_json::from_value(filter).unwrap();
            seccomp::compile(&filter).unwrap_or_else(|error| panic!("{action} {operator}: {error}"));
        }
    }
}
