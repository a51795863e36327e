//! `events`: the counters of a container, and when memory was wanting, in the words of runc's documents.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use cgroup::{Cpu, DeviceIo, Group, Memory, Stall, Stats};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde::Serialize;
use serde_json::{Value, json};

use super::home::Runtime;
use super::request::{EventsRequest, EventsUntil};
use crate::error::{Error, Result};

/// One line of the output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// Tells the events of a container, until `tell` says that nobody listens or the container has ended.
pub fn events(
    runtime: &Runtime,
    request: &EventsRequest,
    tell: &mut dyn FnMut(&Event) -> bool,
) -> Result<()> {
    let id = &request.id;
    let container = runtime.find(id)?;
    container.must_run("watch")?;
    let group = container.record.group().ok_or_else(|| {
        Error::unsupported(format!("cannot tell the events of container `{id}`: it has no cgroup"))
            .hint("run as root with a writable /sys/fs/cgroup")
    })?;
    let counters =
        || -> Result<Event> { Ok(Event { kind: "stats", id: id.clone(), data: Some(document(&group)?) }) };
    let EventsUntil::End { interval } = request.until else {
        tell(&counters()?);
        return Ok(());
    };
    let Some(process) = container.record.open_process() else { return Ok(()) };
    let mut memory = group.watch_oom()?;
    let mut next = Instant::now() + interval;
    loop {
        let left = Timespec::try_from(next.saturating_duration_since(Instant::now())).ok();
        let mut fds = vec![PollFd::new(&process, PollFlags::IN)];
        fds.extend(memory.as_ref().map(|watch| PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)));
        match poll(&mut fds, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(sys::Error::new("cannot wait for events", errno).into()),
        }
        let ended = !fds[0].revents().is_empty();
        // What has ended it comes before its end.
        for _ in 0..memory.as_mut().map_or(0, cgroup::OomWatch::count) {
            if !tell(&Event { kind: "oom", id: id.clone(), data: None }) {
                return Ok(());
            }
        }
        if ended {
            return Ok(());
        }
        if Instant::now() >= next {
            if !tell(&counters()?) {
                return Ok(());
            }
            next += interval;
        }
    }
}

/// Returns the counters as runc's `types.Stats` has them. What no limit bounds has the greatest number as its limit.
fn document(group: &Group) -> Result<Value> {
    let Stats { cpu, memory, pids, io, pressure } = group.stats()?;
    let (cpu, memory) = (cpu.unwrap_or_default(), memory.unwrap_or_default());
    let pids = pids.unwrap_or_default();
    let (processors, nodes) = group.cpuset();
    let huge = |pages: &cgroup::HugePages| json!({ "usage": pages.usage, "max": pages.peak, "failcnt": pages.limit_hits });
    let mut document = json!({
        "cpu": processor(&cpu),
        "cpuset": { "cpus": numbers(&processors), "mems": numbers(&nodes) },
        "memory": memory_of(&memory, group),
        "pids": { "current": pids.current, "limit": pids.limit.unwrap_or(0) },
        "blkio": {
            "ioServiceBytesRecursive": traffic(&io, |device| (device.read_bytes, device.write_bytes)),
            "ioServicedRecursive": traffic(&io, |device| (device.read_operations, device.write_operations)),
        },
        "hugetlb": group.huge_pages().iter().map(|(size, pages)| (size.clone(), huge(pages)))
            .collect::<serde_json::Map<_, _>>(),
        "intel_rdt": {},
        "network_interfaces": null,
    });
    if let Some(pressure) = pressure {
        document["cpu"]["psi"] = stall(&pressure.cpu);
        document["memory"]["psi"] = stall(&pressure.memory);
        document["blkio"]["psi"] = stall(&pressure.io);
    }
    Ok(document)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn processor(cpu: &Cpu) -> Value {
    json!({
        "usage": {
            "total": nanos(cpu.total),
            "percpu": cpu.per_cpu.iter().map(|time| nanos(*time)).collect::<Vec<_>>(),
            "kernel": nanos(cpu.system),
            "user": nanos(cpu.user),
        },
        "throttling": {
            "periods": cpu.periods,
            "throttledPeriods": cpu.throttled_periods,
            "throttledTime": nanos(cpu.throttled),
        },
    })
}

fn memory_of(memory: &Memory, group: &Group) -> Value {
    let limit = memory.limit.unwrap_or(u64::MAX);
    // Both together, as v1 counts them.
    let both =
        memory.limit.zip(memory.swap_limit).map_or(u64::MAX, |(limit, swap)| limit.saturating_add(swap));
    json!({
        "cache": memory.cache,
        "usage": { "limit": limit, "usage": memory.usage, "max": memory.peak.unwrap_or(0), "failcnt": memory.limit_hits },
        "swap": { "limit": both, "usage": memory.usage + memory.swap, "failcnt": 0 },
        "kernel": { "limit": 0, "failcnt": 0 },
        "kernelTCP": { "limit": 0, "failcnt": 0 },
        "raw": group.memory_details(),
    })
}

fn traffic(devices: &[DeviceIo], of: impl Fn(&DeviceIo) -> (u64, u64)) -> Vec<Value> {
    let each = |device: &DeviceIo| {
        let (read, write) = of(device);
        [("Read", read), ("Write", write)].map(
            |(op, value)| json!({ "major": device.major, "minor": device.minor, "op": op, "value": value }),
        )
    };
    devices.iter().flat_map(each).collect()
}

fn stall(stall: &Stall) -> Value {
    let line = |percent: &[f64; 3], total: Duration| {
        let total = u64::try_from(total.as_micros()).unwrap_or(u64::MAX);
        json!({ "avg10": percent[0], "avg60": percent[1], "avg300": percent[2], "total": total })
    };
    json!({
        "some": line(&stall.some_percent, stall.some_total),
        "full": line(&stall.full_percent, stall.full_total),
    })
}

/// Returns the numbers of a list of ranges (`0-2,7`).
fn numbers(list: &str) -> Vec<u16> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u16>().ok()?..=last.parse::<u16>().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_numbers() {
        assert_eq!(numbers("0-2,7"), [0, 1, 2, 7]);
        assert!(numbers("").is_empty());
    }
}
