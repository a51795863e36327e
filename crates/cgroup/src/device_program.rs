//! Device rules as an eBPF program of type `BPF_PROG_TYPE_CGROUP_DEVICE`, for v2 groups; loading it is the caller's.

use oci::runtime::DeviceRule;

use crate::devices::{DeviceKind, Rule, parse_rules};
use crate::error::Result;

// Opcodes of linux/bpf.h and linux/bpf_common.h: class | operation or size | source.
const LOAD_WORD: u8 = 0x61;
const MOVE_IMM: u8 = 0xb7;
const MOVE_REG: u8 = 0xbf;
const AND_IMM: u8 = 0x57;
const SHIFT_RIGHT_IMM: u8 = 0x77;
const JUMP: u8 = 0x05;
const JUMP_NOT_EQUAL_IMM: u8 = 0x55;
const JUMP_ANY_BIT_IMM: u8 = 0x45;
const EXIT: u8 = 0x95;

// `BPF_DEVCG_DEV_*`.
const BLOCK: i32 = 1;
const CHAR: i32 = 2;

// Registers: the verdict, the context, and what is loaded from it.
const VERDICT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
/// The requested access bits that no rule has allowed yet.
const ASKED: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// Compiles device rules to instructions (`struct bpf_insn` as little-endian words).
///
/// The kernel's verifier takes 500 rules and gives up (E2BIG) somewhere below 1000.
///
/// The rules are tried from the last to the first. One that allows takes its access bits off what is asked and lets the request
/// pass when nothing is left; one that denies ends it if any of its bits is left. So a request for `rw` may be granted by two
/// rules, and a later rule makes a hole in an earlier one.
pub fn device_program(rules: &[DeviceRule]) -> Result<Vec<u64>> {
    let rules = parse_rules(rules)?;
    // struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }, access_type = access << 16 | kind
    let mut program = vec![
        insn(LOAD_WORD, KIND, CONTEXT, 0, 0),
        insn(MOVE_REG, ASKED, KIND, 0, 0),
        insn(SHIFT_RIGHT_IMM, ASKED, 0, 0, 16),
        insn(AND_IMM, KIND, 0, 0, 0xffff),
        insn(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        insn(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        match rule {
            Rule::All { allow } => {
                program.extend(verdict(*allow));
                return Ok(program);
            }
            Rule::Some { allow, cover } => {
                let kind = if cover.kind == DeviceKind::Block { BLOCK } else { CHAR };
                let decide = if *allow { allow_bits(cover.access) } else { deny_bits(cover.access) };
                let mut tests = vec![(KIND, kind)];
                tests.extend(cover.major.map(|major| (MAJOR, major.cast_signed())));
                tests.extend(cover.minor.map(|minor| (MINOR, minor.cast_signed())));
                for (done, (register, value)) in tests.iter().enumerate() {
                    let to_next_rule = tests.len() - done - 1 + decide.len();
                    let offset = i16::try_from(to_next_rule).expect("a rule has fewer than ten instructions");
                    program.push(insn(JUMP_NOT_EQUAL_IMM, *register, 0, offset, *value));
                }
                program.extend(decide);
            }
        }
    }
    program.extend(verdict(false));
    Ok(program)
}

fn verdict(allow: bool) -> [u64; 2] {
    [insn(MOVE_IMM, VERDICT, 0, 0, i32::from(allow)), insn(EXIT, 0, 0, 0, 0)]
}

fn allow_bits(access: u8) -> Vec<u64> {
    let mut code =
        vec![insn(AND_IMM, ASKED, 0, 0, !i32::from(access)), insn(JUMP_NOT_EQUAL_IMM, ASKED, 0, 2, 0)];
    code.extend(verdict(true));
    code
}

fn deny_bits(access: u8) -> Vec<u64> {
    let mut code = vec![insn(JUMP_ANY_BIT_IMM, ASKED, 0, 1, i32::from(access)), insn(JUMP, 0, 0, 2, 0)];
    code.extend(verdict(false));
    code
}

/// Packs `struct bpf_insn { u8 code; u8 dst:4, src:4; s16 off; s32 imm; }` for little-endian machines.
fn insn(code: u8, to: u8, from: u8, offset: i16, imm: i32) -> u64 {
    let [off0, off1] = offset.to_le_bytes();
    let [imm0, imm1, imm2, imm3] = imm.to_le_bytes();
    u64::from_le_bytes([code, to | from << 4, off0, off1, imm0, imm1, imm2, imm3])
}

#[cfg(test)]
#[path = "device_program_tests.rs"]
mod tests;
