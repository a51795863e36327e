//! Nothing is executed but the container's own program: CVE-2014-9357, CVE-2019-14271, CVE-2022-1227,
//! CVE-2026-41567 (helpers found through PATH or loaded from the image).

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tests::{Engine, Invocation};

use super::{Canary, tree};

#[test]
fn no_helper_is_called_whatever_stands_in_path() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let path = engine.base().join("path");
    let tree = tree(&engine, "helpers");
    fs::create_dir_all(&path).unwrap();
    fs::create_dir_all(tree.join("usr/bin")).unwrap();
    let evil =
        format!("#!/bin/sh\n/bin/busybox touch {}/called-$0\n/bin/busybox touch /called\n", canary.text());
    let helpers = [
        "xz",
        "unxz",
        "gzip",
        "unpigz",
        "pigz",
        "zstd",
        "unzstd",
        "tar",
        "ip",
        "iptables",
        "nft",
        "mount",
        "umount",
        "runc",
        "newuidmap",
        "ps",
        "nsenter",
        "fusermount",
        "modprobe",
        "sh",
    ];
    for name in helpers {
        for at in [path.join(name), tree.join("usr/bin").join(name)] {
            fs::write(&at, &evil).unwrap();
            fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    tests::import(&engine, &tree, "plain");
    let plain = engine.base().join("plain.tar");
    let plain = plain.to_str().unwrap();
    let run = |words: &[&str]| engine.command(words).env("PATH", &path).run();
    for (format, flag) in [("gz", "--gzip"), ("zst", "--zstd"), ("xz", "--xz")] {
        let packed = format!("{plain}.{format}");
        Invocation::new(
            "tar",
            &["--create", flag, "--file", &packed, "--directory", tree.to_str().unwrap(), "."],
        )
        .run()
        .ok();
        let output = run(&["import", &packed, format]);
        if format == "xz" {
            // Not unpacked by us, and by nobody else.
            output.error_names(&["xz"]);
        } else {
            output.ok();
            run(&["run", "--rm", format, "/bin/true"]).ok();
        }
    }
    run(&["run", "-d", "--init", "--name", "idle", "plain", "/bin/busybox", "sleep", "1000"]).ok();
    run(&["exec", "idle", "/bin/ls", "/called"]).fails_with(1);
    for words in
        [&["ps"][..], &["logs", "idle"], &["inspect", "idle"], &["doctor"], &["stop", "-t", "0", "idle"]]
    {
        assert_ne!(run(words).code, 125, "{words:?}");
    }
    run(&["rm", "idle"]).ok();
    canary.assert_unharmed();
}
