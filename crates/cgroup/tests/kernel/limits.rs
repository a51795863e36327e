//! Every limit of v1 is written and read back; the important ones of both versions are felt.

use std::os::fd::AsFd;

use cgroup::Error;
use oci::runtime::{
    BlockIo, Cpu, DeviceRule, HugepageLimit, Memory, NetworkResources, Pids, Rdma, Resources, ThrottleDevice,
};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::{Parent, Script, eventually, read};

pub(crate) const MIB: i64 = 1 << 20;

pub(crate) fn memory(limit: i64, swap: i64) -> Resources {
    let memory = Memory { limit: Some(limit), swap: Some(swap), ..Memory::default() };
    Resources { memory: Some(memory), ..Resources::default() }
}

#[test]
fn memory_and_swap_are_raised_and_lowered_in_any_order() {
    let Some(parent) = Parent::of_v1() else { return };
    let group = parent.group("web");
    let unlimited = "9223372036854771712";
    let table = [
        (64 * MIB, 128 * MIB),
        (256 * MIB, 512 * MIB),
        (32 * MIB, 32 * MIB),
        (600 * MIB, 600 * MIB),
        (16 * MIB, -1),
        (-1, -1),
        (8 * MIB, 16 * MIB),
    ];
    for (limit, swap) in table {
        assert_eq!(group.apply(&memory(limit, swap)).unwrap(), [], "{limit} {swap}");
        let shown = |value: i64| if value < 0 { unlimited.to_owned() } else { value.to_string() };
        assert_eq!(read("memory", &group, "memory.limit_in_bytes"), shown(limit));
        assert_eq!(read("memory", &group, "memory.memsw.limit_in_bytes"), shown(swap));
    }
    let alone = Memory { limit: Some(32 * MIB), ..Memory::default() };
    let error = group.apply(&Resources { memory: Some(alone), ..Resources::default() }).unwrap_err();
    assert!(error.hint().unwrap().contains("memory plus swap is limited to 16777216"), "{error}");
}

#[test]
fn other_memory_limits_are_read_back() {
    let Some(parent) = Parent::of_v1() else { return };
    let group = parent.group("web");
    let memory = Memory {
        reservation: Some(8 * MIB),
        kernel_tcp: Some(4 * MIB),
        swappiness: Some(10),
        disable_oom_killer: Some(true),
        ..Memory::default()
    };
    assert_eq!(group.apply(&Resources { memory: Some(memory), ..Resources::default() }).unwrap(), []);
    let file = |name| read("memory", &group, name);
    assert_eq!(file("memory.soft_limit_in_bytes"), (8 * MIB).to_string());
    assert_eq!(file("memory.kmem.tcp.limit_in_bytes"), (4 * MIB).to_string());
    assert_eq!(file("memory.swappiness"), "10");
    assert!(file("memory.oom_control").starts_with("oom_kill_disable 1"));
}

/// Something of all that can be said of processors at once.
pub(crate) fn processors() -> Cpu {
    Cpu {
        shares: Some(512),
        quota: Some(150_000),
        period: Some(50_000),
        burst: Some(20_000),
        cpus: Some("0".to_owned()),
        mems: Some("0".to_owned()),
        ..Cpu::default()
    }
}

#[test]
fn processor_limits_are_read_back() {
    let Some(parent) = Parent::of_v1() else { return };
    let group = parent.group("web");
    let set = |cpu: Cpu| group.apply(&Resources { cpu: Some(cpu), ..Resources::default() });
    let file = |name| read("cpu", &group, name);
    assert_eq!(set(processors()).unwrap(), []);
    assert_eq!(file("cpu.shares"), "512");
    assert_eq!(
        (file("cpu.cfs_quota_us"), file("cpu.cfs_period_us")),
        ("150000".to_owned(), "50000".to_owned())
    );
    assert_eq!(file("cpu.cfs_burst_us"), "20000");
    assert_eq!(read("cpuset", &group, "cpuset.cpus"), "0");

    // Below the burst that is set: the kernel takes the quota only after the smaller burst.
    assert_eq!(set(Cpu { quota: Some(10_000), burst: Some(5_000), ..Cpu::default() }).unwrap(), []);
    assert_eq!((file("cpu.cfs_quota_us"), file("cpu.cfs_burst_us")), ("10000".to_owned(), "5000".to_owned()));
    assert_eq!(set(Cpu { burst: Some(0), quota: Some(-1), ..Cpu::default() }).unwrap(), []);
    assert_eq!(file("cpu.cfs_quota_us"), "-1");

    assert_eq!(set(Cpu { idle: Some(1), ..Cpu::default() }).unwrap(), []);
    assert_eq!(file("cpu.idle"), "1");
    assert_eq!(set(Cpu { idle: Some(0), shares: Some(1024), ..Cpu::default() }).unwrap(), []);
    assert_eq!((file("cpu.idle"), file("cpu.shares")), ("0".to_owned(), "1024".to_owned()));

    let error = set(Cpu { cpus: Some("0-4095".to_owned()), ..Cpu::default() }).unwrap_err();
    assert!(error.hint().unwrap().starts_with("the parent group has 0"), "{error} {:?}", error.hint());
}

