//! Restart policies: who is started again and who is not, whoever is killed meanwhile; and what a boot starts.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::{Engine, eventually};

const STATE: &str = "{{.State.Status}}";
const COUNT: &str = "{{.RestartCount}}";

/// The status file of a container.
#[track_caller]
fn status(engine: &Engine, id: &str) -> Value {
    let text = fs::read_to_string(engine.run_root().join("containers").join(id).join("status")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn kill(pid: &Value) {
    signal(pid, Signal::KILL);
}

fn signal(pid: &Value, signal: Signal) {
    let pid = pid.as_i64().and_then(|pid| Pid::from_raw(pid as i32)).expect("a process");
    kill_process(pid, signal).unwrap();
}

/// Starts a container with a policy and returns its id.
#[track_caller]
fn run(engine: &Engine, name: &str, policy: &str, script: &str) -> String {
    let image = engine.image("busybox");
    let arguments =
        ["run", "-d", "--network", "none", "--name", name, "--restart", policy, &image, "sh", "-c", script];
    engine.run(&arguments).ok().text().to_owned()
}

#[track_caller]
fn count(engine: &Engine, name: &str) -> u32 {
    engine.inspect(name, COUNT).parse().unwrap()
}

/// Fails once, then stays.
const ONCE: &str = "test -e /once && exec sleep 600; touch /once; exit 7";

#[test]
fn a_failing_container_is_tried_as_often_as_asked() {
    let engine = Engine::new();
    run(&engine, "box", "on-failure:2", "echo try; exit 3");
    eventually("it has failed for good", || engine.inspect("box", STATE) == "exited");
    assert_eq!(count(&engine, "box"), 2);
    assert_eq!(engine.inspect("box", "{{.State.ExitCode}}"), "3");
    assert_eq!(
        engine.inspect(
            "box",
            "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}"
        ),
        "on-failure 2"
    );
    engine.run(&["logs", "box"]).ok().prints("try\ntry\ntry\n");
    let told = engine.run(&[
        "events",
        "--since",
        "1",
        "--until",
        "0s",
        "--filter",
        "container=box",
        "--format",
        "{{.Action}}",
    ]);
    assert_eq!(told.ok().stdout, "create\n".to_owned() + &"start\ndie\n".repeat(3));
    // Success is no failure, and somebody's start begins anew.
    run(&engine, "fine", "on-failure", "exit 0");
    engine.run(&["wait", "fine"]).ok();
    eventually("it has ended", || engine.inspect("fine", STATE) == "exited");
    assert_eq!(count(&engine, "fine"), 0);
    engine.run(&["start", "box"]).ok();
    eventually("it has failed for good again", || engine.inspect("box", STATE) == "exited");
    assert_eq!(count(&engine, "box"), 2);
    engine.audit();
}

#[test]
fn a_container_waits_longer_and_longer_and_can_be_stopped_and_removed() {
    let engine = Engine::new();
    let id = run(&engine, "box", "always", "exit 0");
    eventually("it waits", || engine.inspect("box", STATE) == "restarting" && count(&engine, "box") > 2);
    assert_eq!(
        engine.inspect("box", "{{.State.Running}} {{.State.Restarting}} {{.State.Pid}}"),
        "true true 0"
    );
    assert!(status(&engine, &id)["pause_millis"].as_u64() >= Some(400));
    engine.run(&["ps", "--format", "{{.Names}} {{.State}}"]).ok().stdout_has("box ");
    engine.audit();
    engine.run(&["rm", "box"]).fails_with(1).error_names(&["box"]);
    // As it runs, or is about to: there is nothing to start.
    engine.run(&["start", "box"]).ok();
    engine.run(&["stop", "box"]).ok();
    assert_eq!(engine.inspect("box", "{{.State.Status}} {{.State.ExitCode}}"), "exited 0");
    engine.run(&["wait", "box"]).ok().prints("0\n");
    assert!(!engine.run_root().join("containers").join(&id).join("sock").exists());

    engine.run(&["start", "box"]).ok();
    eventually("it waits again", || engine.inspect("box", STATE) == "restarting");
    engine.run(&["kill", "box"]).ok();
    eventually("it has given up", || engine.inspect("box", STATE) == "exited");
    engine.run(&["start", "box"]).ok();
    eventually("it waits once more", || engine.inspect("box", STATE) == "restarting");
    engine.run(&["rm", "--force", "box"]).ok();
    assert_eq!(engine.containers(), Vec::<String>::new());
    engine.audit();
}

#[test]
fn who_is_stopped_by_somebody_stays_stopped() {
    let engine = Engine::new();
    for policy in ["always", "unless-stopped", "on-failure"] {
        let id = run(&engine, policy, policy, "exec sleep 600");
        // By nobody whom the engine knows.
        kill(&status(&engine, &id)["pid"]);
        eventually("it runs again", || {
            count(&engine, policy) == 1 && engine.inspect(policy, STATE) == "running"
        });
        engine.run(&["stop", "-t", "0", policy]).ok();
        assert_eq!(engine.inspect(policy, STATE), "exited", "{policy}");
        engine.run(&["start", policy]).ok();
        assert_eq!(count(&engine, policy), 0);
        // A signal that does not ask for the end says nothing about it.
        engine.run(&["kill", "-s", "CONT", policy]).ok();
        kill(&status(&engine, &id)["pid"]);
        eventually("it runs again", || {
            count(&engine, policy) == 1 && engine.inspect(policy, STATE) == "running"
        });
        engine.run(&["kill", policy]).ok();
        assert_eq!(engine.inspect(policy, STATE), "exited", "{policy}");
    }
}

#[test]
fn the_next_run_has_files_terminal_input_and_log_of_its_own() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    run(&engine, "box", "on-failure", "echo begin; test -e /once && exec sleep 600; touch /once; exit 7");
    eventually("it runs again", || count(&engine, "box") == 1 && engine.inspect("box", STATE) == "running");
    eventually("both runs are in the log", || engine.run(&["logs", "box"]).ok().stdout == "begin\nbegin\n");
    engine.run(&["exec", "box", "true"]).ok();
    let told = "test -t 0 && echo terminal; ";
    let tty = ["run", "-dt", "--network", "none", "--name", "tty", "--restart", "always", &image, "sh", "-c"];
    engine.run(&[&tty[..], &[&(told.to_owned() + ONCE)]].concat()).ok();
    eventually("it runs again", || count(&engine, "tty") == 1 && engine.inspect("tty", STATE) == "running");
    eventually("both runs have a terminal", || {
        engine.run(&["logs", "tty"]).ok().stdout.matches("terminal").count() == 2
    });
    let input = [
        "run",
        "-di",
        "--network",
        "none",
        "--name",
        "input",
        "--restart",
        "always",
        &image,
        "sh",
        "-c",
        ONCE,
    ];
    engine.run(&input).ok();
    eventually("it runs again", || {
        count(&engine, "input") == 1 && engine.inspect("input", STATE) == "running"
    });
    engine.run(&["rm", "-f", "box", "tty", "input"]).ok();
}

#[test]
fn who_is_attached_or_waits_is_told_of_each_end() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let attached = [
        "run",
        "--network",
        "none",
        "--name",
        "box",
        "--restart",
        "on-failure:1",
        &image,
        "sh",
        "-c",
        "echo out; exit 5",
    ];
    engine.run(&attached).fails_with(5).stdout_has("out\n");
    eventually("it has failed for good", || engine.inspect("box", STATE) == "exited");
    let id = run(&engine, "long", "always", "exec sleep 600");
    let waiting = engine.command(&["wait", "long"]).spawn();
    for round in 1..=3 {
        kill(&status(&engine, &id)["pid"]);
        let again = || count(&engine, "long") == round && engine.inspect("long", STATE) == "running";
        eventually("it runs again", again);
    }
    waiting.wait().ok().prints("137\n");
}

