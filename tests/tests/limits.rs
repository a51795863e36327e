//! Limits of a container: seen in its cgroup, felt by its processes, missing with a word.

use std::fs;
use std::path::{Path, PathBuf};

use tests::{Engine, Output};

#[track_caller]
fn run(engine: &Engine, flags: &[&str], script: &str) -> Output {
    let image = engine.image("busybox");
    engine.run(&[&["run", "--rm"], flags, &[image.as_str(), "sh", "-c", script]].concat())
}

/// Whether the controllers lie in hierarchies of their own, as in cgroup v1.
fn is_v1() -> bool {
    Path::new("/sys/fs/cgroup/memory").is_dir()
}

/// Prints files of the container's own group, one line each: by controller and name, or by name.
fn show(v1: &[&str], v2: &[&str]) -> String {
    let files = if is_v1() { v1 } else { v2 };
    let cat = files.iter().map(|file| format!("cat /sys/fs/cgroup/{file};"));
    cat.collect()
}

#[test]
fn memory_cpu_and_process_limits_stand_in_the_group() {
    let engine = Engine::new();
    let flags = [
        "-m",
        "64m",
        "--memory-reservation",
        "32m",
        "--memory-swap",
        "96m",
        "--cpu-shares",
        "512",
        "--cpus",
        "0.5",
        "--cpuset-cpus",
        "0",
        "--pids-limit",
        "50",
    ];
    let v1 = [
        "memory/memory.limit_in_bytes",
        "memory/memory.soft_limit_in_bytes",
        "cpu/cpu.shares",
        "cpu/cpu.cfs_quota_us",
        "cpu/cpu.cfs_period_us",
        "cpuset/cpuset.cpus",
        "pids/pids.max",
    ];
    let v2 = ["memory.max", "memory.low", "cpu.weight", "cpu.max", "cpuset.cpus", "pids.max"];
    let expected = if is_v1() {
        "67108864\n33554432\n512\n50000\n100000\n0\n50"
    } else {
        "67108864\n33554432\n59\n50000 100000\n0\n50"
    };
    run(&engine, &flags, &show(&v1, &v2)).ok().prints(expected);
    run(&engine, &["--cpu-quota", "20000", "--cpu-period", "40000"], &show(&v1[3..5], &v2[3..4]))
        .ok()
        .prints(if is_v1() { "20000\n40000" } else { "20000 40000" });
    // By default no limit but that of processes, which a fork bomb meets.
    let default = run(&engine, &[], &show(&[v1[2], v1[3], v1[6]], &[v2[2], v2[3], v2[5]])).ok();
    let expected = if is_v1() { "1024\n-1\n4096" } else { "100\nmax 100000\n4096" };
    let default = default.prints(expected);
    assert!(default.stderr.is_empty(), "{default}");
    // What is asked is what is told.
    let image = engine.image("busybox");
    engine.run(&[&["create", "--name", "asked"], &flags[..], &[&image, "true"]].concat()).ok();
    let asked = &engine.run(&["inspect", "asked"]).ok().json()[0]["HostConfig"];
    for (field, value) in [
        ("Memory", 67_108_864),
        ("MemorySwap", 100_663_296),
        ("CpuShares", 512),
        ("NanoCpus", 500_000_000),
        ("PidsLimit", 50),
    ] {
        assert_eq!(asked[field], value, "{field}");
    }
}

#[test]
fn processes_are_bounded_and_the_container_sees_its_own_group_alone() {
    let engine = Engine::new();
    // The shell is the first of ten.
    let fork = "i=0; while [ $i -lt 30 ]; do sleep 100 & i=$((i+1)); done; echo never";
    run(&engine, &["--pids-limit", "10"], fork).stdout_lacks("never").stderr_has("can't fork");
    run(&engine, &["--pids-limit", "-1"], "for i in 1 2 3 4 5 6 7 8; do true & done; wait; echo all")
        .ok()
        .prints("all");
    // Its paths end at its own group, and nothing of it can be written, not even by a strong container.
    let look = "cut -d: -f3 /proc/self/cgroup | sort -u; ls /sys/fs/cgroup | grep -c .; find /sys/fs/cgroup -name release_agent | head -n 1;
        for at in $(find /sys/fs/cgroup -name cgroup.procs -o -name release_agent -o -name devices.allow); do { echo 0 > $at; } 2>/dev/null && echo wrote $at; done; true";
    for flags in [&[][..], &["--cap-add", "ALL", "--security-opt", "seccomp=unconfined"]] {
        let seen = run(&engine, flags, look).ok().stdout_lacks("wrote").stdout_lacks("release_agent");
        assert!(seen.stdout.starts_with("/\n"), "{seen}");
        assert!(!seen.stdout.contains("coracle"), "{seen}");
    }
    // CVE-2022-0492: a hierarchy mounted anew is no way to a release agent.
    let mount = "mkdir /m; mount -t cgroup -o memory m /m && { echo x > /m/release_agent; } 2>/dev/null && echo wrote; true";
    run(&engine, &["--cap-add", "SYS_ADMIN"], mount).ok().prints("");
}

