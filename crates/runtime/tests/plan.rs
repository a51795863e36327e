//! What a specification comes to: whole plans and their differences, refusals, and specifications
//! that nobody would write.

use std::path::PathBuf;

use oci::rootfs::{Overlay, Rootfs, Upper};
use oci::runtime::Spec;
use proptest::prelude::*;
use runtime::{Error, Plan, PlanInput};
use serde_json::{Value, json};

/// The specification that Docker makes of `docker run box`, in short.
fn docker() -> Value {
    serde_json::from_str(include_str!("docker.json")).unwrap()
}

/// Lays a patch over a document: objects are merged, null removes, all else replaces (RFC 7386).
fn merge(document: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *document = patch.clone();
        return;
    };
    if !document.is_object() {
        *document = json!({});
    }
    let Value::Object(object) = document else { return };
    for (key, value) in patch {
        if value.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key).or_insert(Value::Null), value);
        }
    }
}

fn input(spec: &Spec) -> PlanInput<'_> {
    PlanInput {
        spec,
        rootfs: Rootfs::Directory("/srv/box".into()),
        seccomp: None,
        gate: false,
        create_cwd: false,
    }
}

fn plan_of(patch: &Value) -> Result<Plan, Error> {
    let mut document = docker();
    merge(&mut document, patch);
    let spec: Spec = serde_json::from_value(document).unwrap();
    runtime::plan(input(&spec))
}

/// Shows a plan with a line for each step.
fn show(plan: &Plan) -> String {
    let mut lines = vec![
        format!("new: {}", sys::process::namespace_names(plan.new_namespaces)),
        format!("root: {}:{}, user: {}", plan.root_uid, plan.root_gid, plan.user_uid),
        format!("own user namespace: {}", plan.own_user_namespace),
    ];
    lines.extend(plan.mount_label.iter().map(|label| format!("mount label: {label}")));
    for (flag, path) in &plan.join {
        lines.push(format!("join: {} of {}", sys::process::namespace_names(*flag), path.display()));
    }
    lines.extend(plan.uid_map.iter().map(|line| format!("uid map: {line:?}")));
    lines.extend(plan.gid_map.iter().map(|line| format!("gid map: {line:?}")));
    lines.extend(plan.build.iter().map(|step| format!("build: {step:?}")));
    lines.extend(plan.prepare.iter().map(|step| format!("prepare: {step:?}")));
    lines.extend(plan.init.iter().map(|step| format!("init: {step:?}")));
    lines.push(format!("program: {:?}", plan.program));
    lines.join("\n")
}

/// Shows what two plans do not have in common, in the order of each.
fn difference(before: &Plan, after: &Plan) -> String {
    let (before, after) = (show(before), show(after));
    let lines = |sign: &str, some: &str, others: &str| -> String {
        let mut left: Vec<&str> = others.lines().collect();
        some.lines()
            .filter(|line| match left.iter().position(|other| other == line) {
                Some(at) => {
                    left.remove(at);
                    false
                }
                None => true,
            })
            .map(|line| format!("{sign} {line}\n"))
            .collect()
    };
    lines("-", &before, &after) + &lines("+", &after, &before)
}

#[test]
fn docker_default() {
    let plan = plan_of(&json!({})).unwrap();
    insta::assert_snapshot!("docker_default", show(&plan));

    // It travels to the processes that apply it as bytes.
    let bytes = postcard::to_stdvec(&plan).unwrap();
    assert_eq!(postcard::from_bytes::<Plan>(&bytes).unwrap(), plan);
}

/// Asserts what a patch of Docker's specification changes in its plan.
macro_rules! patch_means {
    ($($name:ident: $patch:tt;)*) => {$(
        #[test]
        fn $name() {
            let changed = plan_of(&json!($patch)).unwrap();
            insta::assert_snapshot!(stringify!($name), difference(&plan_of(&json!({})).unwrap(), &changed));
        }
    )*};
}