#[test]
fn the_kill_of_any_one_process_loses_no_policy() {
    let engine = Engine::new();
    // While it runs.
    for who in ["guardian", "supervisor"] {
        let id = run(&engine, who, "always", "exec sleep 600");
        for round in 1..=3 {
            let before = status(&engine, &id);
            kill(&before[who]);
            if who == "supervisor" {
                eventually("it has a successor", || {
                    status(&engine, &id)["supervisor"] != before["supervisor"]
                });
            }
            kill(&before["pid"]);
            eventually("it runs again", || {
                count(&engine, who) == round && engine.inspect(who, STATE) == "running"
            });
        }
        engine.run(&["exec", who, "true"]).ok();
        engine.run(&["rm", "-f", who]).ok();
    }
    // While it waits.
    for who in ["guardian", "supervisor"] {
        let id = run(&engine, who, "always", "exit 1");
        let mut before = Value::Null;
        eventually("it waits for long, with a supervisor", || {
            before = status(&engine, &id);
            before["state"] == "restarting" && before["pause_millis"].as_u64() >= Some(800)
        });
        let restarts = before["restarts"].as_u64();
        eventually("there is somebody to be killed", || {
            before = status(&engine, &id);
            let pid = before[who].as_i64().and_then(|pid| Pid::from_raw(pid as i32)).unwrap();
            kill_process(pid, Signal::KILL).is_ok()
        });
        eventually("it was started again", || status(&engine, &id)["restarts"].as_u64() > restarts);
        engine.run(&["stop", who]).ok();
        assert_eq!(engine.inspect(who, STATE), "exited");
        engine.audit();
    }
}

