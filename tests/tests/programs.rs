//! Real servers, as Debian has them, and what people do to them.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tests::lan::{HOST, HOST6, NEIGHBOUR, WORLD6};
use tests::{Engine, Lan, Namespace, Output, eventually};

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

#[test]
fn nginx_serves_the_world_and_sees_who_asks() {
    let lan = Lan::new();
    let engine = Engine::within(&lan.host);
    let image = engine.image("nginx");
    engine.run(&["network", "create", "--ipv6", "front"]).ok();
    engine.run(&["run", "-d", "--name", "web", "--network", "front", "-p", "8080:80", &image]).ok();
    let fetch = |from: &Namespace, url: &str| {
        from.run("curl", &["--silent", "--fail", "--retry", "30", "--retry-all-errors", url]).ok()
    };
    for (from, url) in [
        (&lan.host, "http://127.0.0.1:8080/".to_owned()),
        (&lan.neighbour, format!("http://{HOST}:8080/")),
        (&lan.world, format!("http://[{HOST6}]:8080/")),
    ] {
        fetch(from, &url).stdout_has("Welcome to nginx");
    }
    let log = engine.run(&["exec", "web", "cat", "/var/log/nginx/access.log"]).ok();
    assert!(log.stdout.contains(NEIGHBOUR) && log.stdout.contains(WORLD6), "{log}");
    // A large answer arrives whole, through the published port and between containers by name.
    let head = ["exec", "web", "sh", "-c", "head -c 50000000 /dev/zero >/var/www/html/large"];
    engine.run(&head).ok();
    let count = ["-c", &format!("curl --silent http://{HOST}:8080/large | wc -c")];
    lan.neighbour.run("sh", &count).ok().prints("50000000");
    let inside =
        ["run", "--rm", "--network", "front", &image, "sh", "-c", "curl --silent http://web/large | wc -c"];
    engine.run(&inside).ok().prints("50000000");
    engine.run(&["stop", "web"]).ok();
    assert_eq!(engine.inspect("web", "{{.State.ExitCode}}"), "0");
}

#[test]
fn redis_is_found_by_name_and_keeps_its_data() {
    let lan = Lan::new();
    let engine = Engine::within(&lan.host);
    let image = engine.image("redis");
    engine.run(&["network", "create", "back"]).ok();
    let server = [
        "run",
        "-d",
        "--name",
        "cache-1",
        "--network",
        "back",
        "--network-alias",
        "cache",
        "-v",
        "kept:/data",
    ];
    engine.run(&[&server[..], &[&image]].concat()).ok();
    let ask = |words: &[&str]| {
        let client = ["run", "--rm", "--network", "back", &image, "redis-cli", "-h", "cache"];
        engine.run(&[&client[..], words].concat())
    };
    eventually("redis answers", || ask(&["ping"]).text() == "PONG");
    ask(&["set", "key", "value"]).ok().prints("OK");
    ask(&["get", "key"]).ok().prints("value");
    // Another server takes the name over, with the data.
    engine.run(&["rm", "--force", "cache-1"]).ok();
    let server = [
        "run",
        "-d",
        "--name",
        "cache-2",
        "--network",
        "back",
        "--network-alias",
        "cache",
        "-v",
        "kept:/data",
    ];
    engine.run(&[&server[..], &[&image]].concat()).ok();
    eventually("redis answers again", || ask(&["ping"]).text() == "PONG");
    ask(&["get", "key"]).ok().prints("value");
}

#[test]
fn postgresql_answers_on_its_network_and_nowhere_else() {
    let lan = Lan::new();
    let engine = Engine::within(&lan.host);
    engine.run(&["network", "create", "--internal", "back"]).ok();
    database(&engine, &["--network", "back"]);
    let image = engine.image("postgres");
    let client = |network: &str| {
        let words =
            ["run", "--rm", "--network", network, &image, "psql", "-h", "db", "-qtAc", "select 'hello'"];
        engine.run(&words)
    };
    client("back").ok().prints("hello");
    assert_ne!(client("bridge").code, 0);
}

#[test]
fn the_example_of_a_web_server_and_a_database_runs() {
    let lan = Lan::new();
    let services = xtask::images::ensure("services").unwrap().join("services.tar");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/web-and-database/run.sh");
    let example =
        lan.host.command("sh", &[script]).env("CORACLE_BIN", tests::binary()).env("SERVICES_TAR", services);
    example.timeout(Duration::from_secs(150)).run().ok().stdout_has("version 2, visitor 3").quiet();
}
