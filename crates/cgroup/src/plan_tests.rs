//! Limits of the specification and the files they become.

use oci::runtime::{
    BlockIo, Cpu, HugepageLimit, InterfacePriority, Memory, NetworkResources, Pids, Rdma, ThrottleDevice,
    WeightDevice,
};

use super::*;

/// Shows a plan as one line a write and one a warning.
fn shown(plan: crate::Result<Plan>) -> Vec<String> {
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return vec![format!("error: {error}")],
    };
    let writes = plan.writes.iter().map(|write| {
        let otherwise = match &write.otherwise {
            Otherwise::Warn => String::new(),
            Otherwise::Skip => " or nothing".to_owned(),
            Otherwise::Write { file, value } => format!(" or {file} = {value}"),
        };
        format!("{} = {}{otherwise}", write.file, write.value)
    });
    writes.chain(plan.warnings.iter().map(|warning| format!("warning: {}", warning.limit))).collect()
}

fn memory(limit: Option<i64>, swap: Option<i64>) -> Memory {
    Memory { limit, swap, ..Memory::default() }
}

#[test]
fn memory_and_swap_on_both_versions() {
    // limit, memory plus swap, v1, v2
    type Case = (Option<i64>, Option<i64>, &'static [&'static str], &'static [&'static str]);
    let table: &[Case] = &[
        (None, None, &[], &[]),
        (Some(0), Some(0), &[], &[]),
        (Some(100), None, &["memory.limit_in_bytes = 100"], &["memory.max = 100"]),
        (
            Some(100),
            Some(300),
            &["memory.limit_in_bytes = 100", "memory.memsw.limit_in_bytes = 300"],
            &["memory.max = 100", "memory.swap.max = 200"],
        ),
        (
            Some(100),
            Some(100),
            &["memory.limit_in_bytes = 100", "memory.memsw.limit_in_bytes = 100"],
            &["memory.max = 100", "memory.swap.max = 0"],
        ),
        (
            Some(100),
            Some(-1),
            &["memory.limit_in_bytes = 100", "memory.memsw.limit_in_bytes = -1"],
            &["memory.max = 100", "memory.swap.max = max"],
        ),
        (
            Some(-1),
            None,
            &["memory.limit_in_bytes = -1", "memory.memsw.limit_in_bytes = -1"],
            &["memory.max = max", "memory.swap.max = max"],
        ),
        (
            Some(100),
            Some(99),
            &["error: invalid memory plus swap limit `99`: it is below the memory limit 100"],
            &["error: invalid memory plus swap limit `99`: it is below the memory limit 100"],
        ),
        (
            None,
            Some(99),
            &["memory.memsw.limit_in_bytes = 99"],
            &["error: invalid memory plus swap limit `99`: it needs a memory limit"],
        ),
        (
            Some(-2),
            None,
            &["error: invalid memory limit `-2`: it is negative"],
            &["error: invalid memory limit `-2`: it is negative"],
        ),
    ];
    for (limit, swap, on_v1, on_v2) in table {
        let memory = memory(*limit, *swap);
        assert_eq!(shown(v1::memory(&memory)), *on_v1, "v1 {memory:?}");
        assert_eq!(shown(v2::memory(&memory)), *on_v2, "v2 {memory:?}");
    }
}

#[test]
fn rarer_memory_limits() {
    let memory = Memory {
        reservation: Some(5),
        kernel: Some(6),
        kernel_tcp: Some(7),
        swappiness: Some(0),
        disable_oom_killer: Some(true),
        ..Memory::default()
    };
    assert_eq!(
        shown(v1::memory(&memory)),
        [
            "memory.soft_limit_in_bytes = 5",
            "memory.kmem.tcp.limit_in_bytes = 7",
            "memory.swappiness = 0",
            "memory.oom_control = 1",
            "warning: kernel memory limit",
        ]
    );
    assert_eq!(
        shown(v2::memory(&memory)),
        [
            "memory.low = 5",
            "warning: kernel memory limit",
            "warning: kernel TCP memory limit",
            "warning: memory swappiness",
            "warning: OOM killer setting",
        ]
    );
    let memory = Memory { swappiness: Some(101), ..Memory::default() };
    assert_eq!(shown(v1::memory(&memory)), ["error: invalid memory swappiness `101`: it goes from 0 to 100"]);
}