#[test]
fn real_time_runtime_needs_room_in_the_parent() {
    let Some(parent) = Parent::of_v1() else { return };
    let group = parent.group("web");
    let cpu = Cpu { realtime_period: Some(500_000), realtime_runtime: Some(1000), ..Cpu::default() };
    // The parent has none to give, which is the kernel's answer and must not be lost.
    match group.apply(&Resources { cpu: Some(cpu), ..Resources::default() }) {
        Err(Error::Write { limit, .. }) => assert_eq!(limit, "CPU real-time runtime"),
        other => panic!("{other:?}"),
    }
    assert_eq!(read("cpu", &group, "cpu.rt_period_us"), "500000");
}

#[test]
fn block_limits_are_read_back() {
    let Some((major, minor)) = some_disk() else { return };
    let Some(parent) = Parent::of_v1() else { return };
    let group = parent.group("web");
    let rate = |rate| vec![ThrottleDevice { major, minor, rate }];
    let io = BlockIo {
        weight: Some(300),
        leaf_weight: Some(20),
        throttle_read_bps_device: rate(1_000_000),
        throttle_write_bps_device: rate(2_000_000),
        throttle_read_iops_device: rate(300),
        throttle_write_iops_device: rate(400),
        ..BlockIo::default()
    };
    let warnings = group.apply(&Resources { block_io: Some(io), ..Resources::default() }).unwrap();
    let told: Vec<&str> = warnings.iter().map(|warning| warning.limit.as_str()).collect();
    assert_eq!(told, ["IO leaf weight"], "the kernel dropped it in 5.0");
    assert_eq!(read("blkio", &group, "blkio.bfq.weight"), "300");
    for (file, rate) in
        [("read_bps", 1_000_000), ("write_bps", 2_000_000), ("read_iops", 300), ("write_iops", 400)]
    {
        let file = format!("blkio.throttle.{file}_device");
        assert_eq!(read("blkio", &group, &file), format!("{major}:{minor} {rate}"));
    }
    let io = BlockIo {
        throttle_read_bps_device: vec![ThrottleDevice { major: 4000, minor: 9, rate: 1 }],
        ..BlockIo::default()
    };
    let error = group.apply(&Resources { block_io: Some(io), ..Resources::default() }).unwrap_err();
    assert!(error.hint().unwrap().starts_with("there is no such block device"), "{error}");
}

/// Returns the number of a whole disk of this machine.
#[expect(clippy::disallowed_methods, reason = "the plain look from outside")]
pub(crate) fn some_disk() -> Option<(i64, i64)> {
    std::fs::read_dir("/sys/block").ok()?.filter_map(Result::ok).find_map(|entry| {
        let text = std::fs::read_to_string(entry.path().join("dev")).ok()?;
        let (major, minor) = text.trim().split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}

#[test]
fn controllers_that_are_not_there_are_named() {
    let Some(parent) = Parent::of_v1() else { return };
    let group = parent.group_in(&parent.v1(), "web");
    let limits = Resources {
        hugepage_limits: vec![HugepageLimit { page_size: "2MB".to_owned(), limit: 0 }],
        network: Some(NetworkResources { class_id: Some(1), priorities: Vec::new() }),
        rdma: [("mlx5_0".to_owned(), Rdma { hca_handles: Some(1), hca_objects: Some(2) })].into(),
        ..Resources::default()
    };
    let told: Vec<String> = group.apply(&limits).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "huge page limit is not in force: the `hugetlb` controller is not available; \
             mount or delegate the controller, or leave the limit out",
            "network class is not in force: the `net_cls` controller is not available; \
             mount the cgroup v1 hierarchy of that controller",
            "RDMA limit is not in force: the `rdma` controller is not available; \
             mount or delegate the controller, or leave the limit out",
        ]
    );
    let unified =
        Resources { unified: [("memory.high".to_owned(), "1".to_owned())].into(), ..Resources::default() };
    let error = group.apply(&unified).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid unified resource `memory.high`: it needs a machine with cgroup v2 alone"
    );
}

