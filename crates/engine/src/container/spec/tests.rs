//! What requests come to: Docker's default as a whole, and what each option changes in it.
#![allow(clippy::disallowed_methods, reason = "tests may make files")]

use super::*;
use crate::paths::{EngineConfig, Firewall};
use crate::request::{
    Capability, ContainerRequest, DeviceAccess, DeviceMapping, IdMap, Limit, MountRequest, Recursion,
    TmpfsMount, Ulimit, Unmask,
};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn record() -> ContainerRecord {
    ContainerRecord {
        id: ID.into(),
        name: "web".into(),
        other_name: None,
        created: 0,
        request: ContainerRequest::default(),
        image_id: "sha256:00".into(),
        rootfs: None,
        highest_id: 0,
        args: vec!["sh".into()],
        env: vec!["PATH=/bin".into(), "A=b".into()],
        workdir: "/srv".into(),
        user: String::new(),
        hostname: "0123456789ab".into(),
        stop_signal: None,
        healthcheck: None,
        shell: None,
        labels: Default::default(),
        exposed_ports: Vec::new(),
        volumes: Vec::new(),
        mounts: None,
        confinement: None,
    }
}

/// Builds the specification of a changed record, for the given user; ids are leased where its own are.
fn build_of(change: impl FnOnce(&mut ContainerRecord), user: &str, joined: Option<u32>) -> Result<Built> {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    let config = EngineConfig {
        root: place.join("root"),
        run_root: place.join("run"),
        firewall: Firewall::Engine,
        build: crate::build::BuildPolicy::default(),
    };
    let engine = Engine::open(config).unwrap();
    std::fs::create_dir_all(engine.container_dir(ID)).unwrap();
    let mut record = record();
    change(&mut record);
    let identity = Accounts::default().identity(user, &record.request.groups)?;
    let namespaces = &record.request.namespaces;
    let host = namespaces.user == UserMode::Host
        || namespaces.shares_host()
        || record.request.security.privileged
        || joined.is_some();
    let situation = Situation {
        confinement: Default::default(),
        identity,
        ids: Some(IdRange { base: 0x7000_0000, size: 65536, files: Vec::new() }),
        joined: joined
            .map(|pid| (NamespaceKind::Network, PathBuf::from(format!("/proc/{pid}/ns/net"))))
            .into_iter()
            .collect(),
        network_of: joined.map(|_| "a".repeat(64)),
        user_namespace: if host { UserNamespace::Host } else { UserNamespace::Own },
    };
    let mut built = build(&engine, &record, &situation)?;
    let executable = rustix::fs::readlink("/proc/self/exe", Vec::new()).unwrap();
    for mount in &mut built.spec.mounts {
        let Some(source) = &mount.source else { continue };
        if source.as_os_str().as_encoded_bytes() == executable.as_bytes() {
            mount.source = Some("OWN-EXECUTABLE".into());
        } else if let Ok(below) = source.strip_prefix(place) {
            mount.source = Some(PathBuf::from("PLACE").join(below));
        }
    }
    Ok(built)
}

/// Shows a specification with one line for each mount, device and map.
fn show(built: &Built) -> String {
    let mut spec = serde_json::to_value(&built.spec).unwrap();
    let mut lines = Vec::new();
    for (room, name) in [
        ("", "mounts"),
        ("linux", "devices"),
        ("linux", "namespaces"),
        ("linux", "uidMappings"),
        ("linux", "gidMappings"),
        ("process", "rlimits"),
    ] {
        let object = if room.is_empty() { &mut spec } else { &mut spec[room] };
        let Some(list) = object.as_object_mut().and_then(|object| object.remove(name)) else { continue };
        lines.extend(list.as_array().unwrap().iter().map(|value| format!("{name}: {value}")));
    }
    let resources = serde_json::to_string_pretty(&built.resources).unwrap();
    lines.push(serde_json::to_string_pretty(&spec).unwrap());
    lines.push(format!("resources: {resources}"));
    lines.push(format!("cgroup: {:?}, pids: {:?}", built.cgroup, built.pids_limit));
    lines.join("\n")
}

/// Shows what two specifications do not have in common.
fn difference(before: &str, after: &str) -> String {
    let only = |sign: &str, some: &str, others: &str| -> String {
        let mut left: Vec<&str> = others.lines().map(|line| line.trim_end_matches(',')).collect();
        let mut only = String::new();
        for line in some.lines().map(|line| line.trim_end_matches(',')) {
            match left.iter().position(|other| *other == line) {
                Some(at) => drop(left.remove(at)),
                None => only.push_str(&format!("{sign} {line}\n")),
            }
        }
        only
    };
    only("-", before, after) + &only("+", after, before)
}

#[track_caller]
fn changes(name: &str, user: &str, joined: Option<u32>, change: impl FnOnce(&mut ContainerRequest)) {
    let default = show(&build_of(|_| (), "", None).unwrap());
    let built = build_of(|record| change(&mut record.request), user, joined).unwrap();
    insta::assert_snapshot!(name, difference(&default, &show(&built)));
}

#[test]
fn the_default() {
    insta::assert_snapshot!("default", show(&build_of(|_| (), "", None).unwrap()));
}

