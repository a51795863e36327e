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

#[test]
fn a_container_gets_another_name() {
    let (engine, image) = busybox();
    run(&engine, "old", &[], "sleep 600");
    let id = engine.inspect("old", "{{.Id}}");
    engine.run(&["create", "--name", "other", &image, "true"]).ok();
    let refused: [(&[&str], &str); 6] = [
        (&["old", "other"], "The container name \"/other\" is already in use by container"),
        (&["old", "old"], "Renaming a container with the same name as its current name"),
        (&["old", "a b"], "Invalid container name"),
        (&["old", ""], "Neither old nor new names may be empty"),
        (&["gone", "new"], "No such container: gone"),
        (&["old"], "requires 2 arguments"),
    ];
    for (words, part) in refused {
        engine.run(&[&["rename"], words].concat()).fails_with(1).error_names(&[part]);
        assert_eq!(engine.inspect("old", "{{.Id}} {{.Name}}"), format!("{id} /old"));
    }
    engine.audit();

    engine.run(&["rename", "old", "/new"]).ok().prints("").quiet();
    engine.run(&["ps", "--format", "{{.ID}} {{.Names}}"]).ok().prints(&format!("{} new", &id[..12]));
    assert_eq!(engine.inspect("new", "{{.Id}} {{.Name}} {{.State.Status}}"), format!("{id} /new running"));
    engine.run(&["inspect", "old"]).fails_with(1);
    engine.run(&["exec", "new", "true"]).ok();
    engine.audit();
    // The old name is free, and the first container can have it back when it is free again.
    engine.run(&["create", "--name", "old", &image, "true"]).ok();
    engine.run(&["rename", "new", "old"]).fails_with(1).error_names(&["already in use"]);
    engine.run(&["rm", "old"]).ok();
    engine.run(&["container", "rename", &id[..12], "old"]).ok();
    engine.run(&["stop", "-t", "0", "old"]).ok();
    engine.run(&["rename", "old", "stopped"]).ok();
    engine.run(&["start", "stopped"]).ok().prints("stopped");
    engine.run(&["rm", "-f", "stopped"]).ok();
    engine.run(&["create", "--name", "stopped", &image, "true"]).ok();
    engine.audit();
}

#[test]
fn a_container_that_goes_with_its_end_takes_its_new_name_along() {
    let (engine, image) = busybox();
    run(&engine, "old", &["--rm"], "sleep 600");
    engine.run(&["rename", "old", "middle"]).ok();
    engine.run(&["rename", "middle", "new"]).ok();
    for name in ["old", "middle"] {
        engine.run(&["create", "--name", name, &image, "true"]).ok();
    }
    engine.run(&["rename", "new", "old"]).fails_with(1).error_names(&["already in use"]);
    engine.run(&["kill", "new"]).ok();
    engine.audit();
    engine.run(&["create", "--name", "new", &image, "true"]).ok();
    for name in ["old", "middle", "new"] {
        assert_eq!(engine.inspect(name, "{{.Name}} {{.State.Status}}"), format!("/{name} created"));
    }
}

/// Whenever the command is killed, the container has one of the two names, whole, and the other is free.
#[test]
fn a_killed_rename_leaves_the_old_name_or_the_new_one() {
    let (engine, image) = busybox();
    run(&engine, "n0", &[], "sleep 600");
    let id = engine.inspect("n0", "{{.Id}}");
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..tests::rounds(60, 1000) {
        let before = engine.inspect(&id, "{{.Name}}");
        let wanted = format!("n{}", round + 1);
        let rename = engine.command(&["rename", &id, &wanted]).spawn();
        std::thread::sleep(Duration::from_micros(round as u64 % 30 * 200));
        rename.signal(rustix::process::Signal::KILL);
        let killed = rename.wait().code == 137;
        let after = engine.inspect(&id, "{{.Name}}");
        assert!(after == before || after == format!("/{wanted}"), "{before} {after}");
        assert!(killed || after != before);
        seen.insert((killed, after == before));
        assert_eq!(engine.inspect(&after[1..], "{{.Id}}"), id);
        engine.audit();
        let other = if after == before { &wanted } else { &before[1..] };
        engine.run(&["inspect", other]).fails_with(1);
        // What was left of it is nobody's.
        let taken = engine.run(&["create", "--name", other, &image, "true"]).ok();
        engine.run(&["rm", taken.text()]).ok();
    }
    assert!(seen.len() > 1, "the time of the kill made no difference: {seen:?}");
    engine.run(&["rm", "-f", &id]).ok();
    engine.audit();
}

