//! Resource limits (getrlimit(2)) and the OOM score: names, numbers, and setting them as far as the machine allows.

use sys::process::{self, Pid};

use crate::error::Failure;

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

/// Sets a limit of a process, 0 being this one; returns what is weaker than asked for.
pub(crate) fn set(pid: Pid, resource: u32, soft: u64, hard: u64) -> Result<Option<String>, Failure> {
    let Err(error) = process::set_rlimit(pid, resource, soft, hard) else { return Ok(None) };
    let name = name(resource);
    if error.raw_os_error() != Some(libc::EPERM) {
        let failure = Failure::refused(format!("cannot set the limit `{name}` to {soft}:{hard}"));
        return Err(Failure { errno: error.raw_os_error(), ..failure });
    }
    // Without CAP_SYS_RESOURCE the hard limit cannot rise: give what the machine allows and say so.
    let (_, ceiling) = process::rlimit(pid, resource).map_err(|error| Failure {
        errno: error.raw_os_error(),
        ..Failure::refused("cannot read a resource limit")
    })?;
    let _ = process::set_rlimit(pid, resource, soft.min(ceiling), hard.min(ceiling));
    Ok(Some(format!(
        "the limit `{name}` is {ceiling} and not {hard}: raising a hard limit needs CAP_SYS_RESOURCE"
    )))
}

/// Writes an OOM score to a process' file; returns what is weaker than asked for.
pub(crate) fn set_oom_score(file: &str, value: i32) -> Result<Option<String>, Failure> {
    match sys::fs::write(file, value.to_string()) {
        Ok(()) => Ok(None),
        Err(error) if error.errno() == Some(rustix::io::Errno::ACCESS) => Ok(Some(format!(
            "the OOM score adjustment {value} was not set: lowering it needs CAP_SYS_RESOURCE"
        ))),
        Err(error) => Err(Failure::from(error).during("cannot set the OOM score")),
    }
}
