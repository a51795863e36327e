//! Killing, pausing and counting what runs in a group, by v1, by v2 and by both.

use std::os::unix::process::ExitStatusExt;
use std::thread::sleep;
use std::time::Duration;

use cgroup::{Freezers, Group, Hierarchies, Mode};
use oci::runtime::{Pids, Resources};
use rustix::process::Signal;

use crate::{Parent, Script, eventually, read};

/// Runs a test with the group in all hierarchies, in the v1 ones and in the v2 one, as far as the machine has them.
fn each_way(parent: &Parent, test: impl Fn(&str, &Hierarchies)) {
    if parent.all.mode() != Mode::V2 {
        test("both", &parent.all);
        test("v1", &parent.v1());
    }
    test("v2", &parent.v2());
}

const TREE: &str = "(setsid sleep 100 & sleep 100) & (trap '' TERM; sleep 100; sleep 100) & sleep 100";

#[test]
fn kill_ends_a_whole_tree() {
    let parent = Parent::new();
    each_way(&parent, |way, hierarchies| {
        let group = parent.group_in(hierarchies, way);
        let mut script = Script::new(TREE);
        group.attach(script.pid()).unwrap();
        script.go();
        eventually("the tree stands", || group.processes().unwrap().len() >= 6);
        group.kill(Signal::KILL).unwrap();
        group.destroy().unwrap();
        assert!(!group.exists(), "{way}");
        assert_eq!(script.into_child().wait().unwrap().signal(), Some(9), "{way}");
    });
}

#[test]
fn kill_reaches_processes_in_groups_below() {
    let parent = Parent::new();
    each_way(&parent, |way, hierarchies| {
        let group = parent.group_in(hierarchies, way);
        let below = Group::create(hierarchies, &group.path().join("a/b").unwrap()).unwrap();
        let mut script = Script::new("sleep 100");
        below.attach(script.pid()).unwrap();
        script.go();
        eventually("both are seen", || group.processes().unwrap().len() == 2);
        group.kill(Signal::KILL).unwrap();
        group.destroy().unwrap();
        assert!(!below.exists(), "{way}");
    });
}

#[test]
fn fork_bomb_is_killed_by_v1_alone() {
    let Some(parent) = Parent::of_v1() else { return };
    let group = parent.group_in(&parent.v1(), "web");
    group.apply(&Resources { pids: Some(Pids { limit: 60 }), ..Resources::default() }).unwrap();
    let mut bomb = Script::new("b() { b | b & }; b; sleep 100");
    group.attach(bomb.pid()).unwrap();
    bomb.go();
    eventually("it is large", || group.stats().unwrap().pids.unwrap().current > 30);
    group.kill(Signal::KILL).unwrap();
    group.destroy().unwrap();
    assert!(!group.exists());
}

#[test]
fn other_signals_reach_everyone() {
    let parent = Parent::new();
    each_way(&parent, |way, hierarchies| {
        let group = parent.group_in(hierarchies, way);
        let mut script = Script::new("trap 'echo told; exit' USR1; echo ready; while :; do sleep 0.01; done");
        group.attach(script.pid()).unwrap();
        script.go();
        let mut child = script.into_child();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        assert_eq!(line, "ready\n");
        group.kill(Signal::USR1).unwrap();
        line.clear();
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        assert_eq!(line, "told\n", "{way}");
        child.wait().unwrap();
    });
}

#[test]
fn paused_group_stands_still_and_runs_on() {
    let parent = Parent::new();
    each_way(&parent, |way, hierarchies| {
        let group = parent.group_in(hierarchies, way);
        let mut script = Script::new("while :; do :; done");
        group.attach(script.pid()).unwrap();
        script.go();
        let pid = script.pid();
        eventually("it spins", || ticks(pid) > 2);
        assert!(!group.frozen().unwrap());
        group.freeze().unwrap();
        group.freeze().unwrap();
        assert!(group.frozen().unwrap(), "{way}");
        assert!(Freezers::new().is_frozen(group.path()), "{way}");
        let before = ticks(pid);
        sleep(Duration::from_millis(80));
        assert_eq!(ticks(pid), before, "{way}");
        group.thaw().unwrap();
        assert!(!group.frozen().unwrap() && !Freezers::new().is_frozen(group.path()));
        eventually("it spins again", || ticks(pid) > before);
        // A paused container can be killed.
        group.freeze().unwrap();
        group.kill(Signal::KILL).unwrap();
        assert_eq!(script.into_child().wait().unwrap().signal(), Some(9), "{way}");
        group.destroy().unwrap();
        assert!(!Freezers::new().is_frozen(group.path()), "what is gone is not paused");
    });
}

/// Returns the user time of a process in ticks.
#[expect(clippy::disallowed_methods, reason = "the plain look from outside")]
fn ticks(pid: rustix::process::Pid) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(11).unwrap().parse().unwrap()
}

#[test]
fn counters_move() {
    let parent = Parent::new();
    let group = parent.group("web");
    let mut script = Script::new("x=$(head -c 4000000 /dev/zero | tr '\\0' x); sleep 100");
    group.attach(script.pid()).unwrap();
    script.go();
    let processor = |group: &Group| group.stats().unwrap().cpu.unwrap().total;
    eventually("time passes", || processor(&group) > Duration::from_millis(2));
    eventually("memory is charged", || group.stats().unwrap().memory.unwrap().usage > 1 << 20);
    let stats = group.stats().unwrap();
    let memory = stats.memory.unwrap();
    assert!(memory.used() <= memory.usage && memory.limit.is_none(), "{memory:?}");
    let processors = std::thread::available_parallelism().unwrap().get();
    let told = if parent.all.mode() == Mode::V2 { 0 } else { processors };
    assert_eq!(stats.cpu.unwrap().per_cpu.len(), told, "v2 counts them together");
    assert!(stats.pids.unwrap().current >= 1);
    assert!(stats.pressure.is_some(), "the v2 side accounts pressure");

    if parent.all.mode() == Mode::V2 {
        return;
    }
    // Without cpuacct the v2 side counts time.
    let v2 = parent.group_in(&parent.v2(), "v2");
    let other = Script::new("true");
    v2.attach(other.pid()).unwrap();
    assert_eq!(read("unified", &v2, "cgroup.events"), "populated 1\nfrozen 0");
    let stats = v2.stats().unwrap();
    assert!(stats.cpu.is_some() && stats.memory.is_none() && stats.pids.is_none(), "{stats:?}");
}