#[test]
fn a_policy_and_removal_contradict_each_other() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    engine
        .run(&["run", "--rm", "--restart", "always", &image, "true"])
        .fails_with(125)
        .error_names(&["cannot specify both --restart and --rm"]);
    engine.run(&["run", "--rm", "--restart", "no", "--network", "none", &image, "true"]).ok();
    engine
        .run(&["run", "--restart", "often", &image, "true"])
        .fails_with(125)
        .error_names(&["unknown policy 'often'"]);
}

#[test]
fn a_policy_is_changed_while_the_container_runs_waits_or_has_ended() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let id =
        run(&engine, "box", "no", ONCE.replace("touch /once; exit 7", "touch /once; sleep 600").as_str());
    let policy = "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}";
    engine.run(&["update", "--restart", "on-failure:3", "box"]).ok().prints("box");
    assert_eq!(engine.inspect("box", policy), "on-failure 3");
    kill(&status(&engine, &id)["pid"]);
    eventually("it was started again", || {
        count(&engine, "box") == 1 && engine.inspect("box", STATE) == "running"
    });
    // With other changes, and back.
    engine.run(&["update", "--restart", "no", "--pids-limit", "50", "box"]).ok();
    assert_eq!(
        engine.inspect("box", "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.PidsLimit}}"),
        "no 50"
    );
    kill(&status(&engine, &id)["pid"]);
    eventually("it stays as it is", || engine.inspect("box", STATE) == "exited");
    assert_eq!(count(&engine, "box"), 1);
    // One that somebody stopped is started by a boot only where it is always wanted.
    engine.run(&["update", "--restart", "unless-stopped", "box"]).ok();
    run(&engine, "stopped", "no", "exec sleep 600");
    engine.run(&["stop", "-t", "0", "stopped"]).ok();
    engine.run(&["update", "--restart", "unless-stopped", "stopped"]).ok();
    engine.run(&["system", "boot"]).ok().prints("box");
    engine.run(&["update", "--restart", "always", "stopped"]).ok();
    engine.run(&["system", "boot"]).ok().prints("stopped");
    // What cannot be, and changes nothing.
    engine.run(&["run", "-d", "--rm", "--network", "none", "--name", "brief", &image, "sleep", "600"]).ok();
    engine
        .run(&["update", "--restart", "always", "brief"])
        .fails_with(1)
        .error_names(&["cannot update container `brief`", "AutoRemove is enabled"]);
    engine
        .run(&["update", "--restart", "often", "box"])
        .fails_with(125)
        .error_names(&["unknown policy 'often'"]);
    assert_eq!(engine.inspect("brief", "{{.HostConfig.RestartPolicy.Name}}"), "no");
    engine.run(&["rm", "-f", "box", "stopped", "brief"]).ok();
    engine.audit();
}

