//! Health checks: what they run, how often, what is told of them, and that they leave nothing behind.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::{Engine, eventually, rounds};

const HEALTH: &str = "{{.State.Health.Status}}";

/// Starts a container that is checked often.
#[track_caller]
fn run(engine: &Engine, name: &str, options: &[&str]) -> String {
    let image = engine.image("busybox");
    let before = ["run", "-d", "--network", "none", "--name", name, "--health-interval", "20ms"];
    engine.run(&[&before, options, &[&image, "sleep", "600"]].concat()).ok().text().to_owned()
}

/// What `inspect` tells of the checks.
#[track_caller]
fn health(engine: &Engine, name: &str) -> Value {
    serde_json::from_str(&engine.inspect(name, "{{json .State.Health}}")).unwrap()
}

fn supervisor(engine: &Engine, name: &str) -> i32 {
    engine.inspect(name, "{{.State.SupervisorPid}}").parse().unwrap()
}

#[test]
fn a_container_is_starting_then_ill_then_well() {
    let engine = Engine::new();
    run(
        &engine,
        "box",
        &["--health-cmd", "echo looked; test -e /well", "--health-retries", "2", "--label", "a=b"],
    );
    eventually("it is ill", || engine.inspect("box", HEALTH) == "unhealthy");
    let shown = || engine.run(&["ps", "--format", "{{.Names}} {{.Status}}"]).ok().stdout;
    assert!(shown().contains(" (unhealthy)"), "{}", shown());
    let found = |health: &str| {
        engine.run(&["ps", "-q", "--filter", &format!("health={health}")]).ok().stdout.lines().count()
    };
    assert_eq!((found("unhealthy"), found("healthy"), found("none"), found("starting")), (1, 0, 0, 0));
    let told = health(&engine, "box");
    assert!(told["FailingStreak"].as_u64() >= Some(2));
    let last = told["Log"].as_array().unwrap().last().unwrap();
    assert_eq!((last["ExitCode"].as_i64(), last["Output"].as_str()), (Some(1), Some("looked\n")));
    assert!(last["Start"].as_str() <= last["End"].as_str());

    engine.run(&["exec", "box", "touch", "/well"]).ok();
    eventually("it is well", || engine.inspect("box", HEALTH) == "healthy");
    assert!(shown().contains(" (healthy)"), "{}", shown());
    assert_eq!(health(&engine, "box")["FailingStreak"], 0);
    eventually("five checks are kept", || health(&engine, "box")["Log"].as_array().unwrap().len() == 5);
    let events = ["events", "--since", "1", "--until", "0s", "--filter", "event=health_status"];
    let events = engine.run(&[&events[..], &["--format", "{{.Action}} {{.Actor.Attributes.a}}"]].concat());
    assert_eq!(events.ok().stdout, "health_status: unhealthy b\nhealth_status: healthy b\n");
    assert_eq!(
        engine.inspect("box", "{{json .Config.Healthcheck.Test}}"),
        "[\"CMD-SHELL\",\"echo looked; test -e /well\"]"
    );
    engine.run(&["stop", "-t", "0", "box"]).ok();
    engine.run(&["start", "box"]).ok();
    eventually("it is well again", || engine.inspect("box", HEALTH) == "healthy");
}

#[test]
fn a_check_runs_inside_as_the_container_does() {
    let engine = Engine::new();
    let check = "id -u; pwd; echo $WHAT; cat /proc/self/attr/current 2>/dev/null; test -t 1 || echo no terminal; exit 9";
    run(&engine, "box", &["-t", "-u", "1234", "-w", "/tmp", "-e", "WHAT=here", "--health-cmd", check]);
    eventually("it was checked", || health(&engine, "box")["Log"][0]["ExitCode"] == 9);
    let output = health(&engine, "box")["Log"][0]["Output"].as_str().unwrap().to_owned();
    assert!(output.starts_with("1234\n/tmp\nhere\n") && output.contains("no terminal\n"), "{output}");
}

#[test]
fn the_images_check_is_run_unless_it_is_refused() {
    let engine = Engine::new();
    let dir = xtask::images::ensure("busybox").unwrap();
    let archive = dir.join("busybox.tar");
    let check = "HEALTHCHECK --interval=20ms CMD [\"echo\",\"by image\"]";
    engine.run(&["import", "--change", check, archive.to_str().unwrap(), "checked:latest"]).ok();
    let start = |name: &str, options: &[&str]| {
        let before = ["run", "-d", "--network", "none", "--name", name];
        engine.run(&[&before, options, &["checked:latest", "sleep", "600"]].concat()).ok();
    };
    let missing = "HEALTHCHECK --interval=20ms --retries=1 CMD [\"/nosuch\"]";
    engine.run(&["import", "--change", missing, archive.to_str().unwrap(), "missing:latest"]).ok();
    engine
        .run(&["run", "-d", "--network", "none", "--name", "missing", "missing:latest", "sleep", "600"])
        .ok();
    eventually("it is ill", || engine.inspect("missing", HEALTH) == "unhealthy");
    let told = &health(&engine, "missing")["Log"][0];
    assert_eq!(told["ExitCode"], -1);
    assert!(told["Output"].as_str().unwrap().contains("/nosuch"), "{told}");
    engine.run(&["rm", "-f", "missing"]).ok();
    start("image", &[]);
    eventually("it is well", || engine.inspect("image", HEALTH) == "healthy");
    assert_eq!(health(&engine, "image")["Log"][0]["Output"], "by image\n");
    start("other", &["--health-cmd", "exit 3", "--health-retries", "1"]);
    eventually("it is ill", || engine.inspect("other", HEALTH) == "unhealthy");
    start("none", &["--no-healthcheck"]);
    assert_eq!(
        engine.inspect("none", "{{json .State.Health}} {{json .Config.Healthcheck.Test}}"),
        "null [\"NONE\"]"
    );
    assert_eq!(
        engine.run(&["ps", "--filter", "health=none", "--format", "{{.Names}}"]).ok().stdout,
        "none\n"
    );
}

