//! From create to delete: states, exit codes, documents, signals, and who wins.

use std::fs;

use serde_json::{Value, json};
use tests::{Bundles, Invocation, eventually};

#[test]
fn a_container_goes_from_created_to_running_to_stopped() {
    let bundles = Bundles::new();
    let bundle = bundles.bundle("life", &["sh", "-c", "echo started; exec sleep 600"], |spec| {
        spec["annotations"] = json!({ "a": "b" });
    });
    let (id, pid_file) = (bundles.id("life"), bundles.base().join("pid"));
    let words = ["create", "-b", bundle.to_str().unwrap(), "--pid-file", pid_file.to_str().unwrap(), &id];
    bundles.leave("life", &words).ok();
    let state = bundles.state(&id);
    assert_eq!(state["status"], "created");
    assert_eq!(state["pid"].to_string(), fs::read_to_string(&pid_file).unwrap());
    assert_eq!(state["bundle"], bundle.to_str().unwrap());
    assert_eq!(state["annotations"], json!({ "a": "b" }));
    assert_eq!(
        (&state["ociVersion"], &state["id"], &state["owner"]),
        (&json!("1.2.1"), &json!(id), &json!("root"))
    );
    assert!(state["rootfs"].is_string() && state["created"].as_str().unwrap().ends_with('Z'), "{state}");
    assert_eq!(bundles.printed("life"), "", "nothing runs before the start");
    bundles.leave("again", &words).fails_with(1).stderr_has("exists");

    bundles.run(&["start", &id]).ok().quiet();
    eventually("the program runs", || bundles.printed("life") == "started\n");
    assert_eq!(bundles.status(&id), "running");
    bundles.run(&["start", &id]).fails_with(1).error_names(&["already running"]);
    bundles.run(&["delete", &id]).fails_with(1).error_names(&["not stopped: running", &id]);
    bundles.run(&["kill", &id, "FOO"]).fails_with(1).error_names(&["unknown signal \"FOO\""]);
    let listed: Value = serde_json::from_str(&bundles.run(&["list", "-f", "json"]).ok().stdout).unwrap();
    assert_eq!(listed, json!([bundles.state(&id)]));
    let table = bundles.run(&["list"]).ok();
    assert_eq!(
        table.stdout.split_whitespace().take(6).collect::<Vec<_>>(),
        ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    );
    table.stdout_has(&id).stdout_has("running");
    let pids: Value = serde_json::from_str(&bundles.run(&["ps", "-f", "json", &id]).ok().stdout).unwrap();
    assert_eq!(pids, json!([state["pid"]]));
    bundles.run(&["ps", &id]).ok().stdout_has("UID").stdout_has("sleep 600");

    bundles.run(&["kill", &id, "SIGKILL"]).ok().quiet();
    eventually("it has stopped", || bundles.status(&id) == "stopped");
    assert_eq!(bundles.state(&id)["pid"], 0);
    // Callers look for these words.
    bundles.run(&["kill", &id]).fails_with(1).error_names(&["container not running"]);
    bundles.run(&["kill", "--all", &id, "KILL"]).ok();
    bundles.run(&["start", &id]).fails_with(1).error_names(&["has stopped"]);
    bundles.run(&["delete", &id]).ok().quiet();
    bundles.run(&["state", &id]).fails_with(1).error_names(&["container does not exist"]);
    bundles.run(&["delete", &id]).fails_with(1).error_names(&["container does not exist"]);
    bundles.run(&["delete", "--force", &id]).ok().quiet();
    bundles.assert_empty();
}

#[test]
fn delete_ends_what_was_created_and_with_force_what_runs_or_is_paused() {
    let bundles = Bundles::new();
    let bundle = bundles.bundle("d", &["sleep", "600"], |_| ());
    let created = bundles.create("created", &bundle);
    bundles.run(&["delete", &created]).ok();
    let id = bundles.start("d", &bundle);
    bundles.run(&["resume", &id]).fails_with(1).error_names(&["container not paused"]);
    bundles.run(&["pause", &id]).ok();
    assert_eq!(bundles.status(&id), "paused");
    bundles.run(&["pause", &id]).fails_with(1).error_names(&["is paused"]);
    bundles.run(&["resume", &id]).ok();
    assert_eq!(bundles.status(&id), "running");
    bundles.run(&["delete", "--force", &id]).ok();
    let id = bundles.start("d", &bundle);
    bundles.run(&["pause", &id]).ok();
    bundles.run(&["kill", &id, "KILL"]).ok();
    eventually("a paused container dies too", || bundles.status(&id) == "stopped");
    bundles.run(&["delete", &id]).ok();
    let id = bundles.start("d", &bundle);
    bundles.run(&["pause", &id]).ok();
    bundles.run(&["delete", "-f", &id]).ok();
    bundles.assert_empty();
}

