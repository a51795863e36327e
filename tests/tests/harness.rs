//! The harness itself: it must notice what it exists to notice. Needs no engine.

use std::fs;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::Signal;
use tests::{Invocation, Leftovers};

fn shell(script: &str) -> Invocation {
    Invocation::new("/bin/sh", &["-c", script])
}

/// What a failing closure said.
fn complaint(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = catch_unwind(test).expect_err("it should have failed");
    payload.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn output_and_exit_code_are_those_of_the_command() {
    shell("cat; echo oops >&2; exit 3").stdin("typed").run().fails_with(3).prints("typed").stderr_has("oops");
    shell("kill -9 $$").run().fails_with(137).quiet();
}

#[test]
fn a_failed_assertion_shows_the_command_and_both_streams() {
    let text = complaint(|| drop(shell("echo out; echo err >&2; exit 7").run().ok()));
    for part in ["expected success", "exit code 7", "out", "err", "/bin/sh -c"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_hanging_command_is_killed_and_shown() {
    let start = Instant::now();
    let text = complaint(|| {
        drop(shell("echo before; exec sleep 60").timeout(Duration::from_millis(300)).run());
    });
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(text.contains("killed after") && text.contains("before"), "{text}");
}

#[test]
fn a_child_that_keeps_the_output_open_is_noticed() {
    let text = complaint(|| drop(shell("sleep 2 &").timeout(Duration::from_millis(500)).run()));
    assert!(text.contains("still holds its output"), "{text}");
}

#[test]
fn a_running_command_can_be_watched_and_signalled() {
    let running = shell("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done").spawn();
    running.wait_for("ready");
    running.signal(Signal::TERM);
    running.wait().fails_with(5).stdout_has("bye");
}

#[test]
fn a_terminal_has_a_size_takes_keys_and_gives_the_exit_code() {
    let script = "trap 'stty size' WINCH; test -t 0 && test -t 1 && stty size; echo ready; until read line; do :; done; echo got $line; exit 4";
    let mut terminal = shell(script).terminal(33, 101);
    terminal.expect("33 101");
    terminal.expect("ready");
    terminal.resize(44, 55);
    terminal.type_text("hello\r");
    terminal.expect("44 55");
    terminal.expect("got hello");
    terminal.wait().fails_with(4);
}

#[test]
fn the_interrupt_key_reaches_the_command() {
    let mut terminal = shell("echo ready; exec sleep 60").terminal(24, 80);
    terminal.expect("ready");
    terminal.type_text("\x03");
    terminal.wait().fails_with(130);
}

#[test]
fn mounts_and_processes_that_are_left_are_found_and_cleared() {
    let base = tempfile::tempdir().expect("a directory");
    let at = base.path().join("mount");
    fs::create_dir(&at).expect("a directory");
    assert!(Leftovers::find(base.path(), &[]).is_empty());

    mount("tmpfs", &at, "tmpfs", MountFlags::empty(), None).expect("root may mount");
    let holder = shell("echo ready; exec 7>held; exec sleep 60").current_dir(base.path()).spawn();
    holder.wait_for("ready");
    let left = Leftovers::find(base.path(), &[]);
    let text = left.to_string();
    assert!(text.contains(&format!("mount {}", at.display())), "{text}");
    assert!(text.contains(&format!("process {}", holder.pid())), "{text}");

    left.clear();
    holder.wait().fails_with(137);
    assert!(unmount(&at, UnmountFlags::empty()).is_err(), "it was unmounted");
    assert!(Leftovers::find(base.path(), &[]).is_empty());
}
