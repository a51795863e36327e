//! Real servers, as Debian has them, and what people do to them.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use tests::{Engine, Output, eventually};

/// Asks a database, as its own administrator inside.
fn query(engine: &Engine, container: &str, statement: &str) -> Output {
    engine.run(&["exec", container, "psql", "-h", "/tmp", "-qtAc", statement])
}

#[track_caller]
fn answers(engine: &Engine, container: &str) {
    eventually("the database answers", || query(engine, container, "select 1").code == 0);
}

/// Runs a database whose data is in the volume `data`.
fn database(engine: &Engine, flags: &[&str]) {
    let image = engine.image("postgres");
    let volume = ["--name", "db", "-v", "data:/var/lib/postgresql"];
    engine.run(&[&["run", "--detach"], &volume[..], flags, &[&image]].concat()).ok();
    answers(engine, "db");
}

#[test]
fn postgresql_keeps_what_it_has_promised_through_kills() {
    let engine = Engine::new();
    database(&engine, &["--network", "none"]);
    query(&engine, "db", "create table promised (n int); create table torn (n int)").ok();
    for round in 1..=3 {
        query(&engine, "db", &format!("insert into promised values ({round})")).ok();
        // Under way while it is killed: all of it is there afterwards or nothing.
        let open = "begin; insert into torn select generate_series(1, 1000); select pg_sleep(100); commit";
        let writing = engine.command(&["exec", "db", "psql", "-h", "/tmp", "-qtAc", open]).spawn();
        let active = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
        eventually("it is writing", || query(&engine, "db", active).text() == "1");
        let pid = engine.inspect("db", "{{.State.Pid}}").parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        engine.run(&["wait", "db"]).ok().prints("137");
        assert_ne!(writing.wait().code, 0);
        engine.run(&["start", "db"]).ok();
        answers(&engine, "db");
        query(&engine, "db", "select count(*), (select count(*) from torn) from promised")
            .ok()
            .prints(&format!("{round}|0"));
    }
    engine.run(&["logs", "db"]).ok().stderr_has("automatic recovery in progress");
}

#[test]
fn postgresql_goes_on_in_a_new_container_with_the_old_volume() {
    let engine = Engine::new();
    database(&engine, &["--network", "none"]);
    query(&engine, "db", "create table kept as select 'kept' as word").ok();
    // SIGINT, as the image asks for: a clean end, so the next one recovers nothing.
    engine.run(&["stop", "db"]).ok();
    assert_eq!(engine.inspect("db", "{{.State.ExitCode}}"), "0");
    engine.run(&["rm", "db"]).ok();
    let data = engine.root().join("volumes/data/_data");
    assert!(fs::exists(data.join("data/PG_VERSION")).unwrap());

    database(&engine, &["--network", "none", "--read-only", "--tmpfs", "/tmp:mode=1777"]);
    query(&engine, "db", "select word from kept").ok().prints("kept");
    let log = engine.run(&["logs", "db"]).ok();
    assert!(!log.stderr.contains("recovery"), "{log}");
    engine.run(&["rm", "--force", "db"]).ok();
    engine.run(&["volume", "rm", "data"]).ok();
}
