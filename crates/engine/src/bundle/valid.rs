//! What the specification calls invalid, beyond what the plan refuses: values of a form that it does not allow.
//!
//! Of the engine's own specifications these hold by how they are made.

use std::path::Path;

use oci::runtime::{Linux, Process, Spec};

use crate::error::{Error, Result};

/// Checks a specification (runtime-spec 1.2, "Valid values").
pub(super) fn check(spec: &Spec) -> Result<()> {
    if !is_version(&spec.oci_version) {
        return Err(invalid(format!("ociVersion `{}` is no version like `1.2.0`", spec.oci_version)));
    }
    if spec.annotations.contains_key("") {
        return Err(invalid("an annotation has an empty key"));
    }
    spec.process.as_ref().map_or(Ok(()), check_process)?;
    spec.linux.as_ref().map_or(Ok(()), check_linux)
}

/// Checks a process of a specification, or of a file for `exec`.
pub(super) fn check_process(process: &Process) -> Result<()> {
    absolute("process.cwd", &process.cwd)
}

fn check_linux(linux: &Linux) -> Result<()> {
    for path in &linux.masked_paths {
        absolute("an entry of linux.maskedPaths", path.as_ref())?;
    }
    for path in &linux.readonly_paths {
        absolute("an entry of linux.readonlyPaths", path.as_ref())?;
    }
    for path in linux.namespaces.iter().filter_map(|namespace| namespace.path.as_deref()) {
        absolute("the path of a namespace", path)?;
    }
    for device in &linux.devices {
        absolute("the path of a device", &device.path)?;
    }
    let rules = linux.seccomp.iter().flat_map(|seccomp| &seccomp.syscalls);
    if rules.into_iter().any(|rule| rule.names.is_empty()) {
        return Err(invalid("an entry of linux.seccomp.syscalls names no call"));
    }
    Ok(())
}

fn absolute(what: &str, path: &Path) -> Result<()> {
    if path.is_absolute() {
        return Ok(());
    }
    Err(invalid(format!("{what} is not absolute: `{}`", path.display())))
}

/// Three numbers, and what semver.org allows after them.
fn is_version(text: &str) -> bool {
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers.split('.').count() == 3 && numbers.split('.').all(is_number)
}

fn invalid(text: impl Into<String>) -> Error {
    Error::invalid(format!("invalid container specification: {}", text.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn values_of_a_form_that_the_specification_does_not_allow() {
        let good = json!({ "ociVersion": "1.2.0", "process": { "cwd": "/" },
            "linux": { "maskedPaths": ["/a"], "namespaces": [{ "type": "uts" }] } });
        let wrong: [(Value, &str); 10] = [
            (json!({ "ociVersion": "1" }), "ociVersion `1`"),
            (json!({ "ociVersion": "1.2.x" }), "ociVersion `1.2.x`"),
            (json!({ "annotations": { "": "x" } }), "empty key"),
            (json!({ "process": { "cwd": "tmp" } }), "process.cwd is not absolute: `tmp`"),
            (json!({ "process": { "cwd": "" } }), "process.cwd"),
            (json!({ "linux": { "maskedPaths": ["proc"] } }), "maskedPaths"),
            (json!({ "linux": { "readonlyPaths": ["proc"] } }), "readonlyPaths"),
            (json!({ "linux": { "namespaces": [{ "type": "uts", "path": "ns" }] } }), "namespace"),
            (json!({ "linux": { "devices": [{ "type": "c", "path": "x" }] } }), "device"),
            (
                json!({ "linux": { "seccomp": { "defaultAction": "SCMP_ACT_ALLOW",
                    "syscalls": [{ "names": [], "action": "SCMP_ACT_KILL" }] } } }),
                "names no call",
            ),
        ];
        let parse = |value: &Value| serde_json::from_value::<Spec>(value.clone()).unwrap();
        check(&parse(&good)).unwrap();
        for version in ["1.0.0", "1.0.2-dev", "1.2.1+build.7"] {
            assert!(is_version(version), "{version}");
        }
        for (patch, named) in wrong {
            let mut value = good.clone();
            for (key, part) in patch.as_object().unwrap() {
                value[key] = part.clone();
            }
            let error = check(&parse(&value)).unwrap_err().to_string();
            assert!(error.contains(named), "{patch}: {error}");
        }
    }
}
