//! Files that the engine writes for a container, where the image has put links: CVE-2024-5154, CVE-2026-23954,
//! CVE-2019-18837.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tests::Engine;

use super::{Canary, tree};

const FILES: [&str; 3] = ["hosts", "resolv.conf", "hostname"];

/// Puts something in the place of each file.
fn spoil(tree: &Path, put: impl Fn(&Path, &str)) {
    fs::create_dir_all(tree.join("etc")).unwrap();
    for name in FILES {
        put(&tree.join("etc").join(name), name);
    }
}

/// Runs a container on a spoilt image in every way that might follow a link, and looks whether the host was harmed.
#[track_caller]
fn run(engine: &Engine, canary: &Canary, image: &str) -> Vec<tests::Output> {
    let script = "cat /etc/resolv.conf /etc/hosts /etc/hostname; echo pwned >/etc/hosts; echo pwned >/etc/hostname; echo pwned >/etc/resolv.conf; true";
    let ways: [&[&str]; 5] = [
        &["--network", "none"],
        &[],
        &["--userns", "host"],
        &["--privileged", "--network", "host"],
        &["--add-host", "db:10.0.0.1", "--dns", "10.0.0.1", "--hostname", "boat"],
    ];
    ways.into_iter()
        .map(|flags| {
            let output = engine.run(&[&["run", "--rm"], flags, &[image, "sh", "-c", script]].concat());
            canary.assert_unharmed_by(&format!("{output}"));
            assert!(output.code == 0 || output.code == 125, "{output}");
            assert!(!output.stdout.contains("content of"), "the host's content is shown: {output}");
            output
        })
        .collect()
}

#[test]
fn links_out_of_the_image_lead_nowhere() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let out = format!("../../../../../../../../..{}", canary.text());
    for (name, target) in [
        ("absolute", format!("{}/file", canary.text())),
        ("relative", format!("{out}/file")),
        ("new", format!("{out}/new-file")),
        ("root", format!("/proc/1/root{}/file", canary.text())),
        ("self", format!("/proc/self/root/../../..{}/file", canary.text())),
        ("fd", "/proc/self/fd/3/../../file".to_owned()),
        ("directory", canary.text().to_owned()),
        ("loop", "hosts".to_owned()),
    ] {
        let tree = tree(&engine, name);
        spoil(&tree, |path, _| symlink(&target, path).unwrap());
        tests::import(&engine, &tree, name);
        run(&engine, &canary, name);
    }
}

#[test]
fn links_on_the_way_lead_nowhere() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    for (name, target) in [
        ("etc-absolute", format!("{}/etc", canary.text())),
        ("etc-relative", format!("../../../../../../..{}/etc", canary.text())),
        ("etc-root", format!("/proc/1/root{}/etc", canary.text())),
    ] {
        let tree = tree(&engine, name);
        symlink(&target, tree.join("etc")).unwrap();
        tests::import(&engine, &tree, name);
        run(&engine, &canary, name);
    }
}

#[test]
fn what_is_no_file_is_no_trap() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    for name in ["fifo", "empty-directory", "device"] {
        let tree = tree(&engine, name);
        spoil(&tree, |path, _| match name {
            "fifo" => drop(tests::Invocation::new("mkfifo", &[path.to_str().unwrap()]).run().ok()),
            "device" => {
                drop(tests::Invocation::new("mknod", &[path.to_str().unwrap(), "c", "1", "8"]).run().ok())
            }
            _ => fs::create_dir(path).unwrap(),
        });
        tests::import(&engine, &tree, name);
        run(&engine, &canary, name);
    }
}

#[test]
fn images_as_distributions_make_them_have_all_three() {
    // The twin: nothing there at all, no /etc, and systemd-resolved's link into a directory that is not there.
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let bare = tree(&engine, "bare");
    tests::import(&engine, &bare, "bare");
    let linked = tree(&engine, "linked");
    fs::create_dir(linked.join("etc")).unwrap();
    symlink("../run/systemd/resolve/stub-resolv.conf", linked.join("etc/resolv.conf")).unwrap();
    symlink("/etc/hosts.d/main", linked.join("etc/hosts")).unwrap();
    tests::import(&engine, &linked, "linked");
    let twin = tree(&engine, "within");
    fs::create_dir_all(twin.join("usr/etc")).unwrap();
    symlink("usr/etc", twin.join("etc")).unwrap();
    tests::import(&engine, &twin, "within");
    for image in ["bare", "linked", "within"] {
        for output in run(&engine, &canary, image) {
            output.ok().stdout_has("localhost");
        }
        let named = engine
            .run(&[
                "run",
                "--rm",
                "--add-host",
                "db:10.0.0.1",
                "--dns",
                "10.0.0.7",
                "--hostname",
                "boat",
                image,
                "cat",
                "/etc/hosts",
                "/etc/resolv.conf",
                "/etc/hostname",
            ])
            .ok();
        for part in ["10.0.0.1\tdb", "nameserver 10.0.0.7", "boat"] {
            assert!(named.stdout.contains(part), "no {part} in {named}");
        }
    }
}