#[test]
fn processor_limits_on_both_versions() {
    let table: [(Cpu, &[&str], &[&str]); 7] = [
        (Cpu::default(), &[], &[]),
        (
            Cpu { quota: Some(50_000), period: Some(100_000), burst: Some(10), ..Cpu::default() },
            &["cpu.cfs_period_us = 100000", "cpu.cfs_quota_us = 50000", "cpu.cfs_burst_us = 10"],
            &["cpu.max = 50000 100000", "cpu.max.burst = 10"],
        ),
        (Cpu { quota: Some(-1), ..Cpu::default() }, &["cpu.cfs_quota_us = -1"], &["cpu.max = max"]),
        (
            Cpu { period: Some(9000), ..Cpu::default() },
            &["cpu.cfs_period_us = 9000"],
            &["cpu.max = 777 9000"],
        ),
        (
            Cpu { shares: Some(512), idle: Some(1), ..Cpu::default() },
            &["cpu.idle = 1", "cpu.shares = 512"],
            &["cpu.idle = 1", "cpu.weight = 59"],
        ),
        (
            Cpu { shares: Some(1), ..Cpu::default() },
            &["error: invalid CPU shares `1`: they go from 2 to 262144"],
            &["error: invalid CPU shares `1`: they go from 2 to 262144"],
        ),
        (
            Cpu { realtime_period: Some(1000), realtime_runtime: Some(500), ..Cpu::default() },
            &["cpu.rt_period_us = 1000", "cpu.rt_runtime_us = 500"],
            &["warning: CPU real-time limits"],
        ),
    ];
    for (cpu, on_v1, on_v2) in table {
        assert_eq!(shown(v1::cpu(&cpu)), on_v1, "v1 {cpu:?}");
        assert_eq!(shown(v2::cpu(&cpu, "777")), on_v2, "v2 {cpu:?}");
    }
    let sets = Cpu { cpus: Some("0-1".to_owned()), mems: Some(String::new()), ..Cpu::default() };
    assert_eq!(shown(Ok(v1::cpuset(&sets))), ["cpuset.cpus = 0-1"]);
}

#[test]
fn shares_keep_least_usual_and_greatest_weight() {
    let table = [
        (0, 1),
        (2, 1),
        (3, 2),
        (256, 35),
        (512, 59),
        (1024, 100),
        (2048, 174),
        (262_143, 10_000),
        (262_144, 10_000),
        (u64::MAX, 10_000),
    ];
    for (shares, weight) in table {
        assert_eq!(v2::weight_from_shares(shares), weight, "{shares}");
    }
    let weights: Vec<u64> = (2..=262_144).map(v2::weight_from_shares).collect();
    assert!(weights.is_sorted(), "more shares never weigh less");
}

#[test]
fn block_io_on_both_versions() {
    let rate = |rate| vec![ThrottleDevice { major: 8, minor: 0, rate }];
    let io = BlockIo {
        weight: Some(500),
        leaf_weight: Some(20),
        weight_device: vec![WeightDevice { major: 8, minor: 16, weight: Some(1000), leaf_weight: None }],
        throttle_read_bps_device: rate(1),
        throttle_write_bps_device: rate(2),
        throttle_read_iops_device: rate(3),
        throttle_write_iops_device: rate(0),
    };
    assert_eq!(
        shown(Ok(v1::io(&io))),
        [
            "blkio.bfq.weight = 500 or blkio.weight = 500",
            "blkio.leaf_weight = 20",
            "blkio.bfq.weight_device = 8:16 1000 or blkio.weight_device = 8:16 1000",
            "blkio.throttle.read_bps_device = 8:0 1",
            "blkio.throttle.write_bps_device = 8:0 2",
            "blkio.throttle.read_iops_device = 8:0 3",
            "blkio.throttle.write_iops_device = 8:0 0",
        ]
    );
    assert_eq!(
        shown(Ok(v2::io(&io))),
        [
            "io.bfq.weight = 500 or io.weight = default 4950",
            "io.bfq.weight = 8:16 1000 or io.weight = 8:16 10000",
            "io.max = 8:0 rbps=1",
            "io.max = 8:0 wbps=2",
            "io.max = 8:0 riops=3",
            "io.max = 8:0 wiops=max",
            "warning: IO leaf weight",
        ]
    );
}

