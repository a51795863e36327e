//! Containers whose companions are killed: each alone, both, again and again, at any moment.

use std::fs;
use std::io::Write;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tests::{Engine, Namespace, Running, eventually, rounds};

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victims {
    Guardian,
    Supervisor,
    Both,
}

fn busybox() -> (Engine, String) {
    let engine = Engine::new();
    let image = engine.image("busybox");
    (engine, image)
}

/// Reads a number of a container's status file, without the help of the engine, which would mend what it sees.
fn status_of(engine: &Engine, id: &str, field: &str) -> i32 {
    let path = engine.run_root().join("containers").join(id).join("status");
    let text = fs::read_to_string(path).expect("it has a status");
    let (_, rest) = text.split_once(&format!("\"{field}\":")).expect("the field is there");
    rest.split([',', '}']).next().and_then(|number| number.parse().ok()).expect("a number")
}

fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Kills, and waits until they are dead.
fn strike(engine: &Engine, id: &str, victims: Victims) {
    let (guardian, supervisor) = (status_of(engine, id, "guardian"), status_of(engine, id, "supervisor"));
    let pids = match victims {
        Victims::Guardian => vec![guardian],
        Victims::Supervisor => vec![supervisor],
        // The other way round there might be another guardian in between.
        Victims::Both => vec![supervisor, guardian],
    };
    pids.iter().for_each(|pid| kill(*pid));
    eventually("they are dead", || !pids.iter().any(|pid| is_alive(*pid)));
}

/// Waits until both are there again, or it has ended.
#[track_caller]
fn accompanied(engine: &Engine, id: &str) {
    eventually("it is accompanied", || {
        ["guardian", "supervisor"].iter().all(|field| is_alive(status_of(engine, id, field)))
            || status_of(engine, id, "pid") == 0
    });
}

/// Waits, in a container's shell, until it is told to go on: not by the engine, which would mend what it sees.
const WAIT: &str = "trap go=1 USR1; echo ready; while [ -z $go ]; do usleep 5000; done";

fn tell(pid: i32) {
    kill_process(Pid::from_raw(pid).expect("a pid"), Signal::USR1).unwrap();
}

/// Starts `box`, whose shell goes on with this only when both who accompany it are dead; returns its id and process.
#[track_caller]
fn goes_on_alone(engine: &Engine, image: &str, script: &str) -> (String, i32) {
    let script = format!("{WAIT}; {script}");
    let id = engine.run(&["run", "-d", "--name", "box", image, "sh", "-c", &script]).ok().text().to_owned();
    eventually("it is ready", || engine.run(&["logs", "box"]).ok().stdout == "ready\n");
    let pid = status_of(engine, &id, "pid");
    strike(engine, &id, Victims::Both);
    tell(pid);
    (id, pid)
}

/// A number from 0 to below `below`; of the clock, as nothing here needs better.
fn any(below: u64) -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_nsec as u64 / 997 % below
}

const LINES: usize = 800;

/// Numbered lines with pauses between them, and a code of its own.
fn script() -> String {
    format!(
        "i=0; while [ $i -lt {LINES} ]; do echo line $i; i=$((i+1)); [ $((i%8)) = 0 ] && usleep 15000; done; exit 7"
    )
}

/// No line is doubled or out of order. A supervisor that is killed takes along what it has just read, each time a
/// handful of lines at this speed; otherwise none is missing.
#[track_caller]
fn assert_lines(log: &str, kills_of_supervisors: usize) {
    let numbers: Vec<usize> =
        log.lines().filter_map(|line| line.strip_prefix("line ")?.parse().ok()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "doubled: {log}");
    let missing = LINES - numbers.len();
    assert!(missing <= 8 * kills_of_supervisors, "{missing} lines are missing: {log}");
}

#[test]
fn whoever_is_killed_lines_and_code_are_kept() {
    let (engine, image) = busybox();
    for _ in 0..rounds(2, 300) {
        for victims in [Victims::Guardian, Victims::Supervisor, Victims::Both] {
            let id = engine.run(&["run", "-d", "--name", "box", &image, "sh", "-c", &script()]).ok();
            let id = id.text().to_owned();
            let kills = 3;
            for _ in 0..kills {
                thread::sleep(Duration::from_millis(any(100)));
                strike(&engine, &id, victims);
                if victims == Victims::Both {
                    // Any command that looks at it will do.
                    let look: &[&str] = [&["ps"][..], &["logs", "box"], &["inspect", "box"]][any(3) as usize];
                    engine.run(look).ok();
                }
                accompanied(&engine, &id);
            }
            engine.run(&["wait", "box"]).ok().prints("7");
            let log = engine.run(&["logs", "box"]).ok().stdout;
            assert_lines(&log, if victims == Victims::Guardian { 0 } else { kills });
            engine.run(&["rm", "box"]).ok();
            engine.audit();
        }
    }
}

