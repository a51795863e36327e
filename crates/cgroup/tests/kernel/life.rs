//! Creation, attaching, removal, and machines without cgroups.

use std::os::fd::AsRawFd;

use cgroup::{Error, Group, Hierarchies, Layout, Mode};
use oci::runtime::{DeviceRule, Memory, Pids, Resources};
use rustix::process::Signal;

use crate::{Parent, Script, eventually, read};

#[test]
fn this_machine_is_found_at_its_usual_places() {
    #[expect(clippy::disallowed_methods, reason = "the plain look from outside")]
    let read = |path| std::fs::read_to_string(path).unwrap();
    let parsed = Layout::parse(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
    let detected = Hierarchies::detect().unwrap();
    assert_eq!(detected.mode(), parsed.mode());
    let mut by_mounts: Vec<_> = parsed.hierarchies;
    let mut by_guess: Vec<_> = detected.iter().cloned().collect();
    by_mounts.sort_by(|one, other| one.mountpoint.cmp(&other.mountpoint));
    by_guess.sort_by(|one, other| one.mountpoint.cmp(&other.mountpoint));
    assert_eq!(by_guess, by_mounts);
}

#[test]
fn group_lives_in_every_hierarchy_and_leaves_nothing() {
    let parent = Parent::new();
    let group = parent.group("web");
    assert!(group.unavailable().is_none());
    assert_eq!(group.paths().len(), parent.all.iter().count());
    assert_eq!(Group::children(&parent.all, &parent.path).unwrap()["web"].len(), parent.all.iter().count());

    let script = Script::new("cat /proc/self/cgroup");
    group.attach(script.pid()).unwrap();
    assert_eq!(group.processes().unwrap(), [script.pid()]);
    let output = script.output();
    let path = group.path().to_string();
    assert_eq!(output.lines().filter(|line| line.ends_with(&path)).count(), group.paths().len(), "{output}");

    let again = Group::open(&parent.all, group.path()).unwrap();
    assert_eq!(again.paths(), group.paths());
    again.destroy().unwrap();
    assert!(!group.exists());
    group.destroy().unwrap();
    assert!(matches!(Group::open(&parent.all, group.path()), Err(Error::NotFound { .. })));
    assert!(Group::children(&parent.all, &parent.path).unwrap().is_empty());
}

#[test]
fn removal_takes_children_along_and_waits_for_the_dying() {
    let parent = Parent::new();
    let group = parent.group("web");
    for (label, path) in group.paths() {
        for below in ["a", "a/b", "c"] {
            std::fs::create_dir(format!("{path}/{below}")).unwrap_or_else(|error| panic!("{label}: {error}"));
        }
    }
    let mut script = Script::new("sleep 100 & sleep 100");
    group.attach(script.pid()).unwrap();
    script.go();
    eventually("three processes", || group.processes().unwrap().len() == 3);
    assert!(matches!(group.destroy(), Err(Error::InUse { .. })), "processes live in it");
    group.kill(Signal::KILL).unwrap();
    group.destroy().unwrap();
    assert!(!group.exists());
}

#[test]
fn idle_leftover_is_replaced_and_busy_one_is_respected() {
    let parent = Parent::new();
    let pids = Resources { pids: Some(Pids { limit: 7 }), ..Resources::default() };
    let group = parent.group("web");
    group.apply(&pids).unwrap();
    let fresh = parent.group("web");
    assert_eq!(read("pids", &fresh, "pids.max"), "max");

    let script = Script::new("true");
    fresh.attach(script.pid()).unwrap();
    let error = Group::create(&parent.all, fresh.path()).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert!(error.hint().is_some());
    assert!(!fresh.processes().unwrap().is_empty());
}

#[test]
fn thread_puts_itself_into_the_v1_groups() {
    let parent = Parent::new();
    let group = parent.group("web");
    #[expect(clippy::disallowed_methods, reason = "the plain look from outside")]
    let text = std::thread::scope(|scope| {
        let enter = || {
            group.attach_self_v1().unwrap();
            std::fs::read_to_string("/proc/thread-self/cgroup").unwrap()
        };
        scope.spawn(enter).join().unwrap()
    });
    let path = group.path().to_string();
    assert_eq!(
        text.lines().filter(|line| line.ends_with(&path)).count(),
        parent.v1().iter().count(),
        "{text}"
    );
    group.destroy().unwrap();
}

#[test]
fn empty_cpuset_of_a_foreign_parent_takes_processes() {
    let Some(parent) = Parent::of_v1() else { return };
    // Somebody else's group has neither cpus nor clone_children.
    let place = parent.all.iter().find(|hierarchy| hierarchy.label().contains("cpuset")).unwrap();
    let foreign = place.mountpoint.join(parent.path("a/b").to_string().trim_start_matches('/'));
    std::fs::create_dir(foreign.parent().unwrap().parent().unwrap()).unwrap();
    std::fs::create_dir(foreign.parent().unwrap()).unwrap();
    std::fs::create_dir(&foreign).unwrap();
    let group = parent.group("a/b/web");
    let script = Script::new("true");
    group.attach(script.pid()).unwrap();
    assert!(!read("cpuset", &group, "cpuset.cpus").is_empty());
    assert_eq!(script.output(), "");

    let own = parent.group("own/web");
    assert!(!read("cpuset", &own, "cpuset.mems").is_empty(), "copied by the kernel");
}

#[test]
fn many_starts_at_once_share_a_new_parent() {
    let parent = Parent::new();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let parent = &parent;
            scope.spawn(move || {
                for round in 0..10 {
                    let group = parent.group(&format!("shared/{number}-{round}"));
                    let script = Script::new("true");
                    group.attach(script.pid()).unwrap();
                    drop(script);
                    group.destroy().unwrap();
                    assert!(!group.exists());
                }
            });
        }
    });
    assert!(Group::children(&parent.all, &parent.path("shared")).unwrap().is_empty());
}

