//! Turns a policy into a program: per architecture, a binary tree over segments of call numbers.

use oci::runtime::Seccomp;

use crate::arch::{ARM_PRIVATE, X32_BIT};
use crate::bpf::{
    AND, Assembler, JEQ, JGE, JGT, LD, Label, OFFSET_ARCH, OFFSET_NR, Target, offset_high, offset_low,
};
use crate::policy::{Action, Calls, Condition, KILL_THREAD, Op, Policy};
use crate::{Arch, Error, Program, Result};

/// The longest program that the kernel takes (`BPF_MAXINSNS`).
const INSTRUCTIONS_MAX: usize = 4096;

/// The answer to calls of architectures that the filter does not list (libseccomp's default).
const BAD_ARCH: Action = KILL_THREAD;

/// The number that a tracer sets to skip a call; libseccomp too leaves it to the x86_64 rules.
const SKIPPED: u32 = u32::MAX;

/// Compiles a filter for this machine.
pub fn compile(seccomp: &Seccomp) -> Result<Program> {
    compile_for(Arch::NATIVE, seccomp)
}

/// Compiles a filter for a machine of the given architecture, whose own calls are always included.
pub fn compile_for(native: Arch, seccomp: &Seccomp) -> Result<Program> {
    let policy = Policy::new(native, seccomp)?;
    let mut assembler = Assembler::default();
    let mut next = Target::Return(BAD_ARCH);
    // The kernel wants the last instruction to be a return; this is it.
    assembler.place(next);
    for space in spaces(&policy).iter().rev() {
        let tree = Emitter { assembler: &mut assembler, policy: &policy }.tree(&space.segments);
        let entry = match tree {
            Target::At(_) => Target::At(assembler.plain(LD, OFFSET_NR)),
            Target::Return(_) => tree,
        };
        next = Target::At(assembler.branch(JEQ, space.audit, entry, next));
    }
    assembler.plain(LD, OFFSET_ARCH);
    let instructions = assembler.finish();
    if instructions.len() > INSTRUCTIONS_MAX {
        return Err(Error::TooLong { len: instructions.len(), max: INSTRUCTIONS_MAX });
    }
    Ok(Program { instructions, flags: policy.flags, unknown_syscalls: policy.unknown })
}

/// What happens to all calls of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Leaf {
    Return(Action),
    /// The first rule that matches, else the default action.
    Rules {
        rules: Vec<usize>,
        narrow: bool,
    },
}

/// All call numbers from `start` up to the start of the next segment.
#[derive(Debug)]
struct Segment {
    start: u32,
    leaf: Leaf,
}

/// The 2^32 call numbers under one value of `seccomp_data.arch`.
#[derive(Debug)]
struct Space {
    audit: u32,
    segments: Vec<Segment>,
}

impl Space {
    /// Starts a segment, or extends the one before if nothing changes.
    fn push(&mut self, start: u32, leaf: Leaf) {
        // A segment that ends where it starts is none.
        self.segments.pop_if(|last| last.start == start);
        if self.segments.last().is_none_or(|last| last.leaf != leaf) {
            self.segments.push(Segment { start, leaf });
        }
    }

    /// Appends the calls of one architecture, whose numbers begin at its marker bit.
    fn append(&mut self, policy: &Policy, calls: &Calls) {
        let default = Leaf::Return(policy.default);
        self.push(calls.arch.marker(), default.clone());
        let is_private = calls.rules.partition_point(|(number, _)| !calls.is_private(*number));
        let (common, private) = calls.rules.split_at(is_private);
        self.append_rules(policy, calls.arch, common);
        if let (Some(newest), Some(newer)) = (calls.newest, policy.newer()) {
            self.push(newest + 1, Leaf::Return(newer));
            if calls.arch == Arch::Arm {
                self.push(ARM_PRIVATE, default);
            }
        }
        self.append_rules(policy, calls.arch, private);
    }

    fn append_rules(&mut self, policy: &Policy, arch: Arch, rules: &[(u32, usize)]) {
        for group in rules.chunk_by(|(one, _), (other, _)| one == other) {
            let number = group[0].0;
            self.push(number, leaf(policy, arch, group));
            self.push(number + 1, Leaf::Return(policy.default));
        }
    }
}

/// Sums up the rules of one call: an unconditional one settles it.
fn leaf(policy: &Policy, arch: Arch, group: &[(u32, usize)]) -> Leaf {
    let rules = group.iter().map(|(_, rule)| *rule);
    match rules.clone().find(|rule| policy.rules[*rule].conditions.is_empty()) {
        Some(rule) => Leaf::Return(policy.rules[rule].action),
        None => Leaf::Rules { rules: rules.collect(), narrow: arch.has_narrow_args() },
    }
}

/// Lays out the architectures over the values of `seccomp_data.arch`, the native one first.
fn spaces(policy: &Policy) -> Vec<Space> {
    let find = |arch| policy.calls.iter().find(|calls| calls.arch == arch);
    let mut spaces = Vec::new();
    for calls in policy.calls.iter().filter(|calls| calls.arch != Arch::X32) {
        let mut space = Space { audit: calls.arch.audit(), segments: Vec::new() };
        space.append(policy, calls);
        if calls.arch == Arch::X86_64 {
            match find(Arch::X32) {
                Some(x32) => space.append(policy, x32),
                None => {
                    space.push(X32_BIT, Leaf::Return(BAD_ARCH));
                    let newer = calls.newest.and(policy.newer());
                    space.push(SKIPPED, Leaf::Return(newer.unwrap_or(policy.default)));
                }
            }
        }
        spaces.push(space);
    }
    spaces
}

