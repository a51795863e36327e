//! Containers that share: namespaces of others, and further processes inside.

use std::fs;

use serde_json::{Value, json};
use sys::process::ExitStatus;

use super::boxes::{Bundle, Staying, chain, merged, user_namespace};

const KINDS: [&str; 6] = ["user", "net", "ipc", "uts", "pid", "mnt"];

fn namespaces_of(who: &str) -> Vec<String> {
    let read = |kind| fs::read_link(format!("/proc/{who}/ns/{kind}")).unwrap();
    KINDS.iter().map(|kind| read(kind).display().to_string()).collect()
}

fn joining(other: &Staying, kinds: &[(&str, &str)], own: &[&str]) -> Value {
    let joined = kinds
        .iter()
        .map(|(kind, file)| json!({ "type": kind, "path": format!("/proc/{}/ns/{file}", other.pid()) }));
    let own = own.iter().map(|kind| json!({ "type": kind }));
    json!({ "hostname": null, "linux": { "namespaces": joined.chain(own).collect::<Vec<_>>() } })
}

pub(crate) fn namespaces_of_another_are_joined() {
    let (first, second) = (Bundle::new(), Bundle::new());
    let host = namespaces_of("self");
    for base in [None, Some(1_879_048_192)] {
        let other = first.stay(&base.map_or(json!({}), user_namespace));
        let mut kinds = vec![("network", "net"), ("ipc", "ipc"), ("uts", "uts")];
        if base.is_some() {
            kinds.insert(0, ("user", "user"));
        }
        let theirs = namespaces_of(&other.pid().to_string());
        for own_pid in [true, false] {
            if !own_pid {
                kinds.push(("pid", "pid"));
            }
            let own: &[&str] = if own_pid { &["mount", "pid"] } else { &["mount"] };
            let patch = joining(&other, &kinds, own);
            let script = "for k in user net ipc uts pid mnt; do /bin/busybox readlink /proc/self/ns/$k; done; /bin/busybox hostname; echo $$";
            let ended = second.script(&patch, script);
            let lines: Vec<&str> = ended.output.lines().collect();
            assert_eq!(lines[..4], theirs[..4], "{ended:?}");
            assert_eq!(lines[0] == host[0], base.is_none());
            assert_eq!(lines[4] == theirs[4], !own_pid);
            assert!(lines[5] != theirs[5] && lines[5] != host[5]);
            assert_eq!((lines[6], lines[7] == "1"), ("box", own_pid));
        }
    }
}

fn show(outcome: Result<(String, ExitStatus), runtime::Error>) -> String {
    match outcome {
        Ok((output, status)) => format!("{output}{status:?}\n"),
        Err(error) => format!("{}: {}\n", error.exit_code(), chain(&error)),
    }
}

pub(crate) fn further_processes_run_inside() {
    let bundle = Bundle::new();
    fs::create_dir(bundle.path("root/work")).unwrap();
    let base = 1_879_048_192;
    let stays = bundle.stay(&merged(user_namespace(base), &json!({ "process": { "user": { "uid": 0 } } })));
    let script = r#"
            alias b=/bin/busybox
            b id; b pwd; umask; b hostname
            b grep -E '^(NoNewPrivs|Seccomp|Cap(Inh|Prm|Eff|Bnd|Amb)):' /proc/self/status | b tr -s '\t\n' '  '; echo
            b ls /proc/self/fd | b tr '\n' ' '; echo
            b mkdir /tmp/x
            echo "$VARIABLE"; ulimit -n
            kill -9 $$
        "#;
    let args = json!(["/bin/busybox", "sh", "-c", script]);
    let filter = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95 }]
    });
    let filter = seccomp::compile(&serde_json::from_value(filter).unwrap()).unwrap();
    let filter = Some((filter.to_bytes(), filter.flags.bits()));
    let process = json!({
        "args": args, "cwd": "/work", "env": ["PATH=/bin", "VARIABLE=a b"], "noNewPrivileges": true,
        "user": { "uid": 1000, "gid": 1001, "umask": 0o77, "additionalGids": [5, 6] },
        "capabilities": { "bounding": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"],
            "inheritable": ["CAP_CHOWN"], "ambient": ["CAP_CHOWN"] },
        "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 64, "hard": 128 }]
    });
    let mut told = show(stays.exec(&process, filter.clone()));
    // With privilege the filter comes first, and the rights stay.
    let root = merged(process.clone(), &json!({ "noNewPrivileges": false, "user": { "uid": 0, "gid": 0 } }));
    told += &show(stays.exec(&root, filter));
    let failing = [
        json!({ "args": [] }),
        json!({ "args": ["missing"], "cwd": "/" }),
        json!({ "args": ["/work"], "cwd": "/" }),
        json!({ "args": ["/bin/busybox"], "cwd": "/missing" }),
        json!({ "args": ["/bin/busybox"], "cwd": "/", "user": { "uid": 70000 } }),
        json!({ "args": ["/bin/busybox"], "cwd": "/", "rlimits": [{ "type": "RLIMIT_X" }] }),
        json!({ "args": ["/bin/busybox"], "cwd": "/", "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 2, "hard": 1 }] }),
    ];
    for process in failing {
        told += &format!("{process}\n    {}", show(stays.exec(&process, None)));
    }
    insta::assert_snapshot!("exec", told);
    // No failed one is left: the container's first process is all there is.
    let children = fs::read_to_string("/proc/thread-self/children").unwrap();
    assert_eq!(children.trim(), stays.pid().to_string());
}
