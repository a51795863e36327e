//! Random filters answer random calls as the naive reading does.

use oci::runtime::{Seccomp, SyscallArg, SyscallRule};
use proptest::prelude::*;
use proptest::sample::select;

use super::naive;
use crate::compile_for;
use crate::interp::{SeccompData, run};
use crate::{Arch, number};

/// Calls whose arguments are looked at, carried ones and the ends of ranges among them.
const NAMES: [&str; 16] = [
    "read",
    "open",
    "socket",
    "bind",
    "connect",
    "accept4",
    "semop",
    "semget",
    "shmctl",
    "clone",
    "ipc",
    "socketcall",
    "execveat",
    "openat2",
    "rt_sigreturn",
    "file_getattr",
];
const OPS: [&str; 7] = ["EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ"];
const ACTIONS: [&str; 8] = ["ALLOW", "ERRNO", "KILL_PROCESS", "KILL", "TRAP", "TRACE", "LOG", "NOTIFY"];

/// Few different numbers, so that equal ones meet; with high halves and without.
fn number_like() -> impl Strategy<Value = u64> {
    let high = select(vec![0, 0, 1, 2, 0xffff_ffff_u64]);
    let low = select(vec![0, 1, 2, 3, 38, 0xffff, 0x1_0001 - 1, 0x7fff_ffff, 0xffff_ffff_u64]);
    (high, low).prop_map(|(high, low)| high << 32 | low)
}

fn arg() -> impl Strategy<Value = SyscallArg> {
    (0..6_u32, number_like(), number_like(), select(&OPS[..])).prop_map(|(index, value, value_two, op)| {
        // Most masks should be able to match.
        let value_two = if value_two % 3 == 0 { value_two } else { value_two & value };
        SyscallArg { index, value, value_two, op: format!("SCMP_CMP_{op}") }
    })
}

fn rule() -> impl Strategy<Value = SyscallRule> {
    let names = prop::collection::vec(select(&NAMES[..]), 1..4);
    let args = prop_oneof![3 => prop::collection::vec(arg(), 0..2), 1 => prop::collection::vec(arg(), 0..4)];
    let errno = prop::option::of(1..200_u32);
    (names, args, select(&ACTIONS[..]), errno).prop_map(|(names, args, action, errno_ret)| SyscallRule {
        names: names.into_iter().map(str::to_owned).collect(),
        action: format!("SCMP_ACT_{action}"),
        errno_ret,
        args,
    })
}

fn filter() -> impl Strategy<Value = Seccomp> {
    let default = select(&ACTIONS[..ACTIONS.len() - 1]);
    let arches = prop::sample::subsequence(vec!["SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_MIPS"], 0..=3);
    (default, prop::collection::vec(rule(), 0..30), arches).prop_map(|(default, syscalls, arches)| Seccomp {
        default_action: format!("SCMP_ACT_{default}"),
        architectures: arches.into_iter().map(str::to_owned).collect(),
        syscalls,
        ..Seccomp::default()
    })
}

/// The numbers worth asking for: those of the names, their neighbours and the ends.
fn numbers() -> Vec<u32> {
    let named = NAMES.iter().flat_map(|name| Arch::ALL[..3].iter().filter_map(|arch| number(*arch, name)));
    let mut numbers: Vec<u32> = named.flat_map(|nr| [nr, nr + 1, nr.saturating_sub(1)]).collect();
    numbers.extend([0, 471, 472, 1 << 30, (1 << 30) - 1, 1 << 31, u32::MAX, u32::MAX - 1]);
    numbers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_filters_answer_like_the_naive_reading(
        seccomp in filter(),
        calls in prop::collection::vec(prop::array::uniform6(number_like()), 8),
    ) {
        let program = compile_for(Arch::X86_64, &seccomp).expect("a valid filter");
        for arch in [Arch::X86_64.audit(), Arch::X86.audit(), Arch::Arm.audit()] {
            for nr in numbers() {
                for args in &calls {
                    let data = SeccompData { nr, arch, instruction_pointer: 0, args: *args };
                    let (actual, expected) = (run(&program.instructions, &data), naive::evaluate(&seccomp, &data));
                    prop_assert_eq!(actual, expected, "{:x?}", data);
                }
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Programs of any size jump right: many conditional rules need trampolines.
    #[test]
    fn long_programs_answer_like_the_naive_reading(
        rules in prop::collection::vec(arg(), 60..200),
        calls in prop::collection::vec(prop::array::uniform6(number_like()), 20),
    ) {
        let names = ["read", "open", "socket"];
        let syscalls = rules.into_iter().enumerate().map(|(index, arg)| SyscallRule {
            names: vec![names[index % 3].to_owned()],
            action: "SCMP_ACT_ERRNO".to_owned(),
            errno_ret: Some(index as u32 + 2),
            args: vec![arg],
        });
        let seccomp = Seccomp {
            default_action: "SCMP_ACT_ALLOW".to_owned(),
            architectures: vec!["SCMP_ARCH_X86".to_owned()],
            syscalls: syscalls.collect(),
            ..Seccomp::default()
        };
        let program = compile_for(Arch::X86_64, &seccomp).expect("a valid filter");
        for arch in [Arch::X86_64, Arch::X86] {
            for nr in numbers() {
                for args in &calls {
                    let data = SeccompData { nr, arch: arch.audit(), instruction_pointer: 0, args: *args };
                    let (actual, expected) = (run(&program.instructions, &data), naive::evaluate(&seccomp, &data));
                    prop_assert_eq!(actual, expected, "{:x?}", data);
                }
            }
        }
    }
}
