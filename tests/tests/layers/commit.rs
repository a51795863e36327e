//! `diff`, `commit` and `export`.

use std::fs;

use tests::Engine;

use super::{changed, listing};

const DIFF: &str = "\
C /etc
D /etc/passwd
A /fifo
C /home
D /home/operator
A /home2
A /home2/operator
A /keep
A /link
C /root
C /usr
A /usr/hard
A /usr/new
";

#[test]
fn a_diff_tells_what_was_changed_and_nothing_else() {
    let engine = Engine::new();
    changed(&engine, "box");
    // The group file was touched: its time differs.
    let diff = engine.run(&["diff", "box"]).ok();
    let expected = DIFF.replace("D /etc/passwd", "C /etc/group\nD /etc/passwd");
    assert_eq!(diff.stdout, expected);
    // So it is of a container that has ended, and of one that has not begun.
    engine.run(&["stop", "-t", "0", "box"]).ok();
    assert_eq!(engine.run(&["container", "diff", "box"]).ok().stdout, expected);
    let image = engine.image("busybox");
    engine.run(&["create", "--name", "new", &image]).ok();
    engine.run(&["diff", "new"]).ok().prints("");
    engine.run(&["run", "--name", "ended", &image, "true"]).ok();
    engine.run(&["diff", "ended"]).ok().prints("");
    engine.run(&["diff", "nobody"]).fails_with(1).error_names(&["No such container: nobody"]);
}

#[test]
fn a_commit_holds_the_difference_alone_and_containers_of_it_have_it() {
    let engine = Engine::new();
    changed(&engine, "box");
    engine.run(&["exec", "box", "sh", "-c", "head -c 5000000 /dev/urandom > /usr/big"]).ok();
    let flags = [
        "-m",
        "a message",
        "-a",
        "An Author <an@author>",
        "-c",
        "ENV SAID=so",
        "--change",
        "CMD [\"cat\", \"/usr/new\"]",
    ];
    let id = engine.run(&[&["commit"], &flags[..], &["box", "changed:1"]].concat()).ok();
    assert!(id.text().starts_with("sha256:") && id.text().len() == 71, "{id}");
    assert_eq!(engine.inspect("changed:1", "{{.Id}}"), id.text());
    assert_eq!(engine.inspect("changed:1", "{{.Author}}|{{.Comment}}"), "An Author <an@author>|a message");
    assert_eq!(engine.inspect("changed:1", "{{len .RootFS.Layers}}"), "2");
    engine.run(&["run", "--rm", "changed:1"]).ok().prints("new");
    let script = "test ! -e /etc/passwd && test ! -e /home/operator && test -d /home2/operator && echo $SAID; \
                  stat -c %a:%u:%g /keep /root; stat -c %h /usr/new; readlink /link";
    engine
        .run(&["run", "--rm", "changed:1", "sh", "-c", script])
        .ok()
        .prints("so\n1777:33:44\n711:0:0\n2\nnowhere");
    // Who looks at the difference of such a container finds none.
    engine.run(&["create", "--name", "copy", "changed:1"]).ok();
    engine.run(&["diff", "copy"]).ok().prints("");
    // Nothing but the difference is on disk: five megabytes and some directories.
    let history = engine.run(&["history", "--human=false", "--format", "{{.Size}}", "changed:1"]).ok();
    let size: u64 = history.stdout.lines().next().unwrap().parse().unwrap();
    assert!((5_000_000..5_001_000).contains(&size), "{size}");
    // It goes on running meanwhile and afterwards.
    assert_eq!(engine.inspect("box", "{{.State.Status}}"), "running");
    engine.audit();
}

#[test]
fn the_same_tree_is_the_same_image() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let commit = |name: &str| {
        engine
            .run(&[
                "run",
                "--name",
                name,
                "--hostname",
                name,
                &image,
                "sh",
                "-c",
                "echo x > /tmp/x; touch -d @1000 /tmp/x /tmp",
            ])
            .ok();
        let commit = engine.command(&["commit", name]).env("SOURCE_DATE_EPOCH", "1000000");
        commit.run().ok().text().to_owned()
    };
    let (one, two) = (commit("one"), commit("two"));
    assert_eq!(one, two);
    assert_eq!(engine.inspect(&one, "{{.Created}}"), "1970-01-12T13:46:40Z");
    let bad = engine.command(&["commit", "one"]).env("SOURCE_DATE_EPOCH", "yesterday").run();
    bad.fails_with(1).error_names(&["SOURCE_DATE_EPOCH", "yesterday"]);
    // Without a change there is no layer.
    engine.run(&["create", "--name", "idle", &image]).ok();
    engine.run(&["commit", "-c", "LABEL a=b", "idle", "labelled"]).ok();
    assert_eq!(engine.inspect("labelled", "{{len .RootFS.Layers}} {{.Config.Labels.a}}"), "1 b");
}

