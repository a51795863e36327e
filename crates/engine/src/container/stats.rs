//! `stats`: what running containers use, as counted by their cgroups and network namespaces.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::census::{Scope, each};
use super::exec::open_group;
use super::find::{Container, find};
use crate::error::Result;
use crate::paths::Engine;
use crate::request::view::{Pressure, StatsRow, Traffic, Usage};
use crate::request::{NetworkMode, StatsRequest};

/// Looks again and again; shares of processors are those since the look before.
#[derive(Debug)]
pub struct Watch<'a> {
    engine: &'a Engine,
    request: &'a StatsRequest,
    memory_of_host: u64,
    /// Processor time by container, and when it was read.
    before: BTreeMap<String, (Instant, Duration)>,
}

impl<'a> Watch<'a> {
    /// Finds the containers that are named, and takes the first look.
    pub fn begin(engine: &'a Engine, request: &'a StatsRequest) -> Result<Self> {
        for word in &request.containers {
            find(engine, word)?;
        }
        let memory_of_host = crate::system::memory_bytes();
        let mut watch = Self { engine, request, memory_of_host, before: BTreeMap::new() };
        watch.look()?;
        Ok(watch)
    }

    /// Returns what each container uses now. Those that were named and have been removed are left out.
    pub fn look(&mut self) -> Result<Vec<StatsRow>> {
        let mut before = std::mem::take(&mut self.before);
        let mut rows = Vec::new();
        for (word, container) in self.containers()? {
            let since = before.remove(&container.record.id);
            rows.push(self.row(word, &container, since));
        }
        Ok(rows)
    }

    fn containers(&self) -> Result<Vec<(String, Container)>> {
        if self.request.containers.is_empty() {
            let scope = if self.request.all { Scope::All } else { Scope::Running };
            let shown = |container: &Container| self.request.all || container.is_running();
            let mut containers = each(self.engine, scope, |container| Ok(Some(container).filter(shown)))?;
            containers.sort_by_key(|container| std::cmp::Reverse(container.record.created));
            let named = |container: Container| (container.record.short_id().to_owned(), container);
            return Ok(containers.into_iter().map(named).collect());
        }
        let named = |word: &String| match find(self.engine, word) {
            Err(error) if error.class() == oci::class::Class::NotFound => None,
            other => Some(other.map(|container| (word.clone(), container))),
        };
        self.request.containers.iter().filter_map(named).collect()
    }

    fn row(&mut self, word: String, container: &Container, since: Option<(Instant, Duration)>) -> StatsRow {
        let usage = match container.is_running() {
            // One that has ended in this moment uses nothing either.
            true => self.usage(container, since),
            false => Some(Usage::default()),
        };
        let record = &container.record;
        StatsRow { id: record.id.clone(), word, name: record.name.clone(), usage }
    }

    /// Returns nothing where there is no cgroup to ask.
    fn usage(&mut self, container: &Container, since: Option<(Instant, Duration)>) -> Option<Usage> {
        let status = container.status.as_ref()?;
        let group = open_group(status.cgroup.as_deref())?;
        let counters = group.stats().ok()?;
        let now = Instant::now();
        let mut usage = Usage::default();
        if let Some(cpu) = counters.cpu {
            usage.cpu_percent = since.map_or(0.0, |(then, total)| share(now - then, cpu.total, total));
            self.before.insert(container.record.id.clone(), (now, cpu.total));
        }
        if let Some(memory) = counters.memory {
            usage.memory = memory.used();
            // A limit above what the machine has is none.
            usage.memory_limit =
                memory.limit.map_or(self.memory_of_host, |limit| limit.min(self.memory_of_host));
        }
        usage.block = Traffic {
            received: counters.io.iter().map(|device| device.read_bytes).sum(),
            sent: counters.io.iter().map(|device| device.write_bytes).sum(),
        };
        usage.pressure = counters.pressure.map(|pressure| Pressure {
            cpu: pressure.cpu.some_percent[0],
            memory: pressure.memory.some_percent[0],
            block: pressure.io.some_percent[0],
        });
        let count = || group.processes().map_or(0, |processes| processes.len() as u64);
        usage.pids = counters.pids.map_or_else(count, |pids| pids.current);
        // What goes over the host's own interfaces is not the container's.
        if container.record.request.namespaces.network != NetworkMode::Host {
            let text = sys::fs::read_to_string(format!("/proc/{}/net/dev", status.pid)).unwrap_or_default();
            // Read before it is asked: the number may have passed to a stranger.
            usage.network = if status.is_alive() { parse_interfaces(&text) } else { Traffic::default() };
        }
        Some(usage)
    }
}

/// Percent of one processor; with several it may be more than a hundred.
fn share(time: Duration, now: Duration, before: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds <= 0.0 { 0.0 } else { now.saturating_sub(before).as_secs_f64() / seconds * 100.0 }
}

/// Adds up `/proc/PID/net/dev` (proc_pid_net(5)): two lines of head, then eight counters of what came in and eight of what
/// went out. What stays inside does not count.
fn parse_interfaces(text: &str) -> Traffic {
    let mut sum = Traffic::default();
    for line in text.lines().skip(2) {
        let Some((name, counters)) = line.split_once(':') else { continue };
        let counters: Vec<u64> = counters.split_whitespace().map(|word| word.parse().unwrap_or(0)).collect();
        if let ([received, ..], Some(sent), false) = (&counters[..], counters.get(8), name.trim() == "lo") {
            sum.received += received;
            sum.sent += sent;
        }
    }
    sum
}

#[cfg(test)]
#[test]
fn counters() {
    let head = "Inter-|   Receive  |  Transmit\n face |bytes    packets\n";
    let rows = [
        ("", (0, 0)),
        ("    lo: 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9\n", (0, 0)),
        (
            "  eth0: 1500 2 0 0 0 0 0 0 700 3 0 0 0 0 0 0\n  eth1:1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n",
            (1501, 702),
        ),
        ("  eth0: 1500 2\n", (0, 0)),
    ];
    for (text, (received, sent)) in rows {
        assert_eq!(parse_interfaces(&format!("{head}{text}")), Traffic { received, sent }, "{text}");
    }
    let millis = Duration::from_millis;
    assert_eq!(share(millis(500), millis(1250), millis(1000)), 50.0);
    assert_eq!(share(millis(500), millis(1000), millis(1250)), 0.0);
    assert_eq!(share(millis(0), millis(1250), millis(1000)), 0.0);
}