patch_means! {
    privileged: {
        "mounts": [
            { "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "rw"] },
            { "destination": "/sys/fs/cgroup", "type": "cgroup2", "source": "cgroup", "options": ["rw"] }
        ],
        "process": { "capabilities": {
            "bounding": ["CAP_SYS_ADMIN"], "effective": ["CAP_SYS_ADMIN"], "permitted": ["CAP_SYS_ADMIN"]
        } },
        "linux": { "maskedPaths": null, "readonlyPaths": null, "devices": [
            { "path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666, "uid": 0, "gid": 0 },
            { "path": "/dev/loop0", "type": "b", "major": 7, "minor": 0, "fileMode": 0o660, "uid": 0, "gid": 6 }
        ] }
    };
    labels: {
        "process": { "apparmorProfile": "p", "selinuxLabel": "u:r:t:s0:c1,c2" },
        "linux": { "mountLabel": "u:r:f:s0:c1,c2" }
    };
    host_namespaces: { "hostname": null, "linux": { "namespaces": [{ "type": "mount" }] } };
    joined_namespaces: { "linux": { "namespaces": [
        { "type": "user", "path": "/proc/7/ns/user" }, { "type": "network", "path": "/run/netns/web" },
        { "type": "ipc", "path": "/proc/7/ns/ipc" }, { "type": "pid" }, { "type": "mount" },
        { "type": "time" }, { "type": "uts" }
    ] } };
    user_namespace: {
        "process": { "user": { "uid": 1000, "gid": 33 } },
        "linux": {
            "namespaces": [{ "type": "user" }, { "type": "mount" }, { "type": "pid" }, { "type": "uts" }],
            "uidMappings": [
                { "containerID": 0, "hostID": 100000, "size": 1000 }, { "containerID": 1000, "hostID": 500, "size": 1 }
            ],
            "gidMappings": [{ "containerID": 0, "hostID": 200000, "size": 65536 }]
        },
        "mounts": [
            { "destination": "/a", "type": "bind", "source": "/a", "options": ["rbind", "x-coracle.idmap=container"] },
            { "destination": "/b", "type": "bind", "source": "/b", "options": ["bind", "x-coracle.idmap=owner"] }
        ]
    };
    mounts: { "mounts": [
        { "destination": "/ro", "source": "/a", "options": ["bind", "ro", "nosuid", "nodev", "noexec", "noatime"] },
        { "destination": "/rro", "source": "/a", "options": ["rbind", "rro", "rnosuid", "rw", "rslave"] },
        { "destination": "/shared", "type": "bind", "source": "/a", "options": ["rbind", "rshared"] },
        { "destination": "/private", "type": "bind", "source": "/a", "options": ["private", "nosymfollow", "nodiratime"] },
        { "destination": "/mapped", "type": "bind", "source": "/a", "options": ["rbind", "ridmap"] },
        { "destination": "/explicit", "type": "bind", "source": "/a", "options": ["bind"],
          "uidMappings": [{ "containerID": 0, "hostID": 5, "size": 1 }],
          "gidMappings": [{ "containerID": 0, "hostID": 6, "size": 1 }] },
        { "destination": "/host-ids", "type": "bind", "source": "/a", "options": ["bind", "x-coracle.idmap=container"] },
        { "destination": "tmp/../var//./tmp", "type": "tmpfs", "options": ["size=1m", "mode=1777", "uid=7", "unbindable"] },
        { "destination": "/proc", "type": "proc", "source": "proc", "options": ["hidepid=2", "subset=pid"] },
        { "destination": "/disk", "type": "ext4", "source": "/dev/sdb1", "options": ["defaults", "data=journal", "relatime"] }
    ] };
    dev_of_the_host: { "mounts": [
        { "destination": "/dev/", "type": "bind", "source": "/dev", "options": ["rbind"] }
    ] };
    devices: { "linux": { "devices": [
        { "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229 },
        { "path": "/dev/../srv/pipe", "type": "p", "fileMode": 0o100600, "uid": 3, "gid": 4 },
        { "path": "/dev/tty", "type": "u", "major": 5, "minor": 0, "fileMode": 0o4600 }
    ] } };
    limits: { "process": {
        "rlimits": [
            { "type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096 },
            { "type": "RLIMIT_CORE", "soft": 0, "hard": u64::MAX },
            { "type": "RLIMIT_RTTIME", "soft": 1, "hard": 1 }
        ],
        "oomScoreAdj": -500
    } };
    sysctls: { "linux": { "sysctl": {
        "net.ipv4.ip_forward": "1", "net/ipv4/conf/eth0.100/rp_filter": "2",
        "net.ipv4.conf.eth1/7.rp_filter": "2", "kernel.shmmax": "65536",
        "fs.mqueue.msg_max": "9", "kernel.domainname": "lan"
    } } };
    terminal: { "process": { "terminal": true } };
    capabilities: { "process": {
        "noNewPrivileges": true,
        "user": { "uid": 7, "gid": 8, "umask": 0o77, "additionalGids": [9, 10] },
        "capabilities": {
            "bounding": ["CAP_CHOWN"], "effective": ["CAP_DAC_OVERRIDE"], "permitted": ["CAP_FOWNER", "CAP_NOT_INVENTED"],
            "inheritable": ["CAP_KILL"], "ambient": ["CAP_SETGID", "CAP_CHECKPOINT_RESTORE"]
        }
    } };
    no_capabilities: { "process": { "capabilities": null } };
    read_only: { "root": { "readonly": true }, "linux": { "rootfsPropagation": "rslave" } };
    peculiar: {
        "domainname": "lan",
        "process": {
            "cwd": "/srv/./www/../app",
            "scheduler": { "policy": "SCHED_FIFO", "priority": 3, "nice": 4, "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_KEEP_PARAMS"] },
            "ioPriority": { "class": "IOPRIO_CLASS_BE", "priority": 7 }
        },
        "linux": { "personality": { "domain": "LINUX32" } }
    };
}

/// The filter is loaded without privilege after `no_new_privs`, else while there still is privilege; init
/// waits at the gate when all is done.
#[test]
fn where_the_filter_and_the_gate_stand() {
    let mut document = docker();
    let names = |document: &Value| {
        let spec: Spec = serde_json::from_value(document.clone()).unwrap();
        let filter = Some((vec![6, 0, 0, 0, 0, 0, 255, 127], 2));
        let plan = runtime::plan(PlanInput { seccomp: filter, gate: true, create_cwd: true, ..input(&spec) });
        let names = plan.unwrap().init.into_iter().map(|step| {
            let text = format!("{step:?}");
            text.split([' ', '(']).next().unwrap().to_owned()
        });
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&document), "WorkingDirectory Bounding Umask Seccomp Identity WorkingDirectory Gate",);
    merge(&mut document, &json!({ "process": { "noNewPrivileges": true } }));
    assert_eq!(
        names(&document),
        "WorkingDirectory Bounding Umask Identity WorkingDirectory NoNewPrivileges Seccomp Gate",
    );
}

#[test]
fn the_root_is_the_first_step_and_stays_as_given() {
    let spec: Spec = serde_json::from_value(docker()).unwrap();
    let overlay = Rootfs::Overlay(Overlay {
        store: "/var/lib/box".into(),
        lowers: vec!["b".into(), "a".into()],
        upper: Some(Upper { upper: "u".into(), work: "w".into(), volatile: true }),
    });
    let plan = runtime::plan(PlanInput { rootfs: overlay.clone(), ..input(&spec) }).unwrap();
    assert_eq!(plan.build[0], runtime::step::BuildStep::Rootfs { rootfs: overlay });
}

#[test]
fn refusals() {
    let device = |value: Value| json!({ "linux": { "devices": [value] } });
    let namespaces = |value: Value| json!({ "linux": { "namespaces": value } });
    let mount = |value: Value| json!({ "mounts": [value] });
    let map = json!([{ "containerID": 0, "hostID": 1, "size": 1 }]);
    let sysctl = |key: &str, value: &str| json!({ "linux": { "sysctl": { key: value } } });
    let rlimit = |name: &str, soft: u64| json!({ "type": name, "soft": soft, "hard": 5 });
    let time = |offsets: Value| json!({ "linux": { "namespaces": [{ "type": "mount" }, { "type": "time" }, { "type": "uts" }], "timeOffsets": offsets } });
    let rlimits = |list: &[Value]| json!({ "process": { "rlimits": list } });
    let cases = [
        json!({ "process": null }),
        json!({ "process": { "args": [] } }),
        json!({ "hooks": { "prestart": [{ "path": "bin/hook" }] } }),
        json!({ "hooks": { "createRuntime": [{ "path": "/bin/hook" }, { "path": "/bin/hook", "env": ["A=\0"] }] } }),
        json!({ "hooks": { "poststop": [{ "path": "/bin/hook", "timeout": 0 }] } }),
        json!({ "linux": { "intelRdt": {} } }),
        json!({ "linux": { "memoryPolicy": {} } }),
        json!({ "linux": { "netDevices": { "eth0": {} } } }),
        json!({ "linux": { "memoryPolicy": { "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_X"] } } }),
        json!({ "linux": { "memoryPolicy": { "mode": "MPOL_BIND", "nodes": "3-1" } } }),
        json!({ "linux": { "timeOffsets": { "boottime": { "secs": 1 } } } }),
        time(json!({ "realtime": { "secs": 1 } })),
        time(json!({ "boottime": { "nanosecs": 1_000_000_000 } })),
        json!({ "linux": { "seccomp": { "defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x" } } }),
        json!({ "linux": { "mountLabel": "a\nb" } }),
        json!({ "process": { "apparmorProfile": "a\nb" } }),
        json!({ "process": { "execCPUAffinity": { "final": "2-1" } } }),
        json!({ "process": { "selinuxLabel": "a\nb" } }),
        json!({ "linux": null }),
        namespaces(json!([{ "type": "mount", "path": "/proc/1/ns/mnt" }])),
        namespaces(json!([{ "type": "mount" }, { "type": "pid" }, { "type": "pid", "path": "/x" }])),
        namespaces(json!([{ "type": "mount" }, { "type": "user" }])),
        json!({ "linux": { "uidMappings": map } }),
        json!({ "linux": { "rootfsPropagation": "sideways" } }),
        json!({ "linux": { "personality": { "domain": "BSD" } } }),
        json!({ "linux": { "personality": { "domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"] } } }),
        mount(json!({ "destination": "/a", "type": "bind" })),
        mount(json!({ "destination": "/a" })),
        mount(json!({ "destination": "/a", "type": "bind", "source": "/b", "uidMappings": map })),
        json!({ "hostname": "x", "linux": { "namespaces": [{ "type": "mount" }] } }),
        mount(json!({ "destination": "/a\0b", "type": "tmpfs" })),
        device(json!({ "path": "/dev/x", "type": "q" })),
        device(json!({ "path": "/dev/x", "type": "c", "major": -1 })),
        device(json!({ "path": "/dev/x", "type": "b", "minor": 4_294_967_296_u64 })),
        rlimits(&[rlimit("RLIMIT_LUNCH", 1)]),
        rlimits(&[rlimit("NOFILE", 1)]),
        rlimits(&[rlimit("RLIMIT_NOFILE", 6)]),
        rlimits(&[rlimit("RLIMIT_NOFILE", 1), rlimit("RLIMIT_NOFILE", 2)]),
        sysctl("kernel.core_pattern", "|/bin/sh"),
        sysctl("kernel.shm_rmid_forced+kernel.core_pattern", "x"),
        sysctl("net/../kernel/core_pattern", "x"),
        sysctl("net..ipv4", "1"),
        sysctl("kernel.msgmax", "1\n2"),
        json!({ "linux": { "sysctl": { "net.core.somaxconn": "1" }, "namespaces": [{ "type": "mount" }, { "type": "uts" }] } }),
        json!({ "process": { "ioPriority": { "class": "IOPRIO_CLASS_GOLD", "priority": 1 } } }),
        json!({ "process": { "ioPriority": { "class": "IOPRIO_CLASS_BE", "priority": 8 } } }),
        json!({ "process": { "scheduler": { "policy": "SCHED_LATER" } } }),
        json!({ "process": { "scheduler": { "policy": "SCHED_RR", "flags": ["SCHED_FLAG_X"] } } }),
        json!({ "process": { "scheduler": { "policy": "SCHED_RR", "priority": -1 } } }),
        json!({ "process": { "cwd": "/a\0b" } }),
    ];
    let text: Vec<String> = cases
        .iter()
        .map(|case| {
            let error = plan_of(case).expect_err(&case.to_string());
            assert_eq!(error.exit_code(), 125);
            format!("{case}\n    {}\n", error.to_string().replace('\0', "\\0"))
        })
        .collect();
    insta::assert_snapshot!("refusals", text.concat());
}

