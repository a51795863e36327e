//! A root file system whose system directories are links to the host: CVE-2019-18837, CVE-2019-19921,
//! CVE-2023-27561, CVE-2025-54867, CVE-2026-41579, CVE-2026-47766, CVE-2024-5154, CVE-2015-3627.

use std::fs;
use std::os::unix::fs::symlink;

use tests::Engine;

use super::{Canary, tree};

#[test]
fn proc_sys_and_dev_must_be_what_they_are_called() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    for (number, directory) in ["proc", "sys", "dev"].into_iter().enumerate() {
        for (kind, target) in [
            ("absolute", canary.text().to_owned()),
            ("relative", format!("../../../../../../../../..{}", canary.text())),
            ("inside", "/bin".to_owned()),
        ] {
            let name = format!("{kind}{number}");
            let tree = tree(&engine, &name);
            symlink(target, tree.join(directory)).unwrap();
            tests::import(&engine, &tree, &name);
            let path = format!("/{directory}");
            for flags in [&[][..], &["-t"], &["--userns", "host"], &["--privileged"]] {
                let run = [&["run", "--rm"], flags, &[name.as_str(), "true"]].concat();
                engine.run(&run).fails_with(125).stderr_has(&path);
            }
            engine.run(&["create", "--name", &name, &name, "true"]).ok();
            engine.run(&["start", &name]).error_names(&[&path]);
            engine.run(&["rm", &name]).ok();
        }
    }
    canary.assert_unharmed();
    assert!(engine.containers().is_empty());
    // The twin: an image that has none of these directories gets them.
    let tree = tree(&engine, "bare");
    tests::import(&engine, &tree, "bare");
    engine.run(&["run", "--rm", "bare", "sh", "-c", "ls / && echo > /dev/null"]).ok().stdout_has("proc");
}

#[test]
fn other_directories_may_be_links_and_stay_inside() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let upwards = format!("../../../../../../../../..{}", canary.text());
    for (name, target) in [("absolute", canary.text()), ("relative", upwards.as_str())] {
        let tree = tree(&engine, name);
        for link in ["etc", "run", "sbin", "app"] {
            symlink(target, tree.join(link)).unwrap();
        }
        tests::import_with(&engine, &tree, name, &["WORKDIR /app/deep"]);
        let run = ["run", "--rm", "--init", "--tmpfs", "/run/t", "--device", "/dev/zero:/etc/dev/zero", name];
        let inside = engine.run(&[&run[..], &["sh", "-c", "pwd; cat /etc/hostname"]].concat()).ok();
        assert!(inside.stdout.starts_with(&format!("{}/deep\n", canary.text())), "{inside}");
    }
    canary.assert_unharmed();
}

#[test]
fn devices_that_are_links_in_the_image_are_covered_not_followed() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let tree = tree(&engine, "devices");
    fs::create_dir_all(tree.join("dev/pts")).unwrap();
    for name in ["null", "console", "ptmx", "zero", "stdout", "fd", "shm", "mqueue"] {
        symlink(format!("{}/{name}", canary.text()), tree.join("dev").join(name)).unwrap();
    }
    tests::import(&engine, &tree, "devices");
    let script = "echo > /dev/null; echo > /dev/ptmx; readlink /dev/fd; echo out > /dev/stdout";
    for flags in [&["run", "--rm"][..], &["run", "--rm", "-t"]] {
        engine.run(&[flags, &["devices", "sh", "-c", script]].concat()).ok().stdout_has("out");
    }
    canary.assert_unharmed();
}

#[test]
fn what_an_image_declares_is_no_order_to_the_engine() {
    // CVE-2019-16884: a volume over /proc; CVE-2022-23648: volumes that climb; CVE-2026-53488: labels that
    // other engines obey.
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let tree = tree(&engine, "declares");
    let climb = format!("VOLUME /../../../../../..{}", canary.text());
    let log = format!("LABEL containerd.io/restart.loguri=binary://{}/run", canary.text());
    let changes = [climb.as_str(), log.as_str(), "LABEL io.kubernetes.cri.privileged=true"];
    tests::import_with(&engine, &tree, "declares", &changes);
    for (name, place) in [("over", "/proc"), ("inside", "/proc/self/attr"), ("sys", "/proc/sys/kernel")] {
        tests::import_with(&engine, &tree, name, &[&format!("VOLUME {place}")]);
        engine.run(&["run", "--rm", name, "true"]).fails_with(125).error_names(&[place]);
    }
    let script = "grep ' /proc proc ' /proc/mounts | wc -l; grep CapEff /proc/self/status; cat /proc/self/uid_map | grep -c 4294967295";
    engine
        .run(&["run", "--rm", "declares", "busybox", "sh", "-c", script])
        .fails_with(1)
        .prints("1\nCapEff:\t00000000a80425fb\n0");
    engine.run(&["volume", "ls", "-q"]).ok().prints("");
    canary.assert_unharmed();
}
