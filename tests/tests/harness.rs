//! The harness itself: it must notice what it exists to notice. Needs no engine.

use std::fs;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use rustix::process::Signal;
use sys::process::{NEWNS, unshare};
use tests::lan::{HOST, HOST6, NEIGHBOUR, ROUTER, WORLD, WORLD6};
use tests::{Echo, Invocation, Lan, Leftovers, Transport, at, dns};

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
    // Another test that makes a mount namespace meanwhile would get a copy of the mount, and be found with it.
    unshare(NEWNS).expect("root may have mounts of its own");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).expect("root may change its mounts");
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

#[test]
fn a_lan_has_a_host_a_neighbour_a_router_and_a_world() {
    let lan = Lan::new();
    let names = lan.names(&[("there.test", WORLD), ("there.test", WORLD6)]);
    let (world, host) = (Echo::everywhere(&lan.world, 80), Echo::everywhere(&lan.host, 80));
    for transport in Transport::BOTH {
        assert_eq!(lan.host.ask(transport, at(WORLD, 80)).to_string(), HOST);
        assert_eq!(lan.host.ask(transport, at(WORLD6, 80)).to_string(), HOST6);
        assert_eq!(lan.neighbour.ask(transport, at(HOST, 80)).to_string(), NEIGHBOUR);
        lan.neighbour.cannot_ask(transport, at(HOST, 81));
    }
    let server = at(ROUTER, 53);
    assert_eq!(lan.host.lookup_at(server, "there.test", dns::A).records, [WORLD]);
    assert_eq!(lan.host.lookup_at(server, "there.test", dns::AAAA).records, [WORLD6]);
    assert_eq!(lan.host.lookup_at(server, "elsewhere.test", dns::A).code, dns::NO_SUCH_NAME);
    assert_eq!(names.asked(), ["there.test", "there.test", "elsewhere.test"]);
    drop((world, host));
    lan.neighbour.cannot_ask(Transport::Tcp, at(HOST, 80));
}

#[test]
fn commands_within_a_namespace_see_its_interfaces_and_names_and_the_files_of_the_host() {
    let lan = Lan::new();
    let here = std::env::current_dir().expect("a directory");
    let script = "pwd; grep -c . /proc/net/dev; cat /etc/resolv.conf; test -d /sys/fs/cgroup && echo groups";
    let expected = format!("{}\n4\nnameserver {ROUTER}\ngroups", here.display());
    shell(script).within(&lan.host).run().ok().prints(&expected);
    let mut terminal = shell("grep -c . /proc/net/dev; exit 3").within(&lan.host).terminal(24, 80);
    terminal.expect("4");
    terminal.type_text("");
    terminal.wait().fails_with(3);
    assert_eq!(lan.world.interfaces(), ["lo", "eth0"]);
}