#[test]
fn run_passes_streams_signals_and_the_exit_code() {
    let bundles = Bundles::new();
    let bundle = bundles.bundle("run", &["sh", "-c", "cat; echo err >&2; exit 7"], |_| ());
    let id = bundles.id("run");
    let words = ["run", "-b", bundle.to_str().unwrap(), &id];
    let output = bundles.command(&words).stdin("hello").run().fails_with(7);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("hello", "err\n"));
    bundles.assert_empty();
    // The bundle is the working directory unless told otherwise, and --keep leaves the state.
    bundles.command(&["run", "--keep", &id]).current_dir(&bundle).run().fails_with(7);
    assert_eq!(bundles.status(&id), "stopped");
    bundles.run(&["delete", &id]).ok();
    let trap = bundles.bundle(
        "trap",
        &["sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"],
        |_| (),
    );
    let running = bundles.command(&["run", "-b", trap.to_str().unwrap(), &id]).spawn();
    running.wait_for("ready");
    running.signal(rustix::process::Signal::TERM);
    running.wait().fails_with(9);
    // Sockets of a service manager arrive under their numbers, for the first process inside.
    let listen = bundles.bundle("listen", &["sh", "-c", "echo $LISTEN_FDS $LISTEN_PID; cat <&3"], |_| ());
    let file = listen.join("config.json");
    let script = r#"exec 3<"$1"; shift; LISTEN_FDS=1 exec "$@""#;
    let (binary, root) = (tests::Engine::new().binary().to_owned(), bundles.root());
    let words =
        [file.to_str().unwrap(), binary.to_str().unwrap(), "runtime", "--root", root.to_str().unwrap()];
    let words = [&["-c", script, "sh"], &words[..], &["run", "-b", listen.to_str().unwrap(), &id]].concat();
    let output = Invocation::new("sh", &words).run().ok();
    assert_eq!(output.stdout, format!("1 1\n{}", fs::read_to_string(&file).unwrap()));
    let missing = bundles.bundle("missing", &["nowhere"], |_| ());
    bundles
        .run(&["run", "-b", missing.to_str().unwrap(), &id])
        .fails_with(1)
        .error_names(&[&id, "executable file not found in $PATH"]);
    bundles.assert_empty();
}

#[test]
fn without_a_pid_namespace_all_processes_end_with_the_container() {
    let bundles = Bundles::new();
    let bundle = bundles.bundle("all", &["sh", "-c", "sleep 600 & echo ready; wait"], |spec| {
        let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "pid");
    });
    for how in [&["kill"][..], &["kill", "--all"], &["delete", "--force"]] {
        let id = bundles.start("all", &bundle);
        eventually("both run", || bundles.printed("all") == "ready\n");
        let pids = bundles.run(&["ps", "-f", "json", &id]).ok();
        let pids: Vec<i32> = serde_json::from_str(&pids.stdout).unwrap();
        assert_eq!(pids.len(), 2);
        let words = [how, &[id.as_str()], if how[0] == "kill" { &["KILL"] } else { &[] }].concat();
        bundles.run(&words).ok();
        let gone = |pid: &i32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.is_empty() || status.contains("State:\tZ")
        };
        eventually("all have ended", || pids.iter().all(gone));
        bundles.run(&["delete", "--force", &id]).ok();
    }
    bundles.assert_empty();
}

