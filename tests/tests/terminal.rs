//! Containers on a terminal: `-t`, `-it`, `exec -it`, sizes, keys, and what is restored after.

use std::fs::File;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use tests::{Engine, Terminal, eventually};

fn busybox() -> (Engine, String) {
    let engine = Engine::new();
    let image = engine.image("busybox");
    (engine, image)
}

const SHELL: [&str; 3] =
    ["sh", "-c", "stty size; stty -echo; echo ready; while read line; do eval \"$line\"; done; echo end"];

fn words<'a>(flags: &[&'a str], image: &'a str, command: &[&'a str]) -> Vec<&'a str> {
    flags.iter().copied().chain([image]).chain(command.iter().copied()).collect()
}

/// Types commands until the answer shows.
fn ask(terminal: &mut Terminal, command: &str, answer: &str) {
    terminal.type_text(&format!("{command}\r"));
    terminal.expect(answer);
}

#[test]
fn a_terminal_has_the_caller_s_size_and_follows_it() {
    let (engine, image) = busybox();
    engine.run(&["run", "-d", "--name", "box", &image, "sleep", "600"]).ok();
    for flags in [&["run", "--rm", "-it"][..], &["exec", "-it"]] {
        let target = if flags[0] == "run" { image.as_str() } else { "box" };
        let mut terminal = engine.command(&words(flags, target, &SHELL)).terminal(33, 101);
        terminal.expect("33 101");
        terminal.expect("ready");
        terminal.resize(44, 55);
        ask(
            &mut terminal,
            "until [ \"$(stty size)\" = '44 55' ]; do sleep 0.01; done; echo resized",
            "resized",
        );
        // All three streams are the one terminal, and /dev/console is it too; job control works.
        ask(&mut terminal, "tty; test -t 0 -a -t 1 -a -t 2 && echo three", "three");
        ask(&mut terminal, "echo $TERM", "xterm");
        ask(&mut terminal, "echo err >&2", "err");
        terminal.type_text("exit 6\r");
        terminal.wait().fails_with(6);
    }
}

#[test]
fn keys_interrupt_and_end_input() {
    let (engine, image) = busybox();
    engine.run(&["run", "-d", "--name", "box", &image, "sleep", "600"]).ok();
    for flags in [&["run", "--rm", "-it"][..], &["exec", "-it"]] {
        let target = if flags[0] == "run" { image.as_str() } else { "box" };
        let script =
            ["sh", "-c", "trap 'echo interrupted; exit 4' INT; echo ready; while :; do sleep 0.02; done"];
        let mut terminal = engine.command(&words(flags, target, &script)).terminal(24, 80);
        terminal.expect("ready");
        terminal.type_text("\x03");
        terminal.expect("interrupted");
        terminal.wait().fails_with(4);

        let mut terminal = engine.command(&words(flags, target, &SHELL)).terminal(24, 80);
        terminal.expect("ready");
        terminal.type_text("\x04");
        terminal.expect("end");
        terminal.wait().ok();
    }
}

#[test]
fn the_keys_ctrl_p_ctrl_q_detach_and_others_do_where_asked() {
    let (engine, image) = busybox();
    for (name, flags, keys) in [
        ("one", &["run", "-it", "--name", "one"][..], "\x10\x11"),
        ("two", &["run", "-it", "--name", "two", "--detach-keys", "ctrl-x,y"], "\x18y"),
    ] {
        let mut terminal = engine.command(&words(flags, &image, &SHELL)).terminal(24, 80);
        terminal.expect("ready");
        // Half the sequence and then something else is typed like any other text.
        terminal.type_text("\x10");
        ask(&mut terminal, ": ; echo before", "before");
        terminal.type_text(keys);
        terminal.wait().ok();
        engine.run(&["inspect", "-f", "{{.State.Running}}", name]).ok().prints("true");
        engine.run(&["logs", name]).ok().stdout_has("before");
    }
    engine.run(&["rm", "-f", "one", "two"]).ok();

    engine.run(&["create", "-it", "--name", "three", &image, "sh", "-c", SHELL[2]]).ok();
    let mut terminal = engine.command(&["start", "-ai", "--detach-keys", "a", "three"]).terminal(24, 80);
    terminal.expect("ready");
    terminal.type_text("a");
    terminal.wait().ok();
    engine.run(&["inspect", "-f", "{{.State.Running}}", "three"]).ok().prints("true");
}

#[test]
fn the_caller_s_terminal_is_raw_meanwhile_and_restored_after() {
    let (engine, image) = busybox();
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let cooked = || {
        let modes = tcgetattr(&slave).unwrap().local_modes;
        modes.contains(LocalModes::ICANON)
            && modes.contains(LocalModes::ECHO)
            && modes.contains(LocalModes::ISIG)
    };
    assert!(cooked());
    for end in ["exit", "kill -9 $$", "detach"] {
        let mut command = std::process::Command::new(engine.binary());
        command.env("CORACLE_ROOT", engine.root()).env("CORACLE_RUN_ROOT", engine.run_root());
        command.args(["run", "-it", "--init", &image, "sh"]);
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap());
        let mut child = command.stderr(slave.try_clone().unwrap()).spawn().unwrap();
        eventually("the terminal is raw", || !cooked());
        let keys = if end == "detach" { "\x10\x11".to_owned() } else { format!("{end}\r") };
        rustix::io::write(&master, keys.as_bytes()).unwrap();
        child.wait().unwrap();
        assert!(cooked(), "after {end}");
    }
    drop(master);
}

#[test]
fn a_terminal_may_be_asked_for_without_having_one() {
    let (engine, image) = busybox();
    // Output alone needs no terminal of the caller's: lines end as on one.
    let output = engine.run(&["run", "--rm", "-t", &image, "sh", "-c", "tty; echo err >&2; test -t 0"]).ok();
    assert_eq!(output.stdout, "/dev/pts/0\r\nerr\r\n");
    assert_eq!(output.stderr, "");
    for words in [&["run", "--rm", "-it", &image, "true"][..], &["exec", "-it", "box", "true"]] {
        if words[0] == "exec" {
            engine.run(&["run", "-dt", "--name", "box", &image, "sh", "-c", "tty; sleep 600"]).ok();
        }
        let refused = engine.run(words);
        assert!([1, 125].contains(&refused.code), "{refused}");
        refused.error_names(&["the input device is not a TTY", "hint:"]);
    }
    eventually("a terminal nobody is attached to", || {
        engine.run(&["logs", "box"]).ok().stdout == "/dev/pts/0\r\n"
    });
    let lines = engine.run(&["exec", "-t", "box", "sh", "-c", "tty; exit 3"]).fails_with(3);
    assert_eq!(lines.stdout, "/dev/pts/1\r\n");
    engine.run(&["rm", "-f", "box"]).ok();
}
