//! Logs: both forms, rotated and compressed while they are read, full disks, readers that do not read.

use std::fs;
use std::io::Read;
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tests::{Engine, eventually, rounds};

fn busybox() -> (Engine, String) {
    let engine = Engine::new();
    let image = engine.image("busybox");
    (engine, image)
}

/// Options of a log of small files that keeps everything.
fn small(driver: &str) -> Vec<&str> {
    let bounded = ["--log-opt", "max-size=20k", "--log-opt", "max-file=200"];
    [&["--log-driver", driver][..], &bounded, &["--log-opt", "compress=true"]].concat()
}

/// Asserts numbered lines from 0, none missing and none doubled.
#[track_caller]
fn assert_numbers(text: &str, count: usize) {
    let found: Vec<&str> = text.lines().collect();
    let expected: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    if found != expected {
        let wrong = found.iter().zip(&expected).position(|(a, b)| a != b).unwrap_or(found.len().min(count));
        panic!(
            "{} lines, wrong from {wrong}: {:?}",
            found.len(),
            found.get(wrong.saturating_sub(2)..wrong + 3)
        );
    }
}

#[test]
fn everything_is_read_over_rotation_and_compression() {
    let (engine, image) = busybox();
    for driver in ["local", "json-file"] {
        for _ in 0..rounds(1, 50) {
            let script = "i=0; while [ $i -lt 8000 ]; do echo $i; i=$((i+1)); done; sleep 600";
            let options = small(driver);
            let words =
                [&["run", "-d", "--name", "box"], &options[..], &[&image, "sh", "-c", script]].concat();
            let id = engine.run(&words).ok().text().to_owned();
            let following = engine.command(&["logs", "-f", "box"]).spawn();
            following.wait_for("7999\n");
            assert_numbers(&engine.run(&["logs", "box"]).ok().stdout, 8000);
            engine.run(&["logs", "--tail", "2", "box"]).ok().prints("7998\n7999");
            engine.run(&["rm", "-f", "box"]).ok();
            assert_numbers(&following.wait().ok().stdout, 8000);
            drop(id);
        }
    }
}

#[test]
fn older_files_are_compressed() {
    let (engine, image) = busybox();
    let script = "i=0; while [ $i -lt 4000 ]; do echo $i; i=$((i+1)); done; sleep 1; echo end";
    let words = [&["run", "--name", "box"], &small("local")[..], &[&image, "sh", "-c", script]].concat();
    engine.run(&words).ok();
    let id = engine.run(&["ps", "-aq", "--no-trunc"]).ok().text().to_owned();
    let directory = engine.root().join("containers").join(&id);
    let names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("log.") && name.ends_with(".gz")), "{names:?}");
    assert_eq!(engine.run(&["logs", "box"]).ok().stdout.lines().count(), 4001);
}

#[test]
fn json_files_lie_where_docker_has_them_and_bear_attributes() {
    let (engine, image) = busybox();
    let options = ["--log-driver", "json-file", "--log-opt", "labels=tier", "--log-opt", "env=WHO,NOT"];
    let named = ["--name", "box", "--label", "tier=front", "-e", "WHO=me"];
    let script = "echo out; echo err >&2; printf begun";
    engine.run(&[&["run"], &options[..], &named, &[&image, "sh", "-c", script]].concat()).ok();
    let path = engine.inspect("box", "{{.LogPath}}");
    assert!(path.ends_with(&format!("{0}/{0}-json.log", engine.inspect("box", "{{.Id}}"))), "{path}");
    let text = fs::read_to_string(&path).unwrap();
    let records: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 3, "{text}");
    assert!(
        records.iter().all(|record| record["attrs"]["tier"] == "front" && record["attrs"]["WHO"] == "me")
    );
    let err = records.iter().find(|record| record["stream"] == "stderr").expect("one of them");
    assert_eq!(err["log"], "err\n");
    engine.run(&["logs", "--details", "--tail", "1", "box"]).ok().stdout_has("WHO=me,tier=front ");
    assert_eq!(engine.inspect("box", "{{.HostConfig.LogConfig.Type}}"), "json-file");
    assert_eq!(engine.inspect("box", "{{.HostConfig.LogConfig.Config.labels}}"), "tier");
    let first = records[0]["time"].as_str().unwrap();
    engine.run(&["logs", "--until", "2001-01-01T00:00:00Z", "box"]).ok().prints("");
    engine.run(&["logs", "--since", first, "box"]).ok().stdout_has("begun");
}

