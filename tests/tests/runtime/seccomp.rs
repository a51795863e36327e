//! Filters: their flags, and the agent of one that notifies.

use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};
use tests::{Bundles, eventually};

/// Takes the state and the listener that a runtime sends.
fn receive(agent: &UnixListener) -> (Value, OwnedFd) {
    let (mut stream, _) = agent.accept().unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut text = vec![0; 4096];
    let count =
        recvmsg(&stream, &mut [IoSliceMut::new(&mut text)], &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
    text.truncate(count.bytes);
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    stream.read_to_end(&mut text).unwrap();
    assert_eq!(fds.len(), 1);
    (serde_json::from_slice(&text).unwrap(), fds.remove(0))
}

/// A filter that asks the agent about mkdir, and about all that the runtime may not need before the agent can answer.
fn notifying(agent: Option<&str>) -> Value {
    let mut filter = json!({ "defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "for the agent",
        "syscalls": [{ "names": ["mkdir", "mkdirat", "sendmsg", "recvmsg"], "action": "SCMP_ACT_NOTIFY" }] });
    match agent {
        Some(path) => filter["listenerPath"] = json!(path),
        None => drop(filter.as_object_mut().unwrap().remove("listenerMetadata")),
    }
    filter
}

#[test]
fn the_agent_gets_the_listener_and_the_state() {
    let bundles = Bundles::new();
    let path = bundles.base().join("agent");
    let agent = UnixListener::bind(&path).unwrap();
    for (name, privileges) in [("privileged", true), ("notify", false)] {
        let bundle =
            bundles.bundle(name, &["sh", "-c", "mkdir /tmp/made; echo $?; exec sleep 600"], |spec| {
                spec["linux"]["seccomp"] = notifying(path.to_str());
                spec["process"]["noNewPrivileges"] = json!(!privileges);
                spec["annotations"] = json!({ "long": "x".repeat(10_000) });
            });
        let id = bundles.create(name, &bundle);
        let (told, listener) = receive(&agent);
        let state = bundles.state(&id);
        assert_eq!((&told["fds"], &told["metadata"]), (&json!(["seccompFd"]), &json!("for the agent")));
        assert_eq!((&told["pid"], &told["ociVersion"]), (&state["pid"], &json!("1.2.1")));
        for (member, value) in
            [("status", json!("creating")), ("id", json!(id)), ("pid", state["pid"].clone())]
        {
            assert_eq!(told["state"][member], value, "{member}");
        }
        assert_eq!(told["state"]["annotations"], state["annotations"]);
        bundles.run(&["start", &id]).ok();
        // The call waits for the agent; where that goes away, it is one that the kernel has not got.
        poll(&mut [PollFd::new(&listener, PollFlags::IN)], None).unwrap();
        assert_eq!(bundles.printed(name), "");
        drop(listener);
        eventually("the call was answered", || bundles.printed(name).contains("Function not implemented\n1"));
        let exec = bundles.command(&["exec", &id, "sh", "-c", "echo $$; mkdir /tmp/made"]).spawn();
        let (told, listener) = receive(&agent);
        assert_eq!((&told["state"]["status"], &told["state"]["pid"]), (&json!("running"), &state["pid"]));
        assert_ne!(told["pid"], state["pid"]);
        drop(listener);
        exec.wait().fails_with(1).stderr_has("Function not implemented");
        bundles.run(&["delete", "--force", &id]).ok();
    }
    drop(agent);
    // Nobody listens, and no path at all.
    let id = bundles.id("alone");
    for (name, filter, named) in [
        ("gone", notifying(path.to_str()), path.to_str().unwrap()),
        ("none", notifying(None), "listenerPath"),
    ] {
        let bundle = bundles.bundle(name, &["true"], |spec| spec["linux"]["seccomp"] = filter);
        bundles
            .leave(name, &["create", "-b", bundle.to_str().unwrap(), &id])
            .fails_with(1)
            .error_names(&[named]);
        bundles.assert_empty();
    }
}

#[test]
fn flags_and_actions_of_filters() {
    let bundles = Bundles::new();
    let id = bundles.id("flags");
    let run = |name: &str, filter: Value, script: &str| {
        let bundle = bundles.bundle(name, &["sh", "-c", script], |spec| spec["linux"]["seccomp"] = filter);
        bundles.run(&["run", "-b", bundle.to_str().unwrap(), &id])
    };
    let filter = |action: &str, flags: &[&str]| {
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "flags": flags,
            "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": action, "errnoRet": 28 }] })
    };
    let errno = |flags: &[&str]| filter("SCMP_ACT_ERRNO", flags);
    for flag in ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"] {
        run(flag, errno(&[flag]), "grep Seccomp: /proc/self/status; mkdir /x; true")
            .ok()
            .stdout_has("2")
            .stderr_has("No space left on device");
    }
    run("unknown", errno(&["SECCOMP_FILTER_FLAG_X"]), "true")
        .fails_with(1)
        .error_names(&["SECCOMP_FILTER_FLAG_X"]);
    for (action, code) in [("SCMP_ACT_KILL_PROCESS", 159), ("SCMP_ACT_TRAP", 159)] {
        let mut filter = filter(action, &[]);
        filter["syscalls"][0].as_object_mut().unwrap().remove("errnoRet");
        run(action, filter, "exec mkdir /x").fails_with(code);
    }
    // An action without an errno refuses one.
    run("errno", filter("SCMP_ACT_KILL", &[]), "true").fails_with(1).error_names(&["SCMP_ACT_KILL"]);
    bundles.assert_empty();
}
