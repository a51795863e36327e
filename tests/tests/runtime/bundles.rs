//! What a bundle may ask: what is honoured, and what is refused with nothing left.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tests::{Bundles, eventually};

#[test]
fn a_bad_bundle_is_refused_and_leaves_nothing() {
    let bundles = Bundles::new();
    let id = bundles.id("bad");
    type Change = fn(&mut Value);
    let cases: &[(&str, Change, &str)] = &[
        ("version", |spec| spec["ociVersion"] = json!("2.0.0"), "2.0.0"),
        ("process", |spec| drop(spec.as_object_mut().unwrap().remove("process")), "`process` is missing"),
        ("root", |spec| drop(spec.as_object_mut().unwrap().remove("root")), "`root` is missing"),
        ("rootfs", |spec| spec["root"]["path"] = json!("nowhere"), "nowhere"),
        ("file", |spec| spec["root"]["path"] = json!("config.json"), "not a directory"),
        ("args", |spec| spec["process"]["args"] = json!([]), "`process.args` is empty"),
        ("cwd", |spec| spec["process"]["cwd"] = json!(7), "config.json"),
        ("label", |spec| spec["linux"]["mountLabel"] = json!("x"), "label `x`"),
        ("apparmor", |spec| spec["process"]["apparmorProfile"] = json!("x"), "AppArmor profile `x`"),
        ("selinux", |spec| spec["process"]["selinuxLabel"] = json!("x"), "SELinux label `x`"),
        ("rdt", |spec| spec["linux"]["intelRdt"] = json!({}), "intelRdt"),
        ("device", |spec| spec["linux"]["netDevices"] = json!({ "eth0": {} }), "netDevices"),
        (
            "notify",
            |spec| {
                spec["linux"]["seccomp"] = json!({ "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_NOTIFY" }] })
            },
            "listenerPath",
        ),
        ("hook", |spec| spec["hooks"] = json!({ "poststop": [{ "path": "x" }] }), "hooks.poststop[0]"),
        ("systemd", |spec| spec["linux"]["cgroupsPath"] = json!("a:b:c"), "systemd"),
        ("sysctl", |spec| spec["linux"]["sysctl"] = json!({ "kernel.panic": "1" }), "kernel.panic"),
        ("memory", |spec| spec["linux"]["resources"]["memory"] = json!({ "limit": 1 }), "memory"),
        (
            "bind",
            |spec| {
                spec["mounts"].as_array_mut().unwrap().push(json!(
            { "destination": "/x", "type": "bind", "source": "gone", "options": ["bind"] }))
            },
            "gone",
        ),
        ("program", |spec| spec["process"]["args"] = json!(["/bin/nowhere"]), "/bin/nowhere"),
        (
            "namespace",
            |spec| {
                spec["linux"]["namespaces"] = json!([{ "type": "mount" }, { "type": "uts" },
            { "type": "network", "path": "/proc/nowhere" }])
            },
            "/proc/nowhere",
        ),
    ];
    for (name, change, named) in cases {
        let bundle = bundles.bundle(name, &["true"], change);
        let words = ["--bundle", bundle.to_str().unwrap(), &id];
        bundles.leave(name, &[&["create"], &words[..]].concat()).fails_with(1).error_names(&[named]);
        bundles.assert_empty();
    }
    let empty = bundles.base().join("empty");
    fs::create_dir(&empty).unwrap();
    bundles.run(&["run", "-b", empty.to_str().unwrap(), &id]).fails_with(1).error_names(&["config.json"]);
    bundles.run(&["run", "-b", "/nowhere", &id]).fails_with(1).error_names(&["/nowhere"]);
    fs::write(empty.join("config.json"), "{").unwrap();
    bundles.run(&["run", "-b", empty.to_str().unwrap(), &id]).fails_with(1).error_names(&["config.json"]);
    bundles.run(&["spec", "-b", empty.to_str().unwrap()]).fails_with(1).error_names(&["exists"]);
    for bad in ["a/b", "..", ".hidden", ""] {
        bundles
            .run(&["run", "-b", empty.to_str().unwrap(), bad])
            .fails_with(1)
            .error_names(&["container ID"]);
    }
    bundles.run(&["run", "--no-pivot", &id]).fails_with(1).error_names(&["--no-pivot"]);
    bundles.assert_empty();
}

