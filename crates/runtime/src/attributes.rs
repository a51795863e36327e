//! What a process tells the kernel's security modules of itself, in `/proc/thread-self/attr`.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use sys::Context;

use crate::error::Failure;

/// `PROC_ROOT_INO` of the kernel.
const PROC_ROOT: u64 = 1;

/// Has the next exec enter an AppArmor profile.
pub(crate) fn change_profile_on_exec(profile: &str) -> Result<(), Failure> {
    let doing = format!("cannot apply AppArmor profile `{profile}`");
    let absent = |why: &str| match profile {
        // Nothing confines it.
        "unconfined" => Ok(()),
        _ => Err(Failure::refused(format!("{doing}: {why}"))),
    };
    let Some(file) = open("apparmor/exec", &doing)? else { return absent("this kernel has no AppArmor") };
    match rustix::io::write(&file, format!("exec {profile}").as_bytes()) {
        Err(Errno::INVAL) => absent("AppArmor is not in force, or the name is not valid"),
        Err(Errno::NOENT) => absent("it is not loaded"),
        other => Ok(other.map(drop).context(|| doing.clone())?),
    }
}

/// Has the next exec take on a SELinux label.
pub(crate) fn change_label_on_exec(label: &str) -> Result<(), Failure> {
    let doing = format!("cannot apply SELinux label `{label}`");
    let absent = |why: &str| Err(Failure::refused(format!("{doing}: {why}")));
    let Some(file) = open("exec", &doing)? else { return absent("this kernel has no SELinux") };
    match rustix::io::write(&file, label.as_bytes()) {
        Err(Errno::INVAL) => absent("SELinux is not in force, or its policy has no such label"),
        other => Ok(other.map(drop).context(|| doing.clone())?),
    }
}

/// Has the next keyring take on a SELinux label, as the program could not search its own otherwise; an empty one lets
/// them be as they are.
pub(crate) fn label_keyrings(label: &str) -> Result<(), Failure> {
    let doing = format!("cannot have keyrings labelled `{label}`");
    let Some(file) = open("keycreate", &doing)? else { return Ok(()) };
    match rustix::io::write(&file, label.as_bytes()) {
        // As above, and the label is applied later or refused then.
        Err(Errno::INVAL) => Ok(()),
        other => Ok(other.map(drop).context(|| doing.clone())?),
    }
}

/// Opens a file for writing; nothing where the kernel has none of that name.
///
/// It must be the kernel's own: a container that has something else mounted there would run without what is written
/// (CVE-2019-16884, CVE-2025-52881).
fn open(name: &str, doing: &str) -> Result<Option<OwnedFd>, Failure> {
    let failed = || doing.to_owned();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, Mode::empty()).context(failed)?;
    if !sys::mount::is_procfs(&proc) || fstat(&proc).context(failed)?.st_ino != PROC_ROOT {
        return Err(Failure::refused(format!("{doing}: `/proc` of the container is no procfs")));
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
    let path = format!("thread-self/attr/{name}");
    match openat2(&proc, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty(), resolve) {
        Err(Errno::NOENT) => Ok(None),
        other => Ok(Some(other.context(failed)?)),
    }
}
