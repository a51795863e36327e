//! Tests of the crate, by kind.

mod cached;
mod disassembly;
mod libseccomp;
mod naive;
mod policies;
mod profiles;
mod random;
mod tables;

use oci::runtime::{Seccomp, SyscallArg, SyscallRule};

use crate::interp::{SeccompData, run};
use crate::{Arch, Conditions, KernelVersion, Program, number};

const KERNEL: KernelVersion = KernelVersion { major: 6, minor: 18 };

/// Docker's default capabilities.
const CAPS: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

fn caps(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn conditions(arch: Arch, capabilities: &[String]) -> Conditions<'_> {
    Conditions { arch, capabilities, kernel: KERNEL }
}

/// A filter: `filter("ERRNO", &["X86"], [rule("ALLOW", "read", &[])])`.
fn filter<const N: usize>(default: &str, arches: &[&str], syscalls: [SyscallRule; N]) -> Seccomp {
    Seccomp {
        default_action: format!("SCMP_ACT_{default}"),
        architectures: arches.iter().map(|arch| format!("SCMP_ARCH_{arch}")).collect(),
        syscalls: syscalls.into(),
        ..Seccomp::default()
    }
}

/// A rule for some calls: `rule("ALLOW", "read write", &[(0, "EQ", 1, 0)])`.
fn rule(action: &str, names: &str, args: &[(u32, &str, u64, u64)]) -> SyscallRule {
    let arg = |&(index, op, value, value_two): &(u32, &str, u64, u64)| SyscallArg {
        index,
        value,
        value_two,
        op: format!("SCMP_CMP_{op}"),
    };
    SyscallRule {
        names: names.split(' ').map(str::to_owned).collect(),
        action: format!("SCMP_ACT_{action}"),
        errno_ret: None,
        args: args.iter().map(arg).collect(),
    }
}

/// The answer to a call by name.
fn answer(program: &Program, arch: Arch, name: &str, args: &[u64]) -> u32 {
    let nr = number(arch, name).unwrap_or_else(|| panic!("{arch:?} has no {name}"));
    answer_nr(program, arch, nr, args)
}

fn answer_nr(program: &Program, arch: Arch, nr: u32, args: &[u64]) -> u32 {
    let mut data = SeccompData { nr, arch: arch.audit(), ..SeccompData::default() };
    data.args[..args.len()].copy_from_slice(args);
    run(&program.instructions, &data)
}
