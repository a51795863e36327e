//! What a container is shut off from: namespaces, ids, masks, capabilities, system calls, descriptors.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tests::{Engine, Output};

const KINDS: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
/// Docker's default set of fourteen capabilities.
const DEFAULT_CAPABILITIES: &str = "00000000a80425fb";

/// Runs a shell script in a busybox container that is removed at its end.
#[track_caller]
fn script(engine: &Engine, flags: &[&str], script: &str) -> Output {
    shell(engine, "busybox", flags, script)
}

#[track_caller]
fn shell(engine: &Engine, image: &str, flags: &[&str], script: &str) -> Output {
    let image = engine.image(image);
    let arguments = [&["run", "--rm"], flags, &[image.as_str(), "sh", "-c", script]].concat();
    engine.run(&arguments)
}

/// Starts a container that lives until it is removed.
#[track_caller]
fn idle(engine: &Engine, name: &str, flags: &[&str]) -> u64 {
    let image = engine.image("busybox");
    let arguments = [&["run", "-d", "--name", name], flags, &[image.as_str(), "sleep", "1000"]].concat();
    engine.run(&arguments).ok();
    pid(engine, name)
}

#[track_caller]
fn pid(engine: &Engine, name: &str) -> u64 {
    engine.run(&["inspect", name]).ok().json()[0]["State"]["Pid"].as_u64().expect("a running container")
}

/// The namespaces that a script saw, in the order of [`KINDS`].
#[track_caller]
fn namespaces(output: Output) -> Vec<String> {
    let links: Vec<String> = output.ok().stdout.lines().map(str::to_owned).collect();
    assert_eq!(links.len(), KINDS.len(), "{links:?}");
    links
}

fn list_namespaces() -> String {
    KINDS.map(|kind| format!("readlink /proc/self/ns/{kind}")).join(";")
}

fn namespaces_of(pid: &str) -> Vec<String> {
    let read = |kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().display().to_string();
    KINDS.map(read).to_vec()
}

/// The kinds in which two lists agree.
fn shared(one: &[String], other: &[String]) -> Vec<&'static str> {
    KINDS.into_iter().zip(one.iter().zip(other)).filter(|(_, (a, b))| a == b).map(|(kind, _)| kind).collect()
}

#[test]
fn every_namespace_is_the_containers_own_unless_asked_otherwise() {
    let engine = Engine::new();
    let host = namespaces_of("self");
    let table: [(&[&str], &[&str]); 9] = [
        (&[], &[]),
        (&["--pid", "host"], &["pid", "user"]),
        (&["--ipc", "host"], &["ipc", "user"]),
        (&["--uts", "host"], &["user", "uts"]),
        (&["--network", "host"], &["net", "user"]),
        (&["--cgroupns", "host"], &["cgroup"]),
        (&["--userns", "host"], &["user"]),
        (&["--userns", "auto", "--uts", "host"], &["uts"]),
        (
            &["--userns", "auto", "--network", "host", "--pid", "host", "--ipc", "host"],
            &["ipc", "net", "pid"],
        ),
    ];
    for (flags, expected) in table {
        let seen = namespaces(script(&engine, flags, &list_namespaces()));
        assert_eq!(shared(&seen, &host), expected, "{flags:?}");
    }
}

