//! What the creator does to a container's network before its program runs.

use std::cell::Cell;
use std::fs;
use std::io::{Read, pipe};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use runtime::{Created, Error, Gate, NetworkSetup};
use serde_json::{Value, json};
use sys::process;

use super::boxes::{Bundle, chain, merged, user_namespace};
use super::failures::{nothing_is_left, open_descriptors};

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn create(
    bundle: &Bundle,
    patch: &Value,
    set_up: &dyn Fn(BorrowedFd<'_>) -> Outcome,
) -> (Result<Created, Error>, String) {
    let (mut reader, writer) = pipe().unwrap();
    let writer = OwnedFd::from(writer);
    let plan = bundle.plan(patch).unwrap();
    let created = bundle.create_with(&plan, &writer, &Gate::Open, Some(NetworkSetup(set_up)));
    drop(writer);
    let mut output = String::new();
    if let Ok(created) = &created {
        reader.read_to_string(&mut output).unwrap();
        process::wait(created.pid).unwrap();
    }
    (created, output)
}

/// Finds the process of a pidfd (proc_pid_fdinfo(5)).
fn process_of(pidfd: BorrowedFd<'_>) -> String {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).unwrap();
    text.lines().find_map(|line| line.strip_prefix("Pid:\t")).unwrap().to_owned()
}

fn network_of(process: &str) -> PathBuf {
    fs::read_link(format!("/proc/{process}/ns/net")).unwrap()
}

pub(crate) fn it_is_set_up_before_the_program_runs_and_while_the_builder_mounts() {
    let bundle = Bundle::new();
    let script =
        "/bin/busybox readlink /proc/self/ns/net; /bin/busybox cat /proc/sys/net/ipv4/conf/lo/arp_notify";
    let process = json!({ "process": { "args": ["/bin/busybox", "sh", "-c", script] } });
    // A sysctl of an interface comes after whoever makes interfaces.
    let sysctl = json!({ "linux": { "sysctl": { "net.ipv4.conf.lo.arp_notify": "1" } } });
    for patch in [json!({}), user_namespace(1_879_048_192)] {
        let patch = merged(merged(patch, &process), &sysctl);
        let seen = Cell::new(None);
        let (created, output) = create(&bundle, &patch, &|pidfd| {
            let own = fs::File::open("/proc/thread-self/ns/net").unwrap();
            process::join_namespaces(pidfd, process::NEWNET).unwrap();
            // Slower than the builder, which waits before it sets what belongs to interfaces.
            std::thread::sleep(std::time::Duration::from_millis(100));
            let value = fs::read_to_string("/proc/sys/net/ipv4/conf/lo/arp_notify").unwrap();
            assert_eq!(value, "0\n");
            process::join_namespaces(own.as_fd(), process::NEWNET).unwrap();
            seen.set(Some(network_of(&process_of(pidfd))));
            Ok(())
        });
        let warnings = created.unwrap_or_else(|error| panic!("{}", chain(&error))).warnings;
        assert_eq!(warnings, Vec::<String>::new());
        let seen = seen.take().expect("the network was set up");
        assert_ne!(seen, network_of("self"));
        assert_eq!(output, format!("{}\n1\n", seen.display()));
    }
}

pub(crate) fn a_failure_is_the_creations_and_leaves_nothing() {
    let bundle = Bundle::new();
    let descriptors = open_descriptors();
    let fail = |_: BorrowedFd<'_>| -> Outcome { Err("no such bridge".into()) };
    let (created, _) = create(&bundle, &json!({}), &fail);
    let error = created.unwrap_err();
    assert_eq!(chain(&error), "cannot connect the container to its networks: no such bridge");
    assert_eq!(error.exit_code(), 125);
    nothing_is_left(&bundle, "network", descriptors);

    // What the builder stumbled over is the cause where the network fails for want of a namespace.
    let wait = |pidfd: BorrowedFd<'_>| -> Outcome {
        let mut ended = [rustix::event::PollFd::from_borrowed_fd(pidfd, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut ended, None)?;
        Err("no such process".into())
    };
    let mount = json!({ "mounts": [{ "destination": "/a", "type": "lunchfs" }] });
    let (created, _) = create(&bundle, &mount, &wait);
    let told = chain(&created.unwrap_err());
    assert!(told.contains("lunchfs"), "{told}");
    nothing_is_left(&bundle, "mount", descriptors);
}
