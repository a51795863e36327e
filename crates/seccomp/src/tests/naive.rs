//! A second reading of the specification, straight from the words of the filter: no tables of
//! segments, no programs. The compiler is compared with it.

use oci::runtime::{Seccomp, SyscallArg, SyscallRule};

use crate::interp::SeccompData;
use crate::table::TABLE;
use crate::{Arch, number};

const X32: u32 = 1 << 30;

/// Returns what a filter answers to a call on an x86_64 machine.
pub(super) fn evaluate(seccomp: &Seccomp, data: &SeccompData) -> u32 {
    let listed =
        |arch: Arch| arch == Arch::X86_64 || seccomp.architectures.iter().any(|name| name == arch.name());
    let arch = match data.arch {
        0xc000_003e if data.nr >= X32 && data.nr != u32::MAX => Arch::X32,
        0xc000_003e if data.nr == u32::MAX && listed(Arch::X32) => Arch::X32,
        0xc000_003e => Arch::X86_64,
        0x4000_0003 => Arch::X86,
        _ => return 0,
    };
    if !listed(arch) {
        return 0;
    }
    let default = value(&seccomp.default_action, seccomp.default_errno_ret);
    let names = seccomp.syscalls.iter().flat_map(|rule| &rule.names);
    let newest = names.filter_map(|name| number(arch, name)).max();
    let permissive = ["ALLOW", "LOG", "TRACE"].iter().any(|name| seccomp.default_action.ends_with(name));
    if !permissive && newest.is_some_and(|newest| data.nr > newest) {
        return 0x0005_0026;
    }
    let rules: Vec<&SyscallRule> =
        seccomp.syscalls.iter().filter(|rule| value(&rule.action, rule.errno_ret) != default).collect();
    let direct = |rule: &&&SyscallRule| rule.names.iter().any(|name| number(arch, name) == Some(data.nr));
    let settled = rules.iter().filter(direct).find(|rule| rule.args.is_empty());
    if let Some(rule) = settled {
        return value(&rule.action, rule.errno_ret);
    }
    let matching = rules
        .iter()
        .find(|rule| (direct(rule) && holds(arch, rule, data)) || (arch == Arch::X86 && carried(rule, data)));
    matching.map_or(default, |rule| value(&rule.action, rule.errno_ret))
}

/// Whether a rule extends to the call that `socketcall` or `ipc` carries here.
fn carried(rule: &SyscallRule, data: &SeccompData) -> bool {
    let selector = data.args[0] as u32;
    let name = match data.nr {
        102 => match selector {
            1 => "socket",
            2 => "bind",
            3 => "connect",
            18 => "accept4",
            _ => return false,
        },
        117 => match selector & 0xffff {
            1 => "semop",
            2 => "semget",
            24 => "shmctl",
            _ => return false,
        },
        _ => return false,
    };
    let permits = ["ALLOW", "LOG"].iter().any(|action| rule.action.ends_with(action));
    rule.names.iter().any(|candidate| candidate == name) && (rule.args.is_empty() || !permits)
}

fn holds(arch: Arch, rule: &SyscallRule, data: &SeccompData) -> bool {
    let narrow = matches!(arch, Arch::X86 | Arch::X32);
    let holds = |arg: &SyscallArg| {
        let cut = |value: u64| if narrow { u64::from(value as u32) } else { value };
        let (actual, value, second) =
            (cut(data.args[arg.index as usize]), cut(arg.value), cut(arg.value_two));
        match arg.op.as_str() {
            "SCMP_CMP_EQ" => actual == value,
            "SCMP_CMP_NE" => actual != value,
            "SCMP_CMP_LT" => actual < value,
            "SCMP_CMP_LE" => actual <= value,
            "SCMP_CMP_GT" => actual > value,
            "SCMP_CMP_GE" => actual >= value,
            "SCMP_CMP_MASKED_EQ" => actual & value == second,
            other => panic!("comparison {other}"),
        }
    };
    let indices: Vec<u32> = rule.args.iter().map(|arg| arg.index).collect();
    if indices.iter().enumerate().any(|(at, index)| indices[..at].contains(index)) {
        return rule.args.iter().any(holds);
    }
    rule.args.iter().all(holds)
}

/// Returns an action as the kernel's number.
pub(super) fn value(action: &str, errno: Option<u32>) -> u32 {
    match action.strip_prefix("SCMP_ACT_").expect("an action") {
        "KILL" | "KILL_THREAD" => 0,
        "KILL_PROCESS" => 0x8000_0000,
        "TRAP" => 0x0003_0000,
        "ERRNO" => 0x0005_0000 | errno.unwrap_or(1),
        "NOTIFY" => 0x7fc0_0000,
        "TRACE" => 0x7ff0_0000 | errno.unwrap_or(1),
        "LOG" => 0x7ffc_0000,
        "ALLOW" => 0x7fff_0000,
        other => panic!("action {other}"),
    }
}

/// Returns all names that can stand in rules.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}
