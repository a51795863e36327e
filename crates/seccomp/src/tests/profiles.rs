//! Docker's profile format, and what the default profile permits.

use super::{CAPS, KERNEL, answer, answer_nr, caps, conditions};
use crate::{
    Arch, Conditions, Error, KernelVersion, Profile, Program, Socketcall, compile_for, default_profile,
};

const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const KILL: u32 = 0;

const AF_ALG: u64 = 38;
const AF_VSOCK: u64 = 40;

fn default_program(arch: Arch, granted: &[&str], socketcall: Socketcall) -> Program {
    compile_for(arch, &default_profile(&conditions(arch, &caps(granted)), socketcall)).unwrap()
}

fn resolve(json: &str, arch: Arch, granted: &[&str], kernel: KernelVersion) -> Vec<String> {
    let capabilities = caps(granted);
    let conditions = Conditions { arch, capabilities: &capabilities, kernel };
    let seccomp = Profile::parse(json.as_bytes()).unwrap().resolve(&conditions);
    seccomp.syscalls.iter().flat_map(|rule| rule.names.clone()).collect()
}

#[test]
fn conditions_select_rules() {
    let json = r#"{ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        { "names": ["always"], "action": "SCMP_ACT_ALLOW", "args": null, "includes": {}, "excludes": null },
        { "names": ["both"], "includes": { "caps": ["CAP_A", "CAP_B"] } },
        { "names": ["arch"], "includes": { "arches": ["amd64", "x32"] } },
        { "names": ["new"], "includes": { "minKernel": "5.10" } },
        { "names": ["old"], "excludes": { "minKernel": "5.10" } },
        { "names": ["not_b"], "comment": "c", "excludes": { "caps": ["CAP_B"], "arches": ["s390x"] } },
        { "name": "single" } ] }"#;
    let old = KernelVersion { major: 5, minor: 9 };
    let new = KernelVersion { major: 5, minor: 10 };
    let names = |arch, caps: &[&str], kernel| resolve(json, arch, caps, kernel).join(" ");
    assert_eq!(names(Arch::X86_64, &[], old), "always arch old not_b single");
    assert_eq!(names(Arch::Aarch64, &["CAP_A"], new), "always new not_b single");
    assert_eq!(names(Arch::X86_64, &["CAP_B", "CAP_A"], KERNEL), "always both arch new single");
}

#[test]
fn the_architecture_map_brings_the_sub_architectures() {
    let arches = |arch| default_profile(&conditions(arch, &[]), Socketcall::Allow).architectures.join(" ");
    assert_eq!(arches(Arch::X86_64), "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32");
    assert_eq!(arches(Arch::Aarch64), "SCMP_ARCH_AARCH64 SCMP_ARCH_ARM");
}

#[test]
fn bad_profiles_are_refused() {
    let parse = |json: &str| Profile::parse(json.as_bytes()).unwrap_err();
    assert!(matches!(parse("{"), Error::Json(_)));
    assert!(matches!(parse("{}"), Error::NoDefaultAction));
    let both = r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{}]}"#;
    assert!(matches!(parse(both), Error::Both("architectures", "archMap")));
    let both = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"]}]}"#;
    assert!(matches!(parse(both), Error::Both("name", "names")));
    for version in ["", "4", "4.8.1", "x.1", "0.0", "-1.2"] {
        let json = format!(
            r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{{"includes":{{"minKernel":"{version}"}}}}]}}"#
        );
        assert!(matches!(parse(&json), Error::Json(_)), "{version}");
    }
    assert!(matches!(parse(&" ".repeat((1 << 20) + 1)), Error::ProfileSize { .. }));
}

#[test]
fn releases_of_kernels() {
    let parse = |release: &str| {
        KernelVersion::parse_release(release).ok().map(|version| (version.major, version.minor))
    };
    assert_eq!(parse("6.18.44-fc-v669"), Some((6, 18)));
    assert_eq!(parse("7.0-rc1"), Some((7, 0)));
    assert_eq!(parse("5.10+"), Some((5, 10)));
    assert_eq!(parse("linux"), None);
}

#[test]
fn every_name_of_the_default_profile_is_known() {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        assert_eq!(default_program(arch, &CAPS, Socketcall::Allow).unknown_syscalls, [""; 0]);
    }
}

#[test]
fn socket_families() {
    for (arch, native) in [
        (Arch::X86_64, Arch::X86_64),
        (Arch::X86, Arch::X86_64),
        (Arch::X32, Arch::X86_64),
        (Arch::Aarch64, Arch::Aarch64),
        (Arch::Arm, Arch::Aarch64),
    ] {
        let program = default_program(native, &CAPS, Socketcall::Allow);
        for family in 0..64 {
            let expected = if [AF_ALG, AF_VSOCK].contains(&family) { EPERM } else { ALLOW };
            assert_eq!(
                answer(&program, arch, "socket", &[family, 1]),
                expected,
                "family {family} on {arch:?}"
            );
            // The kernel looks at 32 bits; what stands above must not get a family through or stop it.
            let wide = family | 0xdead << 32;
            assert_eq!(
                answer(&program, arch, "socket", &[wide, 1]),
                expected,
                "family {wide:#x} on {arch:?}"
            );
        }
        let packet = |caps: &[&str]| {
            answer(&default_program(native, caps, Socketcall::Allow), arch, "socket", &[17, 3])
        };
        assert_eq!((packet(&CAPS), packet(&["CAP_CHOWN"])), (ALLOW, EPERM), "AF_PACKET on {arch:?}");
    }
}