#[test]
fn a_namespace_of_another_container_can_be_joined_and_exec_joins_all() {
    let engine = Engine::new();
    let other = idle(&engine, "other", &[]);
    let other = namespaces_of(&other.to_string());
    for (flag, kind) in [("--pid", "pid"), ("--ipc", "ipc"), ("--network", "net"), ("--userns", "user")] {
        let seen = namespaces(script(&engine, &[flag, "container:other"], &list_namespaces()));
        // The joined namespace belongs to its container's user namespace; from another one port 80
        // and raw sockets would be refused.
        let mut expected = vec![kind, "user"];
        expected.dedup();
        assert_eq!(shared(&seen, &other), expected, "{flag}");
    }
    let all = engine.run(&["exec", "other", "sh", "-c", &list_namespaces()]);
    assert_eq!(namespaces(all), other);
    script(&engine, &["--pid", "container:other"], "ps").ok().stdout_has("sleep 1000");
    // What is listened to by one is reached by the other, over their common loopback.
    engine.run(&["exec", "-d", "other", "sh", "-c", "echo hello | nc -l -p 80"]).ok();
    script(
        &engine,
        &["--network", "container:other"],
        "until nc 127.0.0.1 80; do sleep 0.05; done 2>/dev/null",
    )
    .ok()
    .prints("hello");
    let image = engine.image("busybox");
    engine
        .run(&["run", "--rm", "--network", "container:absent", &image, "true"])
        .fails_with(125)
        .error_names(&["absent"]);
    engine.run(&["stop", "-t", "0", "other"]).ok();
    engine
        .run(&["run", "--rm", "--pid", "container:other", &image, "true"])
        .fails_with(125)
        .error_names(&["other", "running"]);
    assert_eq!(engine.containers().len(), 1);
}

#[test]
fn root_inside_is_a_high_user_outside_and_owns_its_files_as_root_on_disk() {
    let engine = Engine::new();
    let data = engine.base().join("data");
    fs::create_dir(&data).unwrap();
    let bind = format!("{}:/data", data.display());
    let first = idle(&engine, "first", &["-v", &bind]);
    let second = idle(&engine, "second", &[]);
    let ranges = [first, second].map(|pid| {
        let map = fs::read_to_string(format!("/proc/{pid}/uid_map")).unwrap();
        assert_eq!(map, fs::read_to_string(format!("/proc/{pid}/gid_map")).unwrap());
        let numbers: Vec<u64> = map.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let [inside, outside, count] = numbers[..] else { panic!("one line: {map}") };
        assert_eq!(inside, 0);
        assert!(outside > 1_000_000 && count >= 65_536, "{map}");
        assert_eq!(u64::from(fs::metadata(format!("/proc/{pid}/root")).unwrap().uid()), outside);
        outside..outside + count
    });
    let [one, two] = &ranges;
    assert!(one.end <= two.start || two.end <= one.start, "{ranges:?}");

    let write = "id -u; echo a > /data/root; echo b > /data/user; chown 1000:1001 /data/user; touch /mine; chown 7 /mine";
    engine.run(&["exec", "first", "sh", "-c", write]).ok().prints("0");
    let owner = |name: &str| {
        let meta = fs::metadata(data.join(name)).unwrap();
        (meta.uid(), meta.gid())
    };
    assert_eq!((owner("root"), owner("user")), ((0, 0), (1000, 1001)));
    // Another user of the host reads as he would outside.
    let user = engine.run(&[
        "exec",
        "-u",
        "1000",
        "first",
        "sh",
        "-c",
        "echo x > /data/user && echo x > /data/root",
    ]);
    user.fails_with(1).stderr_has("Permission denied");
    // The other container is no owner of anything here, and cannot signal the first.
    assert!(
        fs::read_to_string(format!("/proc/{second}/status"))
            .unwrap()
            .contains(&format!("Uid:\t{}", two.start))
    );
    // An id of the range is used again only after its container has gone.
    engine.run(&["rm", "-f", "first"]).ok();
    engine.audit();
}

#[test]
fn host_name_and_domain_name_are_the_containers_own() {
    let engine = Engine::new();
    let before = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let id = script(&engine, &[], "hostname; cat /etc/hostname; echo $HOSTNAME").ok();
    let lines: Vec<&str> = id.stdout.lines().collect();
    assert!(lines[0].len() == 12 && lines.iter().all(|line| *line == lines[0]), "{id}");
    script(
        &engine,
        &["--hostname", "boat", "--domainname", "example"],
        "hostname; cat /etc/hostname /proc/sys/kernel/domainname",
    )
    .ok()
    .prints("boat\nboat\nexample");
    script(&engine, &["--cap-add", "SYS_ADMIN"], "hostname changed && hostname").ok().prints("changed");
    script(&engine, &["--uts", "host"], "hostname").ok().prints(&before);
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), before);
}

