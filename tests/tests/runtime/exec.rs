//! Further processes: their environment, terminal, limits, exit codes, and what they may not.

use std::fs;

use serde_json::json;
use tests::{Bundles, eventually};

fn sleeping() -> (Bundles, String) {
    let bundles = Bundles::new();
    let bundle = bundles.bundle("sleep", &["sleep", "600"], |spec| {
        spec["process"]["env"] = json!(["PATH=/bin", "A=container"]);
    });
    let id = bundles.start("sleep", &bundle);
    (bundles, id)
}

#[test]
fn a_process_has_the_container_s_settings_with_changes() {
    let (bundles, id) = sleeping();
    let sh = |flags: &[&str], script: &str| {
        bundles.run(&[&["exec"], flags, &[id.as_str(), "sh", "-c", script]].concat())
    };
    sh(&[], "echo $A $PWD $(id -u)").ok().prints("container / 0");
    sh(&["-e", "A=x", "--env", "B=y", "--cwd", "/tmp"], "echo $A $B $PWD").ok().prints("x y /tmp");
    sh(&["-u", "7:8", "-g", "9"], "id").ok().prints("uid=7 gid=8 groups=9");
    sh(&[], "grep -E 'CapEff|NoNewPrivs' /proc/self/status")
        .ok()
        .prints("CapEff:\t0000000020000420\nNoNewPrivs:\t1");
    sh(&["--cap", "CAP_CHOWN"], "grep CapEff /proc/self/status").ok().prints("CapEff:\t0000000020000421");
    bundles.command(&["exec", &id, "cat"]).stdin("typed").run().ok().prints("typed");
    sh(&[], "exit 7").fails_with(7);
    sh(&[], "kill -9 $$").fails_with(137);
    sh(&["--cgroup", "nowhere"], "true").fails_with(255).error_names(&["--cgroup", "nowhere"]);
    sh(&["--cgroup", "/"], "true").ok();
    bundles
        .run(&["exec", &id, "nowhere"])
        .fails_with(255)
        .error_names(&["exec failed", "not found in $PATH"]);
    bundles.run(&["exec", &id, "/bin"]).fails_with(255).error_names(&["exec failed", "/bin", "denied"]);
    bundles.run(&["exec", &id]).fails_with(255).error_names(&["args cannot be empty"]);
    bundles.run(&["exec", "nosuch", "true"]).fails_with(255).error_names(&["container does not exist"]);
    sh(&["-c", "CAP_X"], "true").fails_with(255).error_names(&["CAP_X"]);
    // Descriptors that were passed on arrive, others do not.
    let file = bundles.base().join("file");
    fs::write(&file, "passed").unwrap();
    let script = format!(
        "exec {} runtime --root {} exec --preserve-fds 1 {id} sh -c 'cat <&3; ! cat <&4' 3<{file} 4<{file} 2>/dev/null",
        tests::Engine::new().binary().display(),
        bundles.root().display(),
        file = file.display()
    );
    tests::Invocation::new("sh", &["-c", &script]).run().ok().prints("passed");
    sh(&["--preserve-fds", "9"], "true").fails_with(255).error_names(&["--preserve-fds", "is not open"]);
}

#[test]
fn a_process_may_come_from_a_file_and_be_left() {
    let (bundles, id) = sleeping();
    let (file, pid_file) = (bundles.base().join("process.json"), bundles.base().join("pid"));
    let mut process = json!({
        "args": ["sh", "-c", "echo $X $(id -u) $PWD $(grep 'open files' /proc/self/limits); exec sleep 600"],
        "env": ["PATH=/bin", "X=file"], "cwd": "/tmp", "user": { "uid": 5, "gid": 6 },
        "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 }],
    });
    fs::write(&file, process.to_string()).unwrap();
    let words = ["exec", "-p", file.to_str().unwrap(), "--pid-file", pid_file.to_str().unwrap(), "-d", &id];
    bundles.leave("left", &words).ok();
    eventually("it prints", || bundles.printed("left").starts_with("file 5 /tmp Max open files 100 200"));
    let pid = fs::read_to_string(&pid_file).unwrap();
    let pids = bundles.run(&["ps", "-f", "json", &id]).ok();
    assert!(
        serde_json::from_str::<Vec<u32>>(&pids.stdout).unwrap().contains(&pid.parse().unwrap()),
        "{pids}"
    );
    for (key, value, named) in [
        ("args", json!([]), "args cannot be empty"),
        ("cwd", json!("tmp"), "not absolute"),
        ("apparmorProfile", json!("p"), "AppArmor profile `p`"),
        ("user", json!("root"), "process.json"),
    ] {
        let before = std::mem::replace(&mut process[key], value);
        fs::write(&file, process.to_string()).unwrap();
        process[key] = before;
        bundles.run(&["exec", "-p", file.to_str().unwrap(), &id]).fails_with(255).error_names(&[named]);
    }
}

#[test]
fn a_paused_container_takes_a_process_only_when_asked() {
    let (bundles, id) = sleeping();
    bundles.run(&["pause", &id]).ok();
    bundles.run(&["exec", &id, "true"]).fails_with(255).error_names(&["paused", "--ignore-paused"]);
    bundles.run(&["resume", &id]).ok();
    bundles.run(&["exec", "--ignore-paused", &id, "true"]).ok();
    bundles.run(&["kill", &id, "KILL"]).ok();
    eventually("it has stopped", || bundles.status(&id) == "stopped");
    bundles.run(&["exec", &id, "true"]).fails_with(255).error_names(&["stopped"]);
}
