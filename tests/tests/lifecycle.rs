//! The life of a container: its verbs, and what it survives.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::thread;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Pid, Signal, kill_process};
use tests::{Engine, eventually, rounds};

fn busybox() -> (Engine, String) {
    let engine = Engine::new();
    let image = engine.image("busybox");
    (engine, image)
}

fn state(engine: &Engine, name: &str, field: &str) -> String {
    let format = format!("{{{{.State.{field}}}}}");
    engine.run(&["inspect", "--format", &format, name]).ok().text().to_owned()
}

fn kill(engine: &Engine, name: &str, field: &str) {
    let pid = state(engine, name, field).parse().ok().and_then(Pid::from_raw).expect("a process");
    kill_process(pid, Signal::KILL).unwrap();
}

/// Prints a line each time its loop goes round, and ends by SIGTERM with code 3.
const TICKS: &str =
    "trap 'echo bye; exit 3' TERM; n=0; while :; do echo tick $n; n=$((n+1)); sleep 0.02; done";

/// Waits until the log has grown past what it holds now.
#[track_caller]
fn goes_on(engine: &Engine, name: &str) {
    let lines = || engine.run(&["logs", name]).ok().stdout.lines().count();
    let before = lines();
    eventually("the log grows", || lines() > before);
}

#[test]
fn a_container_is_created_started_stopped_started_again_and_removed() {
    let (engine, image) = busybox();
    let script = "echo run; cat /kept 2>/dev/null; echo kept > /kept; sleep 600 & wait";
    let created = engine.run(&["create", "--name", "box", &image, "sh", "-c", script]).ok();
    let id = created.text().to_owned();
    assert_eq!(state(&engine, "box", "Status"), "created");
    assert_eq!(engine.containers(), [id.as_str()]);
    engine.run(&["ps", "-q"]).ok().prints("");
    engine.run(&["kill", "box"]).fails_with(1).error_names(&["box", "not running", "start it"]);

    engine.run(&["start", "box"]).ok().prints("box").quiet();
    engine.run(&["start", "box"]).ok().prints("box").quiet();
    assert_eq!(state(&engine, &id[..12], "Status"), "running");
    engine.run(&["ps", "-q", "--no-trunc"]).ok().prints(&id);
    eventually("it has written its file", || engine.run(&["exec", "box", "cat", "/kept"]).stdout == "kept\n");
    let refused = engine.run(&["rm", "box"]);
    refused.fails_with(1).error_names(&["box", "running", "--force"]);

    // A shell that waits has no handler: SIGTERM as pid 1 is ignored, so the time runs out and it is killed.
    engine.run(&["stop", "-t", "0", "box"]).ok().prints("box");
    assert_eq!(state(&engine, "box", "ExitCode"), "137");
    engine.run(&["stop", "box"]).ok().prints("box");
    engine.run(&["wait", "box", &id]).ok().prints("137\n137");

    engine.run(&["start", "box"]).ok();
    eventually("what it wrote is still there", || {
        engine.run(&["logs", "box"]).ok().stdout == "run\nrun\nkept\n"
    });
    engine.run(&["rm", "--force", "box", "gone"]).ok();
    engine.run(&["rm", "box"]).fails_with(1).error_names(&["No such container: box"]);
    assert_eq!(engine.containers(), [""; 0]);
}

#[test]
fn start_attached_gives_output_and_exit_code() {
    let (engine, image) = busybox();
    engine.run(&["create", "--name", "short", &image, "sh", "-c", "echo out; echo err >&2; exit 5"]).ok();
    for _ in 0..2 {
        let output = engine.run(&["start", "--attach", "short"]).fails_with(5);
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    }
    engine.run(&["create", "-i", "--name", "cat", &image, "cat"]).ok();
    engine.command(&["start", "-ai", "cat"]).stdin("typed").run().ok().prints("typed");
    engine.run(&["create", "--name", "never", &image, "no-such-program"]).ok();
    engine.run(&["start", "never"]).fails_with(1).error_names(&["never", "no-such-program"]);
    assert_eq!(state(&engine, "never", "Status"), "created");
    engine.run(&["start", "gone", "short"]).fails_with(1).error_names(&["gone"]).stdout_has("short");
    engine.run(&["wait", "short"]).ok().prints("5");
}

