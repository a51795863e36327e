//! Small programs in readable form.

use std::fmt::Write;

use super::{filter, rule};
use crate::bpf::{AND, JA, JEQ, JGE, JGT, LD, RET};
use crate::{Arch, SockFilter, compile_for};

fn disassemble(program: &[SockFilter]) -> String {
    let mut text = String::new();
    for (at, SockFilter { code, jt, jf, k }) in program.iter().copied().enumerate() {
        let to = |skip: u8| at + 1 + usize::from(skip);
        let line = match code {
            LD if k >= 16 => format!("load arg{}.{}", (k - 16) / 8, if k % 8 == 0 { "low" } else { "high" }),
            LD => format!("load {}", if k == 0 { "nr" } else { "arch" }),
            AND => format!("and {k:#x}"),
            JA => format!("goto {}", at + 1 + k as usize),
            RET => format!("return {k:#x}"),
            JEQ => format!("if == {k:#x} goto {} else {}", to(jt), to(jf)),
            JGE => format!("if >= {k:#x} goto {} else {}", to(jt), to(jf)),
            JGT => format!("if > {k:#x} goto {} else {}", to(jt), to(jf)),
            other => panic!("instruction {other:#x}"),
        };
        writeln!(text, "{at}: {line}").unwrap();
    }
    text
}

fn check(seccomp: &oci::runtime::Seccomp) -> String {
    disassemble(&compile_for(Arch::X86_64, seccomp).unwrap().instructions)
}

#[test]
fn neighbours_share_a_segment() {
    insta::assert_snapshot!(check(&filter("ERRNO", &["X86_64"], [rule("ALLOW", "read write open close", &[])])), @r"
    0: load arch
    1: if == 0xc000003e goto 2 else 8
    2: load nr
    3: if >= 0x40000000 goto 6 else 4
    4: if >= 0x4 goto 7 else 5
    5: return 0x7fff0000
    6: if >= 0xffffffff goto 7 else 8
    7: return 0x50026
    8: return 0x0
    ");
}

#[test]
fn a_single_call_is_one_comparison() {
    insta::assert_snapshot!(check(&filter("ALLOW", &["X32"], [rule("KILL_PROCESS", "mount", &[])])), @r"
    0: load arch
    1: if == 0xc000003e goto 2 else 8
    2: load nr
    3: if >= 0xa6 goto 5 else 4
    4: if >= 0xa5 goto 7 else 6
    5: if == 0x400000a5 goto 7 else 6
    6: return 0x7fff0000
    7: return 0x80000000
    8: return 0x0
    ");
}

#[test]
fn arguments_are_compared_in_halves() {
    let args = [(0, "GT", 5, 0), (1, "EQ", 1 << 32 | 7, 0), (2, "MASKED_EQ", 0xff, 4)];
    insta::assert_snapshot!(check(&filter("ALLOW", &["X32"], [rule("ERRNO", "read", &args)])), @r"
    0: load arch
    1: if == 0xc000003e goto 2 else 26
    2: load nr
    3: if >= 0x40000000 goto 16 else 4
    4: if >= 0x1 goto 24 else 5
    5: load arg0.high
    6: if == 0x0 goto 7 else 9
    7: load arg0.low
    8: if > 0x5 goto 9 else 24
    9: load arg1.high
    10: if == 0x1 goto 11 else 24
    11: load arg1.low
    12: if == 0x7 goto 13 else 24
    13: load arg2.low
    14: and 0xff
    15: if == 0x4 goto 25 else 24
    16: if >= 0x40000001 goto 24 else 17
    17: load arg0.low
    18: if > 0x5 goto 19 else 24
    19: load arg1.low
    20: if == 0x7 goto 21 else 24
    21: load arg2.low
    22: and 0xff
    23: if == 0x4 goto 25 else 24
    24: return 0x7fff0000
    25: return 0x50001
    26: return 0x0
    ");
}

#[test]
fn sub_architectures_follow_the_native_one() {
    let seccomp = filter("KILL_PROCESS", &["X86", "X32"], [rule("ALLOW", "bind", &[])]);
    insta::assert_snapshot!(check(&seccomp), @r"
    0: load arch
    1: if == 0xc000003e goto 2 else 8
    2: load nr
    3: if >= 0x40000000 goto 6 else 4
    4: if >= 0x31 goto 5 else 15
    5: if >= 0x32 goto 18 else 17
    6: if >= 0x40000031 goto 7 else 15
    7: if >= 0x40000032 goto 18 else 17
    8: if == 0x40000003 goto 9 else 19
    9: load nr
    10: if >= 0x67 goto 14 else 11
    11: if >= 0x66 goto 12 else 15
    12: load arg0.low
    13: if == 0x2 goto 17 else 15
    14: if >= 0x169 goto 16 else 15
    15: return 0x80000000
    16: if >= 0x16a goto 18 else 17
    17: return 0x7fff0000
    18: return 0x50026
    19: return 0x0
    ");
}
