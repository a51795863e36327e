//! Groups on the running kernel; everything is made below a parent of its own and removed. As root, at the top of the
//! hierarchies; somebody else needs a delegated subtree of v2 and runs what says nothing of root.
#![expect(clippy::unwrap_used, reason = "a test program throughout")]

mod life;
mod limits;
mod processes;
mod v2;

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cgroup::{CgroupPath, Group, Hierarchies, Hierarchy, Kind, Layout, Mode};
use rustix::process::{Pid, Signal};

/// A parent group that is removed with all that lives in it.
struct Parent {
    path: CgroupPath,
    all: Hierarchies,
}

impl Parent {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // A relative path begins beside the caller's own group.
        let top = if rustix::process::getuid().is_root() { "/" } else { "" };
        let path = format!("{top}coracle-test-{}-{number}", std::process::id()).parse().unwrap();
        Self { path, all: Hierarchies::detect().unwrap() }
    }

    /// A parent on a machine that has v1 beside or instead of v2.
    fn of_v1() -> Option<Self> {
        Some(Self::new()).filter(|parent| parent.all.mode() != Mode::V2)
    }

    /// A parent on a machine with v2 alone, as has the guest of `cargo xtask guest`.
    fn of_v2() -> Option<Self> {
        Some(Self::new()).filter(|parent| parent.all.mode() == Mode::V2)
    }

    fn path(&self, child: &str) -> CgroupPath {
        self.path.join(child).unwrap()
    }

    fn group(&self, child: &str) -> Group {
        Group::create(&self.all, &self.path(child)).unwrap()
    }

    /// The group in the v1 hierarchies or in the v2 one alone.
    fn group_in(&self, hierarchies: &Hierarchies, child: &str) -> Group {
        Group::create(hierarchies, &self.path(child)).unwrap()
    }

    fn v1(&self) -> Hierarchies {
        self.only(|hierarchy| hierarchy.kind != Kind::V2)
    }

    fn v2(&self) -> Hierarchies {
        self.only(|hierarchy| hierarchy.kind == Kind::V2)
    }

    fn only(&self, keep: impl Fn(&Hierarchy) -> bool) -> Hierarchies {
        let hierarchies = self.all.iter().filter(|hierarchy| keep(hierarchy)).cloned().collect();
        Hierarchies::open(&Layout { hierarchies }).unwrap()
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        if let Ok(group) = Group::open(&self.all, &self.path) {
            let removed = group.kill(Signal::KILL).and_then(|()| group.destroy());
            assert!(removed.is_ok() || std::thread::panicking(), "{removed:?}");
            assert!(!group.exists() || std::thread::panicking());
        }
    }
}

/// A shell that starts its work when told, so that it can be put into a group before.
struct Script(Child);

impl Script {
    fn new(text: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "tests run programs")]
        let child = Command::new("/bin/sh")
            .args(["-c", &format!("read -r go; {text}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    fn go(&mut self) {
        self.0.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }

    fn output(mut self) -> String {
        self.go();
        let output = self.into_child().wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn into_child(mut self) -> Child {
        #[expect(clippy::disallowed_methods, reason = "a stand-in for the child that is taken out")]
        let done = Command::new("/bin/true").spawn().unwrap();
        std::mem::replace(&mut self.0, done)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads a file of a group in the hierarchy of a controller, or in that of v2.
#[expect(clippy::disallowed_methods, reason = "the plain look from outside")]
fn read(controller: &str, group: &Group, file: &str) -> String {
    let paths = group.paths();
    let of_controller = paths.iter().find(|(label, _)| label.split(',').any(|name| name == controller));
    let (_, path) = of_controller.unwrap_or_else(|| paths.get_key_value("unified").unwrap());
    let path = format!("{path}/{file}");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")).trim().to_owned()
}

/// Waits until something holds.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