/// Writes trees and rules into the assembler, from their ends to their starts.
struct Emitter<'a> {
    assembler: &'a mut Assembler,
    policy: &'a Policy,
}

impl Emitter<'_> {
    /// Writes the search for the segment of the loaded number. An `At` is what was written last.
    fn tree(&mut self, segments: &[Segment]) -> Target {
        match segments {
            [Segment { leaf, .. }] => self.leaf(leaf),
            // One number between equal neighbours: a single comparison.
            [outer, inner, after] if outer.leaf == after.leaf && after.start == inner.start + 1 => {
                let no = self.leaf(&outer.leaf);
                let yes = self.leaf(&inner.leaf);
                Target::At(self.assembler.branch(JEQ, inner.start, yes, no))
            }
            _ => {
                let (left, right) = segments.split_at(segments.len() / 2);
                let yes = self.tree(right);
                let no = self.tree(left);
                Target::At(self.assembler.branch(JGE, right[0].start, yes, no))
            }
        }
    }

    fn leaf(&mut self, leaf: &Leaf) -> Target {
        match leaf {
            Leaf::Return(action) => Target::Return(*action),
            Leaf::Rules { rules, narrow } => self.rules(rules, *narrow),
        }
    }

    /// Writes the rules of one call.
    fn rules(&mut self, rules: &[usize], narrow: bool) -> Target {
        let mut next = Target::Return(self.policy.default);
        for rule in rules.iter().rev() {
            let rule = &self.policy.rules[*rule];
            let tests: Option<Vec<Test>> =
                rule.conditions.iter().filter_map(|condition| Test::new(*condition, narrow)).collect();
            // A rule that cannot match is left out.
            let Some(tests) = tests else { continue };
            let no = next;
            let matched = Target::Return(rule.action);
            next = tests.iter().rev().fold(matched, |yes, test| Target::At(self.test(test, yes, no)));
        }
        next
    }

    fn test(&mut self, test: &Test, yes: Target, no: Target) -> Label {
        let (low, high) = (test.value as u32, (test.value >> 32) as u32);
        match test.op {
            // The opposites.
            Op::Ne => self.test(&Test { op: Op::Eq, ..*test }, no, yes),
            Op::Lt => self.test(&Test { op: Op::Ge, ..*test }, no, yes),
            Op::Le => self.test(&Test { op: Op::Gt, ..*test }, no, yes),
            Op::Eq => self.test(&Test { op: Op::Masked(test.width()), ..*test }, yes, no),
            Op::Masked(mask) => {
                let (mask_low, mask_high) = (mask as u32, (mask >> 32) as u32);
                let mut label = None;
                if mask_low != 0 {
                    label = Some(self.equal(offset_low(test.arg), mask_low, low, yes, no));
                }
                if mask_high != 0 {
                    let rest = label.map_or(yes, Target::At);
                    label = Some(self.equal(offset_high(test.arg), mask_high, high, rest, no));
                }
                label.expect("a test has a mask")
            }
            Op::Gt | Op::Ge => {
                let code = if test.op == Op::Gt { JGT } else { JGE };
                self.assembler.branch(code, low, yes, no);
                let label = self.assembler.plain(LD, offset_low(test.arg));
                if test.narrow { label } else { self.high(test.arg, high, yes, Target::At(label), no) }
            }
        }
    }

    /// Compares the bits under the mask of one half of an argument.
    fn equal(&mut self, offset: u32, mask: u32, value: u32, yes: Target, no: Target) -> Label {
        self.assembler.branch(JEQ, value, yes, no);
        if mask != u32::MAX {
            self.assembler.plain(AND, mask);
        }
        self.assembler.plain(LD, offset)
    }

    /// Orders an argument by its high half; only equal halves leave it to the low ones.
    fn high(&mut self, arg: u8, high: u32, greater: Target, equal: Target, less: Target) -> Label {
        if high == 0 {
            self.assembler.branch(JEQ, 0, equal, greater);
        } else {
            let rest = self.assembler.branch(JEQ, high, equal, less);
            self.assembler.branch(JGT, high, greater, Target::At(rest));
        }
        self.assembler.plain(LD, offset_high(arg))
    }
}

/// A condition as it is tested on one architecture.
#[derive(Debug, Clone, Copy)]
struct Test {
    arg: u8,
    op: Op,
    value: u64,
    narrow: bool,
}

impl Test {
    /// Cuts a condition to the width of the arguments. The inner `None` stands for a test that
    /// always fails, the outer one for a test that always holds.
    fn new(condition: Condition, narrow: bool) -> Option<Option<Self>> {
        let Condition { arg, op, value } = condition;
        let mut test = Self { arg, op, value, narrow };
        test.value &= test.width();
        if let Op::Masked(mask) = op {
            let mask = mask & test.width();
            test.op = Op::Masked(mask);
            if test.value & !mask != 0 {
                return Some(None);
            }
            if mask == 0 {
                return None;
            }
        }
        Some(Some(test))
    }

    /// Returns the bits of an argument that count.
    fn width(&self) -> u64 {
        if self.narrow { u64::from(u32::MAX) } else { u64::MAX }
    }
}