#[test]
fn v2_side_stands_alone() {
    let parent = Parent::new();
    let v2 = parent.v2();
    assert_eq!(v2.mode(), Mode::V2);
    let group = parent.group_in(&v2, "web");
    assert!(group.v2_fd().unwrap().as_raw_fd() >= 0);
    assert!(group.needs_device_program());
    group.delegate(1234, 1234).unwrap();
    let owner = |file: &str| {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(format!("{}/{file}", group.paths()["unified"])).unwrap().uid()
    };
    assert_eq!((owner(""), owner("cgroup.procs"), owner("cgroup.freeze")), (1234, 1234, 0));
    group.destroy().unwrap();
    assert!(!group.exists());
}

#[test]
fn without_cgroups_the_group_does_nothing_and_says_so() {
    let none = Hierarchies::open(&Layout::default()).unwrap();
    let parent = Parent::new();
    let group = Group::create(&none, &parent.path("web")).unwrap();
    assert!(group.unavailable().unwrap().to_string().contains("no cgroup hierarchy is mounted"));
    let limits = Resources {
        pids: Some(Pids { limit: 7 }),
        memory: Some(Memory { limit: Some(1 << 20), ..Memory::default() }),
        devices: vec![DeviceRule::default()],
        ..Resources::default()
    };
    let told: Vec<String> = group.apply(&limits).unwrap().into_iter().map(|warning| warning.limit).collect();
    assert_eq!(told, ["device rules", "memory limit", "process limit"]);
    group.attach(rustix::process::getpid()).unwrap();
    let error = group.kill(Signal::KILL).unwrap_err();
    assert!(error.to_string().ends_with("no cgroup hierarchy is mounted"), "{error}");
    assert!(group.freeze().is_err() && group.processes().is_err());
    assert_eq!(group.stats().unwrap(), cgroup::Stats::default());
    group.destroy().unwrap();
}

#[test]
fn read_only_hierarchies_are_left_out_with_the_reason() {
    let parent = Parent::new();
    let read_only = |which: fn(&cgroup::Hierarchy) -> bool| {
        let hierarchies = parent.all.iter().cloned().map(|mut hierarchy| {
            hierarchy.read_only = which(&hierarchy);
            hierarchy
        });
        Hierarchies::open(&Layout { hierarchies: hierarchies.collect() }).unwrap()
    };
    let group = parent.group_in(&read_only(|_| true), "web");
    assert!(group.unavailable().unwrap().reason.ends_with("it is mounted read-only"));

    if parent.all.mode() == Mode::V2 {
        return;
    }
    let group = parent.group_in(&read_only(|hierarchy| hierarchy.label() == "pids"), "web");
    assert!(group.unavailable().is_none());
    let warnings = group.apply(&Resources { pids: Some(Pids { limit: 7 }), ..Resources::default() }).unwrap();
    assert_eq!(
        warnings[0].to_string(),
        "process limit is not in force: cannot use the `pids` hierarchy: it is mounted read-only; \
         mount or delegate the controller, or leave the limit out"
    );
}
