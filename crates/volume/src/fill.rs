//! Copy-up: an empty volume gets what the image has at its place.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use oci::rootfs::Overlay;
use rustix::fs::RenameFlags;
use rustix::io::Errno;
use store::Durability;
use sys::Dir;
use sys::dir::{copy_attributes_of_root, copy_tree};
use sys::mount::{self, Attr, Parameter};

use crate::volumes::DATA;
use crate::{Backing, Error, Hold, Result, VolumeRecord, Volumes};

/// The two names under which content waits, beside `_data` in a volume's own directory.
const OWN: [&str; 2] = ["fill.new", "fill"];
/// And inside the data itself where that lies on another file system.
const FOREIGN: [&str; 2] = [".coracle-fill.new", ".coracle-fill"];

/// All layers of an image as one read-only tree that no path leads to.
#[derive(Debug)]
pub struct View {
    root: Dir,
}

impl View {
    /// Opens the layers. Nothing is mounted in any namespace: the mount goes with the value.
    pub fn open(overlay: &Overlay) -> Result<Self> {
        let store = Dir::open(&overlay.store)?.strict();
        let layers =
            overlay.lowers.iter().map(|layer| store.open_dir(layer)).collect::<sys::Result<Vec<_>>>()?;
        let root: OwnedFd = match layers.as_slice() {
            [only] => only.try_clone()?.into(),
            layers => overlay_of(layers)?,
        };
        // Links are followed, and mean what they mean in a container.
        Ok(Self { root: Dir::from_fd(root, "/") })
    }

    /// Opens a directory of the image; `None` where it has none there.
    pub fn directory(&self, path: &Path) -> Result<Option<Dir>> {
        match self.root.open_dir(path) {
            Ok(dir) => Ok(Some(dir)),
            Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Stacks layers by descriptor (Linux 6.13), or by their names under /proc/self/fd (6.8).
fn overlay_of(layers: &[Dir]) -> sys::Result<OwnedFd> {
    let attributes = Attr::MOUNT_ATTR_RDONLY | Attr::MOUNT_ATTR_NODEV | Attr::MOUNT_ATTR_NOEXEC;
    let make = |lowers: Vec<Parameter<'_>>| {
        let mut parameters = lowers;
        for option in ["redirect_dir", "metacopy", "index"] {
            parameters.push(Parameter::Text(option, "off".into()));
        }
        mount::create("overlay", &parameters, attributes)
    };
    match make(layers.iter().map(|layer| Parameter::Fd("lowerdir+", layer.as_fd())).collect()) {
        Err(error) if matches!(error.errno(), Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) => {
            let name = |layer: &Dir| format!("/proc/self/fd/{}", layer.as_fd().as_raw_fd());
            make(layers.iter().map(|layer| Parameter::Text("lowerdir+", name(layer))).collect())
        }
        other => other,
    }
}

impl Volumes {
    /// Whether a volume is empty and could take an image's content, or has begun to.
    pub fn wants_content(&self, record: &VolumeRecord) -> Result<bool> {
        let Some(place) = self.place(record)? else { return Ok(false) };
        Ok(place.is_begun()? || place.is_empty()?)
    }

    /// Gives an empty volume owner, mode and content of a directory of an image. The hold must be one alone.
    ///
    /// The content is complete and on disk before it gets the name that counts, so a kill at any step leaves the
    /// volume empty or complete, or with a rest that the next one moves before anybody else uses it. Where nobody
    /// can have the volume mounted (`shared` is false) one rename puts the new directory in place of the empty
    /// one; else its names are moved into the directory that the others have, too.
    pub fn fill(&self, hold: &mut Hold, source: &Dir, shared: bool, durability: Durability) -> Result<()> {
        assert!(hold.is_alone(), "a volume is filled by one at a time");
        let Some(place) = self.place(&hold.record)? else { return Ok(()) };
        if place.is_begun()? {
            place.finish()?;
        }
        if !place.is_empty()? {
            return Ok(());
        }
        if source.is_empty("")? {
            // What somebody has set since the first time stays.
            if hold.record.filled {
                return Ok(());
            }
            copy_attributes_of_root(source, &place.data)?;
        } else {
            place.copy(source, durability)?;
            match place.outer {
                true if !shared => place.replace(durability)?,
                _ => {
                    place.commit(durability)?;
                    place.finish()?;
                }
            }
        }
        if !hold.record.filled {
            hold.record.filled = true;
            self.write(&hold.record, durability)?;
        }
        Ok(())
    }

    fn place(&self, record: &VolumeRecord) -> Result<Option<Place>> {
        if record.backing()?.is_read_only() {
            return Ok(None);
        }
        let Some(data) = self.data(record)? else { return Ok(None) };
        Ok(Some(match record.backing()? {
            Backing::Directory => {
                Place { stage: self.dir.open_dir(&record.name)?, data, names: OWN, outer: true }
            }
            _ => Place { stage: data.try_clone()?, data, names: FOREIGN, outer: false },
        }))
    }
}

/// Where content comes to lie, and where it waits before.
struct Place {
    stage: Dir,
    data: Dir,
    /// Not complete, complete.
    names: [&'static str; 2],
    /// Whether content waits outside the data.
    outer: bool,
}

impl Place {
    fn is_begun(&self) -> Result<bool> {
        Ok(self.stage.exists(self.names[1])?)
    }

    fn is_empty(&self) -> Result<bool> {
        if self.outer {
            return Ok(self.data.is_empty("")?);
        }
        // ext4 has this one of its own.
        let ours = |name: &OsStr| name == "lost+found" || self.names.iter().any(|ours| name == *ours);
        Ok(self.data.list("")?.iter().all(|entry| ours(&entry.name)))
    }

    fn copy(&self, source: &Dir, durability: Durability) -> Result<()> {
        let name = self.names[0];
        self.stage.remove_tree(name)?;
        self.stage.mkdir(name, 0o700)?;
        let copy = self.stage.open_dir(name)?;
        copy_tree(source, &copy)?;
        copy_attributes_of_root(source, &copy)?;
        if durability == Durability::Synced {
            copy.syncfs()?;
        }
        Ok(())
    }

    /// Puts the copy in place of the empty directory.
    fn replace(&self, durability: Durability) -> Result<()> {
        self.stage.rename(self.names[0], DATA, RenameFlags::empty())?;
        self.sync(durability)
    }

    /// From here on the copy counts: what is not moved yet will be.
    fn commit(&self, durability: Durability) -> Result<()> {
        self.stage.rename(self.names[0], self.names[1], RenameFlags::empty())?;
        self.sync(durability)
    }

    /// Moves what waits. A name that others have made meanwhile is theirs.
    fn finish(&self) -> Result<()> {
        let copy = self.stage.open_dir(self.names[1])?;
        for entry in copy.list("")? {
            move_name(&copy, &self.data, &entry.name)?;
        }
        copy_attributes_of_root(&copy, &self.data)?;
        Ok(self.stage.remove_tree(self.names[1])?)
    }

    fn sync(&self, durability: Durability) -> Result<()> {
        if durability == Durability::Synced {
            self.stage.sync()?;
        }
        Ok(())
    }
}

fn move_name(from: &Dir, to: &Dir, name: &OsStr) -> Result<()> {
    match rustix::fs::renameat_with(from, name, to, name, RenameFlags::NOREPLACE) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => {
            let what = format!("cannot move `{}` into the volume", to.label().join(name).display());
            Err(Error::Sys(sys::Error::new(what, errno)))
        }
    }
}
