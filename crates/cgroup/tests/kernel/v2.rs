//! Limits and counters where v2 has all controllers: written, read back, felt. Other machines have nothing to show here.

use std::os::unix::process::ExitStatusExt;

use cgroup::{Error, Warning};
use oci::runtime::{
    BlockIo, Cpu, HugepageLimit, Memory, NetworkResources, Pids, Rdma, Resources, ThrottleDevice,
};
use rustix::process::Signal;

use crate::limits::{MIB, memory, processors, some_disk};
use crate::{Parent, Script, eventually, read};

fn told(warnings: &[Warning]) -> Vec<&str> {
    warnings.iter().map(|warning| warning.limit.as_str()).collect()
}

fn unified(key: &str, value: &str) -> Resources {
    Resources { unified: [(key.to_owned(), value.to_owned())].into(), ..Resources::default() }
}

#[test]
fn memory_limits_are_read_back_in_any_order() {
    let Some(parent) = Parent::of_v2() else { return };
    let group = parent.group("web");
    let file = |name| read("memory", &group, name);
    for (limit, swap) in [(64, 128), (256, 512), (32, 32), (600, 600), (8, 16)] {
        assert_eq!(group.apply(&memory(limit * MIB, swap * MIB)).unwrap(), []);
        assert_eq!(file("memory.max"), (limit * MIB).to_string());
        assert_eq!(file("memory.swap.max"), ((swap - limit) * MIB).to_string());
    }
    assert_eq!(group.apply(&memory(16 * MIB, -1)).unwrap(), []);
    assert_eq!((file("memory.max"), file("memory.swap.max")), ((16 * MIB).to_string(), "max".to_owned()));
    assert_eq!(group.apply(&memory(-1, -1)).unwrap(), []);
    assert_eq!((file("memory.max"), file("memory.swap.max")), ("max".to_owned(), "max".to_owned()));
    let others = Memory {
        reservation: Some(8 * MIB),
        swappiness: Some(10),
        disable_oom_killer: Some(true),
        ..Memory::default()
    };
    let warnings = group.apply(&Resources { memory: Some(others), ..Resources::default() }).unwrap();
    assert_eq!(told(&warnings), ["memory swappiness", "OOM killer setting"]);
    assert_eq!(file("memory.low"), (8 * MIB).to_string());
}

#[test]
fn processor_limits_are_read_back() {
    let Some(parent) = Parent::of_v2() else { return };
    let group = parent.group("web");
    let set = |cpu: Cpu| group.apply(&Resources { cpu: Some(cpu), ..Resources::default() });
    let file = |name| read("cpu", &group, name);
    assert_eq!(set(processors()).unwrap(), []);
    assert_eq!((file("cpu.weight"), file("cpu.max")), ("59".to_owned(), "150000 50000".to_owned()));
    assert_eq!(file("cpu.max.burst"), "20000");
    assert_eq!((file("cpuset.cpus.effective"), file("cpuset.mems")), ("0".to_owned(), "0".to_owned()));
    // Below the burst that is set: the kernel takes the quota only after the smaller burst.
    assert_eq!(set(Cpu { quota: Some(10_000), burst: Some(5_000), ..Cpu::default() }).unwrap(), []);
    assert_eq!((file("cpu.max"), file("cpu.max.burst")), ("10000 50000".to_owned(), "5000".to_owned()));
    // A period alone leaves the quota as it is.
    assert_eq!(set(Cpu { period: Some(80_000), ..Cpu::default() }).unwrap(), []);
    assert_eq!(file("cpu.max"), "10000 80000");
    assert_eq!(set(Cpu { burst: Some(0), quota: Some(-1), ..Cpu::default() }).unwrap(), []);
    assert_eq!(file("cpu.max"), "max 80000");
    assert_eq!(set(Cpu { idle: Some(1), ..Cpu::default() }).unwrap(), []);
    assert_eq!((file("cpu.idle"), file("cpu.weight")), ("1".to_owned(), "0".to_owned()));
    assert_eq!(set(Cpu { idle: Some(0), shares: Some(1024), ..Cpu::default() }).unwrap(), []);
    assert_eq!((file("cpu.idle"), file("cpu.weight")), ("0".to_owned(), "100".to_owned()));
    let real_time = Cpu { realtime_runtime: Some(1000), ..Cpu::default() };
    assert_eq!(told(&set(real_time).unwrap()), ["CPU real-time limits"]);
}

