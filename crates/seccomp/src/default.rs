//! The default profile: what a container may call when nobody says otherwise.
//!
//! The allow-list in `default.json` is that of Docker (moby/profiles, July 2026) cut down to our
//! architectures, with three differences:
//!
//! * `socket` compares the 32 bits of the family that the kernel looks at. Docker's rules compare
//!   64, so that a family with any upper bit set passes as "greater than 40": AF_ALG too.
//! * AF_PACKET needs CAP_NET_RAW here as well, not only in the kernel, where a user namespace's
//!   own CAP_NET_RAW would do.
//! * `socketcall` has a policy of its own, see [`Socketcall`].

use oci::runtime::{Seccomp, SyscallArg, SyscallRule};

use crate::{Conditions, Profile};

/// The profile in Docker's format.
pub(crate) const JSON: &str = include_str!("default.json");

/// How i386 programs may make sockets through `socketcall`, the only way that 32-bit glibc knows.
///
/// The family is in memory there, so a filter either lets all families pass, AF_ALG and AF_VSOCK
/// included, or none. Docker tried none in April 2026 (CVE-2026-31431) and took it back in May since
/// it breaks 32-bit programs. A listener can look at the family, make the socket itself and hand it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Socketcall {
    /// All families, as Docker has it.
    #[default]
    Allow,
    /// A listener decides on `socketcall(SYS_SOCKET)`; everything else passes without it.
    Notify,
    /// No sockets by this way; the calls on sockets that exist pass.
    Deny,
}

const SYS_SOCKET: u64 = 1;

/// Returns the default filter for a container.
pub fn default_profile(conditions: &Conditions<'_>, socketcall: Socketcall) -> Seccomp {
    let profile = Profile::parse(JSON.as_bytes()).expect("the built-in profile parses");
    let mut seccomp = profile.resolve(conditions);
    // The rules for `bind`, `connect` and so on already extend to socketcall, that for `socket` has
    // conditions and does not.
    let rule = |action: &str, args| SyscallRule {
        names: vec!["socketcall".to_owned()],
        action: action.to_owned(),
        errno_ret: None,
        args,
    };
    match socketcall {
        Socketcall::Allow => seccomp.syscalls.push(rule("SCMP_ACT_ALLOW", Vec::new())),
        Socketcall::Notify => {
            let op = "SCMP_CMP_EQ".to_owned();
            let is_socket = SyscallArg { index: 0, value: SYS_SOCKET, value_two: 0, op };
            seccomp.syscalls.push(rule("SCMP_ACT_NOTIFY", vec![is_socket]));
        }
        Socketcall::Deny => {}
    }
    seccomp
}