#[test]
fn an_end_is_told_as_it_was_while_it_is_written_down() {
    let (engine, image) = busybox();
    engine.run(&["create", "--name", "short", &image, "sh", "-c", "exit 5"]).ok();
    for _ in 0..rounds(15, 1000) {
        engine.run(&["start", "short"]).ok();
        // Neither answer may be that of a container nobody saw the end of.
        let code = engine.run(&["ps", "-a", "--format", "{{.Status}}"]).ok();
        assert!(code.stdout.starts_with("Up") || code.stdout.starts_with("Exited (5)"), "{code}");
        engine.run(&["wait", "short"]).ok().prints("5");
    }
}

#[test]
fn stop_and_kill_send_what_they_are_told() {
    let (engine, image) = busybox();
    let script =
        "trap 'echo usr1' USR1; trap 'echo bye; exit 9' QUIT; echo ready; while :; do sleep 0.02; done";
    engine.run(&["run", "-d", "--name", "box", "--stop-signal", "QUIT", &image, "sh", "-c", script]).ok();
    let log = || engine.run(&["logs", "box"]).ok().stdout;
    eventually("it is ready", || log().contains("ready"));
    engine.run(&["kill", "--signal", "USR1", "box"]).ok().prints("box");
    eventually("the signal arrived", || log().contains("usr1"));
    engine.run(&["kill", "-s", "NOPE", "box"]).fails_with(125).error_names(&["NOPE"]);
    let waiting = engine.command(&["wait", "box"]).spawn();
    engine.run(&["stop", "box"]).ok();
    waiting.wait().ok().prints("9");
    engine.run(&["logs", "box"]).ok().prints("ready\nusr1\nbye");

    engine.run(&["start", "box"]).ok();
    eventually("it is ready again", || log().matches("ready").count() == 2);
    engine.run(&["kill", "box"]).ok();
    assert_eq!(state(&engine, "box", "ExitCode"), "137");
    engine.run(&["start", "box"]).ok();
    eventually("it is ready once more", || log().matches("ready").count() == 3);
    engine.run(&["stop", "--signal", "KILL", "--timeout", "-1", "box"]).ok();
    assert_eq!(state(&engine, "box", "Status"), "exited");
}

#[test]
fn it_outlives_the_caller() {
    let (engine, image) = busybox();
    let caller = engine.command(&["run", "--name", "box", &image, "sh", "-c", TICKS]).spawn();
    caller.wait_for("tick 3");
    caller.signal(Signal::KILL);
    caller.wait().fails_with(137).quiet();
    goes_on(&engine, "box");
    engine.run(&["stop", "box"]).ok();
    assert_eq!(state(&engine, "box", "ExitCode"), "3");
    let log = engine.run(&["logs", "box"]).ok().stdout;
    let ticks = log.lines().filter(|line| line.starts_with("tick")).count();
    let expected: Vec<String> = (0..ticks).map(|n| format!("tick {n}")).chain(["bye".to_owned()]).collect();
    assert_eq!(log.lines().collect::<Vec<_>>(), expected, "no line is lost or doubled");
}