#[test]
fn the_root_file_system_is_the_bundle_s_own_and_paths_are_relative_to_it() {
    let bundles = Bundles::new();
    let id = bundles.id("root");
    let run = |name: &str, script: &str, change: &dyn Fn(&mut Value)| {
        let bundle = bundles.bundle(name, &["sh", "-c", script], change);
        fs::create_dir_all(bundle.join("data")).unwrap();
        fs::write(bundle.join("data/file"), "data").unwrap();
        bundles.run(&["run", "-b", bundle.to_str().unwrap(), &id])
    };
    let bind = |spec: &mut Value| {
        let mounts = spec["mounts"].as_array_mut().unwrap();
        mounts.push(json!({ "destination": "/data", "source": "data", "options": ["rbind", "ro"] }));
    };
    run("bind", "cat /data/file; ! touch /data/x 2>&1", &bind)
        .ok()
        .stdout_has("data")
        .stdout_has("Read-only");
    run("write", "touch /written", &|_| ()).ok();
    assert!(bundles.rootfs().join("written").exists());
    run("ro", "touch /refused", &|spec| spec["root"]["readonly"] = json!(true))
        .fails_with(1)
        .stderr_has("Read-only");
    run("propagation", "grep ' / / ' /proc/self/mountinfo || cat /proc/self/mountinfo", &|spec| {
        spec["linux"]["rootfsPropagation"] = json!("rslave");
    })
    .ok();
    fs::create_dir_all(bundles.rootfs().join("kept/inner")).unwrap();
    fs::write(bundles.rootfs().join("kept/inner/file"), "kept").unwrap();
    std::os::unix::fs::symlink("inner/file", bundles.rootfs().join("kept/link")).unwrap();
    std::os::unix::fs::chown(bundles.rootfs().join("kept/inner/file"), Some(5), Some(6)).unwrap();
    let script = "cat /kept/link; busybox stat -c ' %a %u:%g' /kept/inner/file; busybox stat -c %a /kept; touch /kept/x; grep -c ' /kept ' /proc/mounts";
    for (options, wanted) in [
        (json!(["tmpcopyup"]), "kept 644 5:6\n755\n1"),
        (json!(["tmpcopyup", "ro", "mode=1700"]), "kept 644 5:6\n1700\n1"),
    ] {
        let mount = json!({ "destination": "/kept", "type": "tmpfs", "source": "tmpfs", "options": options });
        run(&format!("copyup-{}", wanted.len()), script, &|spec| {
            spec["mounts"].as_array_mut().unwrap().push(mount.clone())
        })
        .ok()
        .prints(wanted);
    }
    assert!(!bundles.rootfs().join("kept/x").exists());
    run("host", "cat /proc/sys/kernel/hostname", &|spec| spec["hostname"] = json!("named"))
        .ok()
        .prints("named");
    // Devices that nobody mentioned exist and open; others do not open.
    run("null", "echo x >/dev/null && cat /dev/zero | busybox head -c 1 | busybox wc -c", &|_| ())
        .ok()
        .prints("1");
    bundles.assert_empty();
}

#[test]
fn limits_filter_and_cgroup_are_in_force() {
    let bundles = Bundles::new();
    let id = bundles.id("limits");
    let parent = bundles.id("parent");
    let bundle = bundles.bundle("limits", &["sh", "-c", "mkdir /made; echo $?; exec sleep 600"], |spec| {
        spec["linux"]["cgroupsPath"] = json!(format!("/{parent}/inner"));
        spec["linux"]["resources"]["pids"] = json!({ "limit": 17 });
        spec["linux"]["resources"]["memory"] = json!({ "limit": 64 << 20 });
        spec["linux"]["seccomp"] = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls":
            [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28 }] });
    });
    bundles.leave("limits", &["run", "-d", "-b", bundle.to_str().unwrap(), &id]).ok();
    eventually("it has tried", || bundles.printed("limits").contains("No space left on device"));
    bundles.run(&["exec", &id, "mkdir", "/made"]).fails_with(1).stderr_has("No space left on device");
    let read = |paths: &[&str]| {
        let found = paths.iter().map(|path| path.replace("ID", &format!("{parent}/inner")));
        found.filter_map(|path| fs::read_to_string(path).ok()).next().expect("a limit").trim().to_owned()
    };
    assert_eq!(read(&["/sys/fs/cgroup/pids/ID/pids.max", "/sys/fs/cgroup/ID/pids.max"]), "17");
    let memory = ["/sys/fs/cgroup/memory/ID/memory.limit_in_bytes", "/sys/fs/cgroup/ID/memory.max"];
    assert_eq!(read(&memory), (64 << 20).to_string());
    // An exec is in the same group, by whatever group its caller is in.
    let own = bundles.run(&["exec", &id, "cat", "/proc/self/cgroup"]).ok();
    assert!(own.stdout.contains("/inner") || own.stdout.lines().all(|line| line.ends_with(":/")), "{own}");
    // A process may be put into a group below the container's.
    let v1 = Path::new("/sys/fs/cgroup/pids").exists();
    let group = format!("/sys/fs/cgroup/{}{parent}/inner/sub", if v1 { "pids/" } else { "" });
    fs::create_dir(&group).unwrap();
    let asked = if v1 { "pids:/sub" } else { "sub" };
    let below = bundles.run(&["exec", "--cgroup", asked, &id, "cat", "/proc/self/cgroup"]).ok();
    let line = below.stdout.lines().find(|line| line.contains(if v1 { ":pids:" } else { "0::" })).unwrap();
    assert!(line.ends_with("/sub"), "{below}");
    bundles
        .run(&["exec", "--cgroup", "../..", &id, "true"])
        .fails_with(255)
        .error_names(&["--cgroup", "../.."]);
    bundles.run(&["delete", "--force", &id]).ok();
    for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        let group = hierarchy.path().join(&parent);
        assert!(!group.join("inner").exists(), "{}", group.display());
        // The parent was named by the caller, and is the caller's.
        let _ = fs::remove_dir(group);
    }
    let _ = fs::remove_dir(Path::new("/sys/fs/cgroup").join(&parent));
    bundles.assert_empty();
}