#[test]
fn networks_know_the_new_name_at_once() {
    let namespace = tests::Namespace::new();
    let engine = Engine::within(&namespace);
    let image = engine.image("busybox");
    engine.run(&["network", "create", "net"]).ok();
    let run = ["run", "-d", "--network", "name=net,alias=web", "--name", "old", &image, "sleep", "600"];
    engine.run(&run).ok();
    let id = engine.inspect("old", "{{.Id}}");
    let network = engine.inspect("net", "{{.Id}}");
    // What the resolver reads at each question.
    let names = || {
        let place = engine.run_root().join("networks").join(&network).join("names");
        let bears = |name: &String| place.join(name).join(&id).is_symlink();
        let names = std::fs::read_dir(&place).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(bears);
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let expected = |name: &str| [name, "web", &id[..12]].map(str::to_owned).into();
    assert_eq!(names(), expected("old"));
    engine.run(&["rename", "old", "New"]).ok();
    assert_eq!(names(), expected("new"));
    // Its alias stays where it was its name too.
    engine.run(&["rename", "New", "web"]).ok();
    engine.run(&["rename", "web", "last"]).ok();
    assert_eq!(names(), expected("last"));
    engine.audit();
    engine.run(&["rm", "-f", "last"]).ok();
    engine.run(&["network", "rm", "net"]).ok();
}

#[test]
fn top_shows_what_the_host_sees_and_runs_nothing_of_the_container() {
    let (engine, _) = busybox();
    // A program of the image that would tell by a file that it was run, in every place where `ps` is looked for.
    let script = "for d in /bin /usr/bin /usr/local/bin; do mkdir -p $d; rm -f $d/ps; \
                  printf '#!/bin/sh\ntouch /was-run\n' > $d/ps; chmod +x $d/ps; done; \
                  sleep 601 & sleep 602 & wait";
    run(&engine, "box", &[], script);
    let pid = engine.inspect("box", "{{.State.Pid}}");
    engine.run(&["exec", "-d", "box", "sleep", "603"]).ok();
    eventually("all of them run", || {
        let table = engine.run(&["top", "box"]).ok().stdout;
        ["601", "602", "603"].iter().all(|seconds| table.contains(&format!(" sleep {seconds}\n")))
    });
    let table = engine.run(&["container", "top", "box"]).ok().stdout;
    let head: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 4, "{table}");
    let first = rows.iter().find(|row| row[1] == pid).expect("the first process by its pid on the host");
    assert_eq!(&first[7..9], ["sh", "-c"]);
    let children = rows.iter().filter(|row| row[2] == pid);
    assert_eq!(children.count(), 2, "{table}");
    assert!(!engine.run(&["exec", "box", "ls", "/"]).ok().stdout.contains("was-run"));

    // The host's ps, of whose lines those of the container are left.
    let listed = engine.run(&["top", "box", "-o", "pid,args"]).ok().stdout;
    assert!(listed.starts_with("PID                 COMMAND\n"), "{listed}");
    assert_eq!(listed.lines().count(), 5, "{listed}");
    let bsd = engine.run(&["top", "box", "faux"]).ok().stdout;
    assert!(bsd.contains("sleep 603") && bsd.lines().count() == 5, "{bsd}");
    let refused = engine.run(&["top", "box", "-o", "args"]).fails_with(1);
    refused.error_names(&["Couldn't find PID field in ps output"]);
    engine.run(&["top", "box", "--no-such"]).fails_with(1).error_names(&["ps: unknown gnu long option"]);
    let without = engine.command(&["top", "box", "-e"]).env("PATH", "/nowhere").run();
    without.fails_with(1).error_names(&["no program `ps`", "install procps"]);
    assert!(!engine.run(&["exec", "box", "ls", "/"]).ok().stdout.contains("was-run"));

    engine.run(&["pause", "box"]).ok();
    engine.run(&["top", "box"]).ok().stdout_has("sleep 603");
    engine.run(&["kill", "box"]).ok();
    engine.run(&["top", "box"]).fails_with(1).error_names(&["is not running"]);
    engine.run(&["top", "gone"]).fails_with(1).error_names(&["No such container: gone"]);
}

