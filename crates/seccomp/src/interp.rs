//! Runs a filter on one system call, for tests: what would the kernel answer?

use crate::SockFilter;
use crate::bpf::{AND, JA, JEQ, JGE, JGT, LD, RET};

/// What a filter sees (`struct seccomp_data`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeccompData {
    pub nr: u32,
    pub arch: u32,
    pub instruction_pointer: u64,
    pub args: [u64; 6],
}

impl SeccompData {
    /// Returns the word at an offset that is a multiple of four (little-endian machines).
    fn word(&self, offset: u32) -> u32 {
        let half = |value: u64| (if offset % 8 == 4 { value >> 32 } else { value }) as u32;
        match offset {
            0 => self.nr,
            4 => self.arch,
            8 | 12 => half(self.instruction_pointer),
            16..64 => half(self.args[(offset as usize - 16) / 8]),
            _ => panic!("load from offset {offset} outside of seccomp_data"),
        }
    }
}

/// Returns the filter's answer (`SECCOMP_RET_*` with its data).
///
/// # Panics
///
/// Panics on a program that the kernel would refuse: bad offsets, jumps out of it, or instructions
/// that no compiler of filters writes.
pub fn run(program: &[SockFilter], data: &SeccompData) -> u32 {
    let mut accumulator = 0;
    let mut at = 0;
    loop {
        let SockFilter { code, jt, jf, k } = program[at];
        at += 1;
        let mut jump = |holds: bool| at += usize::from(if holds { jt } else { jf });
        match code {
            LD => accumulator = data.word(k),
            AND => accumulator &= k,
            JA => at += k as usize,
            JEQ => jump(accumulator == k),
            JGT => jump(accumulator > k),
            JGE => jump(accumulator >= k),
            // BPF_JMP | BPF_JSET | BPF_K
            0x45 => jump(accumulator & k != 0),
            RET => return k,
            _ => panic!("instruction {code:#x} at {} is none of a filter's", at - 1),
        }
    }
}
