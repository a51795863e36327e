//! /etc/passwd and /etc/group of an image are foreign data; `-u` is parsed into checked ids.
//! CVE-2016-3697, CVE-2024-9676, CVE-2024-40635, CVE-2026-30892, CVE-2026-47262.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use tests::Engine;

use super::{Canary, tree};

/// Makes a file at a path.
type Make<'a> = &'a dyn Fn(&Path);

#[test]
fn hostile_account_files_neither_hang_nor_fill_memory_nor_lead_outside() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    fs::write(engine.base().join("outside"), "spy:x:77:77::/:\n").unwrap();
    let outside = engine.base().join("outside");
    let make: [(&str, Make<'_>); 6] = [
        ("fifo", &|at| mknodat(CWD, at, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap()),
        ("zero", &|at| {
            mknodat(CWD, at, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(1, 5)).unwrap();
        }),
        ("endless", &|at| symlink("/dev/zero", at).unwrap()),
        ("huge", &|at| fs::File::create(at).unwrap().set_len(1 << 36).unwrap()),
        ("directory", &|at| fs::create_dir(at).unwrap()),
        ("link", &|at| symlink(&outside, at).unwrap()),
    ];
    for (name, make) in make {
        let tree = tree(&engine, name);
        fs::create_dir(tree.join("etc")).unwrap();
        if name == "huge" {
            // Sparse in the archive too, or it would not fit the machine.
            make(&tree.join("etc/passwd"));
            tests::import_sparse(&engine, &tree, name);
        } else {
            make(&tree.join("etc/passwd"));
            make(&tree.join("etc/group"));
            tests::import(&engine, &tree, name);
        }
        // Numbers need no file …
        let status = ["grep", "Uid", "/proc/self/status"];
        let user = ["run", "--rm", "-u", "1000:7", name];
        engine.run(&[&user[..], &status].concat()).ok().stdout_has("1000");
        engine.run(&["run", "--rm", name, "true"]).ok();
        // … and names are not found, at once.
        engine.run(&["run", "--rm", "-u", "spy", name, "id"]).fails_with(125).error_names(&["spy"]);
    }
    canary.assert_unharmed();
    assert!(engine.containers().is_empty());
}

#[test]
fn users_are_checked_numbers_or_names_of_the_image() {
    let engine = Engine::new();
    let tree = tree(&engine, "users");
    fs::create_dir(tree.join("etc")).unwrap();
    fs::write(
        tree.join("etc/passwd"),
        "root:x:0:0::/root:\ndaemon:x:1:1::/:\nboat:x:1000:1001::/home:\n1000:x:0:0::/:\n0x0:x:5:5::/:\n-1:x:6:6::/:\n",
    )
    .unwrap();
    fs::write(tree.join("etc/group"), "root:x:0:\nboat:x:1001:\ncrew:x:50:boat\n").unwrap();
    tests::import(&engine, &tree, "users");
    engine.run(&["run", "-d", "--name", "idle", "users", "sleep", "1000"]).ok();
    let table = [
        // CVE-2016-3697: a user called `1000` who is root is not meant by the number.
        ("1000", Some("1000 1001")),
        ("boat", Some("1000 1001")),
        ("boat:crew", Some("1000 50")),
        ("1000:", Some("1000 1001")),
        (":1000", Some("0 1000")),
        ("1000:100", Some("1000 100")),
        ("3000000000", None),
        ("4294967294", None),
        ("4294967295", None),
        ("4294967296", None),
        ("+1", None),
        ("nobody", None),
        ("boat:nowhere", None),
        ("1000:+1", None),
    ];
    for (user, expected) in table {
        for words in [&["run", "--rm", "-u", user, "users"][..], &["exec", "-u", user, "idle"]] {
            let output = engine.run(&[words, &["sh", "-c", "echo $(id -u) $(id -g)"]].concat());
            match expected {
                Some(ids) => drop(output.ok().prints(ids)),
                None => {
                    let output = output.error_names(&[user.split(':').next_back().unwrap()]);
                    assert!(output.code != 0 && output.stdout.is_empty(), "{output}");
                }
            }
        }
    }
    // Supplementary groups are those of the image (CVE-2022-36109), and those asked for.
    engine
        .run(&["run", "--rm", "-u", "boat", "--group-add", "9", "users", "id", "-G"])
        .ok()
        .prints("1001 9 50");
    engine.run(&["run", "--rm", "-u", "1234", "users", "id", "-G"]).ok().prints("0");
    // The own group is among them: a set-group-ID program does not lead out of it.
    for words in [&["run", "--rm", "-u", "boat", "users"][..], &["exec", "-u", "boat", "idle"]] {
        let output = engine.run(&[words, &["grep", "Groups", "/proc/self/status"]].concat()).ok();
        assert_eq!(output.text().split_whitespace().collect::<Vec<_>>(), ["Groups:", "50", "1001"]);
    }
}
