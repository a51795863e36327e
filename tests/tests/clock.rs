//! The host's clock is set: years ahead, and back to before everything was made. Whoever waits does so by a clock that
//! nobody sets. Only in a guest, whose clock is nobody else's.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use tests::{Engine, Running, eventually};

const TEN_YEARS: i64 = 10 * 366 * 24 * 3600;

fn jump(seconds: i64) {
    let now = clock_gettime(ClockId::Realtime);
    clock_settime(ClockId::Realtime, Timespec { tv_sec: now.tv_sec + seconds, ..now }).unwrap();
}

fn number(engine: &Engine, container: &str, template: &str) -> u64 {
    engine.inspect(container, template).parse().unwrap()
}

/// All that goes on by itself goes on.
fn goes_on(engine: &Engine, follower: &Running) {
    let restarts = number(engine, "again", "{{.RestartCount}}");
    eventually("it is started again", || number(engine, "again", "{{.RestartCount}}") > restarts);
    let checks = || engine.run(&["exec", "checked", "cat", "/checks"]).ok().stdout.len();
    let before = checks();
    eventually("it is looked at again", || checks() > before);
    let written: u64 = engine.run(&["logs", "--tail", "1", "writer"]).ok().text().parse().unwrap();
    follower.wait_for(&format!("\n{}\n", written + 5));
    let status = engine.run(&["ps", "--format", "{{.Names}} {{.State}}"]).ok();
    status.stdout_has("again ").stdout_has("checked running").stdout_has("writer running");
}

/// What is asked for happens, in the time that it takes.
fn answers(engine: &Engine, image: &str) {
    engine.run(&["run", "--rm", "--name", "new", image, "echo", "done"]).ok().prints("done");
    engine.run(&["create", "--name", "new", image, "true"]).ok();
    engine
        .run(&["create", "--name", "new", image, "true"])
        .fails_with(125)
        .error_names(&["already in use by container"]);
    engine.run(&["rm", "new"]).ok();
    engine.run(&["run", "-d", "--name", "deaf", image, "sh", "-c", "trap '' TERM; sleep 1000"]).ok();
    let begin = Instant::now();
    engine.run(&["stop", "-t", "2", "deaf"]).ok();
    assert!(begin.elapsed() >= Duration::from_secs(2), "it had two seconds: {:?}", begin.elapsed());
    engine.run(&["rm", "deaf"]).ok();
    let events = ["events", "--since", "2m", "--until", "0s", "--filter", "container=deaf"];
    engine.run(&events).ok().stdout_has("destroy");
    engine.run(&["system", "prune", "-f"]).ok();
    engine.run(&["system", "check"]).ok();
}

#[test]
fn a_clock_that_jumps_by_years_stops_nothing() {
    if std::env::var_os("CORACLE_GUEST").is_none() {
        return;
    }
    let engine = Engine::new();
    let image = engine.image("busybox");
    let count = "i=0; while :; do i=$((i+1)); echo $i; usleep 200000; done";
    engine.run(&["run", "-d", "--name", "writer", &image, "sh", "-c", count]).ok();
    let again =
        ["run", "-d", "--name", "again", "--restart", "always", &image, "sh", "-c", "sleep 0.2; exit 3"];
    engine.run(&again).ok();
    let check = ["--health-cmd", "printf x >>/checks", "--health-interval", "500ms"];
    let checked = [&["run", "-d", "--name", "checked"], &check[..], &[&image, "sleep", "10000"]].concat();
    engine.run(&checked).ok();
    eventually("it is looked at", || engine.run(&["exec", "checked", "test", "-e", "/checks"]).code == 0);
    let follower = engine.command(&["logs", "-f", "writer"]).timeout(Duration::from_secs(110)).spawn();
    // Short pauses for the restarts that are watched: they double from one to the next.
    for seconds in [TEN_YEARS, -2 * TEN_YEARS, TEN_YEARS] {
        jump(seconds);
        goes_on(&engine, &follower);
        answers(&engine, &image);
        engine.run(&["restart", "-t", "0", "again"]).ok();
    }
    drop(follower);
    engine.run(&["rm", "-f", "writer", "again", "checked"]).ok();
    engine.audit();
}

#[test]
fn a_name_whose_owner_never_came_is_free_whatever_the_clock_has_said() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    for years in ["-10 years", "+10 years"] {
        let id = engine.run(&["create", "--name", "box", &image, "true"]).ok().text().to_owned();
        std::fs::remove_dir_all(engine.root().join("containers").join(&id)).unwrap();
        let claim = engine.root().join("names").join("box");
        let created = |code| engine.run(&["create", "--name", "box", &image, "true"]).fails_with(code);
        created(125).error_names(&["already in use"]);
        let touched =
            std::process::Command::new("touch").args(["-h", "-d", years]).arg(claim).status().unwrap();
        assert!(touched.success());
        created(0);
        engine.run(&["rm", "box"]).ok();
    }
    engine.run(&["system", "audit", "--repair"]).ok();
}