#[test]
fn it_outlives_either_of_its_companions() {
    let (engine, image) = busybox();
    for victim in ["SupervisorPid", "GuardianPid"] {
        engine.run(&["run", "-d", "--name", "kept", &image, "sh", "-c", TICKS]).ok();
        engine.run(&["run", "-d", "--rm", "--name", "short", &image, "sh", "-c", TICKS]).ok();
        for name in ["kept", "short"] {
            let before = state(&engine, name, victim);
            kill(&engine, name, victim);
            if victim == "SupervisorPid" {
                eventually("another supervisor", || state(&engine, name, victim) != before);
            }
            goes_on(&engine, name);
            engine.run(&["exec", name, "true"]).ok();
        }
        let waiting = ["kept", "short"].map(|name| engine.command(&["wait", name]).spawn());
        // Both are waited for before they end.
        engine.run(&["ps", "-q"]).ok();
        engine.run(&["stop", "kept", "short"]).ok();
        assert_eq!(state(&engine, "kept", "ExitCode"), "3", "{victim}");
        for wait in waiting {
            let output = wait.wait();
            // A `wait` that came too late finds the removed container gone.
            assert!(output.stdout == "3\n" || output.stderr.contains("No such container"), "{output}");
        }
        engine.run(&["logs", "kept"]).ok().stdout_has("bye");
        engine.run(&["inspect", "short"]).fails_with(1);
        engine.run(&["rm", "kept"]).ok();
        assert_eq!(engine.containers(), [""; 0], "{victim}");
        engine.audit();
    }
}

#[test]
fn a_caller_stays_with_its_container_when_the_supervisor_is_killed() {
    let (engine, image) = busybox();
    let caller = engine.command(&["run", "--rm", "--name", "box", &image, "sh", "-c", TICKS]).spawn();
    caller.wait_for("tick 3");
    let later = engine.command(&["create", "--name", "later", &image, "sh", "-c", TICKS]).run().ok();
    engine.run(&["start", later.text()]).ok();
    let second = engine.command(&["start", "--attach", "later"]).spawn();
    second.wait_for("tick");
    for name in ["box", "later"] {
        let before = state(&engine, name, "SupervisorPid");
        kill(&engine, name, "SupervisorPid");
        eventually("another supervisor", || state(&engine, name, "SupervisorPid") != before);
        engine.run(&["stop", name]).ok();
    }
    // Who attached to what ran already stays as well.
    for caller in [caller, second] {
        caller.wait().fails_with(3).quiet().stdout_has("bye");
    }
}

#[test]
fn removing_and_starting_at_once_leaves_nothing() {
    let (engine, image) = busybox();
    for _ in 0..rounds(5, 300) {
        engine.run(&["create", "--name", "box", &image, "sleep", "600"]).ok();
        let start = engine.command(&["start", "box"]).spawn();
        let remove = engine.command(&["rm", "--force", "box"]).spawn();
        let start = start.wait();
        assert!(start.code == 0 || start.stderr.contains("No such container"), "{start}");
        remove.wait().ok();
        assert_eq!(engine.containers(), [""; 0]);
        engine.audit();
    }
}

#[test]
fn without_both_companions_it_is_accompanied_again_and_nothing_stays() {
    let (engine, image) = busybox();
    engine.run(&["run", "-d", "--name", "kept", &image, "sh", "-c", TICKS]).ok();
    engine.run(&["run", "-d", "--rm", "--name", "short", &image, "sleep", "600"]).ok();
    for name in ["kept", "short"] {
        let (guardian, supervisor) =
            (state(&engine, name, "GuardianPid"), state(&engine, name, "SupervisorPid"));
        for pid in [guardian, supervisor] {
            kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
        }
        assert_eq!(state(&engine, name, "Running"), "true");
        engine.run(&["exec", name, "true"]).ok();
    }
    engine.run(&["kill", "kept", "short"]).ok();
    assert_eq!(engine.run(&["ps", "-aq"]).ok().stdout.lines().count(), 1, "the other one went with its end");
    assert_eq!(state(&engine, "kept", "Status"), "exited");
    assert_eq!(state(&engine, "kept", "ExitCode"), "137");
    assert_eq!(state(&engine, "kept", "Pid"), "0");
    engine.run(&["logs", "kept"]).ok().stdout_has("tick 0");
    engine.run(&["start", "kept"]).ok();
    goes_on(&engine, "kept");
    engine.run(&["rm", "-f", "kept", "short"]).ok();
    assert_eq!(engine.containers(), [""; 0]);
    engine.audit();
}

