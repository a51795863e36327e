//! Where files of a step come from, as a tree that can be read.

use std::sync::Arc;

use ::build::content::Owners;
use ::build::ignore::Matcher;
use oci::digest::ImageId;
use oci::rootfs::Overlay;
use sys::Dir;

use super::context;
use super::seen::Seen;
use super::stop::StopFlag;
use crate::error::{Error, Result};
use crate::paths::Engine;

/// A tree to read, and what of it is not seen.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Dir,
    pub(super) ignore: Matcher,
    /// Whose files are: in a context, nobody's in particular.
    pub(super) owners: Owners,
    /// Whether somebody may write to it at any time, as to a directory of the host.
    pub(super) is_live: bool,
    /// What is known of its files.
    pub(super) seen: Option<Arc<Seen>>,
    /// Ends all that reads it.
    pub(super) stop: StopFlag,
}

impl Tree {
    /// Opens a directory of the host, with its own ignore file.
    pub(super) fn of_directory(path: &std::path::Path, stop: &StopFlag) -> Result<Self> {
        let root = context::open(path)?;
        let ignore = match root.read_regular(".dockerignore", 4 << 20) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let source = ::build::Source::new(format!("{}/.dockerignore", path.display()), text);
                Matcher::parse(&source).map_err(|fault| Error::invalid(fault.render(&source)))?
            }
            Err(error) if error.is_not_found() => Matcher::default(),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { root, ignore, owners: Owners::Replaced, is_live: true, seen: None, stop: stop.clone() })
    }

    /// Opens the files of an image.
    pub(super) fn of_image(engine: &Engine, id: &ImageId, stop: &StopFlag) -> Result<Self> {
        let found = crate::image::for_run(engine, &id.to_string())?;
        let root = view(&found.view()?)?;
        Ok(Self {
            root,
            ignore: Matcher::default(),
            owners: Owners::Kept,
            is_live: false,
            seen: None,
            stop: stop.clone(),
        })
    }
}

/// Layers as one tree that no path leads to.
fn view(overlay: &Overlay) -> Result<Dir> {
    let root = match overlay.lowers.as_slice() {
        // Overlayfs wants two at least.
        [only] => Dir::open(&overlay.store)?.strict().open_dir(only)?.into(),
        _ => volume::stack(overlay)?,
    };
    // Links are followed, and mean what they mean in a container.
    Ok(Dir::from_fd(root, "/"))
}