#[test]
fn rates_of_a_disk_are_read_back_together() {
    let Some(parent) = Parent::of_v2() else { return };
    let Some((major, minor)) = some_disk() else { return };
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
    assert_eq!(told(&warnings), ["IO leaf weight"]);
    assert_eq!(
        read("io", &group, "io.max"),
        format!("{major}:{minor} rbps=1000000 wbps=2000000 riops=300 wiops=400")
    );
    let absent = BlockIo {
        throttle_read_bps_device: vec![ThrottleDevice { major: 4000, minor: 9, rate: 1 }],
        ..BlockIo::default()
    };
    let error = group.apply(&Resources { block_io: Some(absent), ..Resources::default() }).unwrap_err();
    assert!(error.hint().unwrap().starts_with("there is no such block device"), "{error}");
}

#[test]
fn what_v2_lacks_is_named_and_raw_keys_are_written() {
    let Some(parent) = Parent::of_v2() else { return };
    let group = parent.group("web");
    let network = NetworkResources { class_id: Some(1), priorities: Vec::new() };
    let warnings = group.apply(&Resources { network: Some(network), ..Resources::default() }).unwrap();
    assert_eq!(
        warnings[0].to_string(),
        "network class is not in force: cgroup v2 has no such limit; match the cgroup's path in the firewall"
    );
    assert_eq!(group.apply(&unified("memory.high", "33554432")).unwrap(), []);
    assert_eq!(read("memory", &group, "memory.high"), "33554432");
    assert_eq!(group.apply(&unified("cgroup.max.depth", "3")).unwrap(), []);
    assert_eq!(read("unified", &group, "cgroup.max.depth"), "3");
    assert!(matches!(group.apply(&unified("cgroup.procs", "1")), Err(Error::Invalid { .. })));
    let warnings = group.apply(&unified("memory.absent", "1")).unwrap();
    assert_eq!(warnings[0].reason, "this kernel offers no `memory.absent`");
}

#[test]
fn with_oom_group_all_end_together_and_are_counted() {
    let Some(parent) = Parent::of_v2() else { return };
    let group = parent.group("web");
    assert_eq!(group.apply(&memory(24 * MIB, 24 * MIB)).unwrap(), []);
    assert_eq!(group.apply(&unified("memory.oom.group", "1")).unwrap(), []);
    // The bystanders use nothing.
    let mut script = Script::new("sleep 1000 & sleep 1000 & tail /dev/zero; echo outlived");
    group.attach(script.pid()).unwrap();
    script.go();
    assert_eq!(ExitStatusExt::signal(&script.into_child().wait().unwrap()), Some(9));
    eventually("all are gone", || group.processes().unwrap().is_empty());
    assert!(group.oom_count().unwrap() >= 4, "{:?}", group.oom_count());
    assert!(read("memory", &group, "memory.events").contains("oom_group_kill 1"));
}

#[test]
fn a_limit_reaches_through_groups_that_somebody_made() {
    let Some(parent) = Parent::of_v2() else { return };
    let outer = parent.group("outer");
    let place = &outer.paths()["unified"];
    std::fs::create_dir(format!("{place}/middle")).unwrap();
    let inner = parent.group("outer/middle/web");
    assert_eq!(
        inner.apply(&Resources { pids: Some(Pids { limit: 7 }), ..Resources::default() }).unwrap(),
        []
    );
    assert_eq!(read("pids", &inner, "pids.max"), "7");
    let has = read("unified", &inner, "cgroup.controllers");
    for controller in ["cpu", "cpuset", "io", "memory", "pids"] {
        assert!(has.split(' ').any(|name| name == controller), "no {controller} in {has}");
    }
}

#[test]
fn below_a_group_with_processes_limits_are_told_to_be_missing() {
    let Some(parent) = Parent::of_v2() else { return };
    let busy = parent.group("busy");
    let script = Script::new("true");
    busy.attach(script.pid()).unwrap();
    // The kernel's rule: a group has processes, or gives controllers to groups below it.
    let web = parent.group("busy/web");
    let limits = Resources { pids: Some(Pids { limit: 7 }), ..memory(64 * MIB, 64 * MIB) };
    let warnings = web.apply(&limits).unwrap();
    let why = "/busy` above it has processes of its own; move them into a group below it, or choose another parent group";
    assert!(warnings.iter().all(|warning| warning.to_string().ends_with(why)), "{warnings:?}");
    // And it takes processes as ever: threaded controllers, which the kernel would enable, would forbid that.
    let other = Script::new("true");
    web.attach(other.pid()).unwrap();
    assert!(
        told(&warnings).contains(&"memory limit") && told(&warnings).contains(&"process limit"),
        "{warnings:?}"
    );
}

