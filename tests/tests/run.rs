//! `run`: what the container's program gets, what its end tells the caller, and how a run that
//! cannot be is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use tests::{Engine, Output};

/// An engine with busybox, and its reference.
fn busybox() -> (Engine, String) {
    let engine = Engine::new();
    let image = engine.image("busybox");
    (engine, image)
}

fn run(engine: &Engine, flags: &[&str], image: &str, command: &[&str]) -> Output {
    let words: Vec<&str> =
        ["run", "--rm"].iter().chain(flags).chain(&[image]).chain(command).copied().collect();
    engine.run(&words)
}

/// Nothing is left of a container that ended or never was.
#[track_caller]
fn nothing_left(engine: &Engine) {
    assert_eq!(engine.containers(), [""; 0]);
    for place in ["containers", "ids"] {
        let left: Vec<_> = fs::read_dir(engine.run_root().join(place)).unwrap().collect();
        assert!(left.is_empty(), "{place}: {left:?}");
    }
    for place in ["containers", "names"] {
        let left: Vec<_> = fs::read_dir(engine.root().join(place)).unwrap().collect();
        assert!(left.is_empty(), "{place}: {left:?}");
    }
    engine.audit();
}

#[test]
fn the_exit_code_is_that_of_the_program_or_tells_why_there_was_none() {
    let (engine, image) = busybox();
    run(&engine, &[], &image, &["true"]).ok().quiet();
    for code in [1, 3, 125, 255] {
        run(&engine, &[], &image, &["sh", "-c", &format!("exit {code}")]).fails_with(code).quiet();
    }
    // A program that is killed from inside: pid 1 is immune to its own signals, a child is not.
    run(&engine, &["--init"], &image, &["sh", "-c", "kill -9 $$"]).fails_with(137).quiet();
    run(&engine, &["--init"], &image, &["sh", "-c", "kill -TERM $$"]).fails_with(143).quiet();

    let script = engine.base().join("plain.sh");
    fs::write(&script, "#!/bin/sh\ntrue\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).unwrap();
    let bind = format!("{}:/plain.sh", script.display());
    run(&engine, &["-v", &bind], &image, &["/plain.sh"]).fails_with(126).error_names(&["/plain.sh", "hint:"]);
    run(&engine, &[], &image, &["/etc"]).fails_with(126).error_names(&["/etc", "hint:"]);
    run(&engine, &[], &image, &["no-such"]).fails_with(127).error_names(&["no-such", "hint:"]);
    run(&engine, &[], &image, &["/no/such"]).fails_with(127).error_names(&["/no/such", "hint:"]);
    let none = run(&engine, &["--entrypoint", "/nope"], &image, &["x"]);
    none.fails_with(127).error_names(&["/nope"]);
    nothing_left(&engine);
}

#[test]
fn a_run_that_cannot_be_names_object_and_remedy_and_leaves_nothing() {
    let (engine, image) = busybox();
    let taken = engine.base().join("taken");
    fs::write(&taken, "an id").unwrap();
    let taken = taken.to_str().unwrap();
    let rows: &[(&[&str], &str, &[&str])] = &[
        (
            &["--pull", "never"],
            "no-such-image",
            &["no-such-image", "hint: fetch it with `coracle pull no-such"],
        ),
        (&["--no-such-flag"], &image, &["--no-such-flag", "hint:"]),
        (&["--memry", "1g"], &image, &["--memry", "did you mean --memory?"]),
        (&["-v", "/no/such/dir:/x"], &image, &["/no/such/dir", "hint: create `/no/such/dir`"]),
        (&["--mount", "type=bind,src=/no/such,dst=/x"], &image, &["/no/such", "hint: create `/no/such`"]),
        (&["--user", "nix"], &image, &["unable to find user nix", "hint:"]),
        (&["--user", "0:nix"], &image, &["unable to find group nix", "hint:"]),
        (&["--workdir", "relative"], &image, &["relative", "absolute path"]),
        (&["--workdir", "/etc/passwd"], &image, &["working directory `/etc/passwd`: not a directory"]),
        (&["--cidfile", taken], &image, &[taken, "delete"]),
        (&["--cidfile", "/no/such/dir/id"], &image, &["/no/such/dir/id", "hint:"]),
        (&["--env-file", "/no/such/file"], &image, &["/no/such/file"]),
        (&["--env", "=x"], &image, &["=x", "--env"]),
        (&["--name", "not/good"], &image, &["not/good", "--name"]),
        (&["--hostname", "not/good"], &image, &["not/good", "--hostname"]),
        (&["--publish", "80:80/sctp"], &image, &["--publish", "sctp"]),
        (&["--network", "mine"], &image, &["mine", "hint:"]),
        (&["--restart", "always"], &image, &["--restart", "--rm"]),
        (&["--gpus", "all"], &image, &["--gpus", "not supported"]),
        (&["--memory", "lots"], &image, &["lots", "--memory"]),
        (&["--network", "container:gone"], &image, &["gone", "hint:"]),
        (&["--tty", "--interactive"], &image, &["not a TTY", "hint:"]),
    ];
    for (flags, image, parts) in rows {
        run(&engine, flags, image, &["true"]).fails_with(125).error_names(parts).prints("");
    }
    assert_eq!(fs::read_to_string(taken).unwrap(), "an id");
    nothing_left(&engine);
}

#[test]
fn a_taken_name_is_refused_and_its_owner_goes_on() {
    let (engine, image) = busybox();
    let id = engine.run(&["run", "-d", "--name", "first", &image, "sleep", "60"]).ok();
    let id = id.text();
    let refused = run(&engine, &["--name", "first"], &image, &["true"]);
    refused.fails_with(125).error_names(&["\"/first\" is already in use", id, "coracle rm first"]);
    engine.run(&["inspect", "-f", "{{.Id}} {{.State.Running}}", "first"]).ok().prints(&format!("{id} true"));
    engine.run(&["rm", "-f", "first"]).ok().prints("first");
    run(&engine, &["--name", "first"], &image, &["true"]).ok();
    nothing_left(&engine);
}

#[test]
fn the_environment_is_the_image_s_then_the_files_then_the_flags() {
    let (engine, _) = busybox();
    let base = engine.base().join("fs.tar");
    let tar = xtask::images::ensure("busybox").unwrap().join("busybox.tar");
    fs::copy(tar, &base).unwrap();
    let changes = ["--change", "ENV FROM_IMAGE=yes KEPT=image", "--change", "ENV GONE=image"];
    let words: Vec<&str> =
        ["import"].into_iter().chain(changes).chain([base.to_str().unwrap(), "env"]).collect();
    engine.run(&words).ok();
    let file = engine.base().join("env");
    let text =
        "# a comment\n\n  SPACED= kept \nQUOTED=\"as is\"\nEMPTY=\nHOST\nUNSET_ON_HOST\nKEPT=file\nTWICE=1\n";
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let flags = ["--env-file", file, "-e", "TWICE=2", "--env", "HOST", "-e", "GONE", "-e", "EQ=a=b"];
    let words: Vec<&str> =
        ["run", "--rm", "-h", "boat"].into_iter().chain(flags).chain(["env", "env"]).collect();
    let output = engine.command(&words).env("HOST", "from the host").run().ok();
    let mut lines: Vec<&str> = output.stdout.lines().collect();
    lines.sort_unstable();
    let expected = [
        "EMPTY=",
        "EQ=a=b",
        "FROM_IMAGE=yes",
        "HOME=/root",
        "HOST=from the host",
        "HOSTNAME=boat",
        "KEPT=file",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "QUOTED=\"as is\"",
        "SPACED= kept ",
        "TWICE=2",
    ];
    assert_eq!(lines, expected);

    for (bad, says) in [("no space =x\n", "contains whitespaces"), ("=x\n", "no variable name")] {
        fs::write(file, bad).unwrap();
        engine.run(&["run", "--rm", "--env-file", file, "env"]).fails_with(125).error_names(&[file, says]);
    }
    nothing_left(&engine);
}

#[test]
fn user_group_directory_and_names_are_as_asked() {
    let (engine, image) = busybox();
    let id = |user: &str| run(&engine, &["--user", user], &image, &["id"]).ok().text().to_owned();
    assert!(id("0").starts_with("uid=0(root) gid=0(root)"), "{}", id("0"));
    assert!(id("daemon").starts_with("uid=1(daemon) gid=1(daemon)"));
    assert!(id("nobody:daemon").starts_with("uid=65534(nobody) gid=1(daemon)"));
    assert!(id("12:34").starts_with("uid=12 gid=34"));
    assert!(id("70000").starts_with("uid=70000 gid=0(root)"));
    assert!(id(":34").starts_with("uid=0(root) gid=34"));
    let groups = run(&engine, &["-u", "5:6", "--group-add", "77", "--group-add", "daemon"], &image, &["id"]);
    groups.ok().stdout_has("groups=").stdout_has("77").stdout_has("1(daemon)");

    // The home directory is the user's own; a missing working directory is made.
    let script = "echo $HOME $(pwd) $(hostname) $HOSTNAME";
    let flags = ["-u", "daemon", "-w", "/made/for/it", "--hostname", "boat"];
    run(&engine, &flags, &image, &["sh", "-c", script]).ok().prints("/usr/sbin /made/for/it boat boat");
    let short =
        run(&engine, &["--cidfile", engine.base().join("cid").to_str().unwrap()], &image, &["hostname"]);
    let id = fs::read_to_string(engine.base().join("cid")).unwrap();
    short.ok().prints(&id[..12]);
    assert_eq!(id.len(), 64, "no line end, as with docker");
    let domain = run(&engine, &["--domainname", "sea"], &image, &["cat", "/proc/sys/kernel/domainname"]);
    domain.ok().prints("sea");

    let entry =
        run(&engine, &["--entrypoint", "echo", "--label", "a=b", "--label", "c"], &image, &["x", "y z"]);
    entry.ok().prints("x y z");
    nothing_left(&engine);
}

#[test]
fn streams_are_kept_apart_and_whole() {
    let (engine, image) = busybox();
    let both = run(&engine, &[], &image, &["sh", "-c", "echo out; echo err >&2"]).ok();
    assert_eq!((both.stdout.as_str(), both.stderr.as_str()), ("out\n", "err\n"));
    let out = run(&engine, &["-a", "stdout"], &image, &["sh", "-c", "echo out; echo err >&2"]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("out\n", ""));
    let err = run(&engine, &["-a", "stderr"], &image, &["sh", "-c", "echo out; echo err >&2; exit 4"]);
    let err = err.fails_with(4);
    assert_eq!((err.stdout.as_str(), err.stderr.as_str()), ("", "err\n"));

    // What is typed arrives with its end; without -i there is nothing to read.
    let sum = engine.command(&["run", "--rm", "-i", &image, "sh", "-c", "cat; echo end"]).stdin("a\nb").run();
    sum.ok().prints("a\nbend");
    let closed = engine.command(&["run", "--rm", &image, "cat"]).stdin("unread").run();
    closed.ok().prints("");
    // A program that ends without reading its input does not hold the caller.
    engine.command(&["run", "--rm", "-i", &image, "true"]).stdin(vec![b'x'; 1 << 20]).run().ok();
    nothing_left(&engine);
}

#[test]
fn ten_megabytes_pass_unchanged_in_both_directions() {
    let (engine, image) = busybox();
    let bytes: Vec<u8> = (0u32..10 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    engine.run(&["run", "-d", "--name", "idle", &image, "sleep", "600"]).ok();
    // Both ends wait for each other when one of them waits for itself alone.
    for words in [&["run", "--rm", "-i", &image, "cat"][..], &["exec", "-i", "idle", "cat"]] {
        let echoed = engine.command(words).stdin(&bytes).run().ok();
        assert_eq!(echoed.stdout_bytes.len(), bytes.len(), "{words:?}");
        assert!(echoed.stdout_bytes == bytes, "{words:?}: the bytes differ");
    }
    engine.run(&["rm", "-f", "idle"]).ok();
    nothing_left(&engine);
}

#[test]
fn an_init_reaps_orphans_and_passes_signals_on() {
    let (engine, image) = busybox();
    // The grandchild is orphaned, ends, and must not stay a zombie.
    let script = "sh -c 'sleep 0.1 & exit'; while pgrep -x sleep >/dev/null; do sleep 0.02; done 2>/dev/null; ps -o pid,stat,comm";
    let seen = run(&engine, &["--init"], &image, &["sh", "-c", script]).ok();
    assert!(!seen.stdout.lines().any(|line| line.contains(" Z ")), "{seen}");

    let trap = "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    for flags in [&["--init"][..], &[]] {
        let words: Vec<&str> =
            ["run", "--rm"].iter().chain(flags).chain(&[image.as_str(), "sh", "-c", trap]).copied().collect();
        let running = engine.command(&words).spawn();
        running.wait_for("ready");
        running.signal(Signal::TERM);
        running.wait().fails_with(9).stdout_has("got it");
    }
    nothing_left(&engine);
}
