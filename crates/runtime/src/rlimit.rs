//! Names and numbers of resource limits (getrlimit(2)).

/// In the order of their numbers.
const NAMES: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

/// Returns the kernel's number of a limit in the specification's spelling, `RLIMIT_NOFILE`.
pub(crate) fn number(name: &str) -> Option<u32> {
    let short = name.strip_prefix("RLIMIT_")?;
    NAMES.iter().position(|known| *known == short).map(|index| index as u32)
}

/// Returns the name that a user knows a limit by: `nofile`, as in `--ulimit` and limits.conf(5).
pub(crate) fn name(number: u32) -> String {
    NAMES.get(number as usize).map_or_else(|| number.to_string(), |name| name.to_lowercase())
}