#[test]
fn v2_controller_beside_v1_is_enabled_when_a_limit_needs_it() {
    let Some(parent) = Parent::of_v1() else { return };
    let root = "/sys/fs/cgroup/unified/cgroup.subtree_control";
    let group = parent.group("web");
    let limits = Resources {
        hugepage_limits: vec![HugepageLimit { page_size: "2MB".to_owned(), limit: 4 << 20 }],
        ..Resources::default()
    };
    assert_eq!(group.apply(&limits).unwrap(), []);
    assert_eq!(read("unified", &group, "hugetlb.2MB.max"), (4 << 20).to_string());
    assert_eq!(read("unified", &group, "hugetlb.2MB.rsvd.max"), (4 << 20).to_string());
    drop(group);
    drop(parent);
    #[expect(clippy::disallowed_methods, reason = "leaves the machine as it was")]
    std::fs::write(root, "-hugetlb").unwrap();
}

#[test]
fn unified_keys_are_written_on_v2_beside_v1() {
    let Some(parent) = Parent::of_v1() else { return };
    let group = parent.group_in(&parent.v2(), "web");
    let set = |key: &str, value: &str| {
        let unified = [(key.to_owned(), value.to_owned())].into();
        group.apply(&Resources { unified, ..Resources::default() })
    };
    assert_eq!(set("cgroup.max.depth", "3").unwrap(), []);
    assert_eq!(read("unified", &group, "cgroup.max.depth"), "3");
    let warnings = set("memory.high", "1000").unwrap();
    assert_eq!(warnings[0].reason, "this kernel offers no `memory.high`");
    assert!(matches!(set("cgroup.max.depth", "many"), Err(Error::Write { .. })));
}

#[test]
fn fork_bomb_stays_below_the_process_limit() {
    let parent = Parent::new();
    let group = parent.group("web");
    group.apply(&Resources { pids: Some(Pids { limit: 40 }), ..Resources::default() }).unwrap();
    assert_eq!(read("pids", &group, "pids.max"), "40");
    let mut bomb = Script::new("b() { b | b & }; b; sleep 100");
    group.attach(bomb.pid()).unwrap();
    bomb.go();
    eventually("the limit is hit", || !read("pids", &group, "pids.events").ends_with(" 0"));
    let pids = group.stats().unwrap().pids.unwrap();
    assert!(pids.current <= 40 && pids.limit == Some(40), "{pids:?}");
    group.kill(rustix::process::Signal::KILL).unwrap();
    group.destroy().unwrap();
    assert!(!group.exists());
}

#[test]
fn memory_hog_is_killed_and_counted() {
    let parent = Parent::new();
    let group = parent.group("web");
    assert_eq!(group.apply(&memory(24 * MIB, 48 * MIB)).unwrap(), []);
    assert_eq!(group.oom_count().unwrap(), 0);
    let mut hog = Script::new("exec tail /dev/zero");
    group.attach(hog.pid()).unwrap();
    hog.go();
    let status = hog.into_child().wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    assert_eq!(group.oom_count().unwrap(), 1);
    let memory = group.stats().unwrap().memory.unwrap();
    assert_eq!((memory.limit, memory.swap_limit, memory.oom_kills), (Some(24 << 20), Some(24 << 20), 1));
    // Only since Linux 5.19 does v2 keep the highest usage.
    assert!(memory.peak.is_none_or(|peak| peak >= 20 << 20) && memory.limit_hits > 0, "{memory:?}");
}

