//! Mounts of a specification: their options, as config.md lists them, and what the kernel makes of them.

use std::fs;

use serde_json::{Value, json};
use tests::Bundles;

use super::spec::{case, check};

/// The example's mounts and one more.
fn with_mounts(more: &[Value]) -> Value {
    let mut mounts = vec![
        json!({ "destination": "/proc", "type": "proc", "source": "proc" }),
        json!({ "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] }),
        json!({ "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"] }),
    ];
    mounts.extend_from_slice(more);
    json!({ "mounts": mounts })
}

#[test]
fn mounts() {
    let bundles = Bundles::new();
    let tmpfs = |options: &[&str]| {
        with_mounts(&[json!({ "destination": "/m", "type": "tmpfs", "source": "t", "options": options })])
    };
    // Of the options that the table of the specification names, those that the kernel shows.
    const SHOWN: &str = "grep ' /m ' /proc/mounts | busybox cut -d' ' -f4 | busybox tr , '\\n' | \
        grep -E 'ro$|rw|nosuid|nodev|noexec|atime|symfollow|size|sync|lazytime' | busybox xargs";
    // Optional fields of /proc/self/mountinfo, without their numbers.
    const SHARED: &str = "grep ' /m ' /proc/self/mountinfo | busybox cut -d' ' -f7 | busybox cut -d: -f1";
    let shown = [
        ("plain", &[][..], "rw relatime"),
        ("ro", &["ro"], "ro relatime"),
        ("the last wins", &["ro", "rw", "exec", "noexec"], "rw noexec relatime"),
        ("restricted", &["nosuid", "nodev", "noexec"], "rw nosuid nodev noexec relatime"),
        ("noatime", &["noatime"], "rw noatime"),
        ("nodiratime", &["nodiratime"], "rw nodiratime relatime"),
        ("strictatime", &["strictatime"], "rw"),
        ("norelatime", &["strictatime", "norelatime"], "rw relatime"),
        ("nosymfollow", &["nosymfollow"], "rw relatime nosymfollow"),
        ("recursive", &["rro", "rnosuid", "rnodev", "rnoexec", "rnoatime"], "ro nosuid nodev noexec noatime"),
        ("data", &["size=64k", "mode=700"], "rw relatime size=64k"),
        (
            "of the file system",
            &["sync", "dirsync", "lazytime", "defaults"],
            "rw sync dirsync lazytime relatime",
        ),
        (
            "of no effect",
            &["async", "loud", "silent", "iversion", "noiversion", "nolazytime", "nomand"],
            "rw relatime",
        ),
    ];
    // Where the file system adds its own, the attributes come first: super options repeat rw.
    let shown = shown.map(|(name, options, prints)| case(name, tmpfs(options), SHOWN, prints));
    check(&bundles, &shown);
    let shared = [
        ("private", "-"),
        ("rprivate", "-"),
        ("shared", "shared"),
        ("rshared", "shared"),
        ("unbindable", "unbindable"),
        ("runbindable", "unbindable"),
    ];
    check(&bundles, &shared.map(|(option, prints)| case(option, tmpfs(&[option]), SHARED, prints)));

    let data = bundles.base().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("file"), "data").unwrap();
    let bind = |source: &str, options: Value| {
        with_mounts(&[json!({ "destination": "/m", "type": "none", "source": source, "options": options })])
    };
    let data = data.to_str().unwrap();
    let map = |inside: u32| json!([{ "containerID": 0, "hostID": inside, "size": 10 }]);
    let mut mapped = bind(data, json!(["bind", "idmap"]));
    mapped["mounts"][3]["uidMappings"] = map(40);
    mapped["mounts"][3]["gidMappings"] = map(50);
    const READ_ONLY: &str = "grep -E ' /m(/| )' /proc/mounts | busybox cut -d' ' -f4 | grep -c '^rw'; true";
    check(
        &bundles,
        &[
            case("bind", bind(data, json!(["bind"])), "cat /m/file", "data"),
            case("rbind", bind(data, json!(["rbind", "ro"])), "touch /m/x 2>&1 | grep -c Read-only", "1"),
            case("idmap", mapped, "busybox stat -c %u:%g /m/file", "40:50"),
            // The host's /dev has mounts below it.
            case("rro", bind("/dev", json!(["rbind", "rro"])), READ_ONLY, "0"),
            case(
                "order",
                with_mounts(&[
                    json!({ "destination": "/m", "type": "tmpfs", "source": "t", "options": ["mode=755"] }),
                    json!({ "destination": "/m/deep/dir", "type": "bind", "source": data, "options": ["bind"] }),
                    json!({ "destination": "/m/deep/file", "type": "bind", "source": format!("{data}/file"), "options": ["bind"] }),
                ]),
                "cat /m/deep/dir/file /m/deep/file",
                "datadata",
            ),
            // What a path of the host is mounted with stays its own.
            case(
                "of a file system",
                bind(data, json!(["bind", "sync", "dirsync", "mand"])),
                "cat /m/file",
                "data",
            ),
            case(
                "cgroup",
                with_mounts(&[
                    json!({ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"] }),
                ]),
                "grep -c ' /sys/fs/cgroup.* ro[, ]' /proc/mounts >/dev/null && mkdir /sys/fs/cgroup/x 2>&1 | grep -c 'Read-only'",
                "1",
            ),
        ],
    );
}

#[test]
fn a_remount_changes_what_is_mounted() {
    let bundles = Bundles::new();
    const SHOWN: &str = "grep ' /m ' /proc/mounts | busybox cut -d' ' -f4";
    let on = |options: &[&str]| {
        let first = json!({ "destination": "/m", "type": "tmpfs", "source": "t", "options": ["mode=755", "size=64k"] });
        with_mounts(&[first, json!({ "destination": "/m", "type": "none", "options": options })])
    };
    let cases = [
        case(
            "one mount",
            on(&["remount", "bind", "ro", "nosuid"]),
            SHOWN,
            "ro,nosuid,relatime,size=64k,mode=755",
        ),
        case("its file system", on(&["remount", "size=128k"]), SHOWN, "rw,relatime,size=128k,mode=755"),
        case(
            "all below",
            on(&["remount", "rnoexec", "noatime"]),
            SHOWN,
            "rw,noexec,noatime,size=64k,mode=755",
        ),
    ];
    check(&bundles, &cases);
    let mounts = with_mounts(&[json!({ "destination": "/etc", "type": "none", "options": ["remount"] })]);
    let bundle = bundles.bundle("none", &["true"], |spec| spec["mounts"] = mounts["mounts"].clone());
    bundles
        .run(&["run", "-b", bundle.to_str().unwrap(), &bundles.id("none")])
        .fails_with(1)
        .error_names(&["/etc", "nothing is mounted there"]);
    bundles.assert_empty();
}

#[test]
fn terminals_are_as_their_mount_asks() {
    let bundles = Bundles::new();
    let pts = |options: Value| {
        with_mounts(&[
            json!({ "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": options }),
        ])
    };
    const SHOWN: &str = "grep ' /dev/pts ' /proc/mounts | busybox cut -d' ' -f4";
    let all = json!(["newinstance", "gid=9", "mode=600", "ptmxmode=0620", "max=7"]);
    let cases = [
        case("default", pts(json!([])), SHOWN, "rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=666"),
        case("asked", pts(all.clone()), SHOWN, "rw,nosuid,noexec,relatime,gid=9,mode=600,ptmxmode=620,max=7"),
        case("read-only", pts(json!(["ro"])), SHOWN, "ro,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=666"),
    ];
    check(&bundles, &cases);
    // Also the one whose master is the caller's.
    let bundle = bundles.bundle("terminal", &["busybox", "stat", "-c", "%a %g", "/dev/pts/0"], |spec| {
        spec["mounts"] = pts(all)["mounts"].clone();
        spec["process"]["terminal"] = json!(true);
    });
    let output = bundles.run(&["run", "-b", bundle.to_str().unwrap(), &bundles.id("terminal")]).ok();
    assert_eq!(output.text().trim(), "600 9");
    bundles.assert_empty();
}