/// Tries everything that could take a mask or a read-only mount away; prints what succeeded.
const UNDO: &str = r#"
say() { echo "undone: $*"; }
for path in /proc/acpi /proc/interrupts /proc/keys /proc/timer_list /sys/firmware /proc/sys /proc/bus /proc/irq; do
    [ -e $path ] || continue
    umount $path && say umount $path
    umount -l $path && say lazy umount $path
    # A masked file stays /dev/null however it is mounted.
    [ -d $path ] && mount -o remount,rw,bind $path && say remount $path
    mount --move $path /mnt/move && say move $path
done 2>/dev/null
mkdir -p /mnt/proc /mnt/sys /mnt/root /mnt/move
{
mount -t proc proc /mnt/proc && say fresh proc
mount -t sysfs sysfs /mnt/sys && say fresh sysfs
mount --bind /proc /mnt/proc && say plain bind of proc
mount -o remount,rw /sys && say sys writable
mount -o remount,rw /sys/fs/cgroup/memory && say cgroup writable
mount --make-rshared / && mount -o remount,bind,rw /proc/sys && say remount when shared
unshare -m umount /proc/sys && say umount in another namespace
unshare -Urm umount /proc/sys && say umount in a user namespace
unshare -Urm mount -o remount,bind,rw /proc/sys && say remount in a user namespace
unshare -Urmpf mount -t proc proc /mnt/proc && say fresh proc in a user namespace
} 2>/dev/null
for path in /proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/irq/default_smp_affinity; do
    [ -e $path ] && { echo 0 > $path; } 2>/dev/null && say write $path
done
for path in /proc/interrupts /proc/keys /proc/timer_list; do [ -s $path ] && say read $path; [ -n "$(cat $path)" ] && say content $path; done
for path in /proc/acpi /proc/scsi /sys/firmware; do [ -n "$(ls $path 2>/dev/null)" ] && say list $path; done
true
"#;

#[test]
fn masks_hold_against_every_capability() {
    let engine = Engine::new();
    let pattern = fs::read("/proc/sys/kernel/core_pattern").unwrap();
    // `mount` and `unshare` of util-linux and of busybox ask the kernel differently.
    for image in ["busybox", "debian"] {
        for flags in
            [&["--cap-add", "SYS_ADMIN"][..], &["--cap-add", "ALL", "--security-opt", "seccomp=unconfined"]]
        {
            shell(&engine, image, flags, UNDO).ok().prints("");
        }
    }
    script(&engine, &[], UNDO).ok().prints("");
    assert_eq!(fs::read("/proc/sys/kernel/core_pattern").unwrap(), pattern);
    // What the capability is for still works …
    let twin = "mkdir /m && mount -t tmpfs tmpfs /m && touch /m/x && umount /m && mount --bind /bin /m && ls /m/busybox";
    // (A bind of what holds locked mounts must take them along: `mount --rbind`.)
    script(&engine, &["--cap-add", "SYS_ADMIN"], twin).ok().prints("/m/busybox");
    // … and who asks for open paths gets them.
    let open = "cat /proc/interrupts | head -n 1 | grep -c CPU; grep -c ' /proc/' /proc/mounts";
    script(&engine, &["--security-opt", "systempaths=unconfined"], open).fails_with(1).prints("1\n0");
}