#[test]
fn a_commit_keeps_what_the_container_was_told() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let flags = [
        "-e",
        "A=1",
        "-w",
        "/tmp",
        "-u",
        "operator",
        "-l",
        "k=v",
        "--expose",
        "80",
        "-v",
        "/vol",
        "--stop-signal",
        "USR1",
    ];
    engine
        .run(&[&["create", "--name", "box", "--entrypoint", "echo"], &flags[..], &[&image, "hello"]].concat())
        .ok();
    engine.run(&["commit", "box", "told"]).ok();
    let config = engine.run(&["image", "inspect", "--format", "{{json .Config}}", "told"]).ok().json();
    assert_eq!(config["Entrypoint"], serde_json::json!(["echo"]));
    assert_eq!(config["Cmd"], serde_json::json!(["hello"]));
    assert_eq!(config["Env"], serde_json::json!(["A=1"]));
    assert_eq!((&config["User"], &config["WorkingDir"]), (&"operator".into(), &"/tmp".into()));
    assert_eq!(config["Labels"], serde_json::json!({"k": "v"}));
    assert_eq!(config["ExposedPorts"], serde_json::json!({"80/tcp": {}}));
    assert_eq!(config["Volumes"], serde_json::json!({"/vol": {}}));
    assert_eq!(config["StopSignal"], "SIGUSR1");
    assert_eq!(config["Hostname"], "");
    engine.run(&["commit", "box", "Bad Name"]).fails_with(1).error_names(&["Bad Name"]);
    engine.run(&["commit", "-c", "RUN true", "box"]).fails_with(125).error_names(&["RUN"]);
}

#[test]
fn a_container_stands_still_while_it_is_committed_and_a_killed_commit_lets_it_run_on() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    // Two files that are always written together are never seen apart.
    let script = "i=0; while :; do i=$((i+1)); echo $i > /a; echo $i > /b; done";
    engine.run(&["run", "-d", "--name", "busy", &image, "sh", "-c", script]).ok();
    for round in 0..5 {
        let name = format!("still:{round}");
        engine.run(&["commit", "busy", &name]).ok();
        let seen = engine.run(&["run", "--rm", &name, "cat", "/a", "/b"]).ok();
        let numbers: Vec<u64> = seen.stdout.lines().map(|line| line.parse().unwrap_or(0)).collect();
        // It may stand between the two, or where one is empty.
        assert!(
            numbers.len() < 2 || numbers[0].abs_diff(numbers[1]) <= 1 || numbers.contains(&0),
            "{numbers:?}"
        );
    }
    engine.run(&["exec", "busy", "sh", "-c", "head -c 200000000 /dev/urandom > /big"]).ok();
    let running = engine.command(&["commit", "busy", "killed"]).spawn();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while engine.inspect("busy", "{{.State.Status}}") != "paused" {
        assert!(std::time::Instant::now() < deadline, "it was never paused");
    }
    running.signal(rustix::process::Signal::KILL);
    let _ = running.wait();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while engine.inspect("busy", "{{.State.Status}}") != "running" {
        assert!(std::time::Instant::now() < deadline, "it stays paused");
    }
    engine.run(&["image", "inspect", "killed"]).fails_with(1);
    let _ = engine.run(&["system", "audit", "--repair"]);
}

#[test]
fn an_export_is_the_whole_file_system() {
    let engine = Engine::new();
    changed(&engine, "box");
    let file = engine.base().join("box.tar");
    engine.run(&["export", "-o", file.to_str().unwrap(), "box"]).ok().quiet();
    let archive = fs::read(&file).unwrap();
    let listed = listing(&archive);
    let is = |name: &str, what: &str| {
        assert_eq!(listed.get(name).map(String::as_str), Some(what), "{name}: {listed:#?}")
    };
    is("usr/hard", "-rw-r--r-- 0/0");
    is("usr/new link to usr/hard", "hrw-r--r-- 0/0");
    is("keep/", "drwxrwxrwt 33/44");
    is("link -> nowhere", "lrwxrwxrwx 0/0");
    is("fifo", "prw-r--r-- 0/0");
    is("home2/operator/", "drwxr-xr-x 1000/1000");
    assert!(!listed.contains_key("etc/passwd") && listed.keys().any(|name| name.starts_with("bin/busybox")));
    // The same to standard output, twice.
    let streamed = engine.base().join("streamed.tar");
    let program = format!("{} export box > {}", engine.binary().display(), streamed.display());
    let shell = || {
        tests::Invocation::new("sh", &["-c", &program])
            .env("CORACLE_ROOT", engine.root())
            .env("CORACLE_RUN_ROOT", engine.run_root())
            .run()
            .ok();
        fs::read(&streamed).unwrap()
    };
    assert!(shell() == archive && shell() == archive, "an export differs from the one before");
    // And it is an image again.
    engine.run(&["import", "-c", "CMD cat /usr/new", file.to_str().unwrap(), "again"]).ok();
    engine.run(&["run", "--rm", "again"]).ok().prints("new");
    let nowhere = engine.base().join("no/such/directory/x.tar");
    engine
        .run(&["export", "-o", nowhere.to_str().unwrap(), "box"])
        .fails_with(1)
        .error_names(&["no/such/directory"]);
}

#[test]
fn what_only_looks_like_a_whiteout_is_told_and_left_out() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    engine
        .run(&["run", "--name", "odd", &image, "sh", "-c", "echo > /tmp/.wh.x; echo > /etc/.wh.passwd"])
        .ok();
    let committed = engine.run(&["commit", "odd", "odd"]).ok();
    committed.stderr_has("`/etc/.wh.passwd` is left out").stderr_has("`/tmp/.wh.x` is left out");
    engine.run(&["run", "--rm", "odd", "test", "-e", "/etc/passwd"]).ok();
}

#[test]
fn a_container_whose_image_was_removed_is_told_how_to_be_kept() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    engine.run(&["run", "--name", "box", &image, "touch", "/tmp/x"]).ok();
    engine.run(&["rmi", "--force", &image]).ok();
    let failed = engine.run(&["commit", "box"]).fails_with(1);
    failed.error_names(&["has been removed"]).stderr_has("coracle export box | coracle import -");
    engine.run(&["diff", "box"]).ok().stdout_has("A /tmp/x");
    // With it go the layers that nobody else has.
    engine.run(&["rm", "box"]).ok();
    engine.audit();
}
