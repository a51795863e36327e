//! The filter as meant: names resolved to numbers, words to values, everything checked.

use oci::runtime::{Seccomp, SyscallArg, SyscallRule};

use crate::arch::ARM_PRIVATE;
use crate::multiplex::{Detour, detour};
use crate::syscalls::{Numbers, find};
use crate::{Arch, Error, FilterFlags, Result};

/// A return value of a filter (`SECCOMP_RET_*` with its data).
pub(crate) type Action = u32;

pub(crate) const KILL_PROCESS: Action = 0x8000_0000;
pub(crate) const KILL_THREAD: Action = 0;
pub(crate) const TRAP: Action = 0x0003_0000;
pub(crate) const ERRNO: Action = 0x0005_0000;
pub(crate) const NOTIFY: Action = 0x7fc0_0000;
pub(crate) const TRACE: Action = 0x7ff0_0000;
pub(crate) const LOG: Action = 0x7ffc_0000;
pub(crate) const ALLOW: Action = 0x7fff_0000;

/// The part of a return value that says what to do; the rest is data.
pub(crate) const ACTION_MASK: u32 = 0xffff_0000;

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// The answer to calls that are newer than the profile.
pub(crate) const UNKNOWN_CALL: Action = ERRNO | ENOSYS;

/// How an argument is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// Equality of the bits under the mask.
    Masked(u64),
}

/// A comparison of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) arg: u8,
    pub(crate) op: Op,
    pub(crate) value: u64,
}

/// What to do if all conditions hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) action: Action,
    pub(crate) conditions: Vec<Condition>,
}

/// The calls of one architecture.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) arch: Arch,
    /// Call number and index of its rule, sorted: rules of one call keep their order.
    pub(crate) rules: Vec<(u32, usize)>,
    /// The highest number that the profile names; not counting private numbers of ARM.
    pub(crate) newest: Option<u32>,
}

/// A checked filter.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) default: Action,
    pub(crate) rules: Vec<Rule>,
    /// The native architecture comes first.
    pub(crate) calls: Vec<Calls>,
    pub(crate) flags: FilterFlags,
    pub(crate) unknown: Vec<String>,
}

impl Policy {
    /// Checks a filter and resolves its names for a machine of the given architecture.
    pub(crate) fn new(native: Arch, seccomp: &Seccomp) -> Result<Self> {
        let default = parse_action(&seccomp.default_action, seccomp.default_errno_ret)?;
        if default & ACTION_MASK == NOTIFY {
            return Err(Error::NotifyDefault);
        }
        let mut policy = Self {
            default,
            rules: Vec::with_capacity(seccomp.syscalls.len()),
            calls: parse_arches(native, &seccomp.architectures)?,
            flags: FilterFlags::default(),
            unknown: Vec::new(),
        };
        for rule in &seccomp.syscalls {
            policy.add(rule)?;
        }
        for calls in &mut policy.calls {
            calls.rules.sort_unstable();
        }
        policy.unknown.sort_unstable();
        policy.unknown.dedup();
        policy.flags = parse_flags(&seccomp.flags)?;
        if policy.rules.iter().any(|rule| rule.action & ACTION_MASK == NOTIFY) {
            policy.flags = policy.flags.with(FilterFlags::NEW_LISTENER);
            if policy.flags.contains(FilterFlags::TSYNC) {
                policy.flags = policy.flags.with(FilterFlags::TSYNC_ESRCH);
            }
        }
        Ok(policy)
    }

    /// The answer to calls newer than the profile, where it is not the default action.
    ///
    /// A permissive default permits them, and a tracer knows how to answer itself (as runc).
    pub(crate) fn newer(&self) -> Option<Action> {
        let permissive = matches!(self.default & ACTION_MASK, ALLOW | LOG | TRACE);
        (!permissive && self.default != UNKNOWN_CALL).then_some(UNKNOWN_CALL)
    }

    /// Adds one rule of the specification for all its names.
    fn add(&mut self, rule: &SyscallRule) -> Result<()> {
        let action = parse_action(&rule.action, rule.errno_ret)?;
        let first = self.rules.len();
        for conditions in parse_conditions(rule)? {
            self.rules.push(Rule { action, conditions });
        }
        let own = first..self.rules.len();
        for name in &rule.names {
            if name.is_empty() {
                return Err(Error::EmptyName(rule.action.clone()));
            }
            if name == "write" && action & ACTION_MASK == NOTIFY {
                return Err(Error::NotifyWrite);
            }
            let Some(numbers) = find(name) else {
                self.unknown.push(name.clone());
                continue;
            };
            let detour = detour(name).filter(|_| self.calls.iter().any(|calls| calls.arch == Arch::X86));
            for calls in &mut self.calls {
                calls.note(numbers);
                // What equals the default action adds nothing (and yields to other rules, as in runc).
                if action != self.default {
                    calls.add(numbers, own.clone());
                }
            }
            if let Some(detour) = detour.filter(|_| action != self.default) {
                self.add_detour(detour, action, !rule.args.is_empty());
            }
        }
        Ok(())
    }

