//! Runs our programs and those of libseccomp over the same calls.
//!
//! libseccomp is used by a small C program that the tests build; nothing of it is linked here.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use oci::runtime::Seccomp;
use tempfile::TempDir;

use super::{CAPS, caps, conditions, filter, naive, rule};
use crate::interp::{SeccompData, run};
use crate::multiplex::detour;
use crate::{Arch, SockFilter, Socketcall, compile_for, default_profile, number};

const ARCHES: [Arch; 3] = [Arch::X86_64, Arch::X86, Arch::X32];
const ENOSYS: u32 = 0x0005_0026;
const EPERM: u32 = 0x0005_0001;

/// Builds the C program once for each process.
#[expect(clippy::disallowed_methods, reason = "the test's judge is a C library; it is compiled here")]
fn exporter() -> Command {
    static DIR: OnceLock<TempDir> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let dir = TempDir::new().expect("a temporary directory");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/export.c");
        let output = Command::new("cc")
            .args(["-O1", "-o"])
            .arg(dir.path().join("export"))
            .args([source, "-lseccomp"])
            .output()
            .unwrap_or_else(|error| panic!("cannot run `cc`: {error}: install the Debian package gcc"));
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "cannot build {source}: install the Debian package libseccomp-dev\n{message}"
        );
        dir
    });
    Command::new(dir.path().join("export"))
}

fn ask(script: &str) -> Vec<u8> {
    let mut child =
        exporter().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let script = script.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// libseccomp's token of an architecture.
fn token(arch: Arch) -> u32 {
    if arch == Arch::X32 { 0x4000_003e } else { arch.audit() }
}

/// Compiles a filter with libseccomp on this (x86_64) machine, in the way that runc does.
fn reference(seccomp: &Seccomp) -> Vec<SockFilter> {
    let default = naive::value(&seccomp.default_action, seccomp.default_errno_ret);
    let mut script = format!("init {default:x}\n");
    for arch in ARCHES.iter().filter(|arch| seccomp.architectures.iter().any(|name| name == arch.name())) {
        script += &format!("arch {:x}\n", token(*arch));
    }
    for rule in &seccomp.syscalls {
        let action = naive::value(&rule.action, rule.errno_ret);
        let args: Vec<String> = rule.args.iter().map(condition).collect();
        let repeated = (0..6).any(|index| rule.args.iter().filter(|arg| arg.index == index).count() > 1);
        for name in rule.names.iter().filter(|_| action != default) {
            if repeated {
                args.iter().for_each(|arg| script += &format!("rule {action:x} {name} 1 {arg}\n"));
            } else {
                script += &format!("rule {action:x} {name} {} {}\n", args.len(), args.join(" "));
            }
        }
    }
    let bytes = ask(&script);
    let (instructions, []) = bytes.as_chunks() else { panic!("a piece of an instruction") };
    let instructions: Vec<_> = instructions.iter().map(|bytes| SockFilter::from_bytes(*bytes)).collect();
    assert!(!instructions.is_empty());
    instructions
}

fn condition(arg: &oci::runtime::SyscallArg) -> String {
    // enum scmp_compare
    let op = match arg.op.as_str() {
        "SCMP_CMP_NE" => 1,
        "SCMP_CMP_LT" => 2,
        "SCMP_CMP_LE" => 3,
        "SCMP_CMP_EQ" => 4,
        "SCMP_CMP_GE" => 5,
        "SCMP_CMP_GT" => 6,
        "SCMP_CMP_MASKED_EQ" => 7,
        other => panic!("comparison {other}"),
    };
    format!("{} {op} {:x} {:x}", arg.index, arg.value, arg.value_two)
}

/// The calls that the installed libseccomp knows: name, architecture, number.
///
/// The number is negative for those that i386 also carries in `socketcall` and `ipc`.
fn known() -> Vec<(&'static str, Arch, i64)> {
    let pairs: Vec<_> = naive::names().flat_map(|name| ARCHES.map(|arch| (name, arch))).collect();
    let script: String =
        pairs.iter().map(|(name, arch)| format!("knows {:x} {name}\n", token(*arch))).collect();
    let answers = String::from_utf8(ask(&script)).unwrap();
    assert_eq!(answers.lines().count(), pairs.len());
    let numbers = answers.lines().map(|line| line.parse::<i64>().unwrap());
    // -1 is an unknown name, below -10000 are calls of other architectures.
    let known =
        pairs.into_iter().zip(numbers).filter(|(_, number)| *number >= 0 || (-299..-100).contains(number));
    known.map(|((name, arch), number)| (name, arch, number)).collect()
}

/// Reduces a filter to names that libseccomp knows on all architectures on which we know them:
/// newer ones are our lead, not a difference.
fn common(mut seccomp: Seccomp, known: &[(&str, Arch, i64)]) -> Seccomp {
    let on =
        |name: &str, arch| known.iter().any(|(candidate, other, _)| *candidate == name && *other == arch);
    for rule in &mut seccomp.syscalls {
        rule.names.retain(|name| ARCHES.iter().all(|arch| number(*arch, name).is_none() || on(name, *arch)));
    }
    seccomp.syscalls.retain(|rule| !rule.names.is_empty());
    seccomp
}

/// Argument lists that hit both sides of all conditions of a filter, and some random ones.
fn vectors(seccomp: &Seccomp) -> Vec<[u64; 6]> {
    let mut values = BTreeSet::from([0, 1, u64::MAX, 0xffff_ffff, 1 << 32]);
    for arg in seccomp.syscalls.iter().flat_map(|rule| &rule.args) {
        for value in [arg.value, arg.value_two, arg.value | arg.value_two] {
            values.extend([
                value,
                value.wrapping_add(1),
                value.wrapping_sub(1),
                value | 1 << 32,
                value ^ 1 << 63,
            ]);
        }
    }
    let mut vectors: Vec<[u64; 6]> = values.iter().map(|value| [*value; 6]).collect();
    let values: Vec<u64> = values.into_iter().collect();
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        values[state as usize % values.len()]
    };
    vectors.extend((0..40).map(|_| [(); 6].map(|()| next())));
    vectors
}

