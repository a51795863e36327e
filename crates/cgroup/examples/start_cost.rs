//! Measures what a group costs a start: each step alone, beside the bare system calls.
#![expect(clippy::print_stdout, reason = "a measuring program for the terminal")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cgroup::{CgroupPath, Group, Hierarchies, default_devices};
use oci::runtime::{DeviceRule, Pids, Resources};
use rustix::fs::{AtFlags, CWD, Mode, mkdirat, unlinkat};
use rustix::process::Pid;

const ROUNDS: usize = 400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut devices = vec![DeviceRule::default()];
    devices.extend(default_devices());
    let resources = Resources { devices, pids: Some(Pids { limit: 4096 }), ..Resources::default() };
    let path = CgroupPath::parse("/coracle-cost/one")?;
    let names = ["detect", "create", "attach", "apply", "destroy", "bare mkdir", "bare rmdir"];
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); names.len()];
    for _ in 0..ROUNDS {
        let mut clock = Clock::new(&mut times);
        let hierarchies = Hierarchies::detect()?;
        clock.lap(0);
        let group = Group::create(&hierarchies, &path)?;
        clock.lap(1);
        #[expect(clippy::disallowed_methods, reason = "something to attach")]
        let mut child = Command::new("/bin/cat").stdin(Stdio::piped()).spawn()?;
        let pid = Pid::from_child(&child);
        clock.skip();
        group.attach(pid)?;
        clock.lap(2);
        let warnings = group.apply(&resources)?;
        clock.lap(3);
        assert!(warnings.is_empty(), "{warnings:?}");
        drop(child.stdin.take());
        child.wait()?;
        let bare: Vec<String> = hierarchies
            .iter()
            .map(|hierarchy| hierarchy.mountpoint.join("coracle-cost/bare").display().to_string())
            .collect();
        clock.skip();
        group.destroy()?;
        clock.lap(4);
        for path in &bare {
            mkdirat(CWD, path.as_str(), Mode::from_raw_mode(0o755))?;
        }
        clock.lap(5);
        for path in &bare {
            unlinkat(CWD, path.as_str(), AtFlags::REMOVEDIR)?;
        }
        clock.lap(6);
    }
    Group::open(&Hierarchies::detect()?, &CgroupPath::parse("/coracle-cost")?)?.destroy()?;
    for (name, times) in names.iter().zip(&mut times) {
        times.sort();
        println!("{name:<12} median {:>8.1?}  least {:>8.1?}", times[ROUNDS / 2], times[0]);
    }
    Ok(())
}

/// Takes the time between calls.
struct Clock<'t> {
    last: Instant,
    times: &'t mut [Vec<Duration>],
}

impl<'t> Clock<'t> {
    fn new(times: &'t mut [Vec<Duration>]) -> Self {
        Self { last: Instant::now(), times }
    }

    fn lap(&mut self, step: usize) {
        self.times[step].push(self.last.elapsed());
        self.last = Instant::now();
    }

    fn skip(&mut self) {
        self.last = Instant::now();
    }
}
