//! Starts that fail: the error names step and object, and nothing is left.

use std::fs;

use runtime::Gate;
use serde_json::{Value, json};

use super::boxes::{Bundle, chain, merged, user_namespace};

/// Asserts that no process, mount or descriptor of a failed start is there.
#[track_caller]
pub(crate) fn nothing_is_left(bundle: &Bundle, what: &str, descriptors: usize) {
    assert_eq!(sys::process::try_wait_any().unwrap(), None, "{what}: a process is left");
    let children = fs::read_to_string("/proc/thread-self/children").unwrap();
    assert_eq!(children, "", "{what}: processes are left");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let place = bundle.path("");
    assert!(!mounts.contains(place.to_str().unwrap()), "{what}: a mount is left");
    assert_eq!(open_descriptors(), descriptors, "{what}: a descriptor is left open");
}

pub(crate) fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

pub(crate) fn each_failure_is_told_and_leaves_nothing() {
    let bundle = Bundle::new();
    let root = bundle.path("root");
    for directory in ["directory", "etc"] {
        fs::create_dir(root.join(directory)).unwrap();
    }
    fs::write(root.join("etc/file"), "not a program").unwrap();
    std::os::unix::fs::symlink("/etc", root.join("link")).unwrap();
    let mount = |mount: Value| json!({ "mounts": [mount] });
    let process = |process: Value| json!({ "process": process });
    let bind = |to: &str| mount(json!({ "destination": to, "source": "/etc/hostname", "options": ["bind"] }));
    let args = |name: &str| process(json!({ "args": [name] }));
    let cases = [
        mount(json!({ "destination": "/a", "source": "/no/such/thing", "options": ["bind"] })),
        bind("/directory"),
        bind("/etc/file/below"),
        bind("/proc/self/attr"),
        mount(json!({ "destination": "/a", "type": "tmpfs", "options": ["size=much"] })),
        mount(json!({ "destination": "/a", "type": "tmpfs", "options": ["sighs=1"] })),
        mount(json!({ "destination": "/a", "type": "lunchfs" })),
        mount(json!({ "destination": "/link", "type": "sysfs", "source": "sysfs" })),
        mount(json!({ "destination": "/dev/zero", "type": "tmpfs" })),
        json!({ "linux": { "devices": [{ "path": "/etc/file", "type": "c", "major": 1, "minor": 3 }] } }),
        json!({ "linux": { "sysctl": { "net.ipv4.no_such_key": "1" } } }),
        json!({ "linux": { "sysctl": { "net.ipv4.ip_forward": "sideways" } } }),
        json!({ "linux": { "namespaces": [{ "type": "mount" }, { "type": "uts" }, { "type": "ipc", "path": "/no/ns" }] } }),
        json!({ "linux": { "namespaces": [{ "type": "mount" }, { "type": "uts" }, { "type": "ipc", "path": "/proc/self/ns/uts" }] } }),
        process(json!({ "cwd": "/missing" })),
        process(json!({ "cwd": "/etc/file" })),
        process(json!({ "terminal": true })),
        process(json!({ "scheduler": { "policy": "SCHED_FIFO", "priority": 1000 } })),
        args("no-such-program"),
        args("/no/such/program"),
        args("/etc/file"),
        args("/etc"),
        args(""),
        process(json!({ "args": ["/bin/busybox", "a\0b"] })),
        merged(user_namespace(4_000_000_000), &process(json!({ "user": { "uid": 70000 } }))),
        merged(
            user_namespace(4_000_000_000),
            &json!({ "linux": { "devices": [
                { "path": "/dev/x", "type": "c", "major": 1, "minor": 3, "uid": 70000 }
            ] } }),
        ),
    ];
    let descriptors = open_descriptors();
    let mut told = String::new();
    for case in cases {
        let error = bundle.run(&case).expect_err(&case.to_string());
        let case = case.to_string();
        told.push_str(&format!("{case}\n    {}: {}\n", error.exit_code(), chain(&error)));
        nothing_is_left(&bundle, &case, descriptors);
    }
    insta::assert_snapshot!("failures", told.replace(bundle.path("").to_str().unwrap(), "DIR/"));
}

/// The report of a failure once had to fit a page, and one that did not was taken for a success.
pub(crate) fn a_failure_with_much_to_tell_is_still_a_failure() {
    let bundle = Bundle::new();
    let name = format!("/no/such/{}", "/much/too/long".repeat(20_000));
    for name in [&name[..4000], &name[..5000], &name] {
        let error = bundle.run(&json!({ "process": { "args": [name] } })).unwrap_err();
        let told = chain(&error);
        assert!(told.starts_with("exec: \"/no/such//much/too/long"), "{told}");
    }
}

pub(crate) fn a_gated_container_waits_and_ends_with_its_creator() {
    let bundle = Bundle::new();
    let spec = json!({ "process": { "args": ["/bin/busybox", "touch", "/ran"] } });
    let mut plan = bundle.plan(&spec).unwrap();
    plan.init.push(runtime::step::InitStep::Gate);
    let null = std::os::fd::OwnedFd::from(fs::File::open("/dev/null").unwrap());
    let ran = || bundle.path("root/ran").exists();

    let created = bundle.create(&plan, &null, &Gate::Report).unwrap();
    let pid = created.pid;
    assert!(!ran());
    drop(created);
    assert_eq!(sys::process::wait(pid).unwrap(), sys::process::ExitStatus::Code(1));
    assert!(!ran());

    let created = bundle.create(&plan, &null, &Gate::Report).unwrap();
    assert!(!ran());
    created.start().unwrap();
    assert!(sys::process::wait_any().unwrap().is_some());
    assert!(ran());

    // A missing program is told before anybody waits.
    let missing = bundle.plan(&json!({ "process": { "args": ["/missing"] } })).unwrap();
    let gated =
        runtime::Plan { init: [missing.init, vec![runtime::step::InitStep::Gate]].concat(), ..missing };
    assert_eq!(bundle.create(&gated, &null, &Gate::Report).unwrap_err().exit_code(), 127);
}