/// All interesting values of arch and nr.
fn calls() -> Vec<(u32, u32)> {
    let x32 = (0x4000_0000..0x4000_0258_u32).chain([0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX]);
    let numbers: Vec<u32> = (0..600).chain([0x3fff_ffff, 0xf0005]).chain(x32).collect();
    let arches = [Arch::X86_64, Arch::X86, Arch::Aarch64, Arch::Arm].map(Arch::audit);
    arches.iter().chain(&[0, u32::MAX]).flat_map(|arch| numbers.iter().map(|nr| (*arch, *nr))).collect()
}

/// Compares the answers to all calls; returns how many were compared, and how many got ENOSYS.
///
/// `differs` says which differences are meant.
fn compare(seccomp: &Seccomp, differs: impl Fn(&SeccompData, u32, u32) -> bool) -> (usize, usize) {
    let known = known();
    let seccomp = common(seccomp.clone(), &known);
    let (ours, theirs) = (compile_for(Arch::X86_64, &seccomp).expect("a valid filter"), reference(&seccomp));
    let named = seccomp.syscalls.iter().flat_map(|rule| &rule.names);
    let newest = |arch| named.clone().filter_map(|name| number(arch, name)).max();
    let newest = [Arch::X86_64, Arch::X86, Arch::X32].map(newest);
    let permissive = ["ALLOW", "LOG", "TRACE"].iter().any(|name| seccomp.default_action.ends_with(name));
    let vectors = vectors(&seccomp);
    let (mut compared, mut newer) = (0, 0);
    for (arch, nr) in calls() {
        for args in &vectors {
            let data = SeccompData { nr, arch, instruction_pointer: 0x40_0000, args: *args };
            let (our, their) = (run(&ours.instructions, &data), run(&theirs, &data));
            compared += 1;
            let listed = |arch: Arch| seccomp.architectures.iter().any(|name| name == arch.name());
            let newest = match arch {
                0x4000_0003 => newest[1].filter(|_| listed(Arch::X86)),
                0xc000_003e if nr == u32::MAX && !listed(Arch::X32) => newest[0],
                0xc000_003e if nr >= 1 << 30 => newest[2].filter(|_| listed(Arch::X32)),
                0xc000_003e => newest[0],
                _ => None,
            };
            if !permissive && newest.is_some_and(|newest| nr > newest) {
                // The first deliberate difference: newer than the profile.
                let default = naive::value(&seccomp.default_action, seccomp.default_errno_ret);
                assert_eq!((our, their), (ENOSYS, default), "{data:x?}");
                newer += 1;
            } else if !differs(&data, our, their) {
                assert_eq!(our, their, "ours, theirs: {data:x?}");
            }
        }
    }
    (compared, newer)
}

#[test]
fn tables_agree() {
    let known = known();
    assert!(known.len() > 1000, "{}", known.len());
    for (name, arch, expected) in known {
        match number(arch, name) {
            Some(actual) if expected >= 0 => assert_eq!(i64::from(actual), expected, "{name} on {arch:?}"),
            // A call of i386 alone has such a number elsewhere too.
            None if arch != Arch::X86 => {}
            // -101 and so on: the selectors of `socketcall` and `ipc`.
            actual => {
                let detour =
                    detour(name).unwrap_or_else(|| panic!("{name} on {arch:?}: {actual:?} {expected}"));
                let base = if detour.carrier == "socketcall" { 100 } else { 200 };
                assert_eq!((arch, -expected), (Arch::X86, base + detour.selector as i64), "{name}");
            }
        }
    }
}

