//! Every process of ours killed at each of its steps, one after the other: afterwards the thing is there or it is not,
//! the audit mends what is left, and the same command works.
//!
//! A debug build counts the steps, see `sys::failpoint`: `cargo build -p coracle` beside the tests.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tests::{Engine, Output, counting, eventually, rounds};

/// One command, what must be there before it, and what must not be there after it so that it can be given again.
struct Case {
    name: &'static str,
    before: &'static [&'static [&'static str]],
    command: &'static [&'static str],
    after: &'static [&'static [&'static str]],
    /// Processes that take part.
    roles: &'static [&'static str],
}

const ALL: &[&str] = &["command", "supervisor", "builder", "guardian"];
const BOX: &[&[&str]] = &[&["rm", "-f", "box"]];
const RUNNING: &[&[&str]] = &[&["run", "-d", "--name", "box", "busybox", "sleep", "600"]];

/// An engine, and the build of it that can be killed by number.
struct Struck<'a> {
    engine: &'a Engine,
    binary: PathBuf,
}

impl Struck<'_> {
    fn marker(&self) -> PathBuf {
        self.engine.base().join("struck")
    }

    /// Runs a command with a failpoint; returns its outcome and whether the point was reached.
    fn strike(&self, role: &str, number: usize, words: &[&str]) -> (Output, bool) {
        let _ = fs::remove_file(self.marker());
        let wish = format!("{role}:{number}:{}", self.marker().display());
        let command = self.engine.command_as(&self.binary, words).env("CORACLE_FAILPOINT", wish);
        let output = command.timeout(Duration::from_secs(30)).run();
        if output.code == 0 && words.contains(&"-d") {
            // Those behind it have steps left.
            std::thread::sleep(Duration::from_millis(20));
        }
        (output, self.marker().exists())
    }

    /// What is left has to be found and mended at once; looked at again it is clean.
    fn mend(&self, what: &str) {
        let repaired = self.engine.run(&["system", "audit", "--repair"]);
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let again = self.engine.run(&["system", "audit"]);
            if again.code == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: not mended: {repaired}\n{again}");
        }
    }
}

/// Kills at every step, or at every few of them.
fn all_steps(case: &Case) {
    let engine = Engine::new();
    engine.image("busybox");
    let crash = Struck { engine: &engine, binary: counting() };
    for role in case.roles {
        // A different part of them each time would be no regression test.
        let stride = rounds(5, 1);
        for number in (1..).step_by(stride) {
            let what = format!("{} killed at step {number} of the {role}", case.name);
            case.before.iter().for_each(|words| drop(engine.run(words).ok()));
            let (output, struck) = crash.strike(role, number, case.command);
            if !struck {
                assert!(number > 1 || *role == "guardian", "{what}: no step is counted");
                assert_eq!(output.code, 0, "{what}: {output}");
                case.after.iter().for_each(|words| drop(engine.run(words).ok()));
                break;
            }
            crash.mend(&what);
            check(&engine, &what);
            // Fully there or fully gone: both can be cleared away, and then it is as if nothing had been.
            case.after.iter().for_each(|words| drop(engine.run(words)));
            case.before.iter().for_each(|words| drop(engine.run(words)));
            let again = engine.run(case.command);
            assert_eq!(again.code, 0, "{what}, and again: {again}");
            case.after.iter().for_each(|words| drop(engine.run(words).ok()));
            eventually("nothing is left", || engine.run(&["system", "audit"]).code == 0);
        }
    }
}

/// Whatever is listed can be looked at.
fn check(engine: &Engine, what: &str) {
    for (list, inspect) in [
        (&["ps", "-aq"][..], &["inspect"][..]),
        (&["volume", "ls", "-q"], &["volume", "inspect"]),
        (&["network", "ls", "-q"], &["network", "inspect"]),
    ] {
        let listed = engine.run(list);
        assert_eq!(listed.code, 0, "{what}: {listed}");
        for name in listed.stdout.lines() {
            let shown = engine.run(&[inspect, &[name]].concat());
            assert_eq!(shown.code, 0, "{what}: {shown}");
        }
    }
}

#[test]
fn create() {
    let command = &["create", "--name", "box", "-v", "/data", "busybox", "true"];
    all_steps(&Case {
        name: "create",
        before: &[],
        command,
        after: &[&["rm", "-fv", "box"]],
        roles: &["command"],
    });
}

#[test]
fn start() {
    let before: &[&[&str]] = &[&["create", "--name", "box", "busybox", "sleep", "600"]];
    all_steps(&Case { name: "start", before, command: &["start", "box"], after: BOX, roles: ALL });
}

#[test]
fn commit() {
    // What is left of a killed commit is a workspace, or an image that nobody calls by a name.
    let before: &[&[&str]] =
        &[&["run", "--name", "box", "busybox", "sh", "-c", "echo x > /new; rm /etc/passwd"]];
    let after: &[&[&str]] = &[&["rm", "-f", "box"], &["rmi", "-f", "made:1"]];
    all_steps(&Case {
        name: "commit",
        before,
        command: &["commit", "box", "made:1"],
        after,
        roles: &["command"],
    });
}

#[test]
fn tag() {
    let after: &[&[&str]] = &[&["rmi", "other:1"]];
    all_steps(&Case {
        name: "tag",
        before: &[],
        command: &["tag", "busybox", "other:1"],
        after,
        roles: &["command"],
    });
}

#[test]
fn fork() {
    let command = &["fork", "--name", "twin", "box"];
    let after: &[&[&str]] = &[&["rm", "-fv", "twin"], &["image", "prune", "-f"]];
    let before: &[&[&str]] =
        &[&["rm", "-f", "box"], &["run", "-d", "--name", "box", "-v", "/data", "busybox", "sleep", "600"]];
    all_steps(&Case { name: "fork", before, command, after, roles: &["command"] });
}

#[test]
fn save() {
    let command = &["save", "-o", "/dev/null", "busybox"];
    all_steps(&Case { name: "save", before: &[], command, after: &[], roles: &["command"] });
}

#[test]
fn run_and_remove() {
    let command = &["run", "--rm", "--name", "box", "busybox", "true"];
    all_steps(&Case { name: "run --rm", before: &[], command, after: BOX, roles: ALL });
}

#[test]
fn exec() {
    let command = &["exec", "box", "true"];
    all_steps(&Case { name: "exec", before: RUNNING, command, after: BOX, roles: &["command"] });
}

#[test]
fn stop() {
    let command = &["stop", "-t", "0", "box"];
    all_steps(&Case { name: "stop", before: RUNNING, command, after: BOX, roles: &["command"] });
}

#[test]
fn remove() {
    let before: &[&[&str]] = &[&["create", "--name", "box", "-v", "/data", "busybox", "true"]];
    let command = &["rm", "-fv", "box"];
    all_steps(&Case { name: "rm", before, command, after: &[&["rm", "-fv", "box"]], roles: &["command"] });
}

#[test]
fn network_create() {
    let after: &[&[&str]] = &[&["network", "prune", "-f"]];
    all_steps(&Case {
        name: "network create",
        before: &[],
        command: &["network", "create", "net"],
        after,
        roles: &["command"],
    });
}

#[test]
fn volume_create() {
    let after: &[&[&str]] = &[&["volume", "prune", "-af"]];
    all_steps(&Case {
        name: "volume create",
        before: &[],
        command: &["volume", "create", "vol"],
        after,
        roles: &["command"],
    });
}