#[test]
fn sockets_by_socketcall_follow_the_policy() {
    const NOTIFY: u32 = 0x7fc0_0000;
    for (policy, expected, listener) in [
        (Socketcall::Allow, ALLOW, false),
        (Socketcall::Notify, NOTIFY, true),
        (Socketcall::Deny, EPERM, false),
    ] {
        let program = default_program(Arch::X86_64, &CAPS, policy);
        assert_eq!(answer(&program, Arch::X86, "socketcall", &[1, 0xffff_d000]), expected, "{policy:?}");
        assert_eq!(program.needs_listener(), listener, "{policy:?}");
        // bind to sendmmsg work in any case, and 32-bit programs that use the direct call too.
        for call in 2..=20 {
            assert_eq!(answer(&program, Arch::X86, "socketcall", &[call]), ALLOW, "{policy:?} {call}");
        }
        assert_eq!(answer(&program, Arch::X86, "socket", &[2, 1]), ALLOW, "{policy:?}");
        assert_eq!(answer(&program, Arch::X86, "socket", &[AF_ALG, 5]), EPERM, "{policy:?}");
    }
}

/// The calls that took part in escapes stay closed; any change here is a decision.
#[test]
fn dangerous_calls_are_denied() {
    const DENIED: &str = "acct add_key bpf clock_settime delete_module finit_module fsconfig fsmount fsopen fspick \
        init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl \
        lookup_dcookie mbind mount mount_setattr move_mount move_pages open_by_handle_at \
        open_tree perf_event_open pidfd_getfd pivot_root process_madvise quotactl quotactl_fd reboot request_key \
        set_mempolicy setdomainname sethostname setns settimeofday swapoff swapon syslog umount2 unshare userfaultfd \
        vhangup vm86 vm86old";
    for arch in Arch::ALL {
        let native = if matches!(arch, Arch::Aarch64 | Arch::Arm) { Arch::Aarch64 } else { Arch::X86_64 };
        let program = default_program(native, &CAPS, Socketcall::Allow);
        let mut checked = 0;
        for name in DENIED.split_whitespace().filter(|name| crate::number(arch, name).is_some()) {
            assert_eq!(answer(&program, arch, name, &[]), EPERM, "{name} on {arch:?}");
            checked += 1;
        }
        assert!(checked > 35, "{arch:?}: {checked}");
    }
}

#[test]
fn namespaces_need_cap_sys_admin() {
    const CLONE_NEWUSER: u64 = 0x1000_0000;
    let plain = default_program(Arch::X86_64, &CAPS, Socketcall::Allow);
    let admin = default_program(Arch::X86_64, &["CAP_SYS_ADMIN"], Socketcall::Allow);
    for arch in [Arch::X86_64, Arch::X86, Arch::X32] {
        let clone = |program, flags| answer(program, arch, "clone", &[flags]);
        assert_eq!((clone(&plain, 17), clone(&plain, 17 | CLONE_NEWUSER)), (ALLOW, EPERM));
        assert_eq!(clone(&admin, 17 | CLONE_NEWUSER), ALLOW);
        assert_eq!(
            (answer(&plain, arch, "clone3", &[]), answer(&admin, arch, "clone3", &[])),
            (ENOSYS, ALLOW)
        );
        assert_eq!((answer(&plain, arch, "mount", &[]), answer(&admin, arch, "mount", &[])), (EPERM, ALLOW));
    }
}

#[test]
fn newer_calls_get_enosys_and_foreign_ones_are_killed() {
    let program = default_program(Arch::X86_64, &CAPS, Socketcall::Allow);
    let native = |nr| answer_nr(&program, Arch::X86_64, nr, &[]);
    assert_eq!(answer(&program, Arch::X86_64, "removexattrat", &[]), ALLOW);
    assert_eq!([467, 471, 1000, (1 << 30) - 1].map(native), [ENOSYS; 4]);
    // A gap below the newest one is denied.
    assert_eq!(native(400), EPERM);
    assert_eq!(answer_nr(&program, Arch::X86, 467, &[]), ENOSYS);
    assert_eq!(answer_nr(&program, Arch::Aarch64, 63, &[]), KILL);
    let arm = default_program(Arch::Aarch64, &CAPS, Socketcall::Allow);
    assert_eq!(answer(&arm, Arch::Arm, "set_tls", &[]), ALLOW);
    assert_eq!(answer_nr(&arm, Arch::Arm, 500, &[]), ENOSYS);
    assert_eq!(answer_nr(&arm, Arch::Arm, 0xf0003, &[]), EPERM);
}