#[test]
fn a_user_namespace_of_the_specification_is_made_and_joined() {
    let bundles = Bundles::new();
    let map = json!([{ "containerID": 0, "hostID": 300_000, "size": 1000 }]);
    let bundle =
        bundles.bundle("user", &["sh", "-c", "id -u; cat /proc/self/uid_map; exec sleep 600"], |spec| {
            spec["linux"]["namespaces"].as_array_mut().unwrap().push(json!({ "type": "user" }));
            spec["linux"]["uidMappings"] = map.clone();
            spec["linux"]["gidMappings"] = map.clone();
        });
    let id = bundles.start("user", &bundle);
    eventually("it prints", || bundles.printed("user").split_whitespace().eq(["0", "0", "300000", "1000"]));
    let pid = bundles.state(&id)["pid"].to_string();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Uid:\t300000\t300000"), "{status}");
    bundles.run(&["exec", &id, "cat", "/proc/self/uid_map"]).ok().stdout_has("300000");
    // A second container in the namespaces of the first, as in a pod.
    let joined = bundles.bundle("joined", &["cat", "/proc/sys/kernel/hostname"], |spec| {
        let path = |kind: &str| json!({ "type": kind, "path": format!("/proc/{pid}/ns/{kind}") });
        spec["linux"]["namespaces"] =
            json!([{ "type": "mount" }, { "type": "pid" }, path("uts"), path("ipc")]);
        spec.as_object_mut().unwrap().remove("hostname");
    });
    let second = bundles.id("joined");
    bundles.run(&["run", "-b", joined.to_str().unwrap(), &second]).ok().prints("coracle");
    // One that keeps no mappings of its own and is the caller's user has the example of `spec --rootless`.
    let rootless = bundles.base().join("rootless");
    fs::create_dir(&rootless).unwrap();
    bundles.run(&["spec", "--rootless", "-b", rootless.to_str().unwrap()]).ok();
    let mut spec: Value = serde_json::from_slice(&fs::read(rootless.join("config.json")).unwrap()).unwrap();
    spec["root"]["path"] = json!(bundles.rootfs());
    spec["process"]["terminal"] = json!(false);
    spec["process"]["args"] = json!(["id", "-u"]);
    fs::write(rootless.join("config.json"), spec.to_string()).unwrap();
    bundles.run(&["run", "-b", rootless.to_str().unwrap(), &second]).ok().prints("0");
}

#[test]
fn capabilities_that_the_caller_lacks_are_left_out_with_a_warning() {
    let bundles = Bundles::new();
    let id = bundles.id("caps");
    let bundle = bundles.bundle("caps", &["grep", "CapEff", "/proc/self/status"], |spec| {
        let sets = json!(["CAP_KILL", "CAP_SYS_TIME"]);
        spec["process"]["capabilities"] =
            json!({ "bounding": sets, "effective": sets, "permitted": sets, "ambient": ["CAP_KILL"], "inheritable": null });
    });
    let output = bundles.run_without("sys_time", &["run", "-b", bundle.to_str().unwrap(), &id]).ok();
    let output = output.prints("CapEff:\t0000000000000020");
    assert!(output.stderr.contains("warning: the capability CAP_SYS_TIME is not given"), "{output}");
}

#[test]
fn every_namespace_that_features_lists_is_made() {
    let bundles = Bundles::new();
    let features: Value = serde_json::from_str(&bundles.run(&["features"]).ok().stdout).unwrap();
    let kinds: Vec<String> = serde_json::from_value(features["linux"]["namespaces"].clone()).unwrap();
    let bundle = bundles.bundle("namespaces", &["sleep", "600"], |spec| {
        spec["linux"]["namespaces"] = kinds.iter().map(|kind| json!({ "type": kind })).collect();
        let map = json!([{ "containerID": 0, "hostID": 300_000, "size": 1000 }]);
        (spec["linux"]["uidMappings"], spec["linux"]["gidMappings"]) = (map.clone(), map);
    });
    let id = bundles.start("namespaces", &bundle);
    let pid = bundles.state(&id)["pid"].to_string();
    for kind in kinds {
        let file = match kind.as_str() {
            "network" => "net",
            "mount" => "mnt",
            other => other,
        };
        let namespace = |who: &str| fs::read_link(format!("/proc/{who}/ns/{file}")).unwrap();
        assert_ne!(namespace(&pid), namespace("self"), "{kind}");
    }
}
