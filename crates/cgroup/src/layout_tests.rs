//! Layouts of real systems as texts.

use super::*;

/// Shows a layout as one line a hierarchy: label, mount point, own group, read-only mark.
fn shown(mountinfo: &str, self_cgroup: &str) -> (Mode, Vec<String>) {
    let layout = Layout::parse(mountinfo, self_cgroup);
    let lines = layout.hierarchies.iter().map(|hierarchy| {
        let mark = if hierarchy.read_only { " ro" } else { "" };
        format!("{} {} {}{mark}", hierarchy.label(), hierarchy.mountpoint.display(), hierarchy.own)
    });
    (layout.mode(), lines.collect())
}

#[test]
fn pure_v2_under_systemd() {
    let mountinfo = "\
23 29 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
26 23 0:24 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw";
    let (mode, lines) = shown(mountinfo, "0::/user.slice/user-0.slice/session-3.scope\n");
    assert_eq!(mode, Mode::V2);
    assert_eq!(lines, ["unified /sys/fs/cgroup /user.slice/user-0.slice/session-3.scope"]);
}

#[test]
fn hybrid_under_systemd_with_shared_mounts() {
    let mountinfo = "\
32 24 0:27 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
33 32 0:28 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec,relatime shared:10 - cgroup2 cgroup2 rw,nsdelegate
34 32 0:29 / /sys/fs/cgroup/systemd rw,nosuid,nodev,noexec,relatime shared:11 - cgroup cgroup rw,xattr,name=systemd
37 32 0:32 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,nodev,noexec,relatime shared:15 - cgroup cgroup rw,cpu,cpuacct
38 32 0:33 / /sys/fs/cgroup/net_cls,net_prio rw,relatime shared:16 - cgroup cgroup rw,net_cls,net_prio
39 32 0:34 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:17 - cgroup cgroup rw,memory";
    let own = "\
9:memory:/user.slice
8:net_cls,net_prio:/
4:cpu,cpuacct:/user.slice
1:name=systemd:/user.slice/user-0.slice/session-1.scope
0::/user.slice/user-0.slice/session-1.scope";
    let (mode, lines) = shown(mountinfo, own);
    assert_eq!(mode, Mode::Hybrid);
    assert_eq!(
        lines,
        [
            "unified /sys/fs/cgroup/unified /user.slice/user-0.slice/session-1.scope",
            "name=systemd /sys/fs/cgroup/systemd /user.slice/user-0.slice/session-1.scope",
            "cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct /user.slice",
            "net_cls,net_prio /sys/fs/cgroup/net_cls,net_prio /",
            "memory /sys/fs/cgroup/memory /user.slice",
        ]
    );
}

#[test]
fn docker_in_docker_on_v1_sees_its_own_group_as_root() {
    let mountinfo = "\
801 800 0:60 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755
802 801 0:26 /docker/1f2e /sys/fs/cgroup/systemd rw,nosuid,nodev,noexec,relatime master:11 - cgroup cgroup rw,xattr,name=systemd
803 801 0:30 /docker/1f2e /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime master:17 - cgroup cgroup rw,memory
804 801 0:31 /docker/1f2e /sys/fs/cgroup/pids rw,nosuid,nodev,noexec,relatime master:18 - cgroup cgroup rw,pids";
    let own = "11:memory:/docker/1f2e/engine\n5:pids:/docker/1f2e\n1:name=systemd:/docker/1f2e\n";
    let (mode, lines) = shown(mountinfo, own);
    assert_eq!(mode, Mode::V1);
    assert_eq!(
        lines,
        [
            "name=systemd /sys/fs/cgroup/systemd /",
            "memory /sys/fs/cgroup/memory /engine",
            "pids /sys/fs/cgroup/pids /",
        ]
    );
}

#[test]
fn read_only_v2_in_an_unprivileged_container() {
    let mountinfo = "700 699 0:24 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot";
    let (mode, lines) = shown(mountinfo, "0::/\n");
    assert_eq!(mode, Mode::V2);
    assert_eq!(lines, ["unified /sys/fs/cgroup / ro"]);
}

#[test]
fn group_outside_of_the_cgroup_namespace_starts_at_the_mount() {
    let mountinfo = "700 699 0:24 /../.. /sys/fs/cgroup rw,relatime - cgroup2 cgroup rw";
    assert_eq!(shown(mountinfo, "0::/../other\n").1, ["unified /sys/fs/cgroup /"]);
}

#[test]
fn nothing_is_mounted() {
    let mountinfo = "29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\nbroken line\n";
    assert_eq!(shown(mountinfo, "0::/\n"), (Mode::None, Vec::new()));
    assert_eq!(shown("", ""), (Mode::None, Vec::new()));
}

#[test]
fn named_hierarchy_alone_limits_nothing() {
    let mountinfo = "33 32 0:28 / /sys/fs/cgroup/elogind rw - cgroup cgroup rw,xattr,name=elogind";
    assert_eq!(shown(mountinfo, "1:name=elogind:/1\n").0, Mode::None);
}

#[test]
fn second_mount_elsewhere_does_not_hide_the_usual_one() {
    let mountinfo = "\
50 1 0:30 / /mnt/my\\040memory rw - cgroup cgroup rw,memory
51 1 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
52 1 0:31 / /mnt/my\\040pids rw - cgroup cgroup rw,pids";
    let (_, lines) = shown(mountinfo, "2:memory:/\n3:pids:/a\n");
    assert_eq!(lines, ["memory /sys/fs/cgroup/memory /", "pids /mnt/my pids /a"]);
}

#[test]
fn usual_places_are_guessed_from_the_own_groups() {
    let layout = Layout::guess_v1("4:cpu,cpuacct:/a\n2:blkio:/b\n1:name=systemd:/\n0::/c\n");
    let places: Vec<_> = layout
        .hierarchies
        .iter()
        .map(|h| format!("{} {} {}", h.label(), h.mountpoint.display(), h.own))
        .collect();
    assert_eq!(
        places,
        [
            "cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct /a",
            "blkio /sys/fs/cgroup/blkio /b",
            "name=systemd /sys/fs/cgroup/systemd /",
            "unified /sys/fs/cgroup/unified /c",
        ]
    );
}

#[test]
fn relative_paths_start_at_the_own_group_or_beside_it_on_v2() {
    let relative = CgroupPath::parse("coracle/web").unwrap();
    let absolute = CgroupPath::parse("/coracle/web").unwrap();
    let v1 = Kind::V1 { controllers: Controllers::parse("pids"), name: None };
    let table = [
        (v1.clone(), "/", "coracle/web"),
        (v1, "/user.slice", "user.slice/coracle/web"),
        (Kind::V2, "/", "coracle/web"),
        (Kind::V2, "/session.scope", "coracle/web"),
        (Kind::V2, "/user.slice/session.scope", "user.slice/coracle/web"),
    ];
    for (kind, own, expected) in table {
        let hierarchy =
            Hierarchy { kind, mountpoint: USUAL_PLACE.into(), own: own.to_owned(), read_only: false };
        assert_eq!(hierarchy.resolve(&relative), expected);
        assert_eq!(hierarchy.resolve(&absolute), "coracle/web");
    }
}
