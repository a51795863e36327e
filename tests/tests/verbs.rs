//! The verbs that show and reach into containers: `ps`, `logs`, `exec`, `inspect`, `version`, `info`, `doctor`.

use std::fs;

use serde_json::json;
use tests::{Engine, Output, eventually};

fn busybox() -> (Engine, String) {
    let engine = Engine::new();
    let image = engine.image("busybox");
    (engine, image)
}

/// The columns of a table, blanks around them taken away.
fn table(output: &Output) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        line.split("   ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
    };
    output.stdout.lines().map(cells).collect()
}

#[test]
fn ps_lists_filters_and_formats() {
    let (engine, image) = busybox();
    let long = "echo a command that is longer than its column; sleep 600";
    let up =
        engine.run(&["run", "-d", "--name", "up", "-l", "role=a", "-l", "b", &image, "sh", "-c", long]).ok();
    engine.run(&["run", "--name", "done", "--label", "role=b", &image, "sh", "-c", "exit 3"]).fails_with(3);
    engine.run(&["create", "--name", "new", &image, "true"]).ok();
    let id = up.text();

    let rows = table(&engine.run(&["ps"]).ok());
    assert_eq!(rows[0], ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]);
    assert_eq!(rows.len(), 2);
    let row: Vec<&str> = rows[1].iter().map(String::as_str).collect();
    let [short, of, command, created, status, name] = row[..] else { panic!("{row:?}") };
    assert_eq!((short, of, name), (&id[..12], "busybox:latest", "up"));
    assert_eq!(command, "\"sh -c 'echo a comma…\"");
    assert!(created.ends_with(" ago") && status.starts_with("Up "), "{row:?}");
    let all = engine.run(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]).ok();
    all.prints("new created\ndone exited\nup running");
    let exact = engine.run(&["ps", "--no-trunc", "--format", "{{.ID}} {{.Command}}"]).ok();
    exact.prints(&format!("{id} \"sh -c '{long}'\""));

    let names = |flags: &[&str]| {
        let words: Vec<&str> = ["ps", "--format", "{{.Names}}"].iter().chain(flags).copied().collect();
        engine.run(&words).ok().stdout.lines().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    let rows: &[(&[&str], &str)] = &[
        (&["-a", "-f", "name=o"], "done"),
        (&["-af", "status=exited", "-f", "status=created"], "new done"),
        (&["-f", "exited=3"], "done"),
        (&["-af", "exited=0"], ""),
        (&["-a", "-f", "label=role"], "done up"),
        (&["-a", "-f", "label=role=a"], "up"),
        (&["-a", "-f", "ancestor=busybox"], "new done up"),
        (&["-a", "-f", "since=up"], "new done"),
        (&["-a", "-f", "before=done"], "up"),
        (&["-a", "--filter", &format!("id={}", &id[..9])], "up"),
        (&["-n", "2"], "new done"),
        (&["-l"], "new"),
        (&["--no-trunc"], "up"),
    ];
    for (flags, expected) in rows {
        assert_eq!(names(flags), *expected, "{flags:?}");
    }
    engine.run(&["ps", "-f", "colour=red"]).fails_with(1).error_names(&["colour"]);

    let labels = r#"table {{.Names}}\t{{.Label "role"}}\t{{upper .State}}"#;
    let rows = table(&engine.run(&["ps", "-a", "--format", labels, "-f", "label=role"]).ok());
    assert_eq!(rows, [["NAMES", "role", "STATE"], ["done", "b", "EXITED"], ["up", "a", "RUNNING"]]);
    let lines = engine.run(&["ps", "-a", "--format", "json"]).ok();
    let first: serde_json::Value = serde_json::from_str(lines.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["Names"], &first["State"], &first["Networks"]),
        (&json!("new"), &json!("created"), &json!("bridge"))
    );
    engine
        .run(&["ps", "--format", "{{.Nope}}"])
        .fails_with(1)
        .error_names(&["no field `Nope`", "there are: "]);
    engine.run(&["ps", "--format", "{{.ID"]).fails_with(1).error_names(&["--format", "not closed"]);
}