#[test]
fn nothing_is_missing_of_what_was_printed_while_nobody_was_there() {
    let (engine, image) = busybox();
    let (id, pid) =
        goes_on_alone(&engine, &image, "for i in 1 2 3 4 5; do echo $i; echo e$i >&2; done; sleep 600");
    thread::sleep(Duration::from_millis(200));
    assert!(is_alive(pid), "writing without a reader is no fault");
    eventually("all is there", || {
        let log = engine.run(&["logs", "box"]).ok();
        log.stdout == "ready\n1\n2\n3\n4\n5\n" && log.stderr == "e1\ne2\ne3\ne4\ne5\n"
    });
    accompanied(&engine, &id);
    engine.run(&["stop", "-t", "0", "box"]).ok();
    assert_eq!(engine.inspect("box", "{{.State.ExitCode}}"), "137");
    engine.run(&["rm", "box"]).ok();
    engine.audit();
}

#[test]
fn a_command_that_stays_with_it_mends_it_itself() {
    let (engine, image) = busybox();
    for rm in [false, true] {
        let options = if rm { &["run", "--rm", "--name", "box"][..] } else { &["run", "--name", "box"] };
        let script = format!("{WAIT}; exit 9");
        let caller = engine.command(&[options, &[&image, "sh", "-c", &script]].concat()).spawn();
        caller.wait_for("ready");
        let id = engine.run(&["ps", "-q", "--no-trunc"]).ok().text().to_owned();
        let waiting = engine.command(&["wait", "box"]).spawn();
        let following = engine.command(&["logs", "-f", "box"]).spawn();
        following.wait_for("ready");
        let pid = status_of(&engine, &id, "pid");
        strike(&engine, &id, Victims::Both);
        accompanied(&engine, &id);
        tell(pid);
        caller.wait().fails_with(9);
        waiting.wait().ok().prints("9");
        following.wait().ok().prints("ready");
        if !rm {
            engine.run(&["rm", "box"]).ok();
        }
        assert_eq!(engine.containers(), [""; 0]);
        engine.audit();
    }
}

#[test]
fn a_successor_is_replaced_as_well() {
    let (engine, image) = busybox();
    let id = engine.run(&["run", "-d", "--rm", "--name", "box", &image, "sh", "-c", &script()]).ok();
    let id = id.text().to_owned();
    let order = [Victims::Guardian, Victims::Guardian, Victims::Supervisor, Victims::Guardian, Victims::Both];
    for victims in order.iter().chain(&[Victims::Supervisor, Victims::Guardian]) {
        strike(&engine, &id, *victims);
        if *victims == Victims::Both {
            engine.run(&["ps"]).ok();
        }
        accompanied(&engine, &id);
    }
    engine.run(&["wait", "box"]).ok().prints("7");
    assert_eq!(engine.containers(), [""; 0]);
    engine.audit();
}

#[test]
fn an_end_while_nobody_is_there_is_known_as_long_as_the_kernel_tells() {
    let (engine, image) = busybox();
    let (_, pid) = goes_on_alone(&engine, &image, "echo last; exit 7");
    eventually("it has ended", || !is_alive(pid));
    let code = engine.inspect("box", "{{.State.ExitCode}}");
    // The host's init may have reaped it before we looked: then nobody knows.
    assert!(["7", "255"].contains(&code.as_str()), "{code}");
    engine.run(&["rm", "box"]).ok();
    engine.audit();
}

/// A command with a pipe that the test writes to.
fn with_input(engine: &Engine, words: &[&str]) -> (Running, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    (engine.command(words).stdin_from(reader.into()).spawn(), writer)
}

#[test]
fn piped_input_outlives_a_supervisor_and_a_guardian() {
    let (engine, image) = busybox();
    for victims in [Victims::Supervisor, Victims::Guardian] {
        let words = [
            "run",
            "-i",
            "--rm",
            "--name",
            "box",
            &image,
            "sh",
            "-c",
            "while read l; do echo got $l; done; exit 4",
        ];
        let (caller, mut input) = with_input(&engine, &words);
        input.write_all(b"one\n").unwrap();
        caller.wait_for("got one");
        let id = engine.run(&["ps", "-q", "--no-trunc"]).ok().text().to_owned();
        strike(&engine, &id, victims);
        accompanied(&engine, &id);
        input.write_all(b"two\n").unwrap();
        caller.wait_for("got two");
        // And again, with the successor.
        strike(&engine, &id, Victims::Guardian);
        accompanied(&engine, &id);
        input.write_all(b"three\n").unwrap();
        caller.wait_for("got three");
        drop(input);
        caller.wait().fails_with(4).prints("got one\ngot two\ngot three");
        engine.audit();
    }
}

