//! An assembler for classic BPF that writes a program from its end to its start.
//!
//! Jumps go forward only and conditional ones reach 255 instructions. Written backwards, every
//! target is already placed, so a far jump is seen when it is made: it goes through a nearer
//! copy of a return, or through an unconditional jump (a trampoline) put right behind it.

use crate::SockFilter;

/// `BPF_LD | BPF_W | BPF_ABS`
pub(crate) const LD: u16 = 0x20;
/// `BPF_ALU | BPF_AND | BPF_K`
pub(crate) const AND: u16 = 0x54;
/// `BPF_JMP | BPF_JA`
pub(crate) const JA: u16 = 0x05;
/// `BPF_JMP | BPF_JEQ | BPF_K`
pub(crate) const JEQ: u16 = 0x15;
/// `BPF_JMP | BPF_JGT | BPF_K`
pub(crate) const JGT: u16 = 0x25;
/// `BPF_JMP | BPF_JGE | BPF_K`
pub(crate) const JGE: u16 = 0x35;
/// `BPF_RET | BPF_K`
pub(crate) const RET: u16 = 0x06;

/// Offset of `nr` in `struct seccomp_data`.
pub(crate) const OFFSET_NR: u32 = 0;
/// Offset of `arch` in `struct seccomp_data`.
pub(crate) const OFFSET_ARCH: u32 = 4;

/// Returns the offset of the low half of an argument (little-endian machines).
pub(crate) fn offset_low(arg: u8) -> u32 {
    16 + 8 * u32::from(arg)
}

/// Returns the offset of the high half of an argument (little-endian machines).
pub(crate) fn offset_high(arg: u8) -> u32 {
    offset_low(arg) + 4
}

/// A placed instruction, counted from the end of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label(usize);

/// Where a jump goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    At(Label),
    /// Any return of this value.
    Return(u32),
}

/// The reach of a conditional jump.
const REACH: usize = 255;

/// A return that is nearer than this is used; the margin leaves room for a jump's trampolines.
const NEAR: usize = REACH - 8;

/// A program under construction, last instruction first.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    reversed: Vec<SockFilter>,
    /// The latest return of each value.
    returns: Vec<(u32, Label)>,
}

impl Assembler {
    /// Returns the program.
    pub(crate) fn finish(mut self) -> Vec<SockFilter> {
        self.reversed.reverse();
        self.reversed
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.reversed.push(SockFilter { code, jt, jf, k });
        Label(self.reversed.len() - 1)
    }

    /// How many instructions a jump written next would skip.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - label.0 - 1
    }

    /// Writes a plain instruction that runs into the one written before it.
    pub(crate) fn plain(&mut self, code: u16, k: u32) -> Label {
        self.push(code, 0, 0, k)
    }

    /// Places a target so that a jump written next reaches it.
    pub(crate) fn place(&mut self, target: Target) -> Label {
        let value = match target {
            Target::At(label) => return label,
            Target::Return(value) => value,
        };
        let known = self.returns.iter().position(|(candidate, _)| *candidate == value);
        if let Some(label) = known.map(|index| self.returns[index].1)
            && self.distance(label) <= NEAR
        {
            return label;
        }
        let label = self.push(RET, 0, 0, value);
        match known {
            Some(index) => self.returns[index].1 = label,
            None => self.returns.push((value, label)),
        }
        label
    }

    /// Writes a jump that goes to `yes` if the comparison holds and to `no` if not.
    pub(crate) fn branch(&mut self, code: u16, k: u32, yes: Target, no: Target) -> Label {
        let mut yes = self.place(yes);
        let mut no = self.place(no);
        loop {
            let far = match (self.distance(yes) > REACH, self.distance(no) > REACH) {
                (true, _) => &mut yes,
                (_, true) => &mut no,
                _ => break,
            };
            self.reversed.push(SockFilter {
                code: JA,
                jt: 0,
                jf: 0,
                k: (self.reversed.len() - far.0 - 1) as u32,
            });
            *far = Label(self.reversed.len() - 1);
        }
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.push(code, jt, jf, k)
    }
}
