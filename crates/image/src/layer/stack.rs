//! Layers over each other, looked at without mounting them: what is seen at a path, and in which layer it lies.

use std::ffi::OsStr;
use std::path::Path;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use sys::Dir;

use super::pack::OPAQUE;
use crate::Result;

/// The trees of layers, the topmost first.
#[derive(Debug)]
pub(crate) struct Stack {
    layers: Vec<Dir>,
}

/// The layers in which a directory, seen through all of them, has its parts; the topmost first.
pub(crate) type Parts = Vec<usize>;

/// What is seen at a path.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The layer it lies in, counted from the topmost.
    pub(crate) layer: usize,
    pub(crate) stat: Stat,
}

impl Stack {
    /// Takes trees in overlay form; no link of theirs is followed.
    pub(crate) fn new(layers: impl IntoIterator<Item = Dir>) -> Self {
        Self { layers: layers.into_iter().map(Dir::strict).collect() }
    }

    pub(crate) fn layer(&self, number: usize) -> &Dir {
        &self.layers[number]
    }

    /// Returns the parts of the root.
    pub(crate) fn root(&self) -> Result<Parts> {
        let mut parts = Parts::new();
        for (number, layer) in self.layers.iter().enumerate() {
            parts.push(number);
            if is_opaque(layer)? {
                break;
            }
        }
        Ok(parts)
    }

    /// Returns the parts of a directory; `parent` are those of the one it lies in. None where no directory is seen.
    pub(crate) fn directory(&self, parent: &[usize], path: &Path) -> Result<Parts> {
        let mut parts = Parts::new();
        for number in parent.iter().copied() {
            match self.layers[number].open_dir(path) {
                Ok(dir) => {
                    parts.push(number);
                    if is_opaque(&dir)? {
                        break;
                    }
                }
                Err(error) if error.is_not_found() => {}
                // Hidden, or something else: nothing of what lies below is seen.
                Err(error) if matches!(error.errno(), Some(Errno::NOTDIR | Errno::LOOP)) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(parts)
    }

    /// Returns what is seen at a path; `parent` are the parts of the directory it lies in.
    pub(crate) fn look(&self, parent: &[usize], path: &Path) -> Result<Option<Seen>> {
        for layer in parent.iter().copied() {
            match self.layers[layer].lstat(path) {
                Ok(stat) => return Ok((!is_whiteout(&stat)).then_some(Seen { layer, stat })),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Returns the names that are seen in a directory with these parts, sorted.
    pub(crate) fn names(&self, parts: &[usize], path: &Path) -> Result<Vec<std::ffi::OsString>> {
        let mut names = std::collections::BTreeMap::new();
        for number in parts.iter().copied() {
            for entry in self.layers[number].list(path)? {
                let hides = || {
                    let stat = self.layers[number].lstat(path.join(&entry.name))?;
                    Ok::<_, sys::Error>(is_whiteout(&stat))
                };
                let hidden = entry.kind == FileType::CharacterDevice && hides()?;
                names.entry(entry.name).or_insert(!hidden);
            }
        }
        Ok(names.into_iter().filter_map(|(name, seen)| seen.then_some(name)).collect())
    }
}

/// Whether a directory hides what the layers below have in its place.
pub(crate) fn is_opaque(dir: &Dir) -> Result<bool> {
    Ok(dir.getxattr_self(OsStr::new(OPAQUE))?.as_deref() == Some(b"y"))
}

pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}