#[test]
fn input_that_has_ended_stays_so() {
    let (engine, image) = busybox();
    let script = format!("cat; {WAIT}");
    let words = ["run", "-i", "--name", "box", &image, "sh", "-c", &script];
    let caller = engine.command(&words).stdin("typed\n").spawn();
    caller.wait_for("ready");
    let id = engine.run(&["ps", "-q", "--no-trunc"]).ok().text().to_owned();
    for victims in [Victims::Supervisor, Victims::Guardian, Victims::Supervisor] {
        strike(&engine, &id, victims);
        accompanied(&engine, &id);
    }
    tell(status_of(&engine, &id, "pid"));
    caller.wait().ok().prints("typed\nready");
}

#[test]
fn a_terminal_outlives_a_guardian() {
    let (engine, image) = busybox();
    let words = ["run", "-it", "--rm", "--name", "box", &image, "sh"];
    let mut terminal = engine.command(&words).terminal(24, 80);
    terminal.type_text("echo $((40+2))\r");
    terminal.expect("42");
    let id = engine.run(&["ps", "-q", "--no-trunc"]).ok().text().to_owned();
    strike(&engine, &id, Victims::Guardian);
    accompanied(&engine, &id);
    strike(&engine, &id, Victims::Supervisor);
    accompanied(&engine, &id);
    eventually("the caller is back", || {
        terminal.type_text("echo $((50+5))\r");
        thread::sleep(Duration::from_millis(50));
        terminal.seen().contains("55")
    });
    terminal.type_text("exit 3\r");
    let _ = terminal.wait().fails_with(3);
    engine.audit();
}

#[test]
fn ports_and_names_outlive_both() {
    let namespace = Namespace::new();
    let engine = Engine::within(&namespace);
    let image = engine.image("busybox");
    engine.run(&["network", "create", "net"]).ok();
    engine.run(&["run", "-d", "--network", "net", "--name", "other", &image, "sleep", "600"]).ok();
    let script = "mkdir /www; echo served > /www/f; exec httpd -f -p 80 -h /www";
    let words =
        ["run", "-d", "--network", "net", "--name", "box", "-p", "8080:80", &image, "sh", "-c", script];
    let id = engine.run(&words).ok().text().to_owned();
    let served =
        || namespace.run("busybox", &["wget", "-qO-", "http://127.0.0.1:8080/f"]).stdout == "served\n";
    eventually("it serves", served);
    for victims in [Victims::Guardian, Victims::Both, Victims::Supervisor, Victims::Both] {
        strike(&engine, &id, victims);
        if victims == Victims::Both {
            assert!(served(), "the firewall needs nobody");
            engine.run(&["ps"]).ok();
        }
        accompanied(&engine, &id);
        eventually("it serves", served);
        eventually("it finds names", || engine.run(&["exec", "box", "nslookup", "other"]).code == 0);
        let taken = engine.run(&["run", "--rm", "-p", "8080:80", &image, "true"]);
        taken.fails_with(125).error_names(&["8080", "box"]);
        // Nobody else either: the socket itself is held.
        assert!(namespace.enter(|| std::net::TcpListener::bind("0.0.0.0:8080").is_err()), "{victims:?}");
    }
    engine.run(&["rm", "-f", "box", "other"]).ok();
    engine.run(&["network", "rm", "net"]).ok();
    assert!(namespace.enter(|| std::net::TcpListener::bind("0.0.0.0:8080").is_ok()));
    engine.audit();
}

#[test]
fn another_binary_takes_over_what_the_old_one_began() {
    let (engine, image) = busybox();
    // The one that starts it is replaced, as an upgrade does.
    let old = engine.base().join("old");
    fs::copy(engine.binary(), &old).unwrap();
    let words = ["run", "-d", "--name", "box", &image, "sh", "-c", &script()];
    let id = engine.command_as(&old, &words).run().ok().text().to_owned();
    fs::remove_file(&old).unwrap();
    for victims in [Victims::Supervisor, Victims::Guardian, Victims::Both] {
        strike(&engine, &id, victims);
        if victims == Victims::Both {
            engine.run(&["ps"]).ok();
        }
        accompanied(&engine, &id);
    }
    engine.run(&["wait", "box"]).ok().prints("7");
}