#[test]
fn a_check_that_takes_too_long_is_ended_with_all_it_began() {
    let engine = Engine::new();
    let check = "echo begun; sleep 700 & sleep 800";
    run(&engine, "box", &["--health-cmd", check, "--health-timeout", "100ms", "--health-retries", "1"]);
    eventually("it is ill", || engine.inspect("box", HEALTH) == "unhealthy");
    let first = &health(&engine, "box")["Log"][0];
    assert_eq!(first["ExitCode"], -1);
    assert_eq!(first["Output"], "Health check exceeded timeout (100ms): begun\n");
    engine.run(&["pause", "box"]).ok();
    engine.run(&["unpause", "box"]).ok();
    let running = || engine.run(&["top", "box"]).ok().stdout;
    eventually("no check leaves anything", || {
        !running().contains("sleep 700") && !running().contains("sleep 800")
    });
}

#[test]
fn output_is_bounded_and_what_a_check_leaves_behind_is_not_waited_for() {
    let engine = Engine::new();
    run(&engine, "loud", &["--health-cmd", "yes | head -c 1000000; exit 1"]);
    eventually("it was checked", || !health(&engine, "loud")["Log"].as_array().unwrap().is_empty());
    assert_eq!(health(&engine, "loud")["Log"][0]["Output"].as_str().unwrap().len(), 4096);
    engine.run(&["rm", "-f", "loud"]).ok();
    // What a check leaves behind holds its pipe, and is not waited for.
    run(&engine, "left", &["--health-cmd", "setsid sleep 1000 & echo done"]);
    eventually("it is well", || engine.inspect("left", HEALTH) == "healthy");
    engine.run(&["rm", "-f", "left"]).ok();
}

#[test]
fn a_paused_container_is_not_ill_and_a_restarted_one_begins_anew() {
    let engine = Engine::new();
    let id = run(
        &engine,
        "box",
        &[
            "--restart",
            "always",
            "--health-cmd",
            "true",
            "--health-timeout",
            "200ms",
            "--health-retries",
            "1",
        ],
    );
    eventually("it is well", || engine.inspect("box", HEALTH) == "healthy");
    engine.run(&["pause", "box"]).ok();
    let file = engine.run_root().join("containers").join(&id).join("health");
    let mut before = fs::read(&file).unwrap();
    // One may have been under way.
    eventually("it is left alone", || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        let now = fs::read(&file).unwrap();
        let same = now == before;
        before = now;
        same
    });
    assert_eq!(engine.inspect("box", HEALTH), "healthy");
    engine.run(&["unpause", "box"]).ok();
    eventually("it is checked again", || fs::read(&file).unwrap() != before);
    let pid: i32 = engine.inspect("box", "{{.State.Pid}}").parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    eventually("it runs again and is well", || {
        engine.inspect("box", "{{.RestartCount}} {{.State.Health.Status}}") == "1 healthy"
    });
}

#[test]
fn a_killed_supervisor_goes_on_checking() {
    let engine = Engine::new();
    run(&engine, "box", &["--health-cmd", "test -e /well", "--health-retries", "2"]);
    eventually("it is ill", || engine.inspect("box", HEALTH) == "unhealthy");
    for well in [true, false] {
        let before = supervisor(&engine, "box");
        kill_process(Pid::from_raw(before).unwrap(), Signal::KILL).unwrap();
        eventually("it has a successor", || supervisor(&engine, "box") != before);
        let (change, state) = if well { ("touch", "healthy") } else { ("rm", "unhealthy") };
        engine.run(&["exec", "box", change, "/well"]).ok();
        eventually("the successor sees it", || engine.inspect("box", HEALTH) == state);
    }
}

#[test]
fn many_checks_leave_nothing_behind() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let check = "echo x >> /count; echo output";
    let start = [
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "box",
        "--health-interval",
        "1ms",
        "--health-cmd",
        check,
        &image,
        "sleep",
        "600",
    ];
    engine.run(&start).ok();
    let count = || {
        engine
            .run(&["exec", "box", "wc", "-l", "/count"])
            .stdout
            .split(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0)
    };
    let reach = |wanted: usize| eventually("so many checks", || count() >= wanted);
    reach(5);
    let pid = supervisor(&engine, "box");
    let open = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let private = || {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let line = rollup.lines().find(|line| line.starts_with("Private_Dirty:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    // With a check under way there are three more.
    let (fds, memory) = (open() + 3, private());
    reach(rounds(200, 20_000));
    assert!(open() <= fds, "{} of {fds} descriptors", open());
    assert!(private() <= memory + 64, "{} KiB, {memory} before", private());
    engine.run(&["stop", "-t", "0", "box"]).ok();
    engine.audit();
}
