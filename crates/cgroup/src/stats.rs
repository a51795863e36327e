//! Counters of a group: what is used, what is allowed, what waits. The parsers are pure.

mod parse;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::time::Duration;

use crate::controller::Controller;
use crate::error::Result;
use crate::file;
use crate::group::{Group, Member, descendants};

/// Counters of one group; a part is absent where its controller is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    pub cpu: Option<Cpu>,
    pub memory: Option<Memory>,
    pub pids: Option<Pids>,
    /// One entry for each block device that was used.
    pub io: Vec<DeviceIo>,
    /// Present where the kernel accounts pressure (v2, also beside v1).
    pub pressure: Option<Pressure>,
}

/// Processor time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cpu {
    pub total: Duration,
    pub user: Duration,
    pub system: Duration,
    /// By processor; empty on v2.
    pub per_cpu: Vec<Duration>,
    /// Enforcement periods of the quota, and those in which it was used up.
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled: Duration,
}

/// Memory in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    pub usage: u64,
    /// Absent when unlimited.
    pub limit: Option<u64>,
    /// The highest usage, where the kernel keeps it.
    pub peak: Option<u64>,
    pub cache: u64,
    pub inactive_file: u64,
    pub swap: u64,
    /// Limit of swap alone; absent when unlimited or not accounted.
    pub swap_limit: Option<u64>,
    /// Processes that were killed for want of memory.
    pub oom_kills: u64,
    /// How often the limit was hit; v1 does not count where the limit of memory plus swap is the same and is hit first.
    pub limit_hits: u64,
}

/// Number of tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pids {
    pub current: u64,
    /// Absent when unlimited.
    pub limit: Option<u64>,
}

/// Traffic with one block device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceIo {
    pub major: u32,
    pub minor: u32,
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub read_operations: u64,
    pub write_operations: u64,
}

/// Huge pages of one size, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HugePages {
    pub usage: u64,
    /// The highest usage, where the kernel keeps it.
    pub peak: u64,
    pub limit_hits: u64,
}

/// Pressure stall information (Documentation/accounting/psi.rst).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pressure {
    pub cpu: Stall,
    pub memory: Stall,
    pub io: Stall,
}

/// Share of time in which some or all tasks waited: percent over 10, 60 and 300 seconds, and in all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stall {
    pub some_percent: [f64; 3],
    pub some_total: Duration,
    pub full_percent: [f64; 3],
    pub full_total: Duration,
}

impl Memory {
    /// Returns the usage without page cache that can be dropped at once: what `docker stats` shows.
    pub fn used(&self) -> u64 {
        self.usage.saturating_sub(self.inactive_file)
    }
}

impl Group {
    /// Reads the counters.
    pub fn stats(&self) -> Result<Stats> {
        use Controller as C;
        let part = |controller| self.v1(controller);
        let v2 = self.v2();
        Ok(Stats {
            cpu: part(C::Cpuacct).map(|member| cpu_v1(member, part(C::Cpu))).or_else(|| v2.and_then(cpu_v2)),
            memory: match part(C::Memory) {
                Some(member) => memory_v1(member, self.oom_count()?),
                None => v2.and_then(memory_v2),
            },
            pids: part(C::Pids).or(v2).and_then(pids),
            io: match part(C::Io) {
                Some(member) => io_v1(member),
                None => v2.map(|member| parse::io_v2(&text(member, "io.stat"))).unwrap_or_default(),
            },
            pressure: v2.and_then(pressure),
        })
    }

