//! What images cost on disk, and who bears it.

use std::collections::{HashMap, HashSet};

use oci::digest::{ChainId, Digest, ImageId};

use crate::content::blob_path;
use crate::record::{ImageRecord, LayerRef};
use crate::snapshot::layer_path;
use crate::view::ImageSummary;
use crate::{Images, Result};

/// One image with what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageCost {
    pub summary: ImageSummary,
    /// Bytes on disk that would be freed with it.
    pub own: u64,
    /// Bytes on disk that it has together with others.
    pub shared: u64,
    /// Of its own: configuration, manifest and record.
    pub documents: u64,
}

/// One layer with what it costs, and the images that have it as their topmost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerNode {
    pub layer: LayerRef,
    /// Tree, record and blob.
    pub disk: u64,
    /// The index of the layer below.
    pub parent: Option<usize>,
    /// Indices of images.
    pub images: Vec<usize>,
}

/// All images over the layers that they are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forest {
    pub images: Vec<ImageCost>,
    /// A layer comes after the one below it.
    pub layers: Vec<LayerNode>,
}

impl Images {
    /// Returns what a layer takes on disk: its tree, its record, and its blob where it has one.
    pub fn layer_disk(&self, layer: &LayerRef) -> Result<u64> {
        let tree = self.root.open_dir(layer_path(&layer.chain_id))?.disk_usage()?;
        Ok(tree + if layer.packed { 0 } else { self.blob_disk(&layer.blob)? })
    }

    /// Returns what half-made things take whose maker is gone, and what has come of blobs that no image has yet.
    pub fn abandoned_disk(&self) -> Result<u64> {
        let mut bytes = self.downloads_disk()?.iter().map(|(_, disk)| disk).sum();
        for entry in self.root.list("staging")? {
            let name = entry.name.to_string_lossy();
            if self.is_abandoned(&name)? {
                bytes += self.root.open_dir(std::path::Path::new("staging").join(&*name))?.disk_usage()?;
            }
        }
        Ok(bytes)
    }

    fn blob_disk(&self, blob: &Digest) -> Result<u64> {
        match self.root.lstat(blob_path(blob)) {
            Ok(stat) => Ok(u64::try_from(stat.st_blocks).unwrap_or_default() * 512),
            Err(error) if error.is_not_found() => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks at all images and the layers that they share.
    pub fn forest(&self) -> Result<Forest> {
        let _lease = self.lease()?;
        let mut forest = Forest::default();
        let mut known: HashMap<ChainId, usize> = HashMap::new();
        let summaries = self.list_images()?;
        for (number, summary) in summaries.iter().enumerate() {
            let mut parent = None;
            for layer in &summary.image.layers {
                let at = match known.get(&layer.chain_id) {
                    Some(at) => *at,
                    None => {
                        let disk = self.layer_disk(layer)?;
                        forest.layers.push(LayerNode {
                            layer: layer.clone(),
                            disk,
                            parent,
                            images: Vec::new(),
                        });
                        known.insert(layer.chain_id, forest.layers.len() - 1);
                        forest.layers.len() - 1
                    }
                };
                parent = Some(at);
            }
            if let Some(top) = parent {
                forest.layers[top].images.push(number);
            }
        }
        let users = users(summaries.iter().map(|summary| &summary.image));
        for summary in summaries {
            let documents = self.documents_disk(&summary.image)?;
            let (mut own, mut shared) = (documents, 0);
            for layer in &summary.image.layers {
                let disk = forest.layers[known[&layer.chain_id]].disk;
                *if users[&layer.chain_id] == 1 { &mut own } else { &mut shared } += disk;
            }
            forest.images.push(ImageCost { summary, own, shared, documents });
        }
        Ok(forest)
    }

    /// Configuration, manifest and record.
    fn documents_disk(&self, image: &ImageRecord) -> Result<u64> {
        let record =
            self.root.lstat(std::path::Path::new("images").join(crate::resolve::record_name(&image.id)));
        let record = record.map_or(0, |stat| u64::try_from(stat.st_blocks).unwrap_or_default() * 512);
        Ok(record + self.blob_disk(image.id.digest())? + self.blob_disk(&image.manifest)?)
    }
}

/// How many images have a layer.
fn users<'i>(images: impl Iterator<Item = &'i ImageRecord>) -> HashMap<ChainId, usize> {
    let mut users = HashMap::new();
    for image in images {
        let layers: HashSet<ChainId> = image.layers.iter().map(|layer| layer.chain_id).collect();
        layers.into_iter().for_each(|layer| *users.entry(layer).or_default() += 1);
    }
    users
}

impl Forest {
    /// Bytes on disk that would be freed if all images but these went.
    pub fn reclaimable(&self, used: &HashSet<ImageId>) -> u64 {
        let is_used = |cost: &&ImageCost| used.contains(&cost.summary.image.id);
        let kept: HashSet<ChainId> = self
            .images
            .iter()
            .filter(is_used)
            .flat_map(|cost| cost.summary.image.layers.iter().map(|layer| layer.chain_id))
            .collect();
        let layers = self.layers.iter().filter(|node| !kept.contains(&node.layer.chain_id));
        let unused = self.images.iter().filter(|cost| !is_used(cost));
        layers.map(|node| node.disk).sum::<u64>() + unused.map(|cost| cost.documents).sum::<u64>()
    }
}
