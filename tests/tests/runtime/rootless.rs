//! Containers of a user who does not own the machine: in a user namespace, as podman enters one for its user.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tests::Bundles;

/// Takes away what needs a cgroup of the user's own.
fn without_cgroup(spec: &mut Value) {
    spec["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/sys/fs/cgroup");
}

#[test]
fn root_of_a_user_namespace_makes_containers_with_the_host_s_devices() {
    let bundles = Bundles::new();
    // The container that stands for the user's session holds the runtime and a bundle.
    let inner = bundles.bundle(
        "inner",
        &["sh", "-c", "id -u; echo x >/dev/null; busybox head -c 3 /dev/zero | busybox wc -c; tty; exit 7"],
        |spec| {
            without_cgroup(spec);
            spec["root"]["path"] = json!("/inner/rootfs");
            spec["process"]["terminal"] = json!(true);
        },
    );
    for (path, mode) in [(&inner, 0o755), (&inner.join("config.json"), 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let features: Value = serde_json::from_str(&bundles.run(&["features"]).ok().stdout).unwrap();
    let all = features["linux"]["capabilities"].clone();
    let script = "export XDG_RUNTIME_DIR=/tmp; /tmp/program runtime run -b /inner c; echo $?; test -d /tmp/coracle/runtime";
    let outer = bundles.bundle("outer", &["sh", "-c", script], |spec| {
        without_cgroup(spec);
        spec["linux"]["namespaces"].as_array_mut().unwrap().push(json!({ "type": "user" }));
        let map = json!([{ "containerID": 0, "hostID": 300_000, "size": 65_536 }]);
        (spec["linux"]["uidMappings"], spec["linux"]["gidMappings"]) = (map.clone(), map);
        // What is masked in the outer /proc would keep the inner one from being mounted.
        (spec["linux"]["maskedPaths"], spec["linux"]["readonlyPaths"]) = (json!([]), json!([]));
        spec["process"]["capabilities"] = json!({ "bounding": all, "effective": all, "permitted": all });
        let bind = |source: &str, destination: &str| {
            json!({ "destination": destination, "type": "bind", "source": source, "options": ["bind", "ro"] })
        };
        let binary = tests::Engine::new().binary().to_str().unwrap().to_owned();
        let mounts = spec["mounts"].as_array_mut().unwrap();
        mounts.push(json!({ "destination": "/tmp", "type": "tmpfs", "source": "t", "options": ["mode=1777"] }));
        mounts.push(bind(&binary, "/tmp/program"));
        mounts.push(json!({ "destination": "/inner", "type": "tmpfs", "source": "t" }));
        mounts.push(bind(inner.join("config.json").to_str().unwrap(), "/inner/config.json"));
        mounts.push(bind(bundles.rootfs().to_str().unwrap(), "/inner/rootfs"));
    });
    let id = bundles.id("outer");
    let output = bundles.run(&["run", "-b", outer.to_str().unwrap(), &id]).ok();
    let printed = output.stdout.replace('\r', "");
    assert!(printed.starts_with("0\n3\n/dev/pts/0\n7\n"), "{output}");
    bundles.assert_empty();
}

#[test]
fn who_may_not_mount_is_told_so() {
    let bundles = Bundles::new();
    let bundle = bundles.bundle("denied", &["true"], |_| ());
    let (binary, root) = (tests::Engine::new().binary().to_owned(), bundles.root());
    let words = [
        "--bounding-set=-sys_admin",
        binary.to_str().unwrap(),
        "runtime",
        "--root",
        root.to_str().unwrap(),
        "run",
        "-b",
        bundle.to_str().unwrap(),
        &bundles.id("denied"),
    ];
    tests::Invocation::new("setpriv", &words).run().fails_with(1).error_names(&["CAP_SYS_ADMIN"]);
    bundles.assert_empty();
}
