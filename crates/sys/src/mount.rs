//! Mounts by descriptor: fsopen/fsconfig/fsmount, open_tree, move_mount, mount_setattr.
//!
//! A mount that no path names cannot be redirected by a path race (CVE-2021-30465, CVE-2025-31133).

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, readlink, statx};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_reconfigure, fsconfig_set_fd, fsconfig_set_flag, fsconfig_set_string, fsmount,
    fsopen, fspick, move_mount, open_tree,
};

use crate::{Context, Error, Result};

pub use rustix::mount::MountAttrFlags as Attr;

/// `MOUNT_ATTR_IDMAP` of mount_setattr(2), Linux 5.12.
const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

#[repr(C)]
#[derive(Default)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// A change of mount attributes.
#[derive(Debug, Default, Clone, Copy)]
pub struct Change<'a> {
    /// `MOUNT_ATTR_*` bits to set and to clear.
    pub set: u64,
    pub clear: u64,
    /// `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`, `MS_UNBINDABLE` or 0.
    pub propagation: u64,
    /// Id-map the mount by this user namespace.
    pub idmap: Option<BorrowedFd<'a>>,
    pub recursive: bool,
}

pub const PRIVATE: u64 = libc::MS_PRIVATE;
pub const SLAVE: u64 = libc::MS_SLAVE;
pub const SHARED: u64 = libc::MS_SHARED;
pub const UNBINDABLE: u64 = libc::MS_UNBINDABLE;

/// Changes attributes of the mount behind a descriptor (mount_setattr(2), Linux 5.12).
pub fn set_attributes(mount: BorrowedFd<'_>, change: Change<'_>) -> Result<(), io::Error> {
    let mut attr = MountAttr {
        attr_set: change.set,
        attr_clr: change.clear,
        propagation: change.propagation,
        userns_fd: 0,
    };
    if let Some(userns) = change.idmap {
        attr.attr_set |= MOUNT_ATTR_IDMAP;
        attr.userns_fd = userns.as_raw_fd() as u64;
    }
    let flags = libc::AT_EMPTY_PATH | if change.recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: an empty path with AT_EMPTY_PATH, and a struct of the size told.
    let code = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// One parameter of a new file system.
#[derive(Debug, Clone)]
pub enum Parameter<'a> {
    Flag(&'a str),
    Text(&'a str, String),
    Fd(&'a str, BorrowedFd<'a>),
}

/// Makes a file system and returns its detached mount.
pub fn create(kind: &str, parameters: &[Parameter<'_>], attributes: MountAttrFlags) -> Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
        .context(|| format!("cannot use the file system `{kind}`"))?;
    // What mount(8) and df(1) show as the device; without it they say `none`.
    if !parameters.iter().any(|parameter| matches!(parameter, Parameter::Text("source", _))) {
        fsconfig_set_string(&context, "source", kind)
            .context(|| format!("cannot name the source of {kind}"))?;
    }
    configure(&context, kind, parameters)?;
    fsconfig_create(&context)
        .map_err(|errno| with_log(&context, format!("cannot create a {kind} file system"), errno))?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).context(|| format!("cannot mount {kind}"))
}

/// Changes options of the file system that is mounted at `target` (fspick(2), Linux 5.2).
pub fn reconfigure(target: BorrowedFd<'_>, parameters: &[Parameter<'_>]) -> Result<()> {
    let flags = FsPickFlags::FSPICK_CLOEXEC | FsPickFlags::FSPICK_EMPTY_PATH;
    let context = fspick(target, "", flags).context(|| "cannot open the file system".into())?;
    configure(&context, "the file system", parameters)?;
    fsconfig_reconfigure(&context)
        .map_err(|errno| with_log(&context, "cannot change the file system".to_owned(), errno))
}

fn configure(context: &OwnedFd, kind: &str, parameters: &[Parameter<'_>]) -> Result<()> {
    for parameter in parameters {
        let (name, answer) = match parameter {
            Parameter::Flag(name) => (name, fsconfig_set_flag(context, *name)),
            Parameter::Text(name, value) => (name, fsconfig_set_string(context, *name, value.as_str())),
            Parameter::Fd(name, fd) => (name, fsconfig_set_fd(context, *name, fd)),
        };
        answer.map_err(|errno| with_log(context, format!("cannot set option `{name}` of {kind}"), errno))?;
    }
    Ok(())
}

/// Adds what the kernel wrote into the context's message log (fsopen(2)).
fn with_log(context: &OwnedFd, mut what: String, errno: rustix::io::Errno) -> Error {
    let mut buffer = [0u8; 256];
    if let Ok(count) = rustix::io::read(context, &mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..count]);
        what.push_str(&format!(" ({})", text.trim_start_matches(['e', 'w', 'i', ' ']).trim_end()));
    }
    Error::new(what, errno)
}