#[test]
fn many_callers_start_many_containers() {
    let (engine, image) = busybox();
    let (engine, image) = (&engine, image.as_str());
    let each = rounds(3, 60);
    let ids: BTreeSet<String> = thread::scope(|scope| {
        let callers: Vec<_> = (0..16)
            .map(|caller| {
                scope.spawn(move || {
                    let start = |number| {
                        let name = format!("box-{caller}-{number}");
                        let id = engine.run(&["run", "-d", "--name", &name, image, "sleep", "600"]).ok();
                        engine.run(&["run", "--rm", image, "true"]).ok().quiet();
                        id.text().to_owned()
                    };
                    (0..each).map(start).collect::<Vec<_>>()
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 16 * each);
    assert_eq!(engine.containers().into_iter().collect::<BTreeSet<_>>(), ids);
    // No two of them share an id range.
    let pids = engine.run(&["ps", "-q"]).ok();
    let words: Vec<&str> =
        ["inspect", "-f", "{{index .Isolation.UidMap 1}}"].into_iter().chain(pids.stdout.lines()).collect();
    let ranges: BTreeSet<String> = engine.run(&words).ok().stdout.lines().map(str::to_owned).collect();
    assert_eq!(ranges.len(), ids.len());
    let words: Vec<&str> = ["rm", "-f"].into_iter().chain(ids.iter().map(String::as_str)).collect();
    engine.run(&words).ok();
    engine.audit();
}

#[test]
fn of_many_callers_one_gets_the_name() {
    let (engine, image) = busybox();
    let (engine, image) = (&engine, image.as_str());
    for _ in 0..rounds(2, 50) {
        let codes: Vec<i32> = thread::scope(|scope| {
            let run = || engine.run(&["run", "-d", "--name", "one", image, "sleep", "600"]).code;
            let callers: Vec<_> = (0..8).map(|_| scope.spawn(run)).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
        assert!(codes.iter().all(|code| [0, 125].contains(code)), "{codes:?}");
        assert_eq!(engine.containers().len(), 1);
        engine.run(&["rm", "-f", "one"]).ok();
    }
}

#[test]
fn long_spellings_are_the_short_ones() {
    let (engine, image) = busybox();
    let docker = engine.base().join("docker");
    std::os::unix::fs::symlink(engine.binary(), &docker).unwrap();
    let docker = |words: &[&str]| engine.command_as(&docker, words).run();
    docker(&["container", "run", "-d", "--name", "box", &image, "sleep", "600"]).ok();
    docker(&["container", "exec", "box", "echo", "hi"]).ok().prints("hi");
    for list in ["ls", "list", "ps"] {
        docker(&["container", list, "--format", "{{.Names}}"]).ok().prints("box");
    }
    docker(&["container", "stop", "-t", "0", "box"]).ok();
    docker(&["container", "wait", "box"]).ok().prints("137");
    docker(&["container", "start", "box"]).ok();
    docker(&["container", "kill", "box"]).ok();
    docker(&["container", "logs", "box"]).ok().prints("");
    docker(&["container", "rm", "box"]).ok();
    docker(&["container", "create", "--name", "box", &image]).ok();
    docker(&["container", "inspect", "-f", "{{.Name}}", "box"]).ok().prints("/box");
    docker(&["container", "remove", "box"]).ok();
    docker(&["image", "tag", &image, "other:1"]).ok();
    docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "other"]).ok().prints("other:1");
    docker(&["image", "history", "-q", "other:1"]).ok();
    docker(&["image", "inspect", "-f", "{{index .RepoTags 0}}", "other:1"]).ok();
    docker(&["image", "rm", "other:1"]).ok().stdout_has("Untagged: other:1");
    docker(&["network", "list", "-q", "-f", "name=bridge"]).ok();
    docker(&["swarm", "init"]).fails_with(1).error_names(&["swarm"]);
}

/// A small file system that is gone before the engine looks for what is left.
struct Small(PathBuf);

impl Drop for Small {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).expect("mounted by the test");
    }
}

#[test]
fn a_full_disk_fails_cleanly() {
    let engine = Engine::new();
    fs::create_dir(engine.root()).unwrap();
    let size = c"size=8m";
    mount("small", engine.root(), "tmpfs", MountFlags::empty(), Some(size)).unwrap();
    let small = Small(engine.root());
    // Large enough to make the import fail, with what was there before untouched.
    let filler = engine.root().join("filler");
    let fill = || {
        let file = fs::File::create(&filler).unwrap();
        let mut file = &file;
        while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
    };
    fill();
    let tar = xtask::images::ensure("busybox").unwrap().join("busybox.tar");
    let import = engine.run(&["import", tar.to_str().unwrap(), "busybox"]);
    import.fails_with(1).error_names(&["o space left on device"]);
    fs::remove_file(&filler).unwrap();
    engine.run(&["images", "-q"]).ok().prints("");
    engine.audit();

    let image = engine.image("busybox");
    engine.run(&["run", "-d", "--name", "box", &image, "sleep", "600"]).ok();
    fill();
    for flags in [&["run", "--rm"][..], &["run", "-d"], &["create"]] {
        let words: Vec<&str> = flags.iter().copied().chain([image.as_str(), "true"]).collect();
        engine.run(&words).fails_with(125).error_names(&["o space left on device"]);
    }
    // What runs goes on, and is removed though there is no room.
    engine.run(&["exec", "box", "true"]).ok();
    assert_eq!(engine.containers().len(), 1);
    engine.run(&["rm", "-f", "box"]).ok();
    engine.audit();
    fs::remove_file(&filler).unwrap();
    engine.run(&["run", "--rm", &image, "true"]).ok();
    assert_eq!(engine.containers(), [""; 0]);
    // While it is known which networks there are.
    engine.run(&["network", "prune", "--force"]).ok();
    drop(small);
}

#[test]
fn stop_says_where_it_waits_in_vain_and_is_silent_where_it_does_not() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let run = |name: &str, options: &[&str], program: &[&str]| {
        let before = ["run", "-d", "--network", "none", "--name", name];
        engine.run(&[&before, options, &[image.as_str()], program].concat()).ok();
    };
    // sleep(1) handles nothing.
    run("deaf", &["--stop-timeout", "1"], &["sleep", "600"]);
    let warned = engine.run(&["stop", "deaf"]).ok();
    warned
        .prints("deaf\n")
        .stderr_has("container `deaf` has no handler for SIGTERM")
        .stderr_has("killed after 1 s");
    assert_eq!(engine.inspect("deaf", "{{.State.ExitCode}}"), "137");
    engine.run(&["start", "deaf"]).ok();
    // Who does not wait has nothing to be told.
    assert_eq!(engine.run(&["stop", "-t", "0", "deaf"]).ok().stderr, "");
    let script = "trap 'exit 3' USR1; echo ready; while :; do sleep 0.05; done";
    run("hears", &["--stop-signal", "USR1"], &["sh", "-c", script]);
    eventually("it is ready", || engine.run(&["logs", "hears"]).ok().stdout == "ready\n");
    assert_eq!(engine.run(&["stop", "hears"]).ok().stderr, "");
    assert_eq!(engine.inspect("hears", "{{.State.ExitCode}}"), "3");
    run("init", &["--init"], &["sleep", "600"]);
    eventually("init has its child", || engine.run(&["top", "init"]).ok().stdout.lines().count() == 3);
    assert_eq!(engine.run(&["stop", "init"]).ok().stderr, "");
    assert_eq!(engine.inspect("init", "{{.State.ExitCode}}"), "143");
}
