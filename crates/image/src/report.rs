//! What each layer of an image did: what came, changed and went, and what of it later layers have made useless.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use sys::Dir;

use crate::difference::ChangeKind;
use crate::layer::{Parts, Stack, is_opaque, is_whiteout};
use crate::record::{ImageRecord, LayerRef};
use crate::{Images, Result};

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerReport {
    pub layer: LayerRef,
    /// The step that made it, as the image's history says.
    pub created_by: String,
    pub comment: String,
    pub added: u64,
    pub changed: u64,
    pub deleted: u64,
    /// Bytes of its files that a later layer replaces or deletes: they are carried along and never seen.
    pub wasted: u64,
    /// What its tree takes on disk, and its blob where there is one.
    pub disk: u64,
    /// All that it holds, sorted by path; directories are left out.
    pub files: Vec<LayerFile>,
}

/// One file of a layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayerFile {
    pub path: PathBuf,
    pub kind: ChangeKind,
    pub size: u64,
    /// A later layer replaces or deletes it.
    pub wasted: bool,
}

impl Images {
    /// Looks at the layers of an image, the lowest first.
    pub fn report(&self, text: &str) -> Result<(ImageRecord, Vec<LayerReport>)> {
        let _lease = self.lease()?;
        let image = self.resolve(text)?;
        let config = self.configuration_of(&image.id)?;
        let mut steps = config.history.into_iter().filter(|step| !step.empty_layer);
        let trees = || image.layers.iter().map(|layer| self.layer_tree(&layer.chain_id));
        let mut reports = Vec::new();
        for (index, layer) in image.layers.iter().enumerate() {
            let below = trees().take(index).collect::<Result<Vec<_>>>()?;
            let above = trees().skip(index + 1).collect::<Result<Vec<_>>>()?;
            let tree = self.layer_tree(&layer.chain_id)?;
            let found = look(&tree, &Stack::new(below.into_iter().rev()), &above)?;
            let step = steps.next().unwrap_or_default();
            let count = |kind| found.iter().filter(|file| file.kind == kind).count() as u64;
            reports.push(LayerReport {
                layer: layer.clone(),
                created_by: step.created_by,
                comment: step.comment,
                added: count(ChangeKind::Added),
                changed: count(ChangeKind::Modified),
                deleted: count(ChangeKind::Deleted),
                wasted: found.iter().filter(|file| file.wasted).map(|file| file.size).sum(),
                disk: self.layer_disk(layer)?,
                files: found,
            });
        }
        Ok((image, reports))
    }
}

fn look(tree: &Dir, below: &Stack, above: &[Dir]) -> Result<Vec<LayerFile>> {
    let tree = tree.try_clone()?.strict();
    let above = above.iter().map(|dir| Ok(dir.try_clone()?.strict())).collect::<Result<Vec<_>>>()?;
    let mut look = Look { tree: &tree, below, above: &above, linked: HashSet::new(), files: Vec::new() };
    let mut hidden = false;
    for dir in &above {
        hidden |= is_opaque(dir)?;
    }
    let parts = if is_opaque(&tree)? { Parts::new() } else { below.root()? };
    let all = (0..above.len()).collect();
    look.directory(Path::new(""), &parts, &all, hidden)?;
    look.files.sort();
    Ok(look.files)
}

struct Look<'a> {
    tree: &'a Dir,
    below: &'a Stack,
    /// The later layers, the next one first.
    above: &'a [Dir],
    linked: HashSet<u64>,
    files: Vec<LayerFile>,
}

impl Look<'_> {
    /// Looks at a directory: `parts` are those below, `above` the later layers that have it too.
    fn directory(&mut self, path: &Path, parts: &Parts, above: &Parts, hidden: bool) -> Result<()> {
        let dir = self.tree.open_dir(path)?;
        for entry in dir.list("")? {
            let child = path.join(&entry.name);
            let stat = dir.lstat(&entry.name)?;
            let seen = self.below.look(parts, &child)?;
            if is_whiteout(&stat) {
                if seen.is_some() {
                    self.push(child, ChangeKind::Deleted, 0, false);
                }
                continue;
            }
            let (inner, hides) = self.later(above, &child)?;
            if FileType::from_raw_mode(stat.st_mode).is_dir() {
                let mut parts = self.below.directory(parts, &child)?;
                if is_opaque(&self.tree.open_dir(&child)?)? {
                    for name in self.below.names(&parts, &child)? {
                        let gone = child.join(name);
                        if !self.tree.exists(&gone)? {
                            self.push(gone, ChangeKind::Deleted, 0, false);
                        }
                    }
                    parts.clear();
                }
                self.directory(&child, &parts, &inner, hidden || hides)?;
                continue;
            }
            let is_file = FileType::from_raw_mode(stat.st_mode).is_file();
            let counts = is_file && (stat.st_nlink < 2 || self.linked.insert(stat.st_ino));
            let size = if counts { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
            let kind = if seen.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
            // Whatever a later layer has at the place of a file takes it away.
            let replaced = hides || !inner.is_empty();
            self.push(child, kind, size, hidden || replaced);
        }
        Ok(())
    }

    /// Returns the later layers that have a directory at a path, and whether one of them hides what is there now.
    fn later(&self, above: &Parts, path: &Path) -> Result<(Parts, bool)> {
        let (mut inner, mut hides) = (Parts::new(), false);
        for number in above.iter().copied() {
            let stat = match self.above[number].lstat(path) {
                Err(error) if error.is_not_found() => continue,
                other => other?,
            };
            if FileType::from_raw_mode(stat.st_mode).is_dir() {
                hides |= is_opaque(&self.above[number].open_dir(path)?)?;
                inner.push(number);
            } else {
                hides = true;
            }
        }
        Ok((inner, hides))
    }

    fn push(&mut self, path: PathBuf, kind: ChangeKind, size: u64, wasted: bool) {
        self.files.push(LayerFile { path, kind, size, wasted });
    }
}