#[test]
fn a_reader_that_does_not_read_holds_up_only_who_lets_it() {
    let (engine, image) = busybox();
    // More than the sockets and pipes in between hold.
    let script =
        "i=0; while [ $i -lt 60000 ]; do echo $i is a line of some length; i=$((i+1)); done; echo end >&2";
    for mode in ["blocking", "non-blocking"] {
        let option = format!("mode={mode}");
        let words = ["run", "--name", "box", "--log-opt", &option, &image, "sh", "-c", script];
        let (mut reader, writer) = std::io::pipe().unwrap();
        // The builder of the command goes at once, and its copy of the pipe with it.
        let mut caller = std::process::Command::new(engine.binary())
            .args(words)
            .env("CORACLE_ROOT", engine.root())
            .env("CORACLE_RUN_ROOT", engine.run_root())
            .stdout(writer)
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let ended = || engine.run(&["logs", "box"]).stderr.contains("end");
        match mode {
            "blocking" => {
                std::thread::sleep(Duration::from_secs(2));
                assert!(!ended(), "it waits for its reader");
                let mut all = String::new();
                reader.read_to_string(&mut all).unwrap();
                assert_eq!(all.lines().count(), 60_000, "and loses nothing");
                assert_eq!(engine.inspect("box", "{{.State.Dropped.ClientBytes}}"), "0");
            }
            _ => {
                eventually("it does not wait", ended);
                // The two streams have no order between them.
                let lines = || engine.run(&["logs", "box"]).ok().stdout.lines().count();
                eventually("the log has all", || lines() == 60_000);
                let dropped: u64 = engine.inspect("box", "{{.State.Dropped.ClientBytes}}").parse().unwrap();
                assert!(dropped > 0);
                drop(reader);
            }
        }
        caller.wait().unwrap();
        eventually("it has ended", || engine.inspect("box", "{{.State.Status}}") == "exited");
        engine.run(&["rm", "box"]).ok();
    }
}

#[test]
fn a_full_disk_costs_records_that_are_counted_and_nobody_waits() {
    let engine = Engine::new();
    fs::create_dir(engine.root()).unwrap();
    mount("small", engine.root(), "tmpfs", MountFlags::empty(), Some(c"size=12m")).unwrap();
    let image = engine.image("busybox");
    let script =
        "trap exit TERM; i=0; while :; do echo $i; i=$((i+1)); [ $((i%100)) = 0 ] && usleep 10000; done";
    for driver in ["local", "json-file"] {
        engine.run(&["run", "-d", "--name", "box", "--log-driver", driver, &image, "sh", "-c", script]).ok();
        let filler = engine.root().join("filler");
        {
            let mut file = &fs::File::create(&filler).unwrap();
            while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
        }
        let dropped = || engine.inspect("box", "{{.State.Dropped.LogRecords}}").parse::<u64>().unwrap();
        eventually("records are missing", || dropped() > 0);
        let output = engine.run(&["logs", "--tail", "1", "box"]).ok();
        output.stderr_has("could not be written");
        fs::remove_file(&filler).unwrap();
        let last = || engine.run(&["logs", "--tail", "1", "box"]).ok().text().parse::<u64>().unwrap_or(0);
        let then = last();
        eventually("it is written again", || last() > then + 1000);
        // What is there is whole: numbers that grow.
        let log = engine.run(&["logs", "box"]).ok().stdout;
        let numbers: Vec<u64> = log.lines().map(|line| line.parse().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
        engine.run(&["rm", "-f", "box"]).ok();
    }
    engine.audit();
    engine.run(&["network", "prune", "-f"]).ok();
    unmount(engine.root(), UnmountFlags::DETACH).unwrap();
}