    /// Reads every counter of `memory.stat` under the kernel's own name.
    pub fn memory_details(&self) -> BTreeMap<String, u64> {
        let stat = self.v1(Controller::Memory).or(self.v2()).map(|member| text(member, "memory.stat"));
        let pair = |line: &str| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), parse::number(value)?))
        };
        stat.iter().flat_map(|stat| stat.lines().filter_map(pair)).collect()
    }

    /// Reads the counters of huge pages by their size (`2MB`).
    pub fn huge_pages(&self) -> BTreeMap<String, HugePages> {
        let (v1, v2) = (self.v1(Controller::Hugetlb), self.v2());
        let Some(member) = v1.or(v2) else { return BTreeMap::new() };
        let current = if v1.is_some() { "usage_in_bytes" } else { "current" };
        let size = |name: &str| {
            let size = name.strip_prefix("hugetlb.")?.strip_suffix(current)?.strip_suffix('.')?;
            (!size.contains('.')).then(|| size.to_owned())
        };
        let names = file::names(member.dir.as_fd()).unwrap_or_default();
        let read = |size: String| {
            let file = |rest: &str| format!("hugetlb.{size}.{rest}");
            let usage = number(member, &file(current))?;
            let pages = match v1 {
                Some(_) => HugePages {
                    usage,
                    peak: number(member, &file("max_usage_in_bytes")).unwrap_or(0),
                    limit_hits: number(member, &file("failcnt")).unwrap_or(0),
                },
                None => HugePages { usage, peak: 0, limit_hits: value_of(member, &file("events"), "max") },
            };
            Some((size, pages))
        };
        names.iter().filter_map(|name| size(name)).filter_map(read).collect()
    }

    /// Returns the processors and memory nodes that the group may use, as lists of ranges.
    pub fn cpuset(&self) -> (String, String) {
        let files = |member, names: [&str; 2]| {
            let [cpus, mems] = names.map(|name| text(member, name).trim().to_owned());
            (cpus, mems)
        };
        match (self.v1(Controller::Cpuset), self.v2()) {
            (Some(member), _) => files(member, ["cpuset.cpus", "cpuset.mems"]),
            (None, Some(member)) => files(member, ["cpuset.cpus.effective", "cpuset.mems.effective"]),
            (None, None) => Default::default(),
        }
    }

    /// Returns how many processes of the group and below it were killed for want of memory.
    pub fn oom_count(&self) -> Result<u64> {
        if let Some(member) = self.v1(Controller::Memory) {
            // v1 counts in the group of the killed process alone.
            let mount = self.mount(member);
            let below: u64 = descendants(mount, &member.below)
                .iter()
                .filter_map(|path| file::open_place(mount.as_fd(), path).ok())
                .filter_map(|dir| file::read(dir.as_fd(), "memory.oom_control").ok())
                .map(|text| parse::keyed(&text, "oom_kill").unwrap_or(0))
                .sum();
            return Ok(below + value_of(member, "memory.oom_control", "oom_kill"));
        }
        Ok(self.v2().map_or(0, |member| value_of(member, "memory.events", "oom_kill")))
    }
}

/// Reads a file; an absent one, of a kernel or controller that has it not, is empty.
fn text(member: &Member, name: &str) -> String {
    file::read(member.dir.as_fd(), name).unwrap_or_default()
}

fn number(member: &Member, name: &str) -> Option<u64> {
    parse::number(&text(member, name))
}

fn value_of(member: &Member, name: &str, key: &str) -> u64 {
    parse::keyed(&text(member, name), key).unwrap_or(0)
}

fn cpu_v1(accounts: &Member, limits: Option<&Member>) -> Cpu {
    let throttling = limits.map(|member| text(member, "cpu.stat")).unwrap_or_default();
    parse::cpu_v1(
        &text(accounts, "cpuacct.usage"),
        &text(accounts, "cpuacct.stat"),
        &text(accounts, "cpuacct.usage_percpu"),
        &throttling,
    )
}

fn cpu_v2(member: &Member) -> Option<Cpu> {
    parse::cpu_v2(&text(member, "cpu.stat"))
}

fn memory_v1(member: &Member, oom_kills: u64) -> Option<Memory> {
    let stat = text(member, "memory.stat");
    let total = |key| parse::keyed(&stat, key).unwrap_or(0);
    let limit = number(member, "memory.limit_in_bytes").and_then(parse::v1_limit);
    let both = number(member, "memory.memsw.limit_in_bytes").and_then(parse::v1_limit);
    Some(Memory {
        usage: number(member, "memory.usage_in_bytes")?,
        limit,
        peak: number(member, "memory.max_usage_in_bytes"),
        cache: total("total_cache"),
        inactive_file: total("total_inactive_file"),
        swap: total("total_swap"),
        swap_limit: both.zip(limit).map(|(both, limit)| both.saturating_sub(limit)),
        oom_kills,
        limit_hits: number(member, "memory.failcnt").unwrap_or(0),
    })
}

fn memory_v2(member: &Member) -> Option<Memory> {
    let stat = text(member, "memory.stat");
    let events = text(member, "memory.events");
    Some(Memory {
        usage: number(member, "memory.current")?,
        limit: number(member, "memory.max"),
        peak: number(member, "memory.peak"),
        cache: parse::keyed(&stat, "file").unwrap_or(0),
        inactive_file: parse::keyed(&stat, "inactive_file").unwrap_or(0),
        swap: number(member, "memory.swap.current").unwrap_or(0),
        swap_limit: number(member, "memory.swap.max"),
        oom_kills: parse::keyed(&events, "oom_kill").unwrap_or(0),
        limit_hits: parse::keyed(&events, "max").unwrap_or(0),
    })
}

fn pids(member: &Member) -> Option<Pids> {
    Some(Pids { current: number(member, "pids.current")?, limit: number(member, "pids.max") })
}

fn io_v1(member: &Member) -> Vec<DeviceIo> {
    let recursive = |name: &str| {
        let text = text(member, &format!("{name}_recursive"));
        if text.is_empty() { self::text(member, name) } else { text }
    };
    parse::io_v1(&recursive("blkio.throttle.io_service_bytes"), &recursive("blkio.throttle.io_serviced"))
}

fn pressure(member: &Member) -> Option<Pressure> {
    Some(Pressure {
        cpu: parse::stall(&text(member, "cpu.pressure"))?,
        memory: parse::stall(&text(member, "memory.pressure"))?,
        io: parse::stall(&text(member, "io.pressure"))?,
    })
}