/// The ids of a map may lie at the end of what there is, and beyond.
#[test]
fn maps_at_the_end_of_all_ids() {
    let of = |host: u32, size: u32| {
        let map = json!([{ "containerID": 0, "hostID": host, "size": size }]);
        plan_of(&json!({
            "process": { "user": { "uid": 10 } },
            "linux": { "namespaces": [{ "type": "mount" }, { "type": "user" }, { "type": "uts" }], "uidMappings": map, "gidMappings": map }
        }))
    };
    assert_eq!(of(u32::MAX - 11, 11).unwrap().user_uid, u32::MAX - 1);
    let error = of(u32::MAX - 5, 65536).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid container specification: the id map `0 4294967290 65536` runs past the last id, 4294967295",
    );
}

/// A word that means something, or anything at all.
fn word(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(known).prop_map(str::to_owned), 1 => any::<String>()]
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0..20_u32, any::<u32>(), Just(u32::MAX)]
}

fn path() -> impl Strategy<Value = PathBuf> {
    word(&["/", "/dev", "/proc", "..", "/a/../../b", "", "/dev/null"]).prop_map(PathBuf::from)
}

fn ids() -> impl Strategy<Value = Value> {
    let line = (number(), number(), number())
        .prop_map(|(inside, host, size)| json!({ "containerID": inside, "hostID": host, "size": size }));
    prop::collection::vec(line, 0..3).prop_map(Value::from)
}

