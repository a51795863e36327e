//! Images: the verbs over the image room, and what containers need of it.

mod layers;
mod list;
mod manage;
mod origin;
mod prune;
mod pull;
mod push;
mod save;
mod supply;

use std::path::{Path, PathBuf};

use image::{Images, Lease, Snapshots};
use oci::rootfs::{Overlay, Rootfs};
use store::Durability;
use sys::Dir;

use crate::container::ContainerRecord;
use crate::error::{Error, Result};
use crate::paths::Engine;

pub use image::{ChangeKind, Forest, ImageCost, ImageRecord, LayerFile, LayerReport, TagEntry};
pub use image::{Stage, Watch};
pub use layers::{layers, tree};
pub use list::{history, inspect, list};
pub use manage::{import, load, remove, rollback, tag, tag_history};
pub(crate) use origin::Origins;
pub use prune::prune;
pub(crate) use prune::remove_unused;
pub use pull::{Outcome, pull};
pub use push::{PushOutcome, push};
pub use save::save;
pub use supply::Supply;
pub(crate) use supply::{Wish, for_container, supplied};

/// An image that a container is about to be made from; its layers cannot be collected meanwhile.
#[derive(Debug)]
pub(crate) struct ImageForRun {
    pub(crate) id: String,
    pub(crate) config: oci::image::Config,
    pub(crate) highest_id: u32,
    stack: Vec<oci::digest::ChainId>,
    images: Images,
    _lease: Lease,
}

/// Opens the image store.
pub(crate) fn open(engine: &Engine) -> Result<Images> {
    Ok(Images::open(&engine.root)?)
}

/// Whether there is no such image any more.
pub(crate) fn is_gone(engine: &Engine, id: &oci::digest::ImageId) -> bool {
    let missing =
        |images: Images| images.image(id).is_err_and(|error| error.class() == oci::class::Class::NotFound);
    open(engine).is_ok_and(missing)
}

/// Resolves an image for `create` and `run`.
pub(crate) fn for_run(engine: &Engine, name: &str) -> Result<ImageForRun> {
    let images = open(engine)?;
    let lease = images.lease()?;
    let record = images.resolve(name).map_err(|error| {
        let missing = error.class() == oci::class::Class::NotFound;
        let error = Error::from(error);
        if !missing {
            return error;
        }
        Error::not_found(format!("Unable to find image '{name}' locally"))
            .hint(format!("fetch it with `coracle pull {name}`, or load it with `coracle load -i ARCHIVE`"))
    })?;
    Ok(ImageForRun {
        id: record.id.to_string(),
        stack: record.stack(),
        highest_id: record.uid_max.max(record.gid_max),
        config: record.config,
        images,
        _lease: lease,
    })
}

impl ImageForRun {
    /// Returns its layers without anything on top.
    pub(crate) fn view(&self) -> Result<Overlay> {
        Ok(self.images.view(&self.stack)?)
    }

    /// Makes the writable layer of a container.
    pub(crate) fn prepare(&self, key: &str, durability: Durability) -> Result<Overlay> {
        Ok(self.images.prepare(key, &self.stack, durability)?)
    }
}

/// Where a container's writable layer lies.
pub(crate) fn snapshot_dir(engine: &Engine, key: &str) -> PathBuf {
    engine.root.join("snapshots").join(key)
}

pub(crate) fn overlay(record: &ContainerRecord) -> Result<&Overlay> {
    record.rootfs.as_ref().ok_or_else(|| {
        Error::new(oci::class::Class::Internal, format!("container `{}` has no file system", record.name))
            .hint(format!("remove it with `coracle rm {}`", record.name))
    })
}

/// Returns what the container's root is mounted from.
pub(crate) fn rootfs(record: &ContainerRecord) -> Result<Rootfs> {
    Ok(Rootfs::Overlay(overlay(record)?.clone()))
}

/// Opens the directories in which a file of the container is looked up, the topmost first.
pub(crate) fn lookup_roots(record: &ContainerRecord) -> Result<Vec<Dir>> {
    let overlay = overlay(record)?;
    let upper = overlay.upper.iter().map(|upper| upper.upper.as_path());
    upper
        .chain(overlay.lowers.iter().map(PathBuf::as_path))
        .map(|path: &Path| Ok(Dir::open(overlay.store.join(path))?))
        .collect()
}

impl ImageForRun {
    /// Whether it is for this platform.
    fn is_for(&self, platform: &oci::image::Platform) -> Result<bool> {
        Ok(self.images.resolve(&self.id)?.platform.satisfies(platform))
    }
}

impl From<image::Error> for Error {
    fn from(error: image::Error) -> Self {
        let class = error.class();
        let hint = match &error {
            image::Error::Registry(error) => error.hint(),
            _ => None,
        };
        let error = crate::error::wrap(class, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