#[test]
fn too_much_memory_is_a_kill_that_is_told() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    // tail keeps what has no line end in memory.
    let eat = ["run", "--name", "eater", "-m", "16m", "--memory-swap", "16m", &image, "tail", "/dev/zero"];
    engine.run(&eat).fails_with(137);
    let state = &engine.run(&["inspect", "eater"]).ok().json()[0]["State"];
    assert_eq!((&state["OOMKilled"], &state["ExitCode"]), (&true.into(), &137.into()));
    // A kill by hand is none of memory.
    engine.run(&["run", "-d", "--name", "idle", "-m", "16m", &image, "sleep", "1000"]).ok();
    engine.run(&["kill", "idle"]).ok();
    engine.run(&["wait", "idle"]).ok().prints("137");
    assert_eq!(engine.run(&["inspect", "idle"]).ok().json()[0]["State"]["OOMKilled"], false);
}

#[test]
fn limits_that_make_no_sense_are_refused_by_name() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let table: [(&[&str], &str); 11] = [
        (&["-m", "1k"], "memory"),
        (&["-m", "much"], "much"),
        (&["--memory-swap", "1g"], "Memory"),
        (&["-m", "64m", "--memory-swap", "32m"], "swap"),
        (&["--cpus", "1000"], "cpus"),
        (&["--cpus", "1", "--cpu-quota", "5000"], "CPU Quota"),
        (&["--cpuset-cpus", "900"], "900"),
        (&["--blkio-weight", "5"], "5"),
        (&["--device", "/dev/absent"], "/dev/absent"),
        (&["--device-cgroup-rule", "x 1:1 rwm"], "x 1:1"),
        (&["--ulimit", "fish=1"], "fish"),
    ];
    for (flags, name) in table {
        engine
            .run(&[&["run", "--rm"], flags, &[&image, "true"]].concat())
            .fails_with(125)
            .error_names(&[name]);
    }
    assert!(engine.containers().is_empty());
}

#[test]
fn devices_are_given_one_by_one_and_by_rule() {
    let engine = Engine::new();
    let use_it = "{ echo '<7>x' > /dev/other; } 2>/dev/null && echo wrote; stat -c '%t:%T %u' /dev/kmsg";
    // Access is that of the rule: what may be read may not be written.
    run(
        &engine,
        &["--device", "/dev/full:/dev/kmsg:r", "--device", "/dev/full:/dev/other:r"],
        "head -c 2 /dev/kmsg | wc -c",
    )
    .ok()
    .prints("2");
    let host = run(
        &engine,
        &["--userns", "host", "--device", "/dev/kmsg:/dev/kmsg:r", "--device", "/dev/kmsg:/dev/other:r"],
        use_it,
    );
    host.ok().prints("1:b 0");
    let make = "mknod /zero c 1 5; mknod /ram b 1 0; head -c 3 /zero | wc -c; head -c 1 /ram 2>&1 | grep -c permitted";
    run(&engine, &["--userns", "host", "--cap-add", "MKNOD"], make).ok().prints("3\n1");
    // A rule lets a device of that number be made and used later; none is made by it.
    let rule = "mknod /ram b 1 0 && { head -c 1 /ram 2>&1 | grep -c permitted; }; ls /dev | grep -c ram";
    run(&engine, &["--userns", "host", "--device-cgroup-rule", "b 1:* rwm"], rule)
        .fails_with(1)
        .prints("0\n0");
}