fn mount() -> impl Strategy<Value = Value> {
    const KINDS: &[&str] = &["bind", "proc", "tmpfs", "cgroup", "devpts", "none", "mqueue", "sysfs"];
    const OPTIONS: &[&str] = &[
        "ro",
        "rro",
        "rbind",
        "bind",
        "rshared",
        "r",
        "rr",
        "idmap",
        "ridmap",
        "uid=1",
        "x-coracle.idmap=owner",
    ];
    (path(), word(KINDS), prop::option::of(path()), prop::collection::vec(word(OPTIONS), 0..4), ids())
        .prop_map(|(destination, kind, source, options, map)| {
            json!({
                "destination": destination, "type": kind, "source": source, "options": options,
                "uidMappings": map, "gidMappings": map
            })
        })
}

fn linux() -> impl Strategy<Value = Value> {
    const KINDS: &[&str] = &["user", "pid", "network", "ipc", "uts", "cgroup", "time"];
    let namespace = (prop::sample::select(KINDS), prop::option::of(path()))
        .prop_map(|(kind, path)| json!({ "type": kind, "path": path }));
    let device = (path(), word(&["c", "b", "p", "u"]), any::<i64>(), number(), number()).prop_map(
        |(path, kind, major, minor, owner)| {
            json!({ "path": path, "type": kind, "major": major, "minor": minor, "uid": owner, "fileMode": owner })
        },
    );
    let sysctls =
        prop::collection::btree_map(word(&["net.a", "kernel.sem", "...", "/"]), any::<String>(), 0..2);
    (
        prop::collection::vec(namespace, 0..4),
        prop::collection::vec(device, 0..3),
        sysctls,
        ids(),
        ids(),
        prop::collection::vec(path(), 0..3),
    )
        .prop_map(|(mut namespaces, devices, sysctl, uids, gids, paths)| {
            namespaces.push(json!({ "type": "mount" }));
            json!({
                "namespaces": namespaces, "devices": devices, "sysctl": sysctl,
                "uidMappings": uids, "gidMappings": gids, "maskedPaths": paths, "readonlyPaths": paths
            })
        })
}