#[test]
fn limits_take_the_place_of_others_together_or_not_at_all() {
    let Some(parent) = Parent::of_v2() else { return };
    let group = parent.group("web");
    let first = Resources {
        cpu: Some(Cpu { shares: Some(512), quota: Some(50_000), period: Some(100_000), ..Cpu::default() }),
        pids: Some(Pids { limit: 50 }),
        ..memory(64 * MIB, 128 * MIB)
    };
    assert_eq!(group.apply(&first).unwrap(), []);
    let files = ["memory.max", "memory.swap.max", "cpu.weight", "cpu.max", "cpuset.cpus", "pids.max"];
    let shown = || files.map(|file| read("unified", &group, file)).join(" ");
    let before = shown();
    for (limit, swap) in [(256 * MIB, 512 * MIB), (16 * MIB, 16 * MIB), (-1, -1)] {
        let cpu = Cpu { shares: Some(2048), quota: Some(20_000), cpus: Some("bad".into()), ..Cpu::default() };
        let refused =
            Resources { cpu: Some(cpu.clone()), pids: Some(Pids { limit: 9 }), ..memory(limit, swap) };
        let error = group.replace(&refused).unwrap_err();
        assert!(error.to_string().contains("CPU set"), "{error}");
        assert_eq!(shown(), before, "{limit}");
        let lawful = Resources { cpu: Some(Cpu { cpus: Some("0".into()), ..cpu }), ..refused };
        let replaced = group.replace(&lawful).unwrap();
        assert_eq!(replaced.warnings, []);
        assert!(shown().ends_with(" 174 20000 100000 0 9"), "{}", shown());
        replaced.undo();
        assert_eq!(shown(), before, "{limit}");
    }
}

#[test]
fn counters_tell_what_was_used_and_what_had_to_wait() {
    let Some(parent) = Parent::of_v2() else { return };
    let group = parent.group("web");
    let quota = Cpu { quota: Some(5_000), period: Some(50_000), ..Cpu::default() };
    assert_eq!(group.apply(&Resources { cpu: Some(quota), ..Resources::default() }).unwrap(), []);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let work =
        format!("dd if=/dev/zero of='{}' bs=1M count=4 conv=fsync; while :; do :; done", file.display());
    let mut script = Script::new(&work);
    group.attach(script.pid()).unwrap();
    script.go();
    let throttled = || group.stats().unwrap().cpu.unwrap().throttled_periods;
    eventually("the quota is used up", || throttled() > 2);
    eventually("the disk is written to", || {
        group.stats().unwrap().io.iter().any(|device| device.write_bytes >= 4 << 20)
    });
    eventually("the wait is seen", || !group.stats().unwrap().pressure.unwrap().cpu.some_total.is_zero());
    let stats = group.stats().unwrap();
    let (cpu, memory) = (stats.cpu.unwrap(), stats.memory.unwrap());
    assert!(
        cpu.total >= cpu.system && !cpu.throttled.is_zero() && cpu.periods >= cpu.throttled_periods,
        "{cpu:?}"
    );
    assert!(memory.usage > 0 && memory.cache >= 4 << 20 && memory.limit.is_none(), "{memory:?}");
    group.kill(Signal::KILL).unwrap();
    group.destroy().unwrap();
}

/// What an ordinary user is not given.
#[test]
fn as_root_rarer_controllers_are_enabled_when_a_limit_needs_them() {
    let Some(parent) = Parent::of_v2() else { return };
    let group = parent.group("web");
    assert!(!read("unified", &group, "cgroup.controllers").contains("hugetlb"));
    let limits = Resources {
        hugepage_limits: vec![HugepageLimit { page_size: "2MB".to_owned(), limit: 4 << 20 }],
        rdma: [("mlx5_0".to_owned(), Rdma { hca_handles: Some(1), hca_objects: Some(2) })].into(),
        ..Resources::default()
    };
    // There is no such device, which is the kernel's answer.
    let error = group.apply(&limits).unwrap_err();
    assert!(error.to_string().starts_with("cannot set RDMA limit"), "{error}");
    assert_eq!(read("hugetlb", &group, "hugetlb.2MB.max"), (4 << 20).to_string());
    assert_eq!(read("hugetlb", &group, "hugetlb.2MB.rsvd.max"), (4 << 20).to_string());
}