#[test]
fn rates_of_a_disk_stand_in_the_group() {
    let engine = Engine::new();
    let Some(disk) = disk() else { return };
    let numbers = {
        use std::os::unix::fs::MetadataExt;
        let device = fs::metadata(&disk).unwrap().rdev();
        format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device))
    };
    let disk = disk.display().to_string();
    let flags = [format!("{disk}:1mb"), format!("{disk}:2mb"), format!("{disk}:300"), format!("{disk}:400")];
    let flags = [
        "--device-read-bps",
        &flags[0],
        "--device-write-bps",
        &flags[1],
        "--device-read-iops",
        &flags[2],
        "--device-write-iops",
        &flags[3],
    ];
    let v1 = ["read_bps", "write_bps", "read_iops", "write_iops"]
        .map(|name| format!("blkio/blkio.throttle.{name}_device"));
    let output = run(&engine, &flags, &show(&v1.each_ref().map(String::as_str), &["io.max"])).ok();
    if is_v1() {
        output.prints(&format!("{numbers} 1048576\n{numbers} 2097152\n{numbers} 300\n{numbers} 400"));
    } else {
        output.prints(&format!("{numbers} rbps=1048576 wbps=2097152 riops=300 wiops=400"));
    }
    // A weight needs a scheduler that knows it; where the kernel has none, that is said.
    let weight = run(
        &engine,
        &["--blkio-weight", "300"],
        "cat /sys/fs/cgroup/blkio/blkio*.weight /sys/fs/cgroup/io.*weight 2>/dev/null; true",
    )
    .ok();
    // A scheduler of v2 without weights of its own is given the kernel's, of 1 to 10,000.
    let told = ["300", "2930"].iter().any(|number| weight.stdout.contains(number));
    assert!(told || weight.stderr.contains("weight"), "{weight}");
    let image = engine.image("busybox");
    engine
        .run(&["run", "--rm", "--device-read-bps", "/dev/null:1mb", &image, "true"])
        .fails_with(125)
        .error_names(&["/dev/null"]);
}

/// A whole disk of this machine.
fn disk() -> Option<PathBuf> {
    let disks =
        fs::read_dir("/sys/block").ok()?.flatten().map(|entry| Path::new("/dev").join(entry.file_name()));
    let mut disks: Vec<PathBuf> = disks.filter(|path| path.exists()).collect();
    disks.sort();
    disks.into_iter().find(|disk| !disk.starts_with("/dev/ram"))
}

#[test]
fn a_parent_group_is_made_and_kept_and_its_limits_hold() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let parent = format!("/coracle-test-{}", std::process::id());
    let in_host = |below: &str| {
        let root = if is_v1() { "/sys/fs/cgroup/pids" } else { "/sys/fs/cgroup" };
        PathBuf::from(format!("{root}{parent}{below}"))
    };
    engine.run(&["run", "-d", "--name", "idle", "--cgroup-parent", &parent, &image, "sleep", "1000"]).ok();
    let id = engine.containers().remove(0);
    let procs = fs::read_to_string(in_host(&format!("/{id}/cgroup.procs"))).unwrap();
    let pid = engine.run(&["inspect", "idle"]).ok().json()[0]["State"]["Pid"].to_string();
    assert!(procs.lines().any(|line| line == pid), "{procs}");
    engine.run(&["rm", "-f", "idle"]).ok();
    assert!(!in_host(&format!("/{id}")).exists());
    // The parent is the caller's: left as it is, in every hierarchy.
    for root in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        fs::remove_dir(root.path().join(&parent[1..])).ok();
    }
    fs::remove_dir(Path::new("/sys/fs/cgroup").join(&parent[1..])).ok();
    assert!(!in_host("").exists());
    engine
        .run(&["run", "--rm", "--cgroup-parent", "/../escape", &image, "true"])
        .fails_with(125)
        .error_names(&["/../escape"]);
}

#[test]
fn without_a_writable_group_a_container_runs_and_says_what_it_lacks() {
    let engine = Engine::new();
    engine.image("busybox");
    let binary = engine.binary().to_str().unwrap();
    let script = "for at in $(grep -E ' cgroup2? ' /proc/self/mounts | cut -d' ' -f2); do mount -o remount,bind,ro $at; done; exec \"$@\"";
    let read_only = |words: &[&str]| {
        let all =
            [&["-m", "--propagation", "private", "sh", "-ec", script, "sh", binary][..], words].concat();
        engine.command_as(Path::new("/usr/bin/unshare"), &all).run()
    };
    let plain = read_only(&["run", "--rm", "busybox", "echo", "works"]).ok().prints("works");
    assert!(
        plain.stderr.lines().count() == 1 && plain.stderr.contains("cgroup"),
        "one clear warning: {plain}"
    );
    // With limits too: they are named as what does not hold.
    read_only(&["run", "--rm", "-m", "64m", "--pids-limit", "5", "busybox", "echo", "works"])
        .ok()
        .prints("works")
        .stderr_has("limit");
}
