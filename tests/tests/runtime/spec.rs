//! The specification's text, section by section, as tables: a change of the example bundle, and what its program sees.
//!
//! The sections are those of config.md and config-linux.md of runtime-spec 1.2; mounts stand in `mounts.rs`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tests::Bundles;

/// One line of a table.
pub(super) struct Case {
    name: &'static str,
    /// Laid over the specification: objects are merged, null removes, all else replaces (RFC 7386).
    patch: Value,
    script: &'static str,
    prints: &'static str,
}

pub(super) fn case(name: &'static str, patch: Value, script: &'static str, prints: &'static str) -> Case {
    Case { name, patch, script, prints }
}

pub(super) fn lay_over(document: &mut Value, patch: &Value) {
    match (document, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            for (key, value) in patch {
                match value {
                    Value::Null => drop(object.remove(key)),
                    _ => lay_over(object.entry(key).or_insert(Value::Null), value),
                }
            }
        }
        (document, patch) => *document = patch.clone(),
    }
}

/// Runs each case to its end and compares what it prints.
pub(super) fn check(bundles: &Bundles, cases: &[Case]) {
    let id = bundles.id("case");
    for Case { name, patch, script, prints } in cases {
        let bundle = bundles.bundle(name, &["sh", "-c", script], |spec| lay_over(spec, patch));
        let output = bundles.run(&["run", "-b", bundle.to_str().unwrap(), &id]);
        assert_eq!((output.code, output.text()), (0, *prints), "{name}: {output}");
    }
    bundles.assert_empty();
}

#[test]
fn process() {
    let bundles = Bundles::new();
    let caps = |sets: &[&str]| {
        let all = ["bounding", "effective", "permitted", "inheritable", "ambient"];
        let list =
            |set: &&str| if sets.contains(set) { json!(["CAP_KILL", "CAP_NEW_ONE"]) } else { json!([]) };
        let sets: serde_json::Map<_, _> = all.iter().map(|set| ((*set).to_owned(), list(set))).collect();
        json!({ "process": { "capabilities": sets } })
    };
    const CAPS: &str = "grep Cap /proc/self/status | busybox sed 's/.*:.0*//; s/^$/0/' | busybox xargs";
    check(
        &bundles,
        &[
            case("cwd", json!({ "process": { "cwd": "/tmp" } }), "pwd", "/tmp"),
            case(
                "env",
                json!({ "process": { "env": ["PATH=/bin", "A=b c"] } }),
                "busybox env | grep -c .; echo $A",
                "4\nb c",
            ),
            case(
                "user",
                json!({ "process": { "user": { "uid": 7, "gid": 8 } } }),
                "id -u; id -g; id -G",
                "7\n8\n8",
            ),
            case(
                "additionalGids",
                json!({ "process": { "user": { "uid": 7, "gid": 8, "additionalGids": [5, 6] } } }),
                "id -G",
                "8 5 6",
            ),
            case("umask", json!({ "process": { "user": { "uid": 0, "umask": 0o27 } } }), "umask", "0027"),
            case(
                "rlimits",
                json!({ "process": { "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 64, "hard": 128 },
                { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 }] } }),
                "ulimit -Sn; ulimit -Hn; ulimit -c",
                "64\n128\n0",
            ),
            case(
                "oomScoreAdj",
                json!({ "process": { "oomScoreAdj": 101 } }),
                "cat /proc/self/oom_score_adj",
                "101",
            ),
            case(
                "noNewPrivileges",
                json!({ "process": { "noNewPrivileges": false } }),
                "grep NoNewPrivs /proc/self/status",
                "NoNewPrivs:\t0",
            ),
            // In the order of inheritable, permitted, effective, bounding, ambient. An unknown name does no harm.
            case("capabilities", caps(&["bounding", "permitted", "effective"]), CAPS, "0 20 20 20 0"),
            case("no capabilities", caps(&[]), CAPS, "0 0 0 0 0"),
            case("bounding alone", caps(&["bounding"]), CAPS, "0 0 0 20 0"),
            case(
                "ambient",
                caps(&["bounding", "permitted", "inheritable", "ambient"]),
                CAPS,
                "20 20 20 20 20",
            ),
            case(
                "scheduler",
                json!({ "process": { "scheduler": { "policy": "SCHED_BATCH", "nice": 5 } } }),
                "busybox awk '{print $19, $41}' /proc/self/stat",
                "5 3",
            ),
            case(
                "ioPriority",
                json!({ "process": { "ioPriority": { "class": "IOPRIO_CLASS_BE", "priority": 6 } } }),
                "busybox ionice -p $$",
                "best-effort: prio 6",
            ),
            case("hostname", json!({ "hostname": "named" }), "busybox hostname", "named"),
            case(
                "domainname",
                json!({ "domainname": "example.org" }),
                "cat /proc/sys/kernel/domainname",
                "example.org",
            ),
            case("root", json!({ "root": { "readonly": true } }), "touch /x 2>&1 | grep -c Read-only", "1"),
        ],
    );
    // One that nobody knows is told of.
    let unknown = bundles.bundle("unknown", &["true"], |spec| lay_over(spec, &caps(&["bounding"])));
    let output = bundles.run(&["run", "-b", unknown.to_str().unwrap(), &bundles.id("unknown")]).ok();
    output.stderr_has("CAP_NEW_ONE is not given: there is none of that name");
    if cfg!(target_arch = "x86_64") {
        let bundle = bundles.bundle("personality", &["sleep", "600"], |spec| {
            spec["linux"]["personality"] = json!({ "domain": "LINUX32" });
        });
        let id = bundles.start("personality", &bundle);
        bundles.run(&["exec", &id, "busybox", "uname", "-m"]).ok().prints("i686");
        bundles.run(&["delete", "--force", &id]).ok();
        let personality = json!({ "linux": { "personality": { "domain": "LINUX32" } } });
        check(&bundles, &[case("personality of the first", personality, "busybox uname -m", "i686")]);
    }
}