#[test]
fn remaining_controllers() {
    for (limit, value) in [(4096, "4096"), (0, "max"), (-1, "max")] {
        assert_eq!(shown(Ok(v1::pids(&Pids { limit }))), [format!("pids.max = {value}")]);
    }
    let huge = |size: &str| [HugepageLimit { page_size: size.to_owned(), limit: 9 }];
    assert_eq!(
        shown(v1::hugetlb(&huge("2MB"))),
        ["hugetlb.2MB.limit_in_bytes = 9", "hugetlb.2MB.rsvd.limit_in_bytes = 9 or nothing"]
    );
    assert_eq!(
        shown(v2::hugetlb(&huge("1GB"))),
        ["hugetlb.1GB.max = 9", "hugetlb.1GB.rsvd.max = 9 or nothing"]
    );
    let refused = "error: invalid huge page size `../x`: write it like `2MB` or `1GB`";
    assert_eq!(shown(v1::hugetlb(&huge("../x"))), [refused]);
    assert_eq!(shown(v2::hugetlb(&huge("../x"))), [refused]);

    let network = |name: &str| NetworkResources {
        class_id: Some(0x10_0001),
        priorities: vec![InterfacePriority { name: name.to_owned(), priority: 5 }],
    };
    assert_eq!(shown(Ok(v1::net_cls(&network("eth0")))), ["net_cls.classid = 1048577"]);
    assert_eq!(shown(v1::net_prio(&network("eth0"))), ["net_prio.ifpriomap = eth0 5"]);
    assert_eq!(
        shown(v1::net_prio(&network("a b"))),
        ["error: invalid network priority `a b`: it is empty or has white space"]
    );
    assert_eq!(
        shown(Ok(v2::network(&network("eth0")))),
        ["warning: network class", "warning: network priority"]
    );

    let rdma = [("mlx5_1".to_owned(), Rdma { hca_handles: Some(3), hca_objects: None })].into();
    assert_eq!(shown(v2::rdma(&rdma)), ["rdma.max = mlx5_1 hca_handle=3"]);
}

#[test]
fn unified_keys_are_file_names_of_limits() {
    let one = |key: &str, value: &str| shown(v2::unified(&[(key.to_owned(), value.to_owned())].into()));
    assert_eq!(one("memory.high", "1000"), ["memory.high = 1000"]);
    assert_eq!(one("memory.oom.group", "1"), ["memory.oom.group = 1"]);
    assert_eq!(one("io.max", "8:0 rbps=1\n8:16 rbps=2"), ["io.max = 8:0 rbps=1", "io.max = 8:16 rbps=2"]);
    assert_eq!(one("cgroup.max.depth", "3"), ["cgroup.max.depth = 3"]);
    for key in ["../memory.max", "a/b.c", "memory", "", ".", "..", "a.b\0"] {
        let text = format!("error: invalid unified resource `{key}`: it is not the name of a cgroup file");
        assert_eq!(one(key, "1"), [text]);
    }
    for key in ["cgroup.procs", "cgroup.kill", "cgroup.subtree_control"] {
        assert_eq!(one(key, "1"), [format!("error: invalid unified resource `{key}`: it is not a limit")]);
    }
}
