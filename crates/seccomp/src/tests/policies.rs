//! What is refused, what is ignored, and the flags.

use super::{answer, filter, rule};
use crate::{Arch, Error, FilterFlags, Program, SockFilter, compile, compile_for};

fn refused(seccomp: &oci::runtime::Seccomp) -> Error {
    compile(seccomp).expect_err("a bad filter")
}

#[test]
fn unknown_words_are_refused() {
    assert!(
        matches!(refused(&filter("DENY", &[], [])), Error::UnknownAction(name) if name == "SCMP_ACT_DENY")
    );
    assert!(matches!(refused(&filter("ERRNO", &["Z80"], [])), Error::UnknownArch(_)));
    let seccomp = filter("ERRNO", &[], [rule("ALLOW", "read", &[(0, "LIKE", 1, 0)])]);
    assert_eq!(
        refused(&seccomp).to_string(),
        "unknown comparison `SCMP_CMP_LIKE` in the seccomp rule for `read`: use one of SCMP_CMP_EQ, _NE, _LT, _LE, _GT, _GE, _MASKED_EQ"
    );
    let mut seccomp = filter("ERRNO", &[], []);
    seccomp.flags = vec!["SECCOMP_FILTER_FLAG_WISH".to_owned()];
    assert!(matches!(refused(&seccomp), Error::UnknownFlag(_)));
}

#[test]
fn impossible_values_are_refused() {
    let seccomp = filter("ERRNO", &[], [rule("ALLOW", "read", &[(6, "EQ", 1, 0)])]);
    assert!(matches!(refused(&seccomp), Error::ArgumentIndex { index: 6, .. }));
    let mut seccomp = filter("ERRNO", &[], []);
    seccomp.default_errno_ret = Some(4096);
    assert!(matches!(refused(&seccomp), Error::ReturnValue { value: 4096, max: 4095, .. }));
    assert!(matches!(refused(&filter("ERRNO", &[], [rule("ALLOW", "", &[])])), Error::EmptyName(_)));
    assert!(matches!(refused(&filter("NOTIFY", &[], [])), Error::NotifyDefault));
    assert!(matches!(refused(&filter("ERRNO", &[], [rule("NOTIFY", "write", &[])])), Error::NotifyWrite));
}

#[test]
fn too_long_filters_are_refused() {
    let rules: Vec<_> = (0..3000).map(|value| rule("ALLOW", "read", &[(0, "EQ", value << 32, 0)])).collect();
    let mut seccomp = filter("ERRNO", &[], []);
    seccomp.syscalls = rules;
    assert!(matches!(refused(&seccomp), Error::TooLong { max: 4096, len } if len > 4096));
    seccomp.syscalls.truncate(800);
    assert!(compile(&seccomp).is_ok());
}

#[test]
fn unknown_calls_and_foreign_architectures_are_ignored() {
    let seccomp = filter("ERRNO", &["MIPS", "X86"], [rule("ALLOW", "zeta read riscv_hwprobe zeta", &[])]);
    let program = compile_for(Arch::X86_64, &seccomp).unwrap();
    assert_eq!(program.unknown_syscalls, ["riscv_hwprobe", "zeta"]);
    assert_eq!(answer(&program, Arch::X86, "read", &[]), 0x7fff_0000);
}

#[test]
fn flags_are_those_of_the_filter() {
    let flags = |names: &[&str], notify: bool| {
        let mut seccomp = filter("ERRNO", &[], [rule(if notify { "NOTIFY" } else { "ALLOW" }, "mount", &[])]);
        seccomp.flags = names.iter().map(|name| format!("SECCOMP_FILTER_FLAG_{name}")).collect();
        compile(&seccomp).unwrap().flags
    };
    assert_eq!(flags(&[], false), FilterFlags::SPEC_ALLOW);
    assert_eq!(flags(&["TSYNC", "LOG"], false).bits(), 0b11);
    assert_eq!(flags(&["WAIT_KILLABLE_RECV"], true).bits(), 0b10_1000);
    // With a listener, TSYNC must not answer with a thread's id.
    assert_eq!(flags(&["TSYNC"], true).bits(), 0b1_1001);
}

#[test]
fn bytes_are_the_kernels_struct() {
    let instruction = SockFilter { code: 0x15, jt: 1, jf: 2, k: 0xc000_003e };
    let program = Program {
        instructions: vec![instruction, instruction],
        flags: FilterFlags::default(),
        unknown_syscalls: Vec::new(),
    };
    assert_eq!(&program.to_bytes()[8..], [0x15, 0, 1, 2, 0x3e, 0, 0, 0xc0]);
    assert_eq!(SockFilter::from_bytes(instruction.to_bytes()), instruction);
}
