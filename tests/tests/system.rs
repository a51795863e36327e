//! What the engine says of itself and the machine: nothing orphaned, nothing in anybody's way.

use std::fs;

use tests::Engine;

#[test]
fn audit_finds_what_belongs_to_nobody_and_frees_it() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let id = engine.run(&["create", "--name", "kept", &image]).ok().stdout.trim().to_owned();
    engine.audit();
    let stranger = "f".repeat(64);
    let chain = "a".repeat(64);
    let (root, run_root) = (engine.root(), engine.run_root());
    for directory in [
        root.join("containers").join(&stranger),
        root.join("snapshots").join(&stranger).join("upper"),
        root.join("layers").join(&chain).join("fs"),
        root.join("staging/load-1"),
        run_root.join("containers").join(&stranger),
        run_root.join("ids"),
    ] {
        fs::create_dir_all(directory).unwrap();
    }
    fs::write(root.join("blobs/sha256").join(&chain), "nobody's").unwrap();
    fs::write(root.join("staging/load-1/lock"), "").unwrap();
    std::os::unix::fs::symlink(&stranger, root.join("names/ghost")).unwrap();
    std::os::unix::fs::symlink(&stranger, run_root.join("ids/31999")).unwrap();
    let group = std::path::Path::new("/sys/fs/cgroup/pids/coracle").join(&id);
    let on_v1 = group.parent().is_some_and(|parent| parent.parent().is_some_and(|p| p.exists()));
    if on_v1 {
        fs::create_dir_all(&group).unwrap();
    }

    let found = engine.run(&["system", "audit"]).fails_with(1);
    for part in ["containers/fff", "snapshots/fff", "layer ", "blob ", "staging/load-1", "ghost", "31999"] {
        assert!(found.stdout.contains(part), "no {part} in {}", found.stdout);
    }
    assert_eq!(found.stdout.contains("cgroup "), on_v1, "{}", found.stdout);
    engine.run(&["system", "audit", "--repair"]).ok().stdout_has("repaired");
    engine.audit();
    engine.run(&["start", "kept"]).ok();
    engine.run(&["wait", "kept"]).ok();
}

#[test]
fn an_attached_container_keeps_no_image_from_being_removed() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    engine.run(&["tag", &image, "other:1"]).ok();
    let running =
        engine.command(&["run", "--name", "long", &image, "sh", "-c", "echo up; sleep 1000"]).spawn();
    running.wait_for("up");
    engine.run(&["rmi", "other:1"]).ok();
    engine.run(&["rm", "--force", "long"]).ok();
    running.wait().fails_with(137);
}

#[test]
fn guardian_and_supervisor_leave_the_callers_session() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let id = engine.run(&["run", "--detach", &image, "sleep", "1000"]).ok().stdout.trim().to_owned();
    let ours = engine.run_root().join("containers").join(&id);
    let ours = ours.to_str().expect("plain");
    let mut seen = 0;
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(words) = fs::read_to_string(process.path().join("cmdline")) else { continue };
        if !words.split('\0').any(|word| word == ours) {
            continue;
        }
        seen += 1;
        let groups = fs::read_to_string(process.path().join("cgroup")).unwrap();
        for line in groups.lines() {
            assert!(line.ends_with(":/coracle/engine"), "{groups}");
        }
    }
    assert_eq!(seen, 2, "a guardian and a supervisor");
    engine.run(&["rm", "--force", &id]).ok();
}

#[test]
fn processors_that_the_machine_lacks_are_named() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    engine
        .run(&["run", "--rm", "--cpuset-cpus", "0,4095", &image, "true"])
        .fails_with(125)
        .stderr_has("not all of the CPUs `0,4095` are available")
        .stderr_has("this machine has 0-");
}

#[test]
fn mounts_name_what_they_are() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let output = engine.run(&["run", "--rm", &image, "cat", "/proc/mounts"]).ok();
    for start in ["overlay / overlay ", "proc /proc proc ", "tmpfs /dev tmpfs ", "devpts /dev/pts devpts "] {
        assert!(output.stdout.lines().any(|line| line.starts_with(start)), "no {start}in {}", output.stdout);
    }
    assert!(!output.stdout.contains("none "), "{}", output.stdout);
}

#[test]
fn who_may_not_run_containers_is_told_what_is_missing() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let limited = |setpriv: &[&str], arguments: &[&str]| {
        let binary = engine.binary().to_str().expect("plain");
        engine.command_as(std::path::Path::new("setpriv"), &[setpriv, &[binary], arguments].concat()).run()
    };
    let without = ["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"];
    limited(&without, &["run", "--rm", &image, "true"])
        .fails_with(125)
        .stderr_has("operation not permitted")
        .stderr_has("hint: privilege: no CAP_SYS_ADMIN; run as root");
    limited(&without, &["doctor"]).fails_with(1).stdout_has("no CAP_SYS_ADMIN");
    // Somebody who may not even look at the engine's directories.
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    limited(&nobody, &["ps"]).fails_with(125).stderr_has("permission denied");
    // The program itself may lie where nobody can reach it.
    let reachable = engine.base().join("program");
    fs::copy(engine.binary(), &reachable).unwrap();
    std::os::unix::fs::chown(engine.base(), Some(65534), None).unwrap();
    let doctor = [&nobody[..], &[reachable.to_str().expect("plain"), "doctor"]].concat();
    engine.command_as(std::path::Path::new("setpriv"), &doctor).run().fails_with(1).stdout_has("BROKEN");
    std::os::unix::fs::chown(engine.base(), Some(0), None).unwrap();
}

#[test]
fn an_ordinary_user_is_refused_in_one_line_with_the_remedy() {
    let engine = Engine::new();
    let archive = xtask::images::ensure("busybox").unwrap().join("busybox.tar");
    let archive = archive.to_str().expect("plain");
    let program = engine.base().join("program");
    fs::copy(engine.binary(), &program).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(engine.base(), Some(65534), None).unwrap();
    }
    let as_user = |arguments: &[&str]| {
        let setpriv = ["--reuid=65534", "--regid=65534", "--clear-groups", program.to_str().expect("plain")];
        match is_root {
            true => engine.command_as(std::path::Path::new("setpriv"), &[&setpriv, arguments].concat()).run(),
            // Somebody with a session and a subtree of the cgroups: that does not help, but the answer is the same.
            false => engine.run(arguments),
        }
    };
    let elsewhere = ["--root", "/var/lib/coracle-absent", "ps"];
    for arguments in [&["import", archive, "busybox"][..], &elsewhere] {
        let refused = as_user(arguments);
        assert_ne!(refused.code, 0, "{refused}");
        let lines: Vec<&str> = refused.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{refused}");
        assert!(lines[0].starts_with("error: cannot "), "{refused}");
        assert_eq!(lines[1], "hint: run as root of the machine: there is no rootless mode yet");
    }
    if is_root {
        std::os::unix::fs::chown(engine.base(), Some(0), None).unwrap();
    }
}
