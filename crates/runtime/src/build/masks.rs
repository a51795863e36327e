//! Masks: what a container must not see, covered by an empty directory or the null device.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Dev, FileType, Mode, OFlags};
use rustix::io::Errno;
use sys::mount::{self, Change, Parameter};
use sys::{Context, Dir};

use super::{Builder, Outcome};
use crate::error::Failure;

impl Builder<'_> {
    pub(super) fn mask(&mut self, path: &Path) -> Outcome<()> {
        let root = self.root()?;
        let target = match root.open_path(path) {
            Ok(target) => target,
            // Nothing there to hide.
            Err(error) if error.is_not_found() || error.errno() == Some(Errno::NOTDIR) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let stat = rustix::fs::fstat(&target).on_path("look at", path)?;
        let cover = if FileType::from_raw_mode(stat.st_mode).is_dir() {
            self.empty_directory()?
        } else {
            self.null_device()?
        };
        mount::attach(cover.as_fd(), target.as_fd()).on_path("mask", path)?;
        Ok(())
    }

    /// Returns a mount of the null device, after checking that it is that (CVE-2025-31133).
    fn null_device(&self) -> Outcome<OwnedFd> {
        let null = rustix::fs::makedev(1, 3);
        match self.root()?.open_path_nofollow("/dev/null") {
            Ok(file) if is_null(&file, null) => Ok(mount::clone_fd(file.as_fd(), false)?),
            // A /dev of the user's without it.
            _ => self.private_null_device(null),
        }
    }

    /// Returns a mount of a null device that is not in the container's tree.
    fn private_null_device(&self, null: Dev) -> Outcome<OwnedFd> {
        let mut parameters = Vec::new();
        self.labelled(&mut parameters);
        let private = mount::create("tmpfs", &parameters, mount::Attr::empty())?;
        let private = Dir::from_fd(private, Path::new("/"));
        let made = private
            .mknod("null", FileType::CharacterDevice, 0o666, null)
            .and_then(|()| mount::clone_fd(private.open_path_nofollow("null")?.as_fd(), false));
        match made {
            // Before Linux 6.15 a mount in no namespace cannot be cloned; root of a user namespace makes no nodes.
            Err(error) if matches!(error.errno(), Some(Errno::INVAL | Errno::PERM)) => {
                hosts_null_device(null)
            }
            made => Ok(made?),
        }
    }

    /// Returns a mount of an empty read-only directory.
    fn empty_directory(&mut self) -> Outcome<OwnedFd> {
        let mut parameters = vec![
            Parameter::Text("size", "0".into()),
            Parameter::Text("nr_inodes", "2".into()),
            Parameter::Text("mode", "0755".into()),
            Parameter::Text("uid", self.plan.root_uid.to_string()),
            Parameter::Text("gid", self.plan.root_gid.to_string()),
        ];
        self.labelled(&mut parameters);
        let create = || mount::create("tmpfs", &parameters, mount::Attr::MOUNT_ATTR_RDONLY);
        let Some(empty) = &self.empty else {
            let clone = create()?;
            self.empty = Some(clone.try_clone().context(|| "cannot keep an empty directory".into())?);
            return Ok(clone);
        };
        match mount::clone_fd(empty.as_fd(), false) {
            // Before Linux 6.15 the clone of a mount in no namespace is refused.
            Err(error) if error.errno() == Some(Errno::INVAL) => Ok(create()?),
            clone => Ok(clone?),
        }
    }
}

fn is_null(file: &OwnedFd, null: Dev) -> bool {
    rustix::fs::fstat(file)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_char_device() && stat.st_rdev == null)
}

/// Returns a mount of the host's null device, which is still in sight: read-only, so that its mode and owner stay.
fn hosts_null_device(null: Dev) -> Outcome<OwnedFd> {
    let path = Path::new("/dev/null");
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).on_path("open", path)?;
    if !is_null(&file, null) {
        return Err(Failure::refused("cannot mask files: the host's `/dev/null` is no null device"));
    }
    let clone = mount::clone_fd(file.as_fd(), false)?;
    let read_only = Change { set: mount::Attr::MOUNT_ATTR_RDONLY.bits().into(), ..Change::default() };
    mount::set_attributes(clone.as_fd(), read_only).on_path("bind read-only", path)?;
    Ok(clone)
}