/// Replaces a part of a container's status.
fn forge(engine: &Engine, id: &str, from: &str, to: &str) {
    let path = engine.run_root().join("containers").join(id).join("status");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_process_of_another_boot_is_nobodys() {
    let (engine, image) = busybox();
    let id = engine.run(&["run", "-d", "--name", "box", &image, "sleep", "600"]).ok().text().to_owned();
    let pid = status_of(&engine, &id, "pid");
    strike(&engine, &id, Victims::Both);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    forge(&engine, &id, boot.trim(), "00000000-0000-0000-0000-000000000000");
    assert_eq!(engine.inspect("box", "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}"), "exited 255 0");
    engine.run(&["stop", "-t", "0", "box"]).ok();
    engine.run(&["kill", "box"]).fails_with(1);
    assert!(is_alive(pid), "what bears the number now is somebody else");
    forge(&engine, &id, "00000000-0000-0000-0000-000000000000", boot.trim());
    engine.run(&["rm", "-f", "box"]).ok();
    engine.audit();
}

#[test]
fn another_process_with_its_number_is_not_it() {
    let (engine, image) = busybox();
    let id = engine.run(&["run", "-d", "--name", "box", &image, "sleep", "600"]).ok().text().to_owned();
    let pid = status_of(&engine, &id, "pid");
    strike(&engine, &id, Victims::Both);
    let ticks = format!("\"start_ticks\":{}", status_of(&engine, &id, "start_ticks"));
    forge(&engine, &id, &ticks, "\"start_ticks\":1");
    assert_eq!(engine.inspect("box", "{{.State.Status}} {{.State.ExitCode}}"), "exited 255");
    engine.run(&["kill", "box"]).fails_with(1);
    assert!(is_alive(pid));
    forge(&engine, &id, "\"start_ticks\":1", &ticks);
    engine.run(&["rm", "-f", "box"]).ok();
}

#[test]
fn what_a_newer_engine_wrote_is_refused_and_left_alone() {
    let (engine, image) = busybox();
    let id = engine.run(&["create", "--name", "box", &image, "true"]).ok().text().to_owned();
    let path = engine.root().join("containers").join(&id).join("record.json");
    let mine = fs::read_to_string(&path).unwrap();
    let newer = mine.replacen("\"version\":1", "\"version\":99", 1);
    fs::write(&path, &newer).unwrap();
    for words in [&["start", "box"][..], &["rm", "-f", "box"], &["rename", "box", "other"]] {
        engine.run(words).fails_with(1).error_names(&["newer"]);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    fs::write(&path, mine).unwrap();
    engine.run(&["rm", "box"]).ok();
}

#[test]
fn what_others_do_to_its_cgroup_ends_nothing_of_ours() {
    let (engine, image) = busybox();
    let id = engine.run(&["run", "-d", "--name", "box", &image, "sleep", "600"]).ok().text().to_owned();
    let pid = status_of(&engine, &id, "pid");
    // Somebody moves it to the top of each hierarchy and removes its groups.
    for group in fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap().lines() {
        let controllers = group.split(':').nth(1).unwrap();
        let name = controllers.split(',').next().unwrap().trim_start_matches("name=");
        let mount = if name.is_empty() { "unified".to_owned() } else { name.to_owned() };
        let top = std::path::Path::new("/sys/fs/cgroup").join(mount);
        let _ = fs::write(top.join("cgroup.procs"), pid.to_string());
        let _ = fs::remove_dir(top.join("coracle").join(&id));
    }
    // Whether it is let in depends on what is left of its groups; that it lives is what matters.
    let _ = engine.run(&["exec", "box", "true"]);
    assert_eq!(engine.inspect("box", "{{.State.Status}}"), "running");
    strike(&engine, &id, Victims::Both);
    engine.run(&["ps"]).ok();
    accompanied(&engine, &id);
    engine.run(&["stop", "-t", "0", "box"]).ok();
    assert_eq!(engine.inspect("box", "{{.State.ExitCode}}"), "137");
    engine.run(&["rm", "box"]).ok();
    engine.audit();
}

#[test]
fn a_pipe_belongs_to_the_containers_user() {
    let (engine, image) = busybox();
    let script = "echo again > /dev/stdout; echo wrong > /dev/stderr";
    let output = engine.run(&["run", "--rm", "-u", "1234", &image, "sh", "-c", script]).ok();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("again\n", "wrong\n"));
}