fn process() -> impl Strategy<Value = Value> {
    let rlimit = (word(&["RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_"]), any::<u64>(), any::<u64>())
        .prop_map(|(kind, soft, hard)| json!({ "type": kind, "soft": soft, "hard": hard }));
    let capabilities = prop::collection::vec(word(&["CAP_CHOWN", "CAP_KILL", "CAP_", "ALL"]), 0..3);
    (
        any::<bool>(),
        path(),
        prop::collection::vec(any::<String>(), 0..3),
        prop::collection::vec(rlimit, 0..3),
        capabilities,
        (number(), number(), any::<i32>()),
    )
        .prop_map(|(terminal, cwd, args, rlimits, capabilities, (uid, umask, priority))| {
            json!({
                "terminal": terminal, "cwd": cwd, "args": args, "rlimits": rlimits,
                "capabilities": { "bounding": capabilities, "ambient": capabilities },
                "user": { "uid": uid, "gid": uid, "umask": umask },
                "ioPriority": { "class": "IOPRIO_CLASS_BE", "priority": priority },
                "scheduler": { "policy": "SCHED_RR", "priority": priority }
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any specification is planned or refused, and no plan names a place outside the root.
    #[test]
    fn no_specification_makes_it_panic(
        (process, linux, mounts, drops) in (process(), linux(), prop::collection::vec(mount(), 0..4), any::<[bool; 2]>())
    ) {
        let mut process = process;
        for (drop, key) in drops.iter().zip(["ioPriority", "scheduler"]) {
            if *drop {
                merge(&mut process, &json!({ key: null }));
            }
        }
        let document = json!({ "process": process, "linux": linux, "mounts": mounts });
        let spec: Spec = serde_json::from_value(document).unwrap();
        if let Ok(plan) = runtime::plan(input(&spec)) {
            for step in &plan.build {
                let path = match step {
                    runtime::step::BuildStep::Mount(mount) => &mount.destination,
                    runtime::step::BuildStep::Device { path, .. } => path,
                    _ => continue,
                };
                prop_assert!(path.is_absolute() && !path.components().any(|part| part.as_os_str() == ".."));
            }
        }
    }
}