#[test]
fn namespaces_of_the_host_and_of_others() {
    changes("userns_host", "", None, |request| request.namespaces.user = UserMode::Host);
    changes("network_host", "", None, |request| {
        request.namespaces.network = NetworkMode::Host;
        request.dns = vec!["10.0.0.1".parse().unwrap()];
    });
    changes("all_host", "", None, |request| {
        request.namespaces.pid = PidMode::Host;
        request.namespaces.ipc = IpcMode::Host;
        request.namespaces.uts = UtsMode::Host;
        request.namespaces.cgroup = CgroupMode::Host;
    });
    changes("network_of_another", "", Some(4711), |request| {
        request.namespaces.network = NetworkMode::Container("other".into());
    });
}

#[test]
fn process_and_files() {
    changes("process", "1000:1001", None, |request| {
        request.tty = true;
        request.init = true;
        request.groups = vec!["5".into(), "3".into()];
        request.domainname = Some("lan".into());
        request.console_size = Some(crate::request::ConsoleSize { height: 24, width: 80 });
        request.security.no_new_privileges = true;
    });
    changes("mounts", "", None, |request| {
        let bind = |target: &str, read_only, recursion, idmap| {
            MountRequest::Bind(crate::request::BindMount {
                source: "/".into(),
                target: target.into(),
                read_only,
                recursion,
                propagation: Default::default(),
                idmap,
                relabel: None,
                from: Default::default(),
            })
        };
        request.mounts = vec![
            bind("/a", false, Recursion::Enabled, IdMap::Identity),
            bind("/b", true, Recursion::Enabled, IdMap::Owner),
            bind("/c", true, Recursion::Disabled, IdMap::None),
            bind("/d", true, Recursion::Writable, IdMap::None),
            bind("/etc/hosts", true, Recursion::Enabled, IdMap::None),
            MountRequest::Tmpfs(TmpfsMount::at("/run".into())),
        ];
        request.read_only = true;
        request.shm_bytes = Some(1 << 20);
    });
    changes("dev_of_the_host", "", None, |request| {
        request.namespaces.ipc = IpcMode::None;
        request.mounts = vec![MountRequest::Tmpfs(TmpfsMount::at("/dev".into()))];
    });
}

#[test]
fn rights_and_limits() {
    changes("capabilities", "7", None, |request| {
        let named = |name: &str| Capability::Named(name.into());
        request.security.cap_add = vec![named("CAP_NET_ADMIN"), named("CAP_CHOWN")];
        request.security.cap_drop = vec![Capability::All];
        request.security.unmask = Unmask::Paths(vec!["/proc/*".into()]);
        request.security.mask = vec!["/srv/secret".into()];
    });
    changes("limits", "", None, |request| {
        let resources = &mut request.resources;
        resources.memory.limit = Some(64 << 20);
        resources.memory.swap = Some(Limit::Unlimited);
        resources.memory.oom_score_adj = Some(-500);
        resources.cpu.nano = Some(1_500_000_000);
        resources.cpu.shares = Some(512);
        resources.pids = Some(Limit::Unlimited);
        resources.ulimits =
            vec![Ulimit { name: "nofile".into(), soft: Limit::Max(5), hard: Limit::Unlimited }];
        request.cgroup_parent = Some("/mine/".into());
        request.sysctls.insert("net.core.somaxconn".into(), "5".into());
        request.devices = vec![DeviceMapping {
            host: "/dev/null".into(),
            container: "/dev/nothing".into(),
            access: DeviceAccess { read: true, write: false, mknod: false },
        }];
    });
}

/// All rights that we have ourselves, nothing hidden, every device of the host and no filter of them.
#[test]
fn a_privileged_container() {
    let built = build_of(|record| record.request.security.privileged = true, "", None).unwrap();
    let linux = built.spec.linux.as_ref().unwrap();
    assert!(linux.masked_paths.is_empty() && linux.readonly_paths.is_empty());
    assert!(linux.uid_mappings.is_empty());
    let kinds: Vec<_> = linux.namespaces.iter().map(|namespace| namespace.kind).collect();
    assert!(!kinds.contains(&NamespaceKind::User) && !kinds.contains(&NamespaceKind::Cgroup), "{kinds:?}");
    assert!(linux.devices.iter().any(|device| device.path == std::path::Path::new("/dev/null")));
    let sets = built.spec.process.as_ref().unwrap().capabilities.as_ref().unwrap();
    let mask = sets.bounding.iter().filter_map(|name| capability_number(name)).fold(0_u64, |m, n| m | 1 << n);
    assert_eq!(mask, effective_capabilities().unwrap());
    assert_eq!((&sets.effective, &sets.permitted), (&sets.bounding, &sets.bounding));
    assert!(sets.ambient.is_empty() && sets.inheritable.is_empty());
    for place in ["/sys", "/sys/fs/cgroup"] {
        let mount = built.spec.mounts.iter().find(|m| m.destination == std::path::Path::new(place)).unwrap();
        assert!(mount.options.contains(&"rw".to_owned()), "{mount:?}");
    }
}

#[test]
fn a_source_that_is_not_there_is_refused() {
    let error = build_of(
        |record| {
            record.request.mounts = vec![MountRequest::Bind(crate::request::BindMount {
                source: "/no/such/source".into(),
                target: "/a".into(),
                read_only: false,
                recursion: Default::default(),
                propagation: Default::default(),
                idmap: Default::default(),
                relabel: None,
                from: Default::default(),
            })];
        },
        "",
        None,
    );
    let text = error.unwrap_err().to_string();
    assert_eq!(
        text,
        "invalid mount config for type \"bind\": bind source path does not exist: /no/such/source"
    );
}
