//! Compiles seccomp filters of the OCI runtime specification into classic BPF programs.
//!
//! Pure but for the cache: nothing here loads a filter. The way of data:
//! Docker's JSON ([`Profile`]) → [`oci::runtime::Seccomp`] → typed policy → segments of call
//! numbers → a binary tree of jumps ([`compile()`]) → [`Program`], kept by [`compile_cached`].
//!
//! The answers are those of libseccomp under runc, which the tests check by running both
//! programs. Deliberate differences:
//!
//! * A call newer than any that the profile names gets ENOSYS, not the default action, as runc
//!   does by patching libseccomp's program: libc then falls back to the older call.
//! * A conditional permission for a call that i386 also reaches through `socketcall` or `ipc` does
//!   not extend to that detour: the arguments are in memory there, where no filter sees them.
//!   libseccomp drops the condition and permits.
//! * `ipc` is matched by the low 16 bits of its first argument, as the kernel does; libseccomp
//!   compares all bits, and a version number in the upper half evades a denial.
//! * Where conditional rules with different actions overlap, the first one listed wins; libseccomp
//!   leaves it to the order of its tree. An unconditional rule wins over conditional ones in both.

mod arch;
mod bpf;
mod cache;
mod compile;
mod default;
mod error;
mod multiplex;
mod policy;
mod profile;
mod program;
mod syscalls;
mod table;

#[cfg(any(test, feature = "interp"))]
pub mod interp;
#[cfg(test)]
mod tests;

pub use arch::Arch;
pub use cache::{Cached, Origin, compile_cached, default_compiled};
pub use compile::{compile, compile_for};
pub use default::{Socketcall, default_profile};
pub use error::{Error, Result};
pub use profile::{Conditions, KernelVersion, Profile};
pub use program::{FilterFlags, Program, SockFilter};
pub use syscalls::number;
