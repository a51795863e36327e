//! Labels of files: what a container is given of the host, and the engine's own files in it.

use std::ffi::OsStr;
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;
use sys::Dir;

use super::Context;
use crate::error::{Error, Result};

const ATTRIBUTE: &str = "security.selinux";

/// Deeper trees are nobody's work: each level is an open descriptor.
const DEPTH_MAX: usize = 500;

/// Directories that the machine itself lives in, as Docker has them: with a container's label nothing else there works.
const OF_THE_HOST: [&str; 27] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/etc/passwd",
    "/etc/pki",
    "/etc/shadow",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/var",
    "/var/lib",
    "/var/log",
];

/// Returns the label by which all containers may use a file: the level without categories.
pub(crate) fn shared_label(mount_label: &str) -> Result<String> {
    let mut context = Context::parse(mount_label)?;
    if let Some(level) = &mut context.level {
        "s0".clone_into(level);
    }
    Ok(context.to_string())
}

/// Refuses to relabel what the host needs; `path` is without links.
pub(crate) fn check_source(path: &Path) -> Result<()> {
    let is_a_home = path.parent() == Some(Path::new("/home"));
    if is_a_home || OF_THE_HOST.iter().any(|own| path == Path::new(own)) {
        return Err(Error::invalid(format!("SELinux relabeling of `{}` is not allowed", path.display()))
            .hint(
                "mount a directory below it, leave `z` and `Z` out, or run with --security-opt label=disable",
            ));
    }
    Ok(())
}

/// Labels a file of a directory.
pub(crate) fn relabel_file(directory: &Dir, name: &Path, label: &str) -> Result<()> {
    set(directory, name, label)
}

/// Labels a tree of the host, or a file, its top last. Each file is looked at each time, as with Docker: what a container has
/// made in a shared tree may bear its own level.
pub(crate) fn relabel_tree(top: Dir, label: &str) -> Result<()> {
    // Strict: a running container may put a link where a directory was.
    let top = top.strict();
    if FileType::from_raw_mode(top.stat_self()?.st_mode).is_dir() {
        relabel_below(&top, label, 0)?;
    }
    if text_of(top.getxattr_self(OsStr::new(ATTRIBUTE))?).as_deref() == Some(label) {
        return Ok(());
    }
    ignore_unlabelled(top.setxattr_self(OsStr::new(ATTRIBUTE), label.as_bytes()))
}

fn relabel_below(directory: &Dir, label: &str, depth: usize) -> Result<()> {
    if depth == DEPTH_MAX {
        return Err(Error::invalid(format!(
            "`{}` lies too deep to be labelled",
            directory.label().display()
        )));
    }
    for entry in directory.list("")? {
        let name = Path::new(&entry.name);
        if entry.kind.is_dir() {
            match directory.open_dir(name) {
                Ok(below) => relabel_below(&below, label, depth + 1)?,
                // Somebody works there.
                Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
        }
        set(directory, name, label)?;
    }
    Ok(())
}

/// Returns the type of a directory's label, if it has one.
pub(super) fn kind_of(directory: &Path) -> Option<String> {
    let label = text_of(Dir::open(directory).ok()?.getxattr_self(OsStr::new(ATTRIBUTE)).ok()?)?;
    Some(Context::parse(&label).ok()?.kind)
}

/// The kernel shows labels with a zero at the end.
fn text_of(value: Option<Vec<u8>>) -> Option<String> {
    Some(String::from_utf8_lossy(&value?).trim_end_matches('\0').to_owned())
}

fn set(directory: &Dir, name: &Path, label: &str) -> Result<()> {
    let value = directory.getxattr(name, OsStr::new(ATTRIBUTE)).unwrap_or_default();
    if text_of(value).as_deref() == Some(label) {
        return Ok(());
    }
    ignore_unlabelled(directory.setxattr(name, OsStr::new(ATTRIBUTE), label.as_bytes()))
}

/// A file system without labels has one for all of it, and a file that has gone needs none.
fn ignore_unlabelled(outcome: sys::Result<()>) -> Result<()> {
    match outcome {
        Err(error) if matches!(error.errno(), Some(Errno::OPNOTSUPP | Errno::NOENT)) => Ok(()),
        other => Ok(other?),
    }
}
