//! Which crate may depend on which: face → engine → room → ground, and never up or across.

use serde_json::Value;

/// A package of the workspace and the packages of the workspace that it depends on.
pub struct Package {
    pub name: String,
    /// Where its manifest lies, for the message.
    pub manifest: String,
    /// What it links against; what only its tests use is free.
    pub depends_on: Vec<String>,
}

/// Each floor of the house with the floors below it that it may use.
const FLOORS: &[(&str, &[&str], &[&str])] = &[
    ("ground", &["sys", "oci", "store"], &[]),
    (
        "room",
        &["cgroup", "seccomp", "image", "runtime", "supervisor", "registry", "network", "volume", "build"],
        &["ground"],
    ),
    ("engine", &["engine"], &["room", "ground"]),
    ("face", &["cli", "api"], &["engine"]),
    ("binary", &["coracle"], &["face"]),
    // Not part of the product: they may look at everything, and nothing may look at them.
    ("outside", &["xtask", "tests", "fuzz"], &["binary", "face", "engine", "room", "ground", "outside"]),
];

/// Arrows that the floors do not give, each with its reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("store", "sys", "locks and durable writes are system calls"),
    ("store", "oci", "records hold the types of the specs"),
    ("image", "registry", "pull and push"),
    ("runtime", "cgroup", "init enters the groups that the plan names"),
    ("runtime", "seccomp", "a step loads the compiled filter"),
    ("supervisor", "runtime", "the supervisor launches and deletes its one container"),
    ("supervisor", "cgroup", "teardown and the supervisor's own group"),
    (
        "supervisor",
        "network",
        "the namespace exists only once the supervisor has made it; names are answered there",
    ),
    (
        "supervisor",
        "volume",
        "an anonymous volume goes with its container, which may end after every engine process",
    ),
    ("build", "image", "a build step is an image → image value"),
    ("cli", "oci", "plain types"),
    ("cli", "sys", "terminals"),
    ("api", "oci", "plain types"),
    ("api", "sys", "sockets"),
    ("coracle", "engine", "hands the request in a memfd over to the engine"),
    ("coracle", "runtime", "picked by argv[0]"),
    ("coracle", "supervisor", "picked by argv[0]"),
    ("coracle", "sys", "the first lines of a process"),
];

/// Returns a fault for each dependency that points up or across.
pub fn check_arrows(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        let Some((from, allowed)) = floor(&package.name) else {
            faults.push(format!(
                "{}: crate `{}` stands on no floor of the house: name it in xtask/src/tidy/arrows.rs",
                package.manifest, package.name
            ));
            continue;
        };
        for target in &package.depends_on {
            let Some((to, _)) = floor(target) else { continue };
            let excepted = EXCEPTIONS.iter().any(|(a, b, _)| (*a, *b) == (&package.name, target));
            if !allowed.contains(&to) && !excepted {
                faults.push(format!(
                    "{}: `{}` ({from}) must not depend on `{target}` ({to}): arrows point down only",
                    package.manifest, package.name
                ));
            }
        }
    }
    faults
}

fn floor(name: &str) -> Option<(&'static str, &'static [&'static str])> {
    let floor = FLOORS.iter().find(|(_, members, _)| members.contains(&name))?;
    Some((floor.0, floor.2))
}

impl Package {
    /// Takes what matters out of one package of `cargo metadata`.
    pub(super) fn from_metadata(package: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        Self {
            name: text(&package["name"]),
            manifest: text(&package["manifest_path"]),
            depends_on: dependencies
                .filter(|dependency| dependency["kind"] != "dev" && dependency["path"].is_string())
                .map(|dependency| text(&dependency["name"]))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, depends_on: &[&str]) -> Package {
        Package {
            name: name.into(),
            manifest: format!("crates/{name}/Cargo.toml"),
            depends_on: depends_on.iter().map(|name| (*name).into()).collect(),
        }
    }

    #[test]
    fn arrows_down_and_named_exceptions_pass() {
        let packages = [
            package("cli", &["engine", "oci", "sys"]),
            package("engine", &["image", "runtime", "store"]),
            package("runtime", &["cgroup", "seccomp", "sys"]),
            package("store", &["sys", "oci"]),
            package("tests", &["xtask"]),
        ];
        assert_eq!(check_arrows(&packages), Vec::<String>::new());
    }

    #[test]
    fn arrows_up_and_across_are_named_with_their_manifest() {
        for (from, to) in
            [("sys", "oci"), ("cgroup", "runtime"), ("image", "runtime"), ("engine", "cli"), ("cli", "image")]
        {
            let faults = check_arrows(&[package(from, &[to])]);
            assert_eq!(faults.len(), 1, "{from} → {to}");
            assert!(faults[0].starts_with(&format!("crates/{from}/Cargo.toml: `{from}`")), "{faults:?}");
        }
    }

    #[test]
    fn a_crate_on_no_floor_is_a_fault() {
        assert!(check_arrows(&[package("utils", &[])])[0].contains("stands on no floor"));
    }

    #[test]
    fn what_only_tests_use_is_free() {
        let metadata = serde_json::json!({
            "name": "image", "manifest_path": "crates/image/Cargo.toml",
            "dependencies": [
                {"name": "runtime", "kind": "dev", "path": "crates/runtime"},
                {"name": "sys", "kind": null, "path": "crates/sys"},
                {"name": "serde", "kind": null},
            ],
        });
        assert_eq!(Package::from_metadata(&metadata).depends_on, ["sys"]);
    }
}