#[test]
fn the_default_profile_agrees() {
    for granted in
        [caps(&CAPS), caps(&[]), caps(&["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_BPF", "CAP_NET_RAW"])]
    {
        let seccomp = default_profile(&conditions(Arch::X86_64, &granted), Socketcall::Allow);
        // Masks are compared by value in both, and socketcall is unconditional: no other difference.
        let (compared, newer) = compare(&seccomp, |_, _, _| false);
        assert!(compared > 100_000 && newer > 1000, "{compared} {newer}");
    }
}

#[test]
fn conditions_agree() {
    let ops = ["EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ"];
    let values =
        [(0, 0), (5, 4), (0xffff_ffff, 7), (1 << 32 | 9, 1 << 32 | 1), (u64::MAX, 3), (7 << 33, 1 << 33)];
    for op in ops {
        for (value, second) in values {
            let seccomp = filter(
                "ERRNO",
                &["X86", "X32"],
                [
                    rule("ALLOW", "read", &[(0, op, value, second)]),
                    rule("ALLOW", "openat", &[(2, op, value, second), (5, "NE", 1, 0)]),
                    rule("LOG", "write openat2", &[]),
                ],
            );
            compare(&seccomp, |_, _, _| false);
        }
    }
}

#[test]
fn alternatives_and_actions_agree() {
    let errno = |errno, mut rule: oci::runtime::SyscallRule| {
        rule.errno_ret = Some(errno);
        rule
    };
    for default in ["ERRNO", "KILL_PROCESS", "KILL", "TRAP", "LOG", "ALLOW", "TRACE"] {
        let seccomp = filter(
            default,
            &["X86", "X32", "X86_64"],
            [
                rule("ALLOW", "read write personality", &[(0, "EQ", 0, 0)]),
                rule("ALLOW", "read personality", &[(0, "EQ", 8, 0)]),
                rule("LOG", "ioctl", &[(1, "EQ", 0x5412, 0)]),
                rule("KILL_PROCESS", "ioctl", &[(1, "EQ", 0x541c, 0)]),
                // Old profiles repeat an argument to say "either".
                rule("ALLOW", "fcntl", &[(1, "EQ", 1, 0), (1, "EQ", 2, 0)]),
                errno(38, rule("ERRNO", "clone3", &[])),
                rule("TRAP", "acct", &[]),
                errno(77, rule("TRACE", "mount", &[])),
                rule("NOTIFY", "umount2", &[]),
                rule("KILL", "swapon swapoff", &[]),
                // An unconditional rule wins, wherever it stands.
                rule("LOG", "dup3", &[(0, "EQ", 3, 0)]),
                rule("ALLOW", "dup3", &[]),
                rule("TRAP", "dup3", &[]),
            ],
        );
        compare(&seccomp, |_, _, _| false);
    }
}

#[test]
fn without_sub_architectures_they_are_killed() {
    let seccomp = filter("ERRNO", &[], [rule("ALLOW", "read openat2", &[])]);
    compare(&seccomp, |_, _, _| false);
    let seccomp = filter("ALLOW", &["X86"], [rule("ERRNO", "mount", &[])]);
    compare(&seccomp, |_, _, _| false);
}

#[test]
fn carried_calls_agree_but_for_versions_of_ipc() {
    let names = "socket bind accept4 send recvmmsg semop semtimedop shmctl msgget openat2";
    for (default, action) in [("ERRNO", "ALLOW"), ("ALLOW", "ERRNO"), ("ERRNO", "KILL_PROCESS")] {
        let seccomp = filter(default, &["X86", "X32"], [rule(action, names, &[])]);
        let ipc = |data: &SeccompData| data.arch == Arch::X86.audit() && data.nr == 117;
        compare(&seccomp, |data, _, _| ipc(data) && data.args[0] as u32 >> 16 != 0);
    }
}

#[test]
fn conditional_permissions_are_not_carried() {
    let seccomp = filter(
        "ERRNO",
        &["X86"],
        [rule("ALLOW", "socket", &[(0, "EQ", 2, 0)]), rule("ALLOW", "openat2", &[])],
    );
    let carried =
        |data: &SeccompData| data.arch == Arch::X86.audit() && data.nr == 102 && data.args[0] as u32 == 1;
    compare(&seccomp, |data, our, their| {
        if carried(data) {
            // libseccomp lets every family through here.
            assert_eq!((our, their), (EPERM, 0x7fff_0000), "{data:x?}");
        }
        carried(data)
    });
}