#[test]
fn a_container_is_restarted() {
    let (engine, image) = busybox();
    let script = "echo start >> /starts; cat /starts; trap 'echo asked; exit 3' TERM; sleep 600 & wait";
    run(&engine, "box", &[], script);
    run(&engine, "gone-at-its-end", &["--rm"], script);
    let first = engine.inspect("box", "{{.State.Pid}}");
    for name in ["box", "gone-at-its-end"] {
        eventually("it runs", || engine.run(&["logs", name]).ok().stdout == "start\n");
    }
    engine.run(&["restart", "box", "gone-at-its-end"]).ok().prints("box\ngone-at-its-end").quiet();
    assert_ne!(engine.inspect("box", "{{.State.Pid}}"), first);
    for name in ["box", "gone-at-its-end"] {
        let expected = "start\nasked\nstart\nstart\n";
        eventually("it runs again, with what it wrote", || {
            engine.run(&["logs", name]).ok().stdout == expected
        });
    }
    // Paused, and stopped: both run afterwards.
    engine.run(&["pause", "box"]).ok();
    engine.run(&["restart", "-t", "0", "-s", "WINCH", "box"]).ok();
    assert_eq!(engine.inspect("box", "{{.State.Status}}"), "running");
    engine.run(&["kill", "box"]).ok();
    engine.run(&["container", "restart", "box"]).ok();
    assert_eq!(engine.inspect("box", "{{.State.Status}}"), "running");
    engine.run(&["create", "--name", "new", &image, "sleep", "600"]).ok();
    engine.run(&["restart", "new", "new"]).ok();
    engine.run(&["restart", "gone"]).fails_with(1).error_names(&["No such container: gone"]);
    // It still goes with its end, and with that of a restart that was killed.
    engine.run(&["stop", "gone-at-its-end"]).ok();
    eventually("it is gone", || !engine.run(&["ps", "-a"]).ok().stdout.contains("gone-at-its-end"));
    run(&engine, "stubborn", &["--rm", "--init"], "trap '' TERM; while :; do sleep 600; done");
    let restart = engine.command(&["restart", "-t", "60", "stubborn"]).spawn();
    let run_dir = engine.run_root().join("containers").join(engine.inspect("stubborn", "{{.Id}}"));
    eventually("the end is watched", || run_dir.join("kept").exists());
    restart.signal(rustix::process::Signal::KILL);
    let _ = restart.wait();
    engine.run(&["kill", "stubborn"]).ok();
    engine.run(&["inspect", "stubborn"]).fails_with(1);
    engine.audit();
}

#[test]
fn stopped_containers_are_pruned() {
    let (engine, image) = busybox();
    for (name, label) in [("old", "a=b"), ("kept", "keep"), ("other", "a=c")] {
        let words = ["run", "--network", "none", "--name", name, "--label", label, &image];
        engine.run(&[&words[..], &["sh", "-c", "head -c 100000 /dev/zero > /file"]].concat()).ok();
    }
    run(&engine, "runs", &["--label", "a=b"], "sleep 600");
    run(&engine, "paused", &["--label", "a=b"], "sleep 600");
    engine.run(&["pause", "paused"]).ok();
    let names = || {
        let listed = engine.run(&["ps", "-a", "--format", "{{.Names}}"]).ok().stdout;
        let mut names: Vec<String> = listed.lines().map(str::to_owned).collect();
        names.sort();
        names.join(" ")
    };
    let id = engine.inspect("old", "{{.Id}}");
    let refused = engine.command(&["container", "prune"]).stdin("n\n").run().fails_with(1);
    assert!(refused.stderr.starts_with("WARNING! This will remove all stopped containers.\n"), "{refused}");
    engine
        .run(&["container", "prune", "-f", "--filter", "until=1h"])
        .ok()
        .prints("Total reclaimed space: 0B");
    let pruned = engine.run(&["container", "prune", "-f", "--filter", "label=a=b"]).ok();
    pruned.prints(&format!("Deleted Containers:\n{id}\n\nTotal reclaimed space: 100kB"));
    assert_eq!(names(), "kept other paused runs");
    engine.run(&["container", "prune", "-f", "--filter", "label!=keep"]).ok();
    assert_eq!(names(), "kept paused runs");
    engine.command(&["container", "prune"]).stdin("y\n").run().ok().stdout_has("Deleted Containers:");
    assert_eq!(names(), "paused runs");
    engine.audit();
}

