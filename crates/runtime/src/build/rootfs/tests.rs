//! Each way to tell overlayfs of its layers, on the real kernel; the later ones are for kernels older than
//! the one at hand. Needs root.
#![allow(clippy::disallowed_methods, reason = "tests may read and write files")]

use std::fs;

use oci::rootfs::Upper;
use oci::runtime::IdMapping;
use rustix::mount::{UnmountFlags, unmount};

use super::*;
use crate::build::{BuildInput, user_namespace};
use crate::step::{Plan, Program};

fn plan() -> Plan {
    Plan {
        new_namespaces: 0,
        join: Vec::new(),
        uid_map: Vec::new(),
        gid_map: Vec::new(),
        root_uid: 0,
        root_gid: 0,
        user_uid: 0,
        own_user_namespace: false,
        build: Vec::new(),
        prepare: Vec::new(),
        init: Vec::new(),
        listener: None,
        mount_label: None,
        time_offsets: String::new(),
        program: Program { args: Vec::new(), env: Vec::new(), terminal: false },
        hooks: crate::step::Hooks::default(),
    }
}

/// Makes a store of layers with a file of their own each and one that all have.
fn store(directory: &Path, count: usize) -> Overlay {
    for number in 0..count {
        let layer = directory.join(format!("layers/{number}"));
        fs::create_dir_all(&layer).unwrap();
        fs::write(layer.join(format!("file{number}")), "x").unwrap();
        fs::write(layer.join("all"), number.to_string()).unwrap();
    }
    Overlay {
        store: directory.to_owned(),
        lowers: (0..count).rev().map(|number| format!("layers/{number}").into()).collect(),
        upper: None,
    }
}

/// Mounts in a mount namespace of this thread alone, which ends with it, and looks at the result.
fn check(way: Via, base: Option<u32>, count: usize) {
    sys::process::unshare(sys::process::NEWNS).unwrap();
    mount::set_propagation_recursive(Path::new("/"), mount::PRIVATE).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (staging, plan) = (directory.path().join("staging"), plan());
    fs::create_dir(&staging).unwrap();
    let input = BuildInput { staging: &staging, console: None, group: None, pids_limit: None, network: None };
    let mut builder = Builder::new(&plan, &input, Vec::new());
    if let Some(base) = base {
        let map = [IdMapping { container_id: 0, host_id: base, size: 65536 }];
        builder.user_namespace = Some(user_namespace(&map, &map).unwrap());
    }
    let view = store(&directory.path().join("store"), count);
    for name in ["upper", "work"] {
        fs::create_dir(view.store.join(name)).unwrap();
    }
    let upper = Upper { upper: "upper".into(), work: "work".into(), volatile: true };
    let writable = Overlay { upper: Some(upper), ..view.clone() };
    // The builder's own state at this point: else the work directory of a mapped upper cannot be made.
    sys::process::keep_capabilities_across_fsuid().unwrap();
    for overlay in [view, writable] {
        sys::process::set_fs_ids(base.unwrap_or(0), base.unwrap_or(0)).unwrap();
        let target = Dir::open(&staging).unwrap();
        builder
            .mount_overlay(&overlay, &target, &[way])
            .unwrap_or_else(|f| panic!("{way:?}, {count}: {f:?}"));
        assert_eq!(fs::read_to_string(staging.join("all")).unwrap(), (count - 1).to_string());
        assert_eq!(fs::read_dir(&staging).unwrap().count(), count + 1);
        let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(staging.join("all")).unwrap());
        assert_eq!(owner, base.unwrap_or(0));
        if overlay.upper.is_none() {
            let refused = fs::write(staging.join("all"), "new").unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
        } else {
            fs::write(staging.join("all"), "new").unwrap();
            assert_eq!(fs::read_to_string(overlay.store.join("upper/all")).unwrap(), "new");
        }
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let line = mounts.lines().rfind(|line| line.contains(staging.to_str().unwrap())).unwrap();
        assert_eq!(line.contains("volatile"), overlay.upper.is_some(), "{line}");
        sys::process::set_fs_ids(0, 0).unwrap();
        while unmount(&staging, UnmountFlags::DETACH).is_ok() {}
    }
}

#[test]
fn every_way_to_mount_the_layers() {
    for way in WAYS {
        for base in [None, Some(1_879_048_192)] {
            for count in [1, 130] {
                // A thread may leave the namespace of the others.
                std::thread::spawn(move || check(way, base, count)).join().unwrap();
            }
        }
    }
}
