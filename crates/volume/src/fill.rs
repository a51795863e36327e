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
        let root: OwnedFd = match overlay.lowers.as_slice() {
            [only] => Dir::open(&overlay.store)?.strict().open_dir(only)?.into(),
            _ => stack(overlay)?,
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

/// How overlayfs is told of its layers, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Via {
    /// By descriptor (Linux 6.13).
    Descriptor,
    /// By their names under /proc/self/fd, one by one (6.8).
    Name,
    /// By one option string of mount(2), for which the mount must have a place: in a namespace that ends at once.
    OptionString,
}

/// Mounts layers, and what is written over them where there is an upper directory, in no namespace.
pub fn stack(overlay: &Overlay) -> sys::Result<OwnedFd> {
    match stack_via(Via::Descriptor, overlay) {
        Err(error) if is_unknown(&error) => match stack_via(Via::Name, overlay) {
            Err(error) if is_unknown(&error) => stack_via(Via::OptionString, overlay),
            other => other,
        },
        other => other,
    }
}

fn is_unknown(error: &sys::Error) -> bool {
    matches!(error.errno(), Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP))
}

fn stack_via(via: Via, overlay: &Overlay) -> sys::Result<OwnedFd> {
    if via == Via::OptionString {
        return sys::process::in_private_mounts(|| {
            // Opened in here: overlayfs takes layers of the caller's own namespace only.
            let layers = open_layers(overlay)?;
            let names: Vec<String> = layers.iter().map(name_of).collect();
            let mut options = format!("lowerdir={},redirect_dir=off,metacopy=off,index=off", names.join(":"));
            if let Some((upper, work)) = &open_upper(overlay)? {
                options.push_str(&format!(",upperdir={},workdir={}", name_of(upper), name_of(work)));
            }
            // Over the store, which is held by descriptor.
            mount::overlay_by_option_string(&overlay.store, &options)?;
            Ok(Dir::open(&overlay.store)?.into())
        });
    }
    let layers = open_layers(overlay)?;
    let lower = |layer| match via {
        Via::Descriptor => Parameter::Fd("lowerdir+", Dir::as_fd(layer)),
        Via::Name | Via::OptionString => Parameter::Text("lowerdir+", name_of(layer)),
    };
    let mut parameters: Vec<Parameter<'_>> = layers.iter().map(lower).collect();
    let upper = open_upper(overlay)?;
    for (option, dir) in upper.iter().flat_map(|(upper, work)| [("upperdir", upper), ("workdir", work)]) {
        parameters.push(match via {
            Via::Descriptor => Parameter::Fd(option, Dir::as_fd(dir)),
            Via::Name | Via::OptionString => Parameter::Text(option, name_of(dir)),
        });
    }
    let off = ["redirect_dir", "metacopy", "index"];
    parameters.extend(off.map(|option| Parameter::Text(option, "off".into())));
    let mut attributes = Attr::MOUNT_ATTR_NODEV | Attr::MOUNT_ATTR_NOEXEC;
    attributes.set(Attr::MOUNT_ATTR_RDONLY, upper.is_none());
    mount::create("overlay", &parameters, attributes)
}

fn open_layers(overlay: &Overlay) -> sys::Result<Vec<Dir>> {
    let store = Dir::open(&overlay.store)?.strict();
    overlay.lowers.iter().map(|layer| store.open_dir(layer)).collect()
}

/// Opens the upper and the work directory.
fn open_upper(overlay: &Overlay) -> sys::Result<Option<(Dir, Dir)>> {
    let Some(upper) = &overlay.upper else { return Ok(None) };
    let store = Dir::open(&overlay.store)?.strict();
    Ok(Some((store.open_dir(&upper.upper)?, store.open_dir(&upper.work)?)))
}

fn name_of(layer: &Dir) -> String {
    format!("/proc/self/fd/{}", layer.as_fd().as_raw_fd())
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

#[cfg(test)]
#[test]
fn every_way_to_stack_layers() {
    let temp = tempfile::tempdir().expect("a directory");
    let root = Dir::open(temp.path()).expect("it is there");
    let names = ["top", "middle", "bottom"];
    for name in names {
        root.create_file(Path::new(name).join("sub").join(name), 0o644).expect("a file");
    }
    let lowers = names.map(Into::into).to_vec();
    let overlay = Overlay { store: temp.path().to_owned(), lowers, upper: None };
    for via in [Via::Descriptor, Via::Name, Via::OptionString] {
        let mount = stack_via(via, &overlay).unwrap_or_else(|error| panic!("{via:?}: {error:?}"));
        let view = Dir::from_fd(mount, "/");
        let mut names: Vec<_> =
            view.list("sub").expect("it reads").into_iter().map(|entry| entry.name).collect();
        names.sort();
        assert_eq!(names, ["bottom", "middle", "top"], "{via:?}");
        assert!(view.create_file("sub/new", 0o600).is_err(), "{via:?}: it is not to be written");
    }
    let mounts = sys::fs::read_to_string("/proc/self/mountinfo").expect("procfs");
    assert!(!mounts.contains(&temp.path().display().to_string()), "a mount is seen");
}
