//! What is left when guardian and supervisor are killed, and what is refused or shown before anything runs.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use tests::{Engine, eventually};

/// Reads a number of a container's status file.
fn status_of(engine: &Engine, id: &str, field: &str) -> i32 {
    let path = engine.run_root().join("containers").join(id).join("status");
    let text = fs::read_to_string(path).expect("it runs");
    let (_, rest) = text.split_once(&format!("\"{field}\":")).expect("the field is there");
    rest.split([',', '}']).next().and_then(|number| number.parse().ok()).expect("a number")
}

fn kill(pid: i32) {
    let _ = kill_process(Pid::from_raw(pid).expect("a pid"), Signal::KILL);
}

/// Starts a container that waits and kills those who accompany it.
fn abandoned(engine: &Engine, image: &str, name: &str) -> String {
    let id = engine.run(&["run", "--detach", "--name", name, image, "sleep", "1000"]).ok().stdout;
    let id = id.trim().to_owned();
    let (guardian, supervisor) = (status_of(engine, &id, "guardian"), status_of(engine, &id, "supervisor"));
    // The guardian waits a moment before it starts another; the other way round there might be a new guardian in between.
    kill(supervisor);
    kill(guardian);
    id
}

/// Kills its process too, and waits until the host has forgotten it.
fn kill_unseen(engine: &Engine, id: &str) {
    let pid = status_of(engine, id, "pid");
    kill(pid);
    eventually("it was reaped", || !fs::exists(format!("/proc/{pid}")).unwrap());
}

#[test]
fn an_end_that_nobody_saw_has_code_255_and_leaves_nothing_once_removed() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let id = abandoned(&engine, &image, "alone");
    kill_unseen(&engine, &id);
    engine.run(&["wait", "alone"]).ok().prints("255\n");
    engine.run(&["inspect", "alone"]).ok().stdout_has("\"ExitCode\": 255");
    engine.run(&["rm", "alone"]).ok();
    engine.audit();

    abandoned(&engine, &image, "forced");
    engine.run(&["rm", "--force", "forced"]).ok();
    engine.audit();
}

#[test]
fn a_lost_container_starts_again_and_gives_its_old_ids_back() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let id = abandoned(&engine, &image, "again");
    kill_unseen(&engine, &id);
    engine.run(&["wait", "again"]).ok();
    engine.run(&["start", "again"]).ok();
    let leases = fs::read_dir(engine.run_root().join("ids")).expect("a directory").count();
    assert_eq!(leases, 1, "one range a running container");
    engine.run(&["stop", "--timeout", "0", "again"]).ok();
    engine.audit();
}

#[test]
fn of_many_starts_at_once_one_starts_and_the_others_agree() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let id = engine.run(&["create", &image, "sleep", "1000"]).ok().stdout.trim().to_owned();
    for _ in 0..tests::rounds(3, 200) {
        let starts: Vec<_> = (0..6).map(|_| engine.command(&["start", &id]).spawn()).collect();
        for start in starts {
            start.wait().ok();
        }
        let leases = fs::read_dir(engine.run_root().join("ids")).expect("a directory").count();
        assert_eq!(leases, 1, "the one that runs keeps its ids");
        engine.run(&["exec", &id, "true"]).ok();
        engine.run(&["stop", "--timeout", "0", &id]).ok();
    }
    engine.audit();
}

#[test]
fn the_audit_sees_a_guardian_without_a_container() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let id = engine.run(&["run", "--detach", &image, "sleep", "1000"]).ok().stdout.trim().to_owned();
    let guardian = status_of(&engine, &id, "guardian");
    let (status, kept) =
        (engine.run_root().join("containers").join(&id).join("status"), engine.base().join("kept"));
    fs::rename(&status, &kept).expect("a file");
    engine.run(&["system", "audit"]).fails_with(1).stdout_has(&guardian.to_string());
    fs::rename(&kept, &status).expect("a file");
    engine.audit();
}

#[test]
fn inspect_shows_what_was_loosened() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let plain = engine.run(&["create", &image, "true"]).ok().stdout.trim().to_owned();
    let plain = engine.run(&["inspect", &plain]).ok();
    assert!(plain.stdout.contains("/proc/keys") && plain.stdout.contains("\"PidsLimit\": 4096"), "{plain}");
    let options = ["--device", "/dev/null:/dev/none:r", "--device-cgroup-rule", "c 10:* rwm"];
    let security = ["--security-opt", "systempaths=unconfined", "--security-opt", "seccomp=unconfined"];
    let loose = [&["create"][..], &options, &security, &[&image, "true"]].concat();
    let loose = engine.run(&loose).ok().stdout.trim().to_owned();
    let shown = engine.run(&["inspect", &loose]).ok();
    for part in ["/dev/none", "c 10:* rwm", "systempaths=unconfined", "seccomp=unconfined"] {
        assert!(shown.stdout.contains(part), "{part} in {shown}");
    }
    assert!(!shown.stdout.contains("/proc/keys"), "{shown}");
}

#[test]
fn a_bind_source_that_does_not_exist_leaves_no_container() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let missing = engine.base().join("missing");
    let volume = format!("{}:/data", missing.display());
    for verb in ["run", "create"] {
        engine.run(&[verb, "--volume", &volume, &image, "true"]).fails_with(125).stderr_has("does not exist");
    }
    assert_eq!(engine.containers(), Vec::<String>::new());
}

#[test]
fn what_ran_when_the_machine_went_down_has_exited_and_starts_again() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let id = abandoned(&engine, &image, "overtaken");
    kill_unseen(&engine, &id);
    engine.run(&["wait", "overtaken"]).ok();
    // What lies on tmpfs dies with the boot.
    fs::remove_dir_all(engine.run_root()).unwrap();
    let listed = engine.run(&["ps", "--all", "--format", "{{.Names}} {{.Status}}"]).ok();
    assert!(listed.stdout.starts_with("overtaken Exited (255)"), "{}", listed.stdout);
    engine.run(&["wait", "overtaken"]).ok().prints("255\n");
    engine.run(&["start", "overtaken"]).ok();
    engine.run(&["stop", "--timeout", "0", "overtaken"]).ok();
    engine.run(&["wait", "overtaken"]).ok().prints("137\n");
}
