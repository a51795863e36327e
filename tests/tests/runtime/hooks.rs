//! Hooks: where each runs, what it is told, and what its failure comes to.

use std::fs;

use serde_json::{Value, json};
use tests::{Bundles, eventually};

const STAGES: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// Each appends its stage, the state and its namespaces to a file of the host or, inside, of the container.
fn hooks(bundles: &Bundles) -> Value {
    let mut hooks = json!({});
    for stage in STAGES {
        let path = if stage == "startContainer" {
            "/tmp/hooks".to_owned()
        } else {
            format!("{}/hooks", bundles.base().display())
        };
        let shell = if stage == "startContainer" { "/bin/busybox" } else { "/bin/sh" };
        let script = format!(
            "echo {stage} $A $(cat) $(busybox readlink /proc/self/ns/uts) >>{path}; test {stage} != \"$FAIL\" || {{ echo why >&2; exit 3; }}"
        );
        hooks[stage] = json!([{ "path": shell, "args": ["sh", "-c", script], "env": ["PATH=/bin", "A=b"], "timeout": 60 }]);
    }
    hooks
}

#[test]
fn each_stage_is_told_its_state_in_order() {
    let bundles = Bundles::new();
    let bundle = bundles.bundle("hooks", &["sh", "-c", "cat /tmp/hooks; exec sleep 600"], |spec| {
        spec["hooks"] = hooks(&bundles);
        spec["annotations"] = json!({ "k": "v" });
    });
    let id = bundles.create("hooks", &bundle);
    let told = || {
        let text = fs::read_to_string(bundles.base().join("hooks")).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let pid = bundles.state(&id)["pid"].clone();
    let host = fs::read_link("/proc/self/ns/uts").unwrap().display().to_string();
    let check = |line: &str, stage: &str, status: &str, pid: &Value, outside: bool| {
        let (head, rest) = line.split_once(" {").unwrap();
        assert_eq!(head, format!("{stage} b"));
        let (state, namespace) = rest.rsplit_once("} ").unwrap();
        let state: Value = serde_json::from_str(&format!("{{{state}}}")).unwrap();
        assert_eq!(
            (&state["status"], &state["pid"], &state["id"]),
            (&json!(status), pid, &json!(id)),
            "{line}"
        );
        assert_eq!(state["annotations"], json!({ "k": "v" }));
        assert_eq!(state["bundle"], bundle.to_str().unwrap());
        assert_eq!(namespace == host, outside, "{line}");
    };
    let lines = told();
    assert_eq!(lines.len(), 3, "{lines:?}");
    check(&lines[0], "prestart", "creating", &pid, true);
    check(&lines[1], "createRuntime", "creating", &pid, true);
    check(&lines[2], "createContainer", "creating", &pid, false);
    bundles.run(&["start", &id]).ok();
    eventually("the program prints", || bundles.printed("hooks").ends_with('\n'));
    check(bundles.printed("hooks").trim_end(), "startContainer", "created", &pid, false);
    check(&told()[3], "poststart", "running", &pid, true);
    bundles.run(&["delete", "--force", &id]).ok();
    check(&told()[4], "poststop", "stopped", &json!(0), true);
    assert_eq!(told().len(), 5);
}

#[test]
fn a_failed_hook_ends_the_container_but_for_poststop() {
    let bundles = Bundles::new();
    for stage in STAGES {
        let bundle = bundles.bundle(stage, &["sleep", "600"], |spec| {
            spec["hooks"] = hooks(&bundles);
            spec["hooks"][stage][0]["env"] = json!(["PATH=/bin", format!("FAIL={stage}")]);
        });
        let id = bundles.id(stage);
        let words = ["-d", "-b", bundle.to_str().unwrap(), &id];
        let run = bundles.leave(stage, &[&["run"], &words[..]].concat());
        if stage == "poststop" {
            run.ok();
            bundles
                .run(&["delete", "--force", &id])
                .ok()
                .stderr_has("poststop hook")
                .stderr_has("exit code 3: why");
        } else {
            run.fails_with(1).error_names(&[&format!("{stage} hook"), "exit code 3: why"]);
        }
        bundles.assert_empty();
        // By `start` it is the same for the later stages, and the container is left stopped.
        if ["startContainer", "poststart"].contains(&stage) {
            bundles.leave(stage, &[&["create"], &words[1..]].concat()).ok();
            bundles.run(&["start", &id]).fails_with(1).error_names(&[&format!("{stage} hook"), "why"]);
            eventually("it has stopped", || bundles.status(&id) == "stopped");
            bundles.run(&["delete", &id]).ok();
        }
    }
    // A hook has no signal blocked, whatever the runtime waits for.
    let masks = bundles.bundle("masks", &["true"], |spec| {
        let script = "grep -E '^Sig(Blk|Ign)' /proc/self/status; exit 9";
        spec["hooks"] = json!({ "createRuntime": [{ "path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin"] }] });
    });
    let said = bundles.run(&["run", "-b", masks.to_str().unwrap(), &bundles.id("masks")]).fails_with(1);
    let mask = |name: &str| {
        let (_, rest) = said.stderr.split_once(name).unwrap();
        u64::from_str_radix(rest.split_whitespace().next().unwrap(), 16).unwrap()
    };
    let sigpipe = 1 << (13 - 1);
    assert_eq!((mask("SigBlk:"), mask("SigIgn:") & sigpipe), (0, 0), "{said}");
    let late = bundles.bundle("late", &["true"], |spec| {
        spec["hooks"] = json!({ "createRuntime": [{ "path": "/bin/sleep", "args": ["sleep", "600"], "timeout": 1 }] });
    });
    let id = bundles.id("late");
    bundles
        .run(&["run", "-b", late.to_str().unwrap(), &id])
        .fails_with(1)
        .error_names(&["not done after 1 s"]);
    bundles.assert_empty();
}

#[test]
fn a_creator_that_dies_in_a_hook_leaves_nothing_but_the_hook() {
    let bundles = Bundles::new();
    let pid_file = bundles.base().join("hook-pid");
    let bundle = bundles.bundle("dies", &["true"], |spec| {
        let script = format!("echo $$ >{0}.new; mv {0}.new {0}; exec sleep 600", pid_file.display());
        spec["hooks"] = json!({ "createRuntime": [{ "path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin"] }] });
    });
    let id = bundles.id("dies");
    let creator = bundles.command(&["run", "-b", bundle.to_str().unwrap(), &id]).spawn();
    eventually("the hook runs", || pid_file.exists());
    let hook = fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
    let hook = rustix::process::Pid::from_raw(hook).unwrap();
    assert_eq!(bundles.status(&id), "creating");
    for verb in [&["start"][..], &["delete"], &["delete", "--force"]] {
        bundles.run(&[verb, &[id.as_str()]].concat()).fails_with(1).error_names(&["being created", &id]);
    }
    bundles.run(&["exec", &id, "true"]).fails_with(255).error_names(&["creating"]);
    creator.signal(rustix::process::Signal::KILL);
    creator.wait().fails_with(137);
    eventually("nobody creates it", || bundles.status(&id) == "stopped");
    bundles.run(&["delete", &id]).ok();
    rustix::process::kill_process(hook, rustix::process::Signal::KILL).unwrap();
    bundles.assert_empty();
}