    /// Extends a rule to the i386 call that carries the named one.
    ///
    /// The conditions cannot be checked there. A permission that has some is not extended; any other
    /// action is extended without them, since a denial must not be evaded.
    fn add_detour(&mut self, detour: Detour, action: Action, conditional: bool) {
        if conditional && matches!(action & ACTION_MASK, ALLOW | LOG) {
            return;
        }
        let condition = Condition { arg: 0, op: Op::Masked(detour.mask), value: detour.selector };
        self.rules.push(Rule { action, conditions: vec![condition] });
        let index = self.rules.len() - 1;
        let carrier = find(detour.carrier).expect("the carriers are in the table");
        for calls in self.calls.iter_mut().filter(|calls| calls.arch == Arch::X86) {
            calls.add(carrier, index..index + 1);
        }
    }
}

impl Calls {
    /// Remembers that the profile knows a call.
    fn note(&mut self, numbers: Numbers) {
        let number = numbers.on(self.arch).filter(|number| !self.is_private(*number));
        self.newest = self.newest.max(number);
    }

    fn add(&mut self, numbers: Numbers, rules: std::ops::Range<usize>) {
        if let Some(number) = numbers.on(self.arch) {
            self.rules.extend(rules.map(|rule| (number, rule)));
        }
    }

    /// Whether a number is one of ARM's own, far above the common ones.
    pub(crate) fn is_private(&self, number: u32) -> bool {
        self.arch == Arch::Arm && number >= ARM_PRIVATE
    }
}

/// Parses an action; ERRNO and TRACE carry EPERM unless told otherwise.
fn parse_action(name: &str, value: Option<u32>) -> Result<Action> {
    let (action, max) = match name {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => return Ok(KILL_THREAD),
        "SCMP_ACT_KILL_PROCESS" => return Ok(KILL_PROCESS),
        "SCMP_ACT_TRAP" => return Ok(TRAP),
        "SCMP_ACT_LOG" => return Ok(LOG),
        "SCMP_ACT_ALLOW" => return Ok(ALLOW),
        "SCMP_ACT_NOTIFY" => return Ok(NOTIFY),
        // The kernel clamps at MAX_ERRNO.
        "SCMP_ACT_ERRNO" => (ERRNO, 4095),
        "SCMP_ACT_TRACE" => (TRACE, 0xffff),
        _ => return Err(Error::UnknownAction(name.to_owned())),
    };
    let value = value.unwrap_or(EPERM);
    if value > max {
        return Err(Error::ReturnValue { action: name.to_owned(), value, max });
    }
    Ok(action | value)
}

/// Parses the conditions of a rule into alternatives.
///
/// Two conditions on one argument make every condition an alternative: runc does so for the sake
/// of old profiles, which lists such conditions as "either".
fn parse_conditions(rule: &SyscallRule) -> Result<Vec<Vec<Condition>>> {
    let syscall = || rule.names.first().cloned().unwrap_or_default();
    let mut conditions = Vec::with_capacity(rule.args.len());
    for arg in &rule.args {
        let Some(index) = u8::try_from(arg.index).ok().filter(|index| *index < 6) else {
            return Err(Error::ArgumentIndex { syscall: syscall(), index: arg.index });
        };
        let Some((op, value)) = parse_op(arg) else {
            return Err(Error::UnknownOperator { syscall: syscall(), op: arg.op.clone() });
        };
        conditions.push(Condition { arg: index, op, value });
    }
    let repeated = (0..6).any(|arg| conditions.iter().filter(|condition| condition.arg == arg).count() > 1);
    if repeated {
        return Ok(conditions.into_iter().map(|condition| vec![condition]).collect());
    }
    Ok(vec![conditions])
}

fn parse_op(arg: &SyscallArg) -> Option<(Op, u64)> {
    let op = match arg.op.as_str() {
        "SCMP_CMP_EQ" => Op::Eq,
        "SCMP_CMP_NE" => Op::Ne,
        "SCMP_CMP_LT" => Op::Lt,
        "SCMP_CMP_LE" => Op::Le,
        "SCMP_CMP_GT" => Op::Gt,
        "SCMP_CMP_GE" => Op::Ge,
        "SCMP_CMP_MASKED_EQ" => return Some((Op::Masked(arg.value), arg.value_two)),
        _ => return None,
    };
    Some((op, arg.value))
}

/// Parses the architectures; the native one is always among them.
fn parse_arches(native: Arch, names: &[String]) -> Result<Vec<Calls>> {
    let mut arches = vec![native];
    for name in names {
        if let Some(arch) = Arch::parse(name)?
            && !arches.contains(&arch)
        {
            arches.push(arch);
        }
    }
    Ok(arches.into_iter().map(|arch| Calls { arch, rules: Vec::new(), newest: None }).collect())
}

/// Parses the flags; none at all means SPEC_ALLOW, as runc has it.
fn parse_flags(names: &[String]) -> Result<FilterFlags> {
    if names.is_empty() {
        return Ok(FilterFlags::SPEC_ALLOW);
    }
    names.iter().try_fold(FilterFlags::default(), |flags, name| {
        FilterFlags::parse(name).map(|flag| flags.with(flag)).ok_or_else(|| Error::UnknownFlag(name.clone()))
    })
}