#[test]
fn without_a_uts_namespace_the_host_s_name_stays() {
    let bundles = Bundles::new();
    let own = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for (name, patch) in [
        ("hostname", json!({ "hostname": own.trim() })),
        ("domainname", json!({ "hostname": null, "domainname": "example.org" })),
    ] {
        let bundle = bundles.bundle(name, &["true"], |spec| {
            lay_over(spec, &patch);
            spec["linux"]["namespaces"].as_array_mut().unwrap().retain(|ns| ns["type"] != "uts");
        });
        let id = bundles.id("host");
        bundles
            .run(&["run", "-b", bundle.to_str().unwrap(), &id])
            .fails_with(1)
            .error_names(&["uts namespace"]);
        bundles.assert_empty();
    }
}

#[test]
fn paths_and_devices() {
    let bundles = Bundles::new();
    let rootfs = bundles.rootfs();
    fs::create_dir_all(rootfs.join("tmp/dir")).unwrap();
    for file in ["etc/secret", "tmp/dir/file"] {
        fs::write(rootfs.join(file), "secret").unwrap();
    }
    let device = |value: Value| json!({ "linux": { "devices": [value] } });
    check(&bundles, &[
        case(
            "maskedPaths",
            json!({ "linux": { "maskedPaths": ["/etc/secret", "/tmp/dir", "/tmp/nowhere"] } }),
            "cat /etc/secret; busybox ls /tmp/dir; test -e /tmp/nowhere || echo none",
            "none",
        ),
        case(
            "readonlyPaths",
            json!({ "linux": { "readonlyPaths": ["/tmp/dir", "/tmp/nowhere"] } }),
            "touch /tmp/dir/file 2>&1 | grep -c Read-only; touch /tmp/other",
            "1",
        ),
        case(
            "default devices",
            json!({}),
            "for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done; test -e /dev/ptmx || echo no ptmx;
             for l in fd stdin stdout stderr ptmx; do busybox readlink /dev/$l; done | busybox xargs",
            "/proc/self/fd /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 pts/ptmx",
        ),
        case(
            "character device",
            device(json!({ "path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 7, "gid": 8 })),
            "busybox stat -c '%F %a %u:%g %t:%T' /dev/x",
            "character special file 640 7:8 1:3",
        ),
        case(
            "unbuffered device",
            device(json!({ "path": "/dev/deep/x", "type": "u", "major": 1, "minor": 3 })),
            "busybox stat -c %F /dev/deep/x",
            "character special file",
        ),
        case(
            "block device",
            device(json!({ "path": "/dev/b", "type": "b", "major": 7, "minor": 99 })),
            "busybox stat -c '%F %t:%T' /dev/b",
            "block special file 7:63",
        ),
        case("fifo", device(json!({ "path": "/tmp/fifo", "type": "p" })), "busybox stat -c %F /tmp/fifo", "fifo"),
        case(
            "the same device",
            device(json!({ "path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600 })),
            "busybox stat -c %a /dev/null",
            "600",
        ),
    ]);
    // One that is there and is something else is an error.
    let id = bundles.id("other");
    let other = bundles.bundle("other", &["true"], |spec| {
        lay_over(spec, &device(json!({ "path": "/etc/secret", "type": "c", "major": 1, "minor": 3 })));
    });
    bundles.run(&["run", "-b", other.to_str().unwrap(), &id]).fails_with(1).error_names(&["/etc/secret"]);
    bundles.assert_empty();
}

#[test]
fn a_container_with_clocks_of_its_own_starts_on_older_kernels() {
    let bundles = Bundles::new();
    let kinds = ["mount", "pid", "ipc", "time"].map(|kind| json!({ "type": kind }));
    let late = json!({ "linux": { "namespaces": kinds, "timeOffsets": { "boottime": { "secs": 100_000_000 } } },
        "hostname": null });
    let script = "test $(busybox cut -d. -f1 /proc/uptime) -gt 100000000 && echo late";
    check(&bundles, &[case("late", late, script, "late")]);
}

#[test]
fn namespaces() {
    let bundles = Bundles::new();
    let kinds = ["cgroup", "ipc", "network", "pid", "time", "uts"];
    let first = bundles.bundle("first", &["sleep", "600"], |spec| {
        spec["linux"]["namespaces"] =
            kinds.iter().chain(&["mount"]).map(|kind| json!({ "type": kind })).collect();
        spec["linux"]["timeOffsets"] =
            json!({ "boottime": { "secs": 100_000_000 }, "monotonic": { "secs": 5, "nanosecs": 7 } });
    });
    let first = bundles.start("first", &first);
    let pid = bundles.state(&first)["pid"].to_string();
    let file = |kind: &str| if kind == "network" { "net".to_owned() } else { kind.to_owned() };
    let uptime = |words: &[&str]| {
        let seconds = bundles.run(&[words, &["busybox", "cut", "-d.", "-f1", "/proc/uptime"]].concat()).ok();
        seconds.text().parse::<u64>().unwrap()
    };
    assert!(uptime(&["exec", &first]) > 100_000_000, "a further process has the clocks too");
    for kind in kinds {
        let id = bundles.id(kind);
        let joined = bundles.bundle(
            kind,
            &["busybox", "readlink", &format!("/proc/self/ns/{}", file(kind))],
            |spec| {
                let other = json!({ "type": kind, "path": format!("/proc/{pid}/ns/{}", file(kind)) });
                spec["linux"]["namespaces"] = json!([{ "type": "mount" }, other]);
                spec["linux"]["maskedPaths"] = json!([]);
                spec.as_object_mut().unwrap().remove("hostname");
            },
        );
        let theirs = fs::read_link(format!("/proc/{pid}/ns/{}", file(kind))).unwrap();
        bundles.run(&["run", "-b", joined.to_str().unwrap(), &id]).ok().prints(theirs.to_str().unwrap());
    }
    bundles.run(&["delete", "--force", &first]).ok();
    let map = json!([{ "containerID": 0, "hostID": 300_000, "size": 1000 }]);
    let namespaces = |kinds: &[&str]| kinds.iter().map(|kind| json!({ "type": kind })).collect::<Value>();
    check(
        &bundles,
        &[
            case(
                "timeOffsets in a user namespace",
                json!({ "linux": { "namespaces": namespaces(&["mount", "pid", "user", "time"]), "uidMappings": map, "gidMappings": map,
                "timeOffsets": { "boottime": { "secs": 100_000_000 } } }, "hostname": null }),
                "test $(busybox cut -d. -f1 /proc/uptime) -gt 100000000 && echo late",
                "late",
            ),
            case(
                "sysctl",
                json!({ "linux": { "sysctl": { "net.ipv4.ip_forward": "1", "kernel/msgmax": "4096", "fs.mqueue.queues_max": "7" } } }),
                "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/sys/fs/mqueue/queues_max | busybox xargs",
                "1 4096 7",
            ),
            case(
                "rootfsPropagation",
                json!({ "linux": { "rootfsPropagation": "shared" } }),
                "grep ' / / \\| / ' /proc/self/mountinfo | grep -c shared:",
                "1",
            ),
        ],
    );
}

#[test]
fn a_relative_cgroup_path_lies_below_the_caller_s_and_an_absolute_one_below_the_root() {
    let bundles = Bundles::new();
    let groups = |text: &str| -> Vec<(String, String)> {
        let lines = text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
        lines.map(|(kind, path)| (kind.to_owned(), path.to_owned())).collect()
    };
    let own = groups(&fs::read_to_string("/proc/self/cgroup").unwrap());
    for (name, start) in [("relative", ""), ("absolute", "/")] {
        let id = bundles.id(name);
        let bundle = bundles.bundle(name, &["sleep", "600"], |spec| {
            spec["linux"]["cgroupsPath"] = json!(format!("{start}{id}/inner"));
        });
        bundles.leave(name, &["run", "-d", "-b", bundle.to_str().unwrap(), &id]).ok();
        let pid = bundles.state(&id)["pid"].to_string();
        for (kind, path) in groups(&fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap()) {
            let below = &own.iter().find(|(known, _)| *known == kind).unwrap().1;
            // On v2 a group that has processes can limit none below it: the caller's parent is meant.
            let below =
                if kind.is_empty() { below.rsplit_once('/').map_or("", |(parent, _)| parent) } else { below };
            let start = if start.is_empty() { below.trim_end_matches('/') } else { "" };
            assert_eq!(path, format!("{start}/{id}/inner"), "{kind}");
        }
        bundles.run(&["delete", "--force", &id]).ok();
        // The parent was named by the caller, and is the caller's.
        for (kind, path) in &own {
            let kind = if kind.is_empty() { "unified" } else { kind.trim_start_matches("name=") };
            for place in [format!("/sys/fs/cgroup/{kind}"), "/sys/fs/cgroup".to_owned()] {
                let _ = fs::remove_dir(format!("{place}{path}/{id}"));
                let _ = fs::remove_dir(format!("{place}/{id}"));
            }
        }
        bundles.assert_empty();
    }
}

#[test]
fn memory_policy_affinity_and_profile() {
    let bundles = Bundles::new();
    let policy = |mode: &str, nodes: &str| json!({ "linux": { "memoryPolicy": { "mode": mode, "nodes": nodes, "flags": [] } } });
    if fs::exists("/proc/self/numa_maps").unwrap() {
        const SHOWN: &str = "busybox head -n 1 /proc/self/numa_maps | busybox cut -d' ' -f2";
        check(
            &bundles,
            &[
                case("bind", policy("MPOL_BIND", "0"), SHOWN, "bind:0"),
                case("local", policy("MPOL_LOCAL", ""), SHOWN, "local"),
            ],
        );
    }
    let id = bundles.id("refused");
    let refused = |name: &str, patch: &Value, named: &[&str]| {
        let bundle = bundles.bundle(name, &["true"], |spec| lay_over(spec, patch));
        bundles.run(&["run", "-b", bundle.to_str().unwrap(), &id]).fails_with(1).error_names(named);
        bundles.assert_empty();
    };
    refused("empty", &policy("MPOL_BIND", ""), &["memory policy"]);
    // There is no such profile on a kernel with AppArmor, and no AppArmor on another.
    refused(
        "profile",
        &json!({ "process": { "apparmorProfile": "nosuch" } }),
        &["AppArmor profile `nosuch`"],
    );
    let bundle = bundles.bundle("affinity", &["sleep", "600"], |spec| {
        spec["process"]["execCPUAffinity"] = json!({ "initial": "0", "final": "0" });
    });
    let id = bundles.start("affinity", &bundle);
    let allowed = |words: &[&str]| {
        bundles
            .run(&[&["exec", &id][..], words, &["grep", "Cpus_allowed_list", "/proc/self/status"]].concat())
    };
    allowed(&[]).ok().prints("Cpus_allowed_list:\t0");
    let file = bundles.base().join("process.json");
    let process = json!({ "args": ["true"], "cwd": "/", "execCPUAffinity": { "final": "many" } });
    fs::write(&file, process.to_string()).unwrap();
    bundles
        .run(&["exec", "--process", file.to_str().unwrap(), &id])
        .fails_with(255)
        .error_names(&["execCPUAffinity.final", "many"]);
}

#[test]
fn what_config_json_says_later_does_not_matter() {
    let bundles = Bundles::new();
    let bundle = bundles.bundle("late", &["sh", "-c", "echo before; exec sleep 600"], |_| ());
    let id = bundles.create("late", &bundle);
    fs::set_permissions(&bundle, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(bundle.join("config.json"), "{").unwrap();
    bundles.run(&["start", &id]).ok();
    tests::eventually("it prints", || bundles.printed("late") == "before\n");
    bundles.run(&["exec", &id, "true"]).ok();
    bundles.run(&["delete", "--force", &id]).ok();
    bundles.assert_empty();
}
