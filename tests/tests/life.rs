//! Verbs on containers that live: pausing, renaming, looking at them, changing their limits.

use std::time::Duration;

use serde_json::json;
use tests::{Engine, eventually};

fn busybox() -> (Engine, String) {
    let engine = Engine::new();
    let image = engine.image("busybox");
    (engine, image)
}

/// Runs a container in the background, without a network.
#[track_caller]
fn run(engine: &Engine, name: &str, flags: &[&str], script: &str) {
    let image = engine.image("busybox");
    let head = ["run", "-d", "--network", "none", "--name", name];
    engine.run(&[&head, flags, &[image.as_str(), "sh", "-c", script]].concat()).ok();
}

/// Counts up each 10 ms, in a file and on standard output, and ends by SIGTERM with code 3.
const COUNT: &str =
    "trap 'exit 3' TERM; n=0; while :; do echo $n; echo $n > /count; n=$((n+1)); usleep 10000; done";

#[track_caller]
fn count(engine: &Engine, name: &str) -> usize {
    engine.run(&["logs", name]).ok().stdout.lines().count()
}

#[test]
fn a_paused_container_stands_still_and_runs_on() {
    let (engine, _) = busybox();
    run(&engine, "box", &[], COUNT);
    let id = engine.inspect("box", "{{.Id}}");
    eventually("it counts", || count(&engine, "box") > 3);
    engine.run(&["pause", "box"]).ok().prints("box").quiet();
    let shown = "{{.State.Status}} {{.State.Running}} {{.State.Paused}} {{gt .State.Pid 0}}";
    assert_eq!(engine.inspect("box", shown), "paused true true true");
    let status = engine.run(&["ps", "--format", "{{.Names}} {{.State}} {{.Status}}"]).ok();
    assert!(status.text().starts_with("box paused Up ") && status.text().ends_with(" (Paused)"), "{status}");
    engine.run(&["ps", "-q", "--filter", "status=paused"]).ok().prints(&id[..12]);
    engine.run(&["ps", "-q", "--filter", "status=running"]).ok().prints("");
    let counters = "{{.ContainersRunning}} {{.ContainersPaused}} {{.ContainersStopped}}";
    engine.run(&["info", "--format", counters]).ok().prints("0 1 0");
    // What was in the pipe is in the log by now.
    let mut before = count(&engine, "box");
    eventually("the log has caught up", || {
        std::thread::sleep(Duration::from_millis(50));
        let after = count(&engine, "box");
        std::mem::replace(&mut before, after) == after
    });

    engine.run(&["pause", "box"]).fails_with(1).error_names(&[&format!("Container {id} is already paused")]);
    let refused = engine.run(&["exec", "box", "true"]).fails_with(1);
    let text = format!("Container {id} is paused, unpause the container before exec");
    refused.error_names(&[&text, "coracle unpause box"]);
    engine.run(&["start", "box"]).fails_with(1).error_names(&["paused container, try unpause instead"]);
    engine.run(&["rm", "box"]).fails_with(1).error_names(&["is paused and must be unpaused first"]);
    assert_eq!(count(&engine, "box"), before);

    engine.run(&["container", "unpause", "box"]).ok().prints("box").quiet();
    assert_eq!(engine.inspect("box", shown), "running true false true");
    eventually("it counts on", || count(&engine, "box") > before);
    let refused = engine.run(&["unpause", "box"]).fails_with(1);
    refused.error_names(&[&format!("Container {id} is not paused")]);
    engine.run(&["stop", "box"]).ok();
    for verb in ["pause", "unpause"] {
        let refused = engine.run(&[verb, "box"]).fails_with(1);
        refused.error_names(&[&format!("Container {id} is not running"), "coracle start box"]);
        engine.run(&[verb, "gone"]).fails_with(1).error_names(&["No such container: gone"]);
    }
}

#[test]
fn a_paused_container_can_be_ended() {
    let (engine, _) = busybox();
    let ends: [(&[&str], &str); 4] = [
        (&["stop", "box"], "exited 3"),
        (&["stop", "-t", "0", "-s", "WINCH", "box"], "exited 137"),
        (&["kill", "box"], "exited 137"),
        (&["kill", "-s", "TERM", "box"], "exited 3"),
    ];
    for (verb, expected) in ends {
        run(&engine, "box", &[], COUNT);
        eventually("it has its trap", || count(&engine, "box") > 0);
        engine.run(&["pause", "box"]).ok();
        engine.run(verb).ok().prints("box");
        engine.run(&["wait", "box"]).ok();
        assert_eq!(engine.inspect("box", "{{.State.Status}} {{.State.ExitCode}}"), expected, "{verb:?}");
        engine.run(&["rm", "box"]).ok();
    }
    run(&engine, "box", &[], COUNT);
    engine.run(&["pause", "box"]).ok();
    // A signal that does not ask for the end waits.
    engine.run(&["kill", "-s", "USR1", "box"]).ok();
    assert_eq!(engine.inspect("box", "{{.State.Status}}"), "paused");
    engine.run(&["rm", "-f", "box"]).ok();
    assert_eq!(engine.containers(), [""; 0]);
    engine.audit();
}

#[test]
fn the_state_is_the_kernels() {
    let (engine, _) = busybox();
    run(&engine, "box", &[], COUNT);
    let ids = engine.inspect("box", "{{.State.GuardianPid}} {{.State.SupervisorPid}}");
    engine.run(&["pause", "box"]).ok();
    for pid in ids.split(' ') {
        let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    // Nobody who knew of the pausing is left.
    eventually("both are gone", || {
        ids.split(' ').all(|pid| !std::path::Path::new(&format!("/proc/{pid}/fd/0")).exists())
    });
    assert_eq!(engine.inspect("box", "{{.State.Status}}"), "paused");
    engine.run(&["unpause", "box"]).ok();
    assert_eq!(engine.inspect("box", "{{.State.Status}}"), "running");
    engine.run(&["pause", "box"]).ok();
    engine.run(&["rm", "-f", "box"]).ok();
    engine.audit();
    assert_eq!(json!(engine.containers()), json!([]));
}