#[test]
fn attach_shows_passes_on_and_ends_as_the_container() {
    let (engine, _) = busybox();
    let script = "while read line; do echo got $line; [ $line = end ] && exit 5; done; exit 6";
    run(&engine, "box", &["-i"], script);
    let watching = engine.command(&["attach", "--no-stdin", "box"]).spawn();
    // The end of one client's input is not the container's, which was started without it.
    let first = engine.command(&["attach", "box"]).stdin("one\n").spawn();
    first.wait_for("got one\n");
    engine.command(&["attach", "box"]).stdin("two\nend\n").run().fails_with(5).stdout_has("got two\ngot end");
    for other in [watching, first] {
        other.wait().fails_with(5).prints("got one\ngot two\ngot end").quiet();
    }

    run(&engine, "ticks", &[], COUNT);
    for (flag, state) in [("--sig-proxy=false", "running"), ("--sig-proxy", "exited")] {
        let attached = engine.command(&["attach", flag, "ticks"]).spawn();
        attached.wait_for("\n");
        attached.signal(rustix::process::Signal::TERM);
        // Its own end by SIGTERM, or that of the container.
        let _ = attached.wait().fails_with(if state == "running" { 143 } else { 3 });
        assert_eq!(engine.inspect("ticks", "{{.State.Status}}"), state);
    }
    let refused = engine.run(&["attach", "ticks"]).fails_with(1);
    refused.error_names(&["You cannot attach to a stopped container, start it first"]);
    engine.run(&["start", "ticks"]).ok();
    engine.run(&["pause", "ticks"]).ok();
    engine.run(&["attach", "ticks"]).fails_with(1).error_names(&["attach to a paused container"]);
    engine.run(&["attach", "gone"]).fails_with(1).error_names(&["No such container: gone"]);
}

#[test]
fn a_terminal_is_attached_and_left_again() {
    let (engine, _) = busybox();
    let script = "stty -echo; while read line; do eval \"$line\"; done";
    run(&engine, "box", &["-it"], script);
    engine.run(&["attach", "box"]).fails_with(1).error_names(&["the input device is not a TTY"]);
    for keys in [None, Some("ctrl-a,b")] {
        let flags: Vec<&str> = keys.map_or(vec![], |keys| vec!["--detach-keys", keys]);
        let words: Vec<&str> = ["attach"].into_iter().chain(flags).chain(["box"]).collect();
        let mut terminal = engine.command(&words).terminal(33, 101);
        terminal.type_text(
            "until [ \"$(stty size)\" = '33 101' ]; do usleep 10000; done; echo so $((1+1)) wide\r",
        );
        terminal.expect("so 2 wide");
        terminal.type_text(if keys.is_some() { "\x01b" } else { "\x10\x11" });
        terminal.expect("read escape sequence");
        terminal.wait().ok();
        assert_eq!(engine.inspect("box", "{{.State.Status}}"), "running");
    }
    let mut terminal = engine.command(&["attach", "box"]).terminal(33, 101);
    terminal.type_text("exit 7\r");
    terminal.wait().fails_with(7);
}