#[test]
fn of_parallel_creates_of_one_id_one_wins() {
    let bundles = Bundles::new();
    let bundle = bundles.bundle("p", &["sleep", "600"], |_| ());
    let id = bundles.id("p");
    let words = ["create", "-b", bundle.to_str().unwrap(), &id];
    let outputs: Vec<_> = std::thread::scope(|threads| {
        let bundles = &bundles;
        let run = |number: usize| move || bundles.leave(&format!("p{number}"), &words);
        let handles: Vec<_> = (0..8).map(|number| threads.spawn(run(number))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = outputs.into_iter().partition(|output| output.code == 0);
    assert_eq!(won.len(), 1, "{won:?}{lost:?}");
    for output in lost {
        output.fails_with(1).error_names(&["exists", &id]);
    }
    bundles.run(&["start", &id]).ok();
    assert_eq!(bundles.status(&id), "running");
    bundles.run(&["delete", "--force", &id]).ok();
    bundles.assert_empty();
}

#[test]
fn a_dead_creator_s_claim_is_taken_over_or_deleted() {
    let bundles = Bundles::new();
    let bundle = bundles.bundle("dead", &["true"], |_| ());
    let id = bundles.id("dead");
    for _ in 0..2 {
        fs::create_dir_all(bundles.root().join(&id)).unwrap();
        fs::write(bundles.root().join(&id).join("config.json"), "{").unwrap();
        bundles.run(&["state", &id]).fails_with(1).error_names(&["does not exist"]);
        bundles.run(&["run", "-b", bundle.to_str().unwrap(), &id]).ok();
    }
    fs::create_dir_all(bundles.root().join(&id)).unwrap();
    bundles.run(&["delete", "--force", &id]).ok();
    bundles.assert_empty();
}

#[test]
fn errors_go_to_the_log_in_the_form_that_callers_read() {
    let bundles = Bundles::new();
    let log = bundles.base().join("log");
    let missing = |format: &str| {
        let words = ["--log", log.to_str().unwrap(), "--log-format", format, "state", "nosuch"];
        bundles.run(&words).fails_with(1).error_names(&["container does not exist"]);
        fs::read_to_string(&log).unwrap().lines().last().unwrap().to_owned()
    };
    let line: Value = serde_json::from_str(&missing("json")).unwrap();
    assert_eq!(line["level"], "error");
    assert!(line["msg"].as_str().unwrap().contains("container does not exist"), "{line}");
    assert_eq!(line["time"].as_str().unwrap().len(), "2026-01-01T00:00:00Z".len(), "{line}");
    let line = missing("text");
    assert!(line.starts_with("time=\"") && line.contains(" level=error msg=\""), "{line}");
    // Without a file the form holds for standard error.
    let output = bundles.run(&["--log-format", "json", "state", "nosuch"]).fails_with(1);
    assert_eq!(serde_json::from_str::<Value>(&output.stderr).unwrap()["level"], "error");
}

#[test]
fn the_link_coracle_runtime_is_the_runtime() {
    let bundles = Bundles::new();
    let link = bundles.base().join("coracle-runtime");
    std::os::unix::fs::symlink(tests::Engine::new().binary(), &link).unwrap();
    Invocation::new(&link, &["--version"])
        .run()
        .ok()
        .stdout_has("coracle-runtime version")
        .stdout_has("spec: 1.2");
    let features: Value =
        serde_json::from_str(&Invocation::new(&link, &["features"]).run().ok().stdout).unwrap();
    assert_eq!((&features["ociVersionMin"], &features["ociVersionMax"]), (&json!("1.0.0"), &json!("1.2.1")));
    let has = |list: &Value, word: &str| list.as_array().unwrap().contains(&json!(word));
    assert!(has(&features["linux"]["capabilities"], "CAP_SYS_ADMIN"), "{features}");
    assert!(
        has(&features["mountOptions"], "ridmap") && has(&features["hooks"], "createContainer"),
        "{features}"
    );
    assert!(has(&features["linux"]["seccomp"]["actions"], "SCMP_ACT_NOTIFY"), "{features}");
    assert!(has(&features["linux"]["memoryPolicy"]["modes"], "MPOL_BIND"), "{features}");
    Invocation::new(&link, &["checkpoint"]).run().fails_with(1).error_names(&["checkpoint", "not supported"]);
    Invocation::new(&link, &["--systemd-cgroup", "list"])
        .run()
        .fails_with(1)
        .error_names(&["--systemd-cgroup"]);
}
