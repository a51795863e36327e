//! The device program, run by a small interpreter against a plain reading of the rules.

use super::*;
use crate::devices::{MKNOD, READ, WRITE};

/// Runs a program on a request; panics on what the kernel's verifier would refuse.
fn run(program: &[u64], kind: i32, access: u8, major: u32, minor: u32) -> bool {
    let context = [(u32::from(access) << 16) | kind.cast_unsigned(), major, minor];
    let mut registers: [Option<u64>; 11] = [None; 11];
    let mut at = 0;
    loop {
        let [code, ends, off0, off1, imm0, imm1, imm2, imm3] = program[at].to_le_bytes();
        let (to, from) = (usize::from(ends & 15), usize::from(ends >> 4));
        let offset = i16::from_le_bytes([off0, off1]);
        let imm = i64::from(i32::from_le_bytes([imm0, imm1, imm2, imm3])).cast_unsigned();
        let value = |register: usize| registers[register].expect("a register is set before it is read");
        let mut jump = |taken: bool| {
            if taken {
                assert!(offset >= 0, "no loops");
                at += usize::try_from(offset).unwrap();
            }
        };
        match code {
            LOAD_WORD => {
                assert_eq!(from, usize::from(CONTEXT));
                registers[to] = Some(u64::from(context[usize::try_from(offset).unwrap() / 4]));
            }
            MOVE_IMM => registers[to] = Some(imm),
            MOVE_REG => registers[to] = Some(value(from)),
            AND_IMM => registers[to] = Some(value(to) & imm),
            SHIFT_RIGHT_IMM => registers[to] = Some(value(to) >> imm),
            JUMP => jump(true),
            JUMP_NOT_EQUAL_IMM => {
                let taken = value(to) != imm;
                jump(taken);
            }
            JUMP_ANY_BIT_IMM => {
                let taken = value(to) & imm != 0;
                jump(taken);
            }
            EXIT => return value(usize::from(VERDICT)) != 0,
            other => panic!("unknown instruction {other:#x}"),
        }
        at += 1;
    }
}

/// Decides a request by reading the rules from the first to the last, bit by bit.
fn meant(rules: &[Rule], kind: DeviceKind, access: u8, major: u32, minor: u32) -> bool {
    [READ, WRITE, MKNOD].into_iter().filter(|bit| access & bit != 0).all(|bit| {
        let mut allowed = false;
        for rule in rules {
            match rule {
                Rule::All { allow } => allowed = *allow,
                Rule::Some { allow, cover }
                    if cover.kind == kind
                        && cover.major.is_none_or(|number| number == major)
                        && cover.minor.is_none_or(|number| number == minor)
                        && cover.access & bit != 0 =>
                {
                    allowed = *allow;
                }
                Rule::Some { .. } => {}
            }
        }
        allowed
    })
}

fn rule(allow: bool, kind: &str, major: Option<i64>, minor: Option<i64>, access: &str) -> DeviceRule {
    DeviceRule { allow, kind: Some(kind.to_owned()), major, minor, access: Some(access.to_owned()) }
}

/// Checks that program and reading agree on every request near the numbers that rules use.
fn check(rules: &[DeviceRule]) {
    let program = device_program(rules).unwrap();
    let parsed = parse_rules(rules).unwrap();
    for (kind, number) in [(DeviceKind::Block, BLOCK), (DeviceKind::Char, CHAR)] {
        for access in 1..=7 {
            for (major, minor) in (0..4).flat_map(|major| (0..4).map(move |minor| (major, minor))) {
                assert_eq!(
                    run(&program, number, access, major, minor),
                    meant(&parsed, kind, access, major, minor),
                    "{kind:?} {major}:{minor} {access:#b} under {rules:?}"
                );
            }
        }
    }
}

#[test]
fn later_rules_win_bit_by_bit() {
    check(&[]);
    check(&[rule(true, "a", None, None, "rwm")]);
    check(&[rule(true, "c", Some(1), Some(3), "r"), rule(true, "c", Some(1), Some(3), "w")]);
    check(&[rule(true, "c", Some(1), None, "rwm"), rule(false, "c", Some(1), Some(3), "w")]);
    check(&[
        rule(false, "a", None, None, "rwm"),
        rule(true, "b", None, Some(2), "m"),
        rule(true, "a", Some(2), None, "r"),
    ]);
    check(&[rule(true, "c", Some(1), Some(1), "rwm"), rule(false, "a", None, None, "rwm")]);
    check(&crate::default_devices());
}

/// A small generator, so that the cases are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[test]
fn random_rules_mean_the_same_to_program_and_reader() {
    let mut dice = Dice(7);
    for _ in 0..2000 {
        let count = dice.roll(7);
        let rules: Vec<DeviceRule> = (0..count)
            .map(|_| {
                let kind = ["a", "b", "c", "c"][usize::try_from(dice.roll(4)).unwrap()];
                let mut number = || match dice.roll(5) {
                    4 => None,
                    number => Some(number.cast_signed()),
                };
                let (major, minor) = (number(), number());
                let access = ["rwm", "r", "w", "m", "rw"][usize::try_from(dice.roll(5)).unwrap()];
                rule(dice.roll(3) > 0, kind, major, minor, access)
            })
            .collect();
        check(&rules);
    }
}

#[test]
fn reduced_v1_list_means_the_same() {
    use crate::devices::DeviceList;
    let rules = [
        rule(true, "c", Some(1), Some(3), "rwm"),
        rule(false, "c", Some(1), Some(3), "w"),
        rule(true, "b", None, None, "m"),
    ];
    let list = DeviceList::reduce(&parse_rules(&rules).unwrap()).unwrap();
    assert_eq!(list.lines().collect::<Vec<_>>(), ["c 1:3 rm", "b *:* m"]);
    let program = device_program(&rules).unwrap();
    assert!(run(&program, CHAR, READ | MKNOD, 1, 3) && !run(&program, CHAR, READ | WRITE, 1, 3));
}

#[test]
fn bad_rules_are_refused() {
    let error = device_program(&[rule(true, "x", None, None, "r")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid device rule `allow x *:* r`: the type is none of `a`, `b` and `c`"
    );
}