/// Reads files of the container's own group, by controller and name on v1, by name on v2.
#[track_caller]
fn group_files(engine: &Engine, name: &str, v1: &[&str], v2: &[&str]) -> String {
    let files = if std::path::Path::new("/sys/fs/cgroup/memory").is_dir() { v1 } else { v2 };
    let paths: Vec<String> = files.iter().map(|file| format!("/sys/fs/cgroup/{file}")).collect();
    let words: Vec<&str> =
        ["exec", name, "cat"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    engine.run(&words).ok().stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn limits_are_changed_while_it_runs_and_for_the_next_start() {
    let (engine, image) = busybox();
    run(&engine, "box", &["-m", "64m", "--pids-limit", "50"], "sleep 600");
    let shown = |name: &str| {
        let v1 = [
            "memory/memory.limit_in_bytes",
            "cpu/cpu.shares",
            "cpu/cpu.cfs_quota_us",
            "cpuset/cpuset.cpus",
            "pids/pids.max",
        ];
        let v2 = ["memory.max", "cpu.weight", "cpu.max", "cpuset.cpus", "pids.max"];
        group_files(&engine, name, &v1, &v2)
    };
    let limits =
        "{{.HostConfig.Memory}} {{.HostConfig.CpuShares}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}";
    let flags = [
        "-m",
        "96m",
        "--memory-swap",
        "200m",
        "-c",
        "512",
        "--cpus",
        "0.5",
        "--cpuset-cpus",
        "0",
        "--pids-limit",
        "-1",
    ];
    engine.run(&[&["update"], &flags[..], &["box"]].concat()).ok().prints("box");
    let after = shown("box");
    let expected = ["100663296 512 50000 0 max", "100663296 59 50000 100000 0 max"];
    assert!(expected.contains(&after.as_str()), "{after}");
    assert_eq!(engine.inspect("box", limits), "100663296 512 500000000 -1");

    // All or nothing: memory is written first, and is as before when the other is refused.
    let refused: [(&[&str], &str); 4] = [
        (&["-m", "128m", "--cpuset-cpus", "4000"], "--cpuset-cpus"),
        (
            &["-m", "128m", "--cpu-quota", "5000"],
            "CPU Quota cannot be updated as NanoCPUs has already been set",
        ),
        (&["-m", "300m"], "update the memoryswap at the same time"),
        (&["--memory-reservation", "200m"], "memory reservation limit"),
    ];
    for (flags, text) in refused {
        engine.run(&[&["update"], flags, &["box"]].concat()).fails_with(1).error_names(&[text]);
    }
    if std::path::Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists() {
        let flags = ["-m", "128m", "-c", "600", "--cpu-rt-period", "1000", "--cpu-rt-runtime", "900"];
        let refused = engine.run(&[&["update"], &flags[..], &["box"]].concat()).fails_with(1);
        refused.error_names(&["cannot update container `box`", "CPU real-time"]);
    }
    assert_eq!(shown("box"), after);
    assert_eq!(engine.inspect("box", limits), "100663296 512 500000000 -1");
    // Less than is used would be an end by the kernel's hand.
    let script = "dd if=/dev/zero of=/dev/shm/file bs=1M count=30; echo filled; sleep 600";
    run(&engine, "full", &["-m", "64m"], script);
    eventually("memory is used", || engine.run(&["logs", "full"]).ok().stdout.contains("filled"));
    let refused = engine.run(&["update", "-m", "16m", "full"]).fails_with(1);
    refused
        .error_names(&["cannot update container `full`", "memory limit: 16777216 bytes are less than the"]);
    assert_eq!(engine.inspect("full", "{{.State.Status}} {{.HostConfig.Memory}}"), "running 67108864");

    engine.run(&["pause", "box"]).ok();
    engine.run(&["update", "--pids-limit", "60", "box"]).ok();
    engine.run(&["restart", "-t", "0", "box"]).ok();
    assert_eq!(shown("box"), after.replace("max", "60"));
    engine.run(&["create", "--network", "none", "--name", "new", &image, "sleep", "600"]).ok();
    engine.run(&["container", "update", "-m", "64m", "new", "box"]).ok().prints("new\nbox");
    engine.run(&["start", "new"]).ok();
    assert!(shown("new").starts_with("67108864 "), "{}", shown("new"));
    engine.run(&["update", "-m", "64m", "gone"]).fails_with(1).error_names(&["No such container: gone"]);
}

#[test]
fn stats_tell_what_containers_use() {
    let (engine, image) = busybox();
    run(
        &engine,
        "busy",
        &["-m", "64m"],
        "dd if=/dev/zero of=/dev/shm/file bs=1M count=20; while :; do :; done",
    );
    run(&engine, "idle", &[], "sleep 600 & sleep 601 & wait");
    engine.run(&["create", "--network", "none", "--name", "off", &image, "true"]).ok();
    let id = engine.inspect("busy", "{{.Id}}");
    let rows = |flags: &[&str]| {
        let output = engine.run(&[&["stats", "--no-stream", "--format", "json"], flags].concat()).ok().stdout;
        let rows = output.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        rows.map(|row| (row["Name"].as_str().unwrap().to_owned(), row)).collect::<Vec<_>>()
    };
    let percent = |text: &serde_json::Value| -> f64 {
        text.as_str().unwrap().strip_suffix('%').unwrap().parse().unwrap()
    };
    eventually("it is busy, and has its memory", || {
        let (_, busy) = &rows(&["busy"])[0];
        percent(&busy["CPUPerc"]) > 5.0 && percent(&busy["MemPerc"]) > 30.0
    });
    let all = rows(&["--all", "--no-trunc"]);
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["off", "idle", "busy"]);
    let (off, idle, busy) = (&all[0].1, &all[1].1, &all[2].1);
    assert!(busy["MemUsage"].as_str().unwrap().ends_with("MiB / 64MiB"), "{busy}");
    assert_eq!(
        (busy["ID"].as_str().unwrap(), &busy["NetIO"], &busy["PIDs"]),
        (id.as_str(), &json!("0B / 0B"), &json!("1"))
    );
    assert!(percent(&idle["CPUPerc"]) < 5.0 && idle["PIDs"] == "3", "{idle}");
    assert_eq!(
        (&off["CPUPerc"], &off["MemUsage"], &off["PIDs"]),
        (&json!("0.00%"), &json!("0B / 0B"), &json!("0"))
    );
    // What waits is told where the kernel has a v2 side that counts it; one that does not run waits for nothing.
    if std::path::Path::new("/proc/pressure").exists() {
        assert!(percent(&busy["CPUPressure"]) >= 0.0 && percent(&busy["IOPressure"]) >= 0.0, "{busy}");
    }
    assert_eq!(off["MemPressure"], "--");
    assert_eq!(rows(&[]).len(), 2);
    let table = engine.run(&["stats", "--no-stream", "idle", "off"]).ok().stdout;
    let head: Vec<&str> =
        table.lines().next().unwrap().split("  ").filter(|head| !head.is_empty()).map(str::trim).collect();
    let heads =
        ["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"];
    assert_eq!(head, heads);
    assert_eq!(table.lines().count(), 3, "{table}");
    engine.run(&["stats", "gone"]).fails_with(1).error_names(&["No such container: gone"]);
    engine
        .run(&["stats", "--no-stream", "--format", "{{.Nope}}"])
        .fails_with(1)
        .error_names(&["no field `Nope`"]);

    // Each second, until all that were named are gone.
    let words = ["stats", "--format", "{{.Name}} {{.PIDs}}", "idle"];
    let stream = engine.command(&words).spawn();
    stream.wait_for("idle 3\nidle 3\n");
    let terminal = engine.command(&["stats", "idle"]).terminal(24, 120);
    terminal.expect("\x1b[HCONTAINER ID");
    engine.run(&["rm", "-f", "idle"]).ok();
    let _ = stream.wait().ok().quiet();
    terminal.wait().ok();
}

#[test]
fn stats_count_what_goes_over_the_network() {
    let namespace = tests::Namespace::new();
    let engine = Engine::within(&namespace);
    let image = engine.image("busybox");
    let words = ["run", "-d", "--network", "none", "--name", "box", &image, "sleep", "600"];
    engine.run(&words).ok();
    let inside = engine.inside("box");
    inside.ip("link add name one type veth peer name two\naddr add 10.9.8.7/24 dev one\nlink set one up\nlink set two up\n");
    let shown =
        || engine.run(&["stats", "--no-stream", "--format", "{{.NetIO}}", "box"]).ok().text().to_owned();
    // What the kernel itself sends to its neighbours.
    eventually("something is counted", || !shown().ends_with("/ 0B") && !shown().starts_with("0B"));
    engine.run(&["run", "-d", "--network", "host", "--name", "host", &image, "sleep", "600"]).ok();
    engine.run(&["stats", "--no-stream", "--format", "{{.NetIO}}", "host"]).ok().prints("0B / 0B");
}

#[test]
fn ps_filters_and_measures_as_asked() {
    let (engine, image) = busybox();
    run(&engine, "web", &[], "head -c 100000 /dev/zero > /file; sleep 600");
    for name in ["web-1", "web-22", "my-db"] {
        engine.run(&["create", "--network", "none", "--name", name, &image, "true"]).ok();
    }
    let rows = [
        ("name=web", "web web-1 web-22"),
        ("name=^web$", "web"),
        ("name=^/web$", "web"),
        ("name=^web-[0-9]+$", "web-1 web-22"),
        ("name=^(my|your)-", "my-db"),
        ("health=none", "my-db web web-1 web-22"),
        ("health=healthy", ""),
        ("is-task=true", ""),
        ("is-task=false", "my-db web web-1 web-22"),
        ("status=paused", ""),
        ("status=created", "my-db web-1 web-22"),
    ];
    for (filter, expected) in rows {
        let listed = engine.run(&["ps", "-a", "--filter", filter, "--format", "{{.Names}}"]).ok().stdout;
        let mut names: Vec<&str> = listed.lines().collect();
        names.sort_unstable();
        assert_eq!(names.join(" "), expected, "{filter}");
    }
    engine
        .run(&["ps", "--filter", "name=web{2}"])
        .fails_with(1)
        .error_names(&["invalid filter 'name=web{2}'"]);
    eventually("the size is shown without being asked for otherwise", || {
        engine.run(&["ps", "--format", "{{.Size}}"]).ok().stdout.starts_with("100kB (virtual ")
    });
}