/// Makes the nodes of /dev/null, zero and full, and a script that tries to open each for reading and writing.
fn device_tries() -> (tempfile::TempDir, Script) {
    let folder = tempfile::tempdir().unwrap();
    for (name, minor) in [("null", 3), ("zero", 5), ("full", 7)] {
        let path = folder.path().join(name);
        mknodat(CWD, &path, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(1, minor))
            .unwrap();
    }
    let tries = "for f in null zero full; do for how in '<' '>'; do
        if (eval \": $how $f\") 2>/dev/null; then echo \"$f $how\"; fi; done; done";
    let script = Script::new(&format!("cd '{}'; {tries}", folder.path().display()));
    (folder, script)
}

/// All of null, zero without writing, of full only the node.
fn some_devices() -> Vec<DeviceRule> {
    let rule = |allow, minor, access: &str| DeviceRule {
        allow,
        kind: Some("c".to_owned()),
        major: Some(1),
        minor: Some(minor),
        access: Some(access.to_owned()),
    };
    let mut rules = vec![DeviceRule::default(), rule(true, 3, "rwm"), rule(true, 5, "rwm")];
    rules.extend([rule(false, 5, "w"), rule(true, 7, "m")]);
    rules
}

#[test]
fn device_rules_are_felt() {
    let Some(parent) = Parent::of_v1() else { return };
    let group = parent.group("web");
    let resources = Resources { devices: some_devices(), ..Resources::default() };
    assert_eq!(group.apply(&resources).unwrap(), []);
    assert_eq!(read("devices", &group, "devices.list"), "c 1:3 rwm\nc 1:5 rm\nc 1:7 m");
    let (_folder, script) = device_tries();
    group.attach(script.pid()).unwrap();
    assert_eq!(script.output(), "null <\nnull >\nzero <\n");

    let everything = DeviceRule { allow: true, ..DeviceRule::default() };
    group.apply(&Resources { devices: vec![everything], ..Resources::default() }).unwrap();
    assert_eq!(read("devices", &group, "devices.list"), "a *:* rwm");
}

#[test]
fn device_program_passes_the_verifier_and_is_felt() {
    let parent = Parent::new();
    let group = parent.group_in(&parent.v2(), "web");
    let program = sys::bpf::load_cgroup_device(&cgroup::device_program(&some_devices()).unwrap()).unwrap();
    sys::bpf::attach_cgroup_device(program.as_fd(), group.v2_fd().unwrap(), None).unwrap();
    let (_folder, script) = device_tries();
    group.attach(script.pid()).unwrap();
    assert_eq!(script.output(), "null <\nnull >\nzero <\n");

    let many = (0..500).map(|minor| DeviceRule {
        allow: minor % 2 == 0,
        kind: Some("b".to_owned()),
        major: Some(8),
        minor: Some(minor),
        access: None,
    });
    let long = cgroup::device_program(&many.collect::<Vec<_>>()).unwrap();
    let long = sys::bpf::load_cgroup_device(&long).unwrap();
    sys::bpf::attach_cgroup_device(long.as_fd(), group.v2_fd().unwrap(), Some(program.as_fd())).unwrap();
}

#[test]
fn limits_take_the_place_of_others_together_or_not_at_all() {
    let Some(parent) = Parent::of_v1() else { return };
    let group = parent.group("web");
    let first = Resources {
        cpu: Some(Cpu { shares: Some(512), quota: Some(50_000), period: Some(100_000), ..Cpu::default() }),
        pids: Some(Pids { limit: 50 }),
        ..memory(64 * MIB, 128 * MIB)
    };
    assert_eq!(group.apply(&first).unwrap(), []);
    let shown = || {
        [
            read("memory", &group, "memory.limit_in_bytes"),
            read("memory", &group, "memory.memsw.limit_in_bytes"),
            read("cpu", &group, "cpu.shares"),
            read("cpu", &group, "cpu.cfs_quota_us"),
            read("cpu", &group, "cpu.cfs_period_us"),
            read("cpuset", &group, "cpuset.cpus"),
            read("pids", &group, "pids.max"),
        ]
        .join(" ")
    };
    let before = shown();
    // Memory and processor time are written before the set of processors is refused; larger, smaller and without limit.
    for (limit, swap) in [(256 * MIB, 512 * MIB), (16 * MIB, 16 * MIB), (-1, -1)] {
        let cpu =
            Cpu { shares: Some(2048), quota: Some(20_000), cpus: Some("4000".into()), ..Cpu::default() };
        let refused =
            Resources { cpu: Some(cpu.clone()), pids: Some(Pids { limit: 9 }), ..memory(limit, swap) };
        let error = group.replace(&refused).unwrap_err();
        assert!(error.to_string().contains("CPU set"), "{error}");
        assert_eq!(shown(), before, "{limit}");
        let lawful = Resources { cpu: Some(Cpu { cpus: Some("0".into()), ..cpu }), ..refused };
        let replaced = group.replace(&lawful).unwrap();
        assert_eq!(replaced.warnings, []);
        assert!(shown().ends_with(" 2048 20000 100000 0 9"), "{}", shown());
        replaced.undo();
        assert_eq!(shown(), before, "{limit}");
    }
    let unlimited = Resources { pids: Some(Pids { limit: -1 }), ..memory(-1, -1) };
    let _kept = group.replace(&unlimited).unwrap();
    assert!(shown().starts_with("9223372036854771712 9223372036854771712 ") && shown().ends_with(" max"));
}
