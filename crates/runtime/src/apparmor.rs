//! The AppArmor profile that the program starts under.

use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use sys::Context;

use crate::error::Failure;

/// `PROC_ROOT_INO` of the kernel.
const PROC_ROOT: u64 = 1;

/// Has the next exec enter the profile.
///
/// The file must be the kernel's own: a container that has something else mounted there would run without a profile
/// (CVE-2019-16884, CVE-2025-52881).
pub(crate) fn change_on_exec(profile: &str) -> Result<(), Failure> {
    let failed = || format!("cannot apply AppArmor profile `{profile}`");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, Mode::empty()).context(failed)?;
    if !sys::mount::is_procfs(&proc) || fstat(&proc).context(failed)?.st_ino != PROC_ROOT {
        return Err(Failure::refused(format!("{}: `/proc` of the container is no procfs", failed())));
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
    let file = "thread-self/attr/apparmor/exec";
    let absent = |why: &str| match profile {
        // Nothing confines it.
        "unconfined" => Ok(()),
        _ => Err(Failure::refused(format!("{}: {why}", failed()))),
    };
    let fd = match openat2(&proc, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty(), resolve) {
        Err(Errno::NOENT) => return absent("this kernel has no AppArmor"),
        other => other.context(failed)?,
    };
    match rustix::io::write(&fd, format!("exec {profile}").as_bytes()) {
        Err(Errno::INVAL) => absent("AppArmor is not in force, or the name is not valid"),
        Err(Errno::NOENT) => absent("it is not loaded"),
        other => Ok(other.map(drop).context(failed)?),
    }
}
