//! What can be wrong with a filter or a profile.

/// A filter or profile that cannot be compiled; every variant is a fault of the input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An action that the specification does not know.
    #[error(
        "unknown seccomp action `{0}`: use one of SCMP_ACT_ALLOW, _ERRNO, _KILL, _KILL_PROCESS, _KILL_THREAD, _LOG, _NOTIFY, _TRACE, _TRAP"
    )]
    UnknownAction(String),
    /// An architecture that the specification does not know.
    #[error("unknown seccomp architecture `{0}`: names look like SCMP_ARCH_X86_64")]
    UnknownArch(String),
    /// A filter flag that the specification does not know.
    #[error("unknown seccomp filter flag `{0}`: names look like SECCOMP_FILTER_FLAG_LOG")]
    UnknownFlag(String),
    /// A comparison that the specification does not know.
    #[error(
        "unknown comparison `{op}` in the seccomp rule for `{syscall}`: use one of SCMP_CMP_EQ, _NE, _LT, _LE, _GT, _GE, _MASKED_EQ"
    )]
    UnknownOperator { syscall: String, op: String },
    /// A seventh argument.
    #[error("the seccomp rule for `{syscall}` compares argument {index}: calls have the arguments 0 to 5")]
    ArgumentIndex { syscall: String, index: u32 },
    /// An error number that the kernel would clamp.
    #[error("seccomp action `{action}` cannot return {value}: the largest value is {max}")]
    ReturnValue { action: String, value: u32, max: u32 },
    /// A rule without a name.
    #[error("a seccomp rule with action `{0}` has an empty system call name")]
    EmptyName(String),
    /// Notifications for every call would stop the container before its listener is handed over.
    #[error("SCMP_ACT_NOTIFY cannot be the default action: name the calls to be notified of in rules")]
    NotifyDefault,
    /// The set-up of a container writes after its filter is loaded.
    #[error("SCMP_ACT_NOTIFY cannot be used for `write`: the container could not be set up")]
    NotifyWrite,
    /// The kernel takes at most 4096 instructions.
    #[error("the seccomp filter has {len} instructions, the kernel takes {max}: use fewer conditional rules")]
    TooLong { len: usize, max: usize },
    /// JSON that is no profile.
    #[error("cannot read the seccomp profile")]
    Json(#[source] serde_json::Error),
    /// More bytes than any sensible profile has.
    #[error("the seccomp profile has {len} bytes, the limit is {max}")]
    ProfileSize { len: usize, max: usize },
    /// A profile without its first line.
    #[error("the seccomp profile has no `defaultAction`: use `seccomp=unconfined` to run without a filter")]
    NoDefaultAction,
    /// Two ways to say the same, with no rule for which one counts.
    #[error("the seccomp profile has both `{0}` and `{1}`: use one of them")]
    Both(&'static str, &'static str),
    /// A kernel version other than `4.8`.
    #[error("bad kernel version `{0}`: write it like 4.8")]
    KernelVersion(String),
}

/// Result of compiling or reading a profile.
pub type Result<T, E = Error> = std::result::Result<T, E>;