/// What a boot leaves: files of another boot, and no process.
fn lose(engine: &Engine, ids: &[String]) {
    for id in ids {
        let path = engine.run_root().join("containers").join(id).join("status");
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let status: Value = serde_json::from_str(&text).unwrap();
        if status["state"] == "running" {
            // Each of the two would replace the other: one that stands still cannot.
            signal(&status["supervisor"], Signal::STOP);
            for who in ["guardian", "supervisor", "pid"] {
                kill(&status[who]);
            }
        }
        let boot = status["boot_id"].as_str().unwrap();
        fs::write(&path, text.replace(boot, "00000000-0000-0000-0000-000000000000")).unwrap();
    }
}

#[test]
fn a_boot_starts_what_the_policies_say() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let mut ids = Vec::new();
    for (name, policy) in [("aa", "always"), ("us", "unless-stopped"), ("of", "on-failure"), ("no", "no")] {
        ids.push(run(&engine, name, policy, "exec sleep 600"));
        ids.push(run(&engine, &format!("{name}-stopped"), policy, "exec sleep 600"));
        engine.run(&["stop", "-t", "0", &format!("{name}-stopped")]).ok();
    }
    engine
        .run(&["create", "--restart", "always", "--network", "none", "--name", "never", &image, "true"])
        .ok();
    lose(&engine, &ids);
    eventually("all have ended", || engine.run(&["ps", "-q"]).ok().stdout.is_empty());
    let started = engine.run(&["system", "boot"]).ok().stdout;
    let mut started: Vec<&str> = started.lines().collect();
    started.sort_unstable();
    assert_eq!(started, ["aa", "aa-stopped", "of", "us"]);
    let mut running: Vec<String> =
        engine.run(&["ps", "--format", "{{.Names}}"]).ok().stdout.lines().map(str::to_owned).collect();
    running.sort_unstable();
    assert_eq!(running, started);
    // Nothing of the other boot is left, and what runs is left alone.
    engine.audit();
    engine.run(&["system", "boot"]).ok().prints("");
}

#[test]
fn a_boot_starts_those_that_share_namespaces_after_those_that_have_them_and_tells_who_cannot() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let mut ids = vec![run(&engine, "main", "always", "exec sleep 600")];
    let side = [
        "run",
        "-d",
        "--name",
        "side",
        "--network",
        "container:main",
        "--restart",
        "always",
        &image,
        "sleep",
        "600",
    ];
    ids.push(engine.run(&side).ok().text().to_owned());
    let bound = engine.base().join("bound");
    fs::create_dir(&bound).unwrap();
    let bind = format!("{}:/data", bound.display());
    let broken = [
        "run",
        "-d",
        "--name",
        "broken",
        "--network",
        "none",
        "--restart",
        "always",
        "-v",
        &bind,
        &image,
        "sleep",
        "600",
    ];
    ids.push(engine.run(&broken).ok().text().to_owned());
    lose(&engine, &ids);
    fs::remove_dir(&bound).unwrap();
    eventually("all have ended", || engine.run(&["ps", "-q"]).ok().stdout.is_empty());
    let boot = engine.run(&["system", "boot"]).fails_with(1);
    boot.error_names(&["cannot start container `broken`"]);
    let mut running: Vec<String> =
        engine.run(&["ps", "--format", "{{.Names}}"]).ok().stdout.lines().map(str::to_owned).collect();
    running.sort_unstable();
    assert_eq!(running, ["main", "side"]);
    engine.run(&["rm", "-f", "side", "main"]).ok();
}