#[test]
fn the_size_is_that_of_what_was_written() {
    let (engine, image) = busybox();
    let script = "head -c 3000000 /dev/zero > /big; ln /big /same; rm /bin/ls; sleep 600";
    engine.run(&["run", "-d", "--name", "box", &image, "sh", "-c", script]).ok();
    eventually("the size is shown", || {
        let size = engine.run(&["ps", "-s", "--format", "{{.Size}}"]).ok();
        size.stdout.starts_with("3MB (virtual ")
    });
    let sizes = engine.run(&["inspect", "-s", "-f", "{{.SizeRw}} {{gt .SizeRootFs .SizeRw}}", "box"]).ok();
    sizes.prints("3000000 true");
}

#[test]
fn logs_are_whole_apart_and_cut_as_asked() {
    let (engine, image) = busybox();
    let script = "for n in 1 2 3 4; do echo out $n; echo err $n >&2; done; printf unfinished";
    engine.run(&["run", "-d", "--name", "box", &image, "sh", "-c", script]).ok();
    engine.run(&["wait", "box"]).ok();
    let whole = engine.run(&["logs", "box"]).ok();
    assert_eq!(whole.stdout, "out 1\nout 2\nout 3\nout 4\nunfinished");
    assert_eq!(whole.stderr, "err 1\nerr 2\nerr 3\nerr 4\n");
    // The streams are two pipes: which of them is read first is nobody's promise.
    let tail = engine.run(&["logs", "--tail", "6", "box"]).ok();
    assert_eq!(tail.stdout.lines().count() + tail.stderr.lines().count(), 6, "{tail}");
    assert!(whole.stdout.ends_with(&tail.stdout) && whole.stderr.ends_with(&tail.stderr), "{tail}");
    engine.run(&["logs", "-n", "0", "box"]).ok().quiet().prints("");
    engine.run(&["logs", "--tail", "all", "box"]).ok().stdout_has("out 1");

    let stamped = engine.run(&["logs", "-t", "box"]).ok();
    let stamps: Vec<&str> = stamped.stdout.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(stamps.len(), 5);
    assert!(stamps.iter().all(|stamp| stamp.ends_with('Z') && stamp.len() == 30), "{stamps:?}");
    assert!(stamps.is_sorted(), "{stamps:?}");
    let since = engine.run(&["logs", "--since", stamps[2], "box"]).ok();
    let later = stamped.stdout.lines().filter_map(|line| line.split_once(' '));
    let later: Vec<&str> = later.filter(|(stamp, _)| *stamp >= stamps[2]).map(|(_, text)| text).collect();
    assert_eq!(since.stdout.lines().collect::<Vec<_>>(), later);
    engine.run(&["logs", "--since", "1h", "--until", "0s", "box"]).ok().stdout_has("out 1");
    engine.run(&["logs", "--until", "2001-01-01", "box"]).ok().quiet().prints("");
    engine.run(&["logs", "gone"]).fails_with(1).error_names(&["No such container: gone"]);
    engine.run(&["run", "--log-driver", "none", "--name", "silent", &image, "echo", "x"]).ok().prints("x");
    engine.run(&["logs", "silent"]).fails_with(1).error_names(&["silent", "--log-driver none"]);
}

#[test]
fn followed_logs_show_every_line_once_and_end_with_the_container() {
    let (engine, image) = busybox();
    let script =
        "n=0; while [ $n -lt 400 ]; do echo line $n; n=$((n+1)); [ -e /stop ] || sleep 0.005; done; exit 3";
    engine
        .run(&[
            "run",
            "-d",
            "--name",
            "box",
            "--log-opt",
            "max-size=2k",
            "--log-opt",
            "max-file=40",
            &image,
            "sh",
            "-c",
            script,
        ])
        .ok();
    let followers: Vec<_> = [&["logs", "-f", "box"][..], &["logs", "--follow", "-t", "box"]]
        .iter()
        .map(|words| engine.command(words).spawn())
        .collect();
    followers[0].wait_for("line 20\n");
    let late = engine.command(&["logs", "-f", "--tail", "0", "box"]).spawn();
    late.wait_for("line ");
    engine.run(&["exec", "box", "touch", "/stop"]).ok();
    let expected: Vec<String> = (0..400).map(|n| format!("line {n}")).collect();
    let last = |output: Output| {
        let lines: Vec<String> = output.ok().quiet().stdout.lines().map(str::to_owned).collect();
        lines
    };
    let mut lines = followers.into_iter().map(|follower| last(follower.wait()));
    assert_eq!(lines.next().unwrap(), expected);
    let stamped = lines.next().unwrap();
    let texts: Vec<&str> = stamped.iter().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(texts, expected);
    let late = last(late.wait());
    assert!(late.len() < 400 && expected.ends_with(&late), "{late:?}");
    // Who follows what has ended sees it all and is not kept.
    let again = last(engine.run(&["logs", "-f", "box"]));
    assert_eq!(again, expected);
}