#[test]
fn capabilities_are_dockers_and_change_as_asked() {
    let engine = Engine::new();
    let sets = |flags: &[&str]| {
        let status = script(&engine, flags, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status").ok();
        let values: Vec<String> =
            status.stdout.lines().map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect();
        values
    };
    const NONE: &str = "0000000000000000";
    const D: &str = DEFAULT_CAPABILITIES;
    // Inheritable, permitted, effective, bounding, ambient, no_new_privs, seccomp.
    assert_eq!(sets(&[]), [NONE, D, D, D, NONE, "0", "2"]);
    assert_eq!(sets(&["-u", "1000"]), [NONE, NONE, NONE, D, NONE, "0", "2"]);
    let one = "0000000000001000";
    assert_eq!(sets(&["--cap-drop", "all", "--cap-add", "net_admin"]), [NONE, one, one, one, NONE, "0", "2"]);
    let less = "00000000a80425fa";
    assert_eq!(sets(&["--cap-drop", "CAP_CHOWN"]), [NONE, less, less, less, NONE, "0", "2"]);
    assert_eq!(sets(&["--security-opt", "no-new-privileges"])[5], "1");
    assert_eq!(sets(&["--security-opt", "seccomp=unconfined"])[6], "0");
    let last: u32 = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap().trim().parse().unwrap();
    let all = format!("{:016x}", (1u64 << (last + 1)) - 1);
    assert_eq!(sets(&["--cap-add", "ALL"])[1..4], [all.as_str(), all.as_str(), all.as_str()]);
    let image = engine.image("busybox");
    engine.run(&["run", "--rm", "--cap-add", "FLY", &image, "true"]).fails_with(125).error_names(&["FLY"]);
}

#[test]
fn no_new_privileges_takes_the_power_from_setuid_programs() {
    let engine = Engine::new();
    let setuid = "cp /usr/bin/id /id && chmod 4755 /id && setpriv --reuid 1000 --clear-groups /id -u";
    shell(&engine, "debian", &[], setuid).ok().prints("0");
    shell(&engine, "debian", &["--security-opt", "no-new-privileges"], setuid).ok().prints("1000");
}

#[test]
fn system_calls_are_filtered_by_dockers_profile_or_by_ones_own() {
    let engine = Engine::new();
    // keyctl, userfaultfd, bpf, mount, unshare(CLONE_NEWUSER), socket(AF_ALG), socket(AF_VSOCK), clock_settime;
    // then what must work: socket(AF_INET), socket(AF_PACKET), ptrace(TRACEME), personality(0).
    let calls = r#"perl -e 'my @calls = ([250,0], [323,0], [321,0], [165,0,0,0,0,0], [272,0x10000000], [41,38,5,0], [41,40,1,0],
        [227,0,0], [41,2,1,0], [41,17,3,0], [101,0,0,0,0], [135,0]);
        for (@calls) { $! = 0; my $answer = syscall($$_[0], @$_[1..$#$_]); print $answer < 0 ? $!+0 : "ok", " " }'"#;
    shell(&engine, "debian", &[], calls).ok().prints("1 1 1 1 1 1 1 1 ok ok ok ok");
    // The same with the kernel alone: none is refused for want of a filter.
    let alone = shell(&engine, "debian", &["--security-opt", "seccomp=unconfined"], calls).ok();
    assert!(!alone.stdout.starts_with("1 1 1 1 1"), "{alone}");
    shell(&engine, "debian", &["--cap-add", "SYS_ADMIN"], "unshare -m mount -t tmpfs x /mnt && echo made")
        .ok()
        .prints("made");

    let profile = engine.base().join("profile.json");
    let own = r#"{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
        {"names": ["chmod", "fchmodat", "fchmod"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 511, "op": "SCMP_CMP_EQ"}, {"index": 2, "value": 511, "op": "SCMP_CMP_NE"}], "excludes": {"caps": ["CAP_SYS_ADMIN"]}}]}"#;
    fs::write(&profile, own).unwrap();
    let option = format!("seccomp={}", profile.display());
    script(&engine, &["--security-opt", &option], "mkdir /new; chmod 755 /etc; echo still here")
        .ok()
        .stdout_has("still here")
        .stderr_has("No space left");
    script(&engine, &["--security-opt", &option, "--cap-add", "SYS_ADMIN"], "chmod 777 /etc && echo changed")
        .ok()
        .prints("changed");
    let image = engine.image("busybox");
    for (text, names) in [
        ("{", ["profile.json", "JSON"]),
        (r#"{"defaultAction": "SCMP_ACT_FLY"}"#, ["profile.json", "SCMP_ACT_FLY"]),
    ] {
        fs::write(&profile, text).unwrap();
        engine
            .run(&["run", "--rm", "--security-opt", &option, &image, "true"])
            .fails_with(125)
            .error_names(&names);
    }
    engine
        .run(&["run", "--rm", "--security-opt", "seccomp=/absent.json", &image, "true"])
        .fails_with(125)
        .error_names(&["/absent.json"]);
    assert!(engine.containers().is_empty());
}

#[test]
fn a_read_only_root_leaves_only_what_was_given() {
    let engine = Engine::new();
    let try_all = "for at in / /etc /root /proc/sys/kernel /sys /sys/fs/cgroup; do touch $at/x 2>/dev/null && echo wrote $at; done;
        for at in /dev /dev/shm /scratch; do touch $at/x || echo no $at; done;
        echo 127.0.0.9 nine >> /etc/hosts && tail -n 1 /etc/hosts;
        dd if=/dev/zero of=/scratch/big bs=64k count=100 2>&1 | grep -c 'No space'; stat -c '%a %u %g' /scratch";
    script(&engine, &["--read-only", "--tmpfs", "/scratch:size=1m,mode=1770,uid=5,gid=6"], try_all)
        .ok()
        .prints("127.0.0.9 nine\n1\n1770 5 6");
    // Still writable by default, in its own layer alone.
    script(&engine, &[], "touch /x && ls /x").ok().prints("/x");
    script(&engine, &[], "ls /x").fails_with(1);
    // tmpfs: Docker's options by default; content of the image is hidden.
    script(
        &engine,
        &["--tmpfs", "/etc/made/on/demand", "--tmpfs", "/usr/share:exec"],
        "grep -E ' /(etc/made|usr/share)' /proc/mounts | cut -d' ' -f 2,4 | cut -d, -f 1-4 | sort",
    )
    .ok()
    .prints("/etc/made/on/demand rw,nosuid,nodev,noexec\n/usr/share rw,nosuid,nodev,relatime");
}

#[test]
fn devices_are_a_handful_and_no_other_can_be_made() {
    let engine = Engine::new();
    let list = "ls -A /dev; stat -c '%n %F %t:%T %a %u:%g' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty";
    let expected = "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n\
        /dev/null character special file 1:3 666 0:0\n/dev/zero character special file 1:5 666 0:0\n\
        /dev/full character special file 1:7 666 0:0\n/dev/random character special file 1:8 666 0:0\n\
        /dev/urandom character special file 1:9 666 0:0\n/dev/tty character special file 5:0 666 0:0";
    script(&engine, &[], list).ok().prints(expected);
    let use_them = "echo > /dev/null && head -c 4 /dev/zero | wc -c && head -c 9 /dev/urandom | wc -c; echo > /dev/full; echo out > /dev/stdout";
    let output = script(&engine, &[], use_them).ok().stderr_has("No space left");
    assert_eq!(output.stdout.split_whitespace().collect::<Vec<_>>(), ["4", "9", "out"]);
    // The disk, memory and kernel log stay out of reach: the kernel refuses mknod in a user namespace, the
    // device rules refuse opening where it was the host's.
    let make = "mknod /sda b 8 0 && head -c 1 /sda; mknod /mem c 1 1 && head -c 1 /mem; mknod /kmsg c 1 11 && head -c 1 /kmsg; mknod /null c 1 3 && echo > /null && echo null works";
    for flags in [&[][..], &["--cap-add", "ALL"]] {
        script(&engine, flags, make).fails_with(1).prints("").stderr_has("Operation not permitted");
    }
    script(&engine, &["--userns", "host"], make)
        .ok()
        .prints("null works")
        .stderr_has("Operation not permitted");
}

#[test]
fn sysctls_limits_and_the_oom_score_are_set() {
    let engine = Engine::new();
    let flags = [
        "--sysctl",
        "net.ipv4.ip_forward=1",
        "--sysctl",
        "kernel.shmmax=40960",
        "--sysctl",
        "kernel.msgmax=4096",
        "--sysctl",
        "fs.mqueue.msg_max=7",
        "--ulimit",
        "nofile=100:200",
        "--ulimit",
        "core=0",
        "--oom-score-adj",
        "500",
    ];
    let show = "cd /proc/sys; cat net/ipv4/ip_forward net/ipv4/ip_unprivileged_port_start kernel/shmmax kernel/msgmax fs/mqueue/msg_max /proc/self/oom_score_adj;
        ulimit -Sn; ulimit -Hn; ulimit -c";
    let host = fs::read_to_string("/proc/sys/kernel/shmmax").unwrap();
    script(&engine, &flags, show).ok().prints("1\n0\n40960\n4096\n7\n500\n100\n200\n0");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/shmmax").unwrap(), host);
    script(&engine, &["-u", "1000", "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024"], "nc -l -p 80")
        .fails_with(1)
        .stderr_has("Permission denied");
    script(&engine, &["-u", "1000"], "nc -l -p 80 & sleep 0.1; kill $!").ok().quiet();
    let image = engine.image("busybox");
    // CVE-2022-0811: no sysctl of the host, whatever stands in it.
    for sysctl in [
        "kernel.core_pattern=|/x",
        "vm.swappiness=1",
        "kernel.shm_rmid_forced=1+kernel.core_pattern=|/x",
        "net/../kernel/core_pattern=x",
        "net.ipv4...kernel.core_pattern=x",
        "kernel.shmmax=1\nkernel.core_pattern=x",
    ] {
        engine
            .run(&["run", "--rm", "--sysctl", sysctl, &image, "true"])
            .fails_with(125)
            .error_names(&["sysctl"]);
    }
    engine
        .run(&["run", "--rm", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", &image, "true"])
        .fails_with(125)
        .error_names(&["net.ipv4.ip_forward"]);
    assert!(engine.containers().is_empty());
}

#[test]
fn no_descriptor_of_the_caller_reaches_the_container() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let canary = engine.base().join("canary");
    fs::create_dir(&canary).unwrap();
    let leak = format!("for n in {{10..60}}; do eval \"exec $n<{}\"; done; exec \"$@\"", canary.display());
    let binary = engine.binary().to_str().unwrap();
    let leaking = |arguments: &[&str]| {
        let words = [&["-c", &leak, "bash", binary], arguments].concat();
        engine.command_as(Path::new("/bin/bash"), &words).run()
    };
    let list = "ls /proc/1/fd; ls -l /proc/1/fd | grep canary; true";
    leaking(&["run", "--rm", &image, "sh", "-c", list]).ok().prints("0\n1\n2");
    // The init of `--init` is our own program and has two of its own.
    let list_init = "ls -l /proc/1/fd | grep -c canary";
    leaking(&["run", "--rm", "--init", "--userns", "host", &image, "sh", "-c", list_init])
        .fails_with(1)
        .prints("0");
    leaking(&["run", "-d", "--name", "idle", &image, "sleep", "1000"]).ok();
    leaking(&["exec", "idle", "sh", "-c", "ls /proc/$$/fd; ls -l /proc/$$/fd | grep canary; true"])
        .ok()
        .prints("0\n1\n2");
    // Nor do the two processes beside it keep them: the caller's files must be free when he has gone.
    let state = &engine.run(&["inspect", "idle"]).ok().json()[0]["State"];
    for field in ["Pid", "GuardianPid", "SupervisorPid"] {
        let fds = fs::read_dir(format!("/proc/{}/fd", state[field])).unwrap();
        let open: Vec<_> = fds.map(|fd| fs::read_link(fd.unwrap().path()).unwrap_or_default()).collect();
        assert!(!open.contains(&canary), "{field}: {open:?}");
    }
}

#[test]
fn standard_streams_can_be_opened_again_by_name() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    // As images do that link their log files to /dev/stdout.
    let write = "ln -s /dev/stdout /tmp/log && echo out > /tmp/log && echo err > /dev/stderr; cat /dev/stdin";
    engine
        .run(&["run", "-d", "--name", "idle", &image, "sh", "-c", "mkdir -p -m 1777 /tmp && sleep 1000"])
        .ok();
    let make = format!("mkdir -p -m 1777 /tmp && {write}");
    for flags in [&[][..], &["--userns", "host"]] {
        let run = [&["run", "--rm", "-i"], flags, &[image.as_str(), "sh", "-c", &make]].concat();
        engine.command(&run).stdin("in").run().ok().prints("out\nin").stderr_has("err");
    }
    let user = ["-i", "-u", "1000"];
    let run = [&["run", "--rm", "--tmpfs", "/tmp"], &user[..], &[image.as_str(), "sh", "-c", write]].concat();
    engine.command(&run).stdin("in").run().ok().prints("out\nin").stderr_has("err");
    let exec = [&["exec"], &user[..], &["idle", "sh", "-c", write]].concat();
    engine.command(&exec).stdin("in").run().ok().prints("out\nin").stderr_has("err");
    // A terminal too belongs to who sits at it.
    for (verb, name) in [("run", image.as_str()), ("exec", "idle")] {
        let on_terminal =
            [verb, "-it", "-u", "1000", name, "sh", "-c", "echo out > /dev/stdout; stat -c %u:%g $(tty)"];
        let mut terminal = engine.command(&on_terminal).terminal(24, 80);
        terminal.expect("out");
        terminal.expect("1000:5");
        terminal.type_text("\r");
        terminal.wait().ok();
    }
}

#[test]
fn file_capabilities_can_be_given_inside_and_last() {
    let engine = Engine::new();
    let image = engine.image("debian");
    let script = "[ -e /sleepy ] || { cp /usr/bin/grep /sleepy && setcap cap_net_admin,cap_net_raw=ep /sleepy; }; getcap /sleepy; setpriv --reuid 1000 --clear-groups /sleepy CapEff /proc/self/status";
    let expected = "/sleepy cap_net_raw=ep\nCapEff:\t0000000000002000";
    let script = script.replace("cap_net_admin,", "");
    engine.run(&["create", "--name", "twice", &image, "sh", "-c", &script]).ok();
    engine.run(&["start", "-a", "twice"]).ok().prints(expected);
    engine.run(&["start", "-a", "twice"]).ok().prints(expected);
}

#[test]
fn a_privileged_container_is_another_thing_and_says_so() {
    let engine = Engine::new();
    let host = namespaces_of("self");
    let look = format!(
        "{}; grep -E '^(CapEff|Seccomp:)' /proc/self/status; ls /dev | wc -l; cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern && echo writable",
        list_namespaces()
    );
    let output = script(&engine, &["--privileged"], &look).ok();
    let lines: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
    assert_eq!(shared(&lines[..7], &host), ["cgroup", "user"]);
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find(|line| line.starts_with("CapEff")).unwrap();
    assert_eq!(lines[7], own, "nobody can give what he lacks");
    assert_eq!(lines[8], "Seccomp:\t0");
    assert!(lines[9].parse::<usize>().unwrap() > 14, "the host's devices: {output}");
    assert_eq!(lines[10], "writable");
    // A default container beside it: the same questions, other answers.
    idle(&engine, "strong", &["--privileged"]);
    idle(&engine, "usual", &[]);
    let isolation = |name: &str| engine.run(&["inspect", name]).ok().json()[0].clone();
    let (strong, usual) = (isolation("strong"), isolation("usual"));
    assert_eq!(
        (&strong["HostConfig"]["Privileged"], &usual["HostConfig"]["Privileged"]),
        (&true.into(), &false.into())
    );
    for (field, of_usual) in [("UserNamespace", true), ("Seccomp", true), ("CgroupNamespace", true)] {
        assert_eq!(usual["Isolation"][field], of_usual, "{field}");
        assert_eq!(strong["Isolation"][field], !of_usual, "{field}");
    }
    assert_eq!(strong["Isolation"]["PidNamespace"], true);
}

#[test]
fn keys_that_nobody_read_do_not_hide_the_end() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    for _ in 0..tests::rounds(8, 500) {
        let mut terminal = engine
            .command(&["run", "-it", "--rm", &image, "sh", "-c", "echo ready; exit 7"])
            .terminal(24, 80);
        terminal.expect("ready");
        (0..20).for_each(|_| terminal.type_text("\r"));
        terminal.wait().fails_with(7);
    }
}
