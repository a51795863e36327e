//! Other limits for a container that runs, and the events it causes.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tests::{Bundles, eventually};

/// Returns what the first of the files says that there is, with the container's group for `ID`.
fn limit(id: &str, files: [&str; 2]) -> String {
    let paths = files.map(|file| format!("/sys/fs/cgroup/{}", file.replace("ID", id)));
    let text = paths.iter().find_map(|path| fs::read_to_string(path).ok());
    text.unwrap_or_else(|| panic!("none of {paths:?}")).trim().to_owned()
}

fn has_v1() -> bool {
    Path::new("/sys/fs/cgroup/memory").exists()
}

const MEMORY: [&str; 2] = ["memory/ID/memory.limit_in_bytes", "ID/memory.max"];
const PIDS: [&str; 2] = ["pids/ID/pids.max", "ID/pids.max"];
const CPU: [&str; 2] = ["cpu/ID/cpu.cfs_quota_us", "ID/cpu.max"];

fn mega(count: u64) -> String {
    (count << 20).to_string()
}

/// A container that sleeps, in a group by its id.
fn sleeper(bundles: &Bundles, name: &str) -> String {
    let id = bundles.id(name);
    let bundle = bundles.bundle(name, &["sleep", "600"], |spec| {
        spec["linux"]["cgroupsPath"] = json!(format!("/{id}"));
        spec["linux"]["resources"]["memory"] = json!({ "limit": 64 << 20, "swap": 128 << 20 });
    });
    bundles.start(name, &bundle)
}

#[test]
fn update_changes_what_is_named_by_options_a_file_or_standard_input() {
    let bundles = Bundles::new();
    let id = sleeper(&bundles, "update");
    bundles.run(&["update", "--memory", "80m", "--pids-limit", "19", "--cpu-quota", "20000", &id]).ok();
    assert_eq!((limit(&id, MEMORY), limit(&id, PIDS)), (mega(80), "19".to_owned()));
    assert!(limit(&id, CPU).starts_with("20000"));
    // The document of containerd and podman: the rest of it may be null or empty.
    let document = json!({ "memory": { "limit": 100 << 20, "swap": 200 << 20 }, "pids": { "limit": 23 },
        "cpu": { "cpus": "", "quota": null }, "blockIO": null, "devices": [] });
    bundles.command(&["update", "--resources", "-", &id]).stdin(document.to_string()).run().ok();
    assert_eq!((limit(&id, MEMORY), limit(&id, PIDS)), (mega(100), "23".to_owned()));
    let file = bundles.base().join("resources.json");
    fs::write(&file, json!({ "memory": { "limit": 70 << 20 } }).to_string()).unwrap();
    bundles.run(&["update", "-r", file.to_str().unwrap(), &id]).ok();
    // What the file does not name has stayed.
    assert_eq!((limit(&id, MEMORY), limit(&id, PIDS)), (mega(70), "23".to_owned()));
    assert!(limit(&id, CPU).starts_with("20000"));
    let both = ["memory/ID/memory.memsw.limit_in_bytes", "ID/memory.swap.max"];
    assert_eq!(limit(&id, both), mega(if has_v1() { 200 } else { 130 }));
    // All or none: the swap is below the memory.
    bundles
        .run(&["update", "--pids-limit", "29", "--memory", "90m", "--memory-swap", "80m", &id])
        .fails_with(1)
        .error_names(&["cannot update container", "below the memory limit"]);
    assert_eq!((limit(&id, MEMORY), limit(&id, PIDS)), (mega(70), "23".to_owned()));
    bundles.run(&["update", "--memory", "-1", "--pids-limit", "-1", &id]).ok();
    assert_eq!(limit(&id, PIDS), "max");
    assert_ne!(limit(&id, MEMORY), mega(70));
    // Rules for devices are no limits that change.
    bundles.run(&["exec", &id, "sh", "-c", "echo >/dev/null"]).ok();
    bundles
        .command(&["update", "-r", "-", &id])
        .stdin("{")
        .run()
        .fails_with(1)
        .error_names(&["standard input"]);
    bundles.run(&["update", "-r", "/nowhere", &id]).fails_with(1).error_names(&["/nowhere"]);
    bundles.run(&["update", "--memory", "1m", "nosuch"]).fails_with(1).error_names(&["does not exist"]);
    bundles.run(&["kill", &id, "KILL"]).ok();
    eventually("it has stopped", || bundles.status(&id) == "stopped");
    bundles.run(&["update", "--memory", "90m", &id]).fails_with(1).error_names(&["container not running"]);
    bundles.run(&["delete", &id]).ok();
    bundles.assert_empty();
}

#[test]
fn events_tell_the_counters_until_the_container_ends() {
    let bundles = Bundles::new();
    let id = sleeper(&bundles, "events");
    let once = bundles.run(&["events", "--stats", &id]).ok();
    let event: Value = serde_json::from_str(&once.stdout).unwrap();
    assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!(id)));
    let data = &event["data"];
    assert_eq!(data["memory"]["usage"]["limit"], 64 << 20, "{event}");
    for counter in
        [&data["memory"]["usage"]["usage"], &data["cpu"]["usage"]["total"], &data["pids"]["current"]]
    {
        assert!(counter.as_u64().unwrap() > 0, "{event}");
    }
    assert!(data["memory"]["raw"].as_object().unwrap().len() > 10, "{event}");
    let followed = bundles.command(&["events", "--interval", "20ms", &id]).spawn();
    followed.wait_for("\n");
    bundles.run(&["kill", &id, "KILL"]).ok();
    let followed = followed.wait().ok();
    assert!(followed.stdout.lines().all(|line| line.contains("\"stats\"")), "{followed}");
    bundles.run(&["events", &id]).fails_with(1).error_names(&["container not running"]);
    bundles.run(&["events", "--interval", "0", &id]).fails_with(1).error_names(&["--interval"]);
}

#[test]
fn events_tell_of_want_of_memory() {
    let bundles = Bundles::new();
    let id = bundles.id("oom");
    let script = "while ! test -e /tmp/go; do sleep 0.02; done; x=a; while :; do x=$x$x; done";
    let bundle = bundles.bundle("oom", &["sh", "-c", &format!("sh -c '{script}'; sleep 600")], |spec| {
        spec["linux"]["cgroupsPath"] = json!(format!("/{id}"));
        spec["linux"]["resources"]["memory"] = json!({ "limit": 16 << 20, "swap": 16 << 20 });
    });
    bundles.start("oom", &bundle);
    let followed = bundles.command(&["events", "--interval", "1h", &id]).spawn();
    eventually("it watches", || {
        let fds = fs::read_dir(format!("/proc/{}/fd", followed.pid())).unwrap().flatten();
        fds.filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|fd| ["anon_inode:[eventfd]", "anon_inode:inotify"].contains(&fd.to_str().unwrap()))
    });
    fs::write(bundles.rootfs().join("tmp/go"), "").unwrap();
    followed.wait_for("oom");
    bundles.run(&["kill", &id, "KILL"]).ok();
    let followed = followed.wait().ok();
    let event: Value = serde_json::from_str(followed.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(event, json!({ "type": "oom", "id": id }));
}