#[test]
fn a_log_is_bounded_and_a_follower_that_does_not_read_stops_nobody() {
    let (engine, image) = busybox();
    let script = "i=0; while [ $i -lt 20000 ]; do echo a line that is thirty bytes $i; i=$((i+1)); done; echo end > /end; sleep 600";
    // What is compressed has no least size.
    let bounds = ["max-size=100k", "max-file=2", "compress=false"];
    let flags =
        ["run", "-d", "--name", "box"].into_iter().chain(bounds.iter().flat_map(|it| ["--log-opt", it]));
    engine.run(&flags.chain([image.as_str(), "sh", "-c", script]).collect::<Vec<_>>()).ok();
    // The follower's output goes into a pipe that nobody reads.
    let mut follower = std::process::Command::new(engine.binary());
    follower
        .args(["logs", "-f", "box"])
        .env("CORACLE_ROOT", engine.root())
        .env("CORACLE_RUN_ROOT", engine.run_root());
    let mut follower = follower.stdout(std::process::Stdio::piped()).spawn().unwrap();
    eventually("the program goes on", || engine.run(&["exec", "box", "cat", "/end"]).code == 0);
    follower.kill().unwrap();
    follower.wait().unwrap();
    eventually("the last line is in the log", || {
        engine.run(&["logs", "-n", "1", "box"]).ok().stdout.ends_with(" 19999\n")
    });
    let id = engine.run(&["inspect", "-f", "{{.Id}}", "box"]).ok();
    let dir = engine.root().join("containers").join(id.text());
    let bytes: u64 = fs::read_dir(dir)
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("log"))
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!((50_000..=204_800).contains(&bytes), "{bytes} bytes");
}

#[test]
fn exec_runs_as_asked_in_what_runs() {
    let (engine, image) = busybox();
    let flags = ["run", "-d", "--name", "box", "-e", "A=run", "-w", "/tmp", "-u", "daemon"];
    let words: Vec<&str> = flags.iter().copied().chain([image.as_str(), "sleep", "600"]).collect();
    engine.run(&words).ok();
    let exec = |flags: &[&str], command: &[&str]| {
        let words: Vec<&str> = ["exec"].iter().chain(flags).chain(&["box"]).chain(command).copied().collect();
        engine.run(&words)
    };
    for code in [0, 1, 42, 255] {
        exec(&[], &["sh", "-c", &format!("exit {code}")]).fails_with(code).quiet();
    }
    exec(&[], &["sh", "-c", "kill -9 $$"]).fails_with(137);
    exec(&[], &["no-such"]).fails_with(127).error_names(&["no-such", "hint:"]);
    exec(&[], &["/etc"]).fails_with(126).error_names(&["/etc", "hint:"]);
    let both = exec(&[], &["sh", "-c", "echo out; echo err >&2"]).ok();
    assert_eq!((both.stdout.as_str(), both.stderr.as_str()), ("out\n", "err\n"));
    exec(&[], &["sh", "-c", "echo $A $(pwd) $(id -un)"]).ok().prints("run /tmp daemon");
    let flags = ["-e", "A=exec", "-w", "/etc", "-u", "0:5"];
    exec(&flags, &["sh", "-c", "echo $A $(pwd) $(id -u):$(id -g)"]).ok().prints("exec /etc 0:5");
    let file = engine.base().join("env");
    fs::write(&file, "FROM=file\n").unwrap();
    exec(&["--env-file", file.to_str().unwrap()], &["sh", "-c", "echo $FROM"]).ok().prints("file");
    exec(&["-u", "nix"], &["true"]).fails_with(126).error_names(&["unable to find user nix"]);
    exec(&["-w", "/no/such/dir"], &["true"]).fails_with(126).error_names(&["/no/such/dir"]);
    engine.command(&["exec", "-i", "box", "cat"]).stdin("typed").run().ok().prints("typed");
    exec(&[], &["cat"]).ok().prints("");

    let caps = |flags: &[&str]| {
        let status = exec(flags, &["grep", "CapEff", "/proc/self/status"]).ok();
        u64::from_str_radix(status.text().split_whitespace().last().unwrap(), 16).unwrap()
    };
    let (plain, privileged) = (caps(&["-u", "0"]), caps(&["-u", "0", "--privileged"]));
    assert!(plain != 0 && privileged & plain == plain && privileged > plain, "{plain:x} {privileged:x}");

    exec(&["-d"], &["sh", "-c", "echo detached > /tmp/file"]).ok().prints("");
    eventually("the detached command has run", || exec(&[], &["cat", "/tmp/file"]).stdout == "detached\n");
    engine.run(&["stop", "-t", "0", "box"]).ok();
    exec(&[], &["true"]).fails_with(1).error_names(&["box", "not running", "coracle start box"]);
    engine.run(&["exec", "gone", "true"]).fails_with(1).error_names(&["No such container: gone"]);
    engine.run(&["exec", "box"]).fails_with(1).error_names(&["requires at least 2 arguments"]);
}

