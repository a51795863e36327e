//! What wears out: containers that come and go by the thousand leave nothing, and one that writes without end costs no
//! memory, whoever reads it or does not.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tests::{Engine, Leftovers, eventually, rounds};

/// What an engine has on the machine: files and their bytes, mounts, processes, groups.
#[derive(Debug, PartialEq, Eq)]
struct Census {
    lasting: usize,
    passing: usize,
    groups: usize,
    leftovers: String,
}

impl Census {
    fn take(engine: &Engine) -> Self {
        let base = engine.root().parent().unwrap().to_owned();
        let directories = |path: &Path| walk(path).filter(|(meta, _)| meta.is_dir()).count();
        Self {
            lasting: walk(&engine.root()).count(),
            passing: walk(&engine.run_root()).count(),
            groups: directories(Path::new("/sys/fs/cgroup/unified/coracle"))
                + directories(Path::new("/sys/fs/cgroup/memory/coracle")),
            leftovers: Leftovers::find(&base, &[]).to_string(),
        }
    }
}

/// Everything below a directory, and how large it is.
fn walk(path: &Path) -> Box<dyn Iterator<Item = (fs::Metadata, String)>> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    Box::new(entries.flat_map(|entry| {
        let meta = fs::symlink_metadata(entry.path()).ok();
        let below: Box<dyn Iterator<Item = _>> = match &meta {
            Some(meta) if meta.is_dir() => walk(&entry.path()),
            _ => Box::new(std::iter::empty()),
        };
        meta.map(|meta| (meta, entry.path().display().to_string())).into_iter().chain(below)
    }))
}

#[test]
fn containers_that_come_and_go_leave_nothing() {
    let lan = tests::Lan::new();
    let engine = Engine::within(&lan.host);
    let image = engine.image("busybox");
    let run = || {
        let begin = Instant::now();
        engine.run(&["run", "--rm", "-p", "8080:80", &image, "true"]).ok();
        begin.elapsed()
    };
    // The first ones make what stays: the network, its bridge, caches.
    (0..10).for_each(|_| {
        run();
    });
    // Groups of others come and go meanwhile: counted only where nobody else makes any.
    let is_alone = std::env::var_os("CORACLE_SOAK").is_some();
    let census = || {
        let census = Census::take(&engine);
        Census { groups: if is_alone { census.groups } else { 0 }, ..census }
    };
    // The last supervisor may still be on its way out.
    eventually("all have ended", || census().leftovers.is_empty());
    let before = census();
    let mut times: Vec<Duration> = (0..rounds(60, 10_000)).map(|_| run()).collect();
    eventually("all have ended", || census().leftovers.is_empty());
    assert_eq!(census(), before);
    let bytes: u64 = walk(&engine.run_root()).map(|(meta, _)| meta.blocks() * 512).sum();
    assert!(bytes < 4 << 20, "{bytes} bytes of memory for nobody");
    let tenth = times.len() / 10;
    let median = |times: &mut [Duration]| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let last = times.len() - tenth;
    let (first, last) = (median(&mut times[..tenth]), median(&mut times[last..]));
    eprintln!("the first tenth took {first:?} each, the last {last:?}");
}

/// Kilobytes of memory that are a process's alone.
fn private(pid: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("Private_"));
    lines.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn a_writer_at_full_speed_costs_no_memory_whoever_reads_it_or_does_not() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    for driver in ["local", "json-file"] {
        let words = ["run", "-d", "--name", "box", "--log-driver", driver, "--log-opt", "max-size=1m"];
        let id =
            engine.run(&[&words[..], &[&image, "yes", "a line that is written without end"]].concat()).ok();
        let status = engine.run_root().join("containers").join(id.text()).join("status");
        let status: serde_json::Value = serde_json::from_slice(&fs::read(status).unwrap()).unwrap();
        let supervisor = status["supervisor"].to_string();
        // One that follows and is stopped, one that follows and reads, one that is attached and is stopped.
        let stuck = engine.command(&["logs", "-f", "box"]).timeout(Duration::from_secs(600)).spawn();
        let reader =
            engine.command(&["logs", "-f", "--tail", "0", "box"]).timeout(Duration::from_secs(600)).spawn();
        let pid = Pid::from_raw(stuck.pid() as i32).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        let written = || -> u64 {
            let io = fs::read_to_string(format!("/proc/{supervisor}/io")).unwrap();
            io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
        };
        let start = written();
        eventually("it writes", || written() > start + (8 << 20));
        let before = private(&supervisor);
        let span = Duration::from_millis(rounds(1500, 8_000) as u64);
        let (begin, from) = (Instant::now(), written());
        let mut most = 0;
        while begin.elapsed() < span {
            most = most.max(private(&supervisor));
            std::thread::sleep(Duration::from_millis(20));
        }
        let megabytes = (written() - from) >> 20;
        assert!(megabytes > 4, "only {megabytes} MiB were written: somebody holds it up");
        assert!(most < before + 2048, "{driver}: from {before} to {most} KiB after {megabytes} MiB");
        // Two files of a megabyte at most, and what is being rotated.
        let log: u64 =
            walk(&engine.root().join("containers").join(id.text())).map(|(meta, _)| meta.size()).sum();
        assert!(log < 8 << 20, "{driver}: a log of {log} bytes");
        kill_process(pid, Signal::CONT).unwrap();
        engine.run(&["rm", "-f", "box"]).ok();
        for follower in [stuck, reader] {
            let output = follower.wait().ok();
            // The very last one may have been cut by the writer's own death.
            let whole = output.stdout.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let torn = whole.lines().find(|line| *line != "a line that is written without end");
            assert_eq!(torn, None, "{driver}: a torn line");
        }
    }
    engine.audit();
}