/// Clones the mount at `path` (below `directory`) into a detached one (open_tree(2), Linux 5.2).
pub fn clone_tree(directory: BorrowedFd<'_>, path: &Path, recursive: bool) -> Result<OwnedFd> {
    open_clone(directory, path, recursive).on_path("clone the mount of", path)
}

/// Clones the mount of a path of the host.
pub fn clone_host_tree(path: &Path, recursive: bool) -> Result<OwnedFd> {
    clone_tree(CWD, path, recursive)
}

/// Clones the mount behind a descriptor.
pub fn clone_fd(fd: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd> {
    open_clone(fd, Path::new(""), recursive).map_err(|errno| {
        let path = readlink(format!("/proc/self/fd/{}", fd.as_raw_fd()), Vec::new()).unwrap_or_default();
        Error::new(format!("cannot clone the mount of `{}`", path.to_string_lossy()), errno)
    })
}

fn open_clone(directory: BorrowedFd<'_>, path: &Path, recursive: bool) -> rustix::io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if path.as_os_str().is_empty() {
        flags |= OpenTreeFlags::AT_EMPTY_PATH;
    }
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(directory, path, flags)
}

/// Attaches a detached mount on the object behind `target` (move_mount(2), Linux 5.2).
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), io::Error> {
    crate::failpoint::step();
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", target, "", flags).map_err(io::Error::from)
}

/// Changes the propagation of the mount at a path of the host, with all below it.
pub fn set_propagation_recursive(path: &Path, propagation: u64) -> Result<()> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())
        .map_err(|error| Error::new("mount path holds a NUL byte", io::Error::other(error)))?;
    // SAFETY: mount(2) for propagation reads only the target path.
    let code = unsafe {
        libc::mount(
            std::ptr::null(),
            path.as_ptr(),
            std::ptr::null(),
            libc::MS_REC | propagation,
            std::ptr::null(),
        )
    };
    if code < 0 {
        return Err(io::Error::last_os_error())
            .context(|| format!("cannot change the propagation of {}", path.to_string_lossy()));
    }
    Ok(())
}

/// Makes the mount behind `root` the root of this mount namespace and drops the old one
/// (pivot_root(2), the `pivot_root(".", ".")` form).
pub fn pivot_into(root: BorrowedFd<'_>) -> Result<()> {
    crate::failpoint::step();
    rustix::process::fchdir(root).context(|| "cannot enter the new root".into())?;
    rustix::process::pivot_root(".", ".").context(|| "cannot pivot to the new root".into())?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).context(|| "cannot drop the old root".into())?;
    rustix::process::chdir("/").context(|| "cannot enter the new root".into())
}

/// Unmounts what is at a path of the host, lazily.
pub fn detach(path: &Path) -> Result<()> {
    rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).on_path("unmount", path)
}

/// Mounts overlay by the old mount(2) with one option string (kernels before 6.13), reading
/// paths relative to the process' `/proc/self/fd`.
pub fn overlay_by_option_string(target: &Path, options: &str) -> Result<()> {
    let options = CString::new(options)
        .map_err(|error| Error::new("overlay options hold a NUL byte", io::Error::other(error)))?;
    rustix::mount::mount("overlay", target, "overlay", rustix::mount::MountFlags::empty(), options.as_c_str())
        .on_path("mount overlay on", target)
}

/// Whether a descriptor names the top of a mount (statx(2), Linux 5.8).
pub fn is_root(fd: BorrowedFd<'_>) -> Result<bool, io::Error> {
    let stat = statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::empty())?;
    Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Whether the file system behind a descriptor is procfs (CVE-2019-16884: a fake /proc).
pub fn is_procfs(fd: impl AsFd) -> bool {
    rustix::fs::fstatfs(fd).is_ok_and(|stat| stat.f_type == libc::PROC_SUPER_MAGIC)
}