#[test]
fn inspect_has_the_fields_that_scripts_read() {
    let (engine, image) = busybox();
    let flags = [
        "run",
        "-d",
        "--name",
        "box",
        "-m",
        "64m",
        "--cpus",
        "0.5",
        "--pids-limit",
        "50",
        "-e",
        "A=b",
        "-l",
        "x=y",
        "--cap-add",
        "NET_ADMIN",
        "--cap-drop",
        "CHOWN",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "-v",
        "/etc:/host:ro",
        "-w",
        "/tmp",
        "-h",
        "boat",
        "--entrypoint",
        "sleep",
        "--stop-signal",
        "QUIT",
    ];
    let id = engine.run(&flags.iter().copied().chain([image.as_str(), "600"]).collect::<Vec<_>>()).ok();
    let shown = |format: &str| engine.run(&["inspect", "--format", format, "box"]).ok().text().to_owned();
    let rows = [
        ("{{.Id}}", id.text()),
        ("{{.Name}}", "/box"),
        ("{{.Path}} {{join .Args \" \"}}", "sleep 600"),
        (
            "{{.State.Status}} {{.State.Running}} {{.State.Paused}} {{.State.ExitCode}} {{.State.OOMKilled}}",
            "running true false 0 false",
        ),
        ("{{.State.FinishedAt}}", "0001-01-01T00:00:00Z"),
        (
            "{{.Config.Hostname}} {{.Config.Image}} {{.Config.WorkingDir}} {{.Config.Tty}}",
            "boat busybox:latest /tmp false",
        ),
        (
            "{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{.Config.StopSignal}}",
            r#"["sleep"] ["600"] SIGQUIT"#,
        ),
        (
            "{{index .Config.Labels \"x\"}} {{range .Config.Env}}{{if eq . \"A=b\"}}found{{end}}{{end}}",
            "y found",
        ),
        (
            "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}",
            "67108864 500000000 50",
        ),
        ("{{json .HostConfig.CapAdd}} {{json .HostConfig.CapDrop}}", r#"["CAP_NET_ADMIN"] ["CAP_CHOWN"]"#),
        (
            "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}} {{.HostConfig.AutoRemove}}",
            "true false false",
        ),
        (
            "{{.HostConfig.NetworkMode}} {{.HostConfig.RestartPolicy.Name}} {{json .HostConfig.PortBindings}}",
            "bridge no {}",
        ),
        ("{{json .HostConfig.Binds}} {{.HostConfig.LogConfig.Type}}", r#"["/etc:/host:ro"] local"#),
        (
            "{{range .Mounts}}{{.Type}} {{.Source}} {{.Destination}} {{.RW}};{{end}}",
            "bind /etc /host false;tmpfs  /tmp true;",
        ),
        (
            "{{range .Mounts}}{{.Name}}{{.Driver}}{{.Mode}} {{.Propagation}};{{end}}{{.AppArmorProfile}}{{.ExecIDs}}",
            "ro rprivate; ;[]",
        ),
        (
            "{{.HostConfig.IpcMode}} {{.HostConfig.PidMode}} {{.HostConfig.CgroupnsMode}} {{.HostConfig.OomScoreAdj}}",
            "private  private 0",
        ),
        ("{{.HostConfig.Ulimits}} {{.HostConfig.Sysctls}} {{.HostConfig.BlkioWeight}}", "[] map[] 0"),
        ("{{.State.Health}} {{.Config.OnBuild}} {{.HostConfig.MemorySwappiness}}", "<nil> [] <nil>"),
        ("{{len .NetworkSettings.Networks}} {{json .NetworkSettings.Ports}}", "1 {}"),
        ("{{.Driver}} {{.Platform}} {{.RestartCount}}", "overlay linux 0"),
    ];
    for (format, expected) in rows {
        assert_eq!(shown(format), expected, "{format}");
    }
    assert_eq!(shown("{{.Image}}"), engine.run(&["images", "-q", "--no-trunc"]).ok().text());
    let pid = shown("{{.State.Pid}}");
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert_eq!(command, b"sleep\x00600\x00");
    for format in ["{{.Created}}", "{{.State.StartedAt}}"] {
        assert!(shown(format).ends_with('Z') && shown(format).starts_with("20"), "{}", shown(format));
    }
    engine.run(&["stop", "-t", "0", "box"]).ok();
    assert_eq!(
        shown("{{.State.Status}} {{.State.Running}} {{.State.Pid}} {{.State.ExitCode}}"),
        "exited false 0 137"
    );
    assert!(shown("{{.State.FinishedAt}}").starts_with("20"));

    let both = engine.run(&["inspect", "--format", "{{.Id}}", "box", "gone", &image]).fails_with(1);
    assert_eq!(both.stdout.lines().count(), 2);
    both.error_names(&["No such object: gone"]);
    engine.run(&["inspect", "--type", "image", "box"]).fails_with(1).prints("[]");
    engine.run(&["inspect", "-f", "{{.State.Nope}}", "box"]).fails_with(1).error_names(&["no field `Nope`"]);
    assert_eq!(engine.run(&["inspect", "-f", "json", "box"]).ok().json()[0]["Name"], "/box");
}

#[test]
fn the_engine_tells_about_itself_and_the_machine() {
    let (engine, image) = busybox();
    engine.run(&["run", "-d", &image, "sleep", "600"]).ok();
    engine.run(&["create", &image, "true"]).ok();
    let version =
        engine.run(&["version", "--format", "{{.Server.Version}} {{.Client.Os}}/{{.Client.Arch}}"]).ok();
    version.prints(&format!("{} linux/amd64", env!("CARGO_PKG_VERSION")));
    engine.run(&["--version"]).ok().stdout_has(env!("CARGO_PKG_VERSION"));
    engine.run(&["version"]).ok().stdout_has("OCI runtime spec:").quiet();
    let info = "{{.Containers}} {{.ContainersRunning}} {{.ContainersStopped}} {{.Images}} {{.OSType}} {{.DockerRootDir}}";
    let info = engine.run(&["info", "--format", info]).ok();
    info.prints(&format!("2 1 1 1 linux {}", engine.root().display()));
    let facts =
        "{{.DefaultRuntime}} {{.Swarm.LocalNodeState}} {{index .Plugins.Volume 0}} {{json .MemoryLimit}}";
    engine.run(&["info", "--format", facts]).ok().prints("coracle inactive local true");
    let options = engine.run(&["info", "--format", "{{range .SecurityOptions}}{{println .}}{{end}}"]).ok();
    options.stdout_has("name=seccomp,profile=builtin\nname=userns\n");
    let json = engine.run(&["system", "info", "-f", "json"]).ok().json();
    assert!(json["NCPU"].as_u64().unwrap() >= 1 && json["MemTotal"].as_u64().unwrap() > 1 << 20, "{json}");
    let doctor = engine.run(&["doctor"]).ok();
    assert!(doctor.stdout.starts_with("CHECK "), "{doctor}");
    let checks = engine.run(&["doctor", "--format", "{{.Check}}: {{.Result}}"]).ok();
    assert!(checks.stdout.lines().count() > 5, "{checks}");
    assert!(!checks.stdout.contains("BROKEN"), "{checks}");
}

#[test]
fn what_is_not_there_is_told_and_is_no_failure_where_removal_is_forced() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    engine.run(&["create", "--name", "box", &image, "true"]).ok();
    let told = engine.run(&["rm", "-f", "gone", "box"]).ok();
    told.prints("box").stderr_has("No such container: gone");
    for (words, error) in [
        (&["network", "rm", "-f", "gone"][..], "network gone not found"),
        (&["rmi", "-f", "gone"], "No such image: gone"),
    ] {
        engine.run(words).ok().prints("").stderr_has(error);
        let unforced: Vec<&str> = words.iter().copied().filter(|word| *word != "-f").collect();
        engine.run(&unforced).fails_with(1).error_names(&[error]);
    }
}
