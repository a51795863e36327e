//! The records of images, layers and references: what is read instead of manifests and configurations.

use oci::digest::{ChainId, DiffId, Digest, ImageId};
use oci::image::{Config, ImageConfig, Platform};
use oci::reference::Reference;
use serde::{Deserialize, Serialize};
use store::Record;

/// All that `run` must know of an image, in one small file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Digest of the configuration.
    pub id: ImageId,
    /// Digest of the manifest.
    pub manifest: Digest,
    pub platform: Platform,
    /// How containers run unless told otherwise.
    pub config: Config,
    /// RFC 3339, as the image says.
    pub created: Option<String>,
    /// When it came into this store, seconds since 1970.
    pub added: i64,
    /// The layers, the lowest first.
    pub layers: Vec<LayerRef>,
    /// Sum of the sizes of all files of all layers.
    pub size: u64,
    /// The largest ids that own something: how wide a user namespace must be.
    pub uid_max: u32,
    pub gid_max: u32,
    /// The indexes that it was chosen from at registries, the latest first; they lie in the store as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Digest>,
}

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRef {
    pub chain_id: ChainId,
    pub diff_id: DiffId,
    /// The bytes it came in: name, length and form.
    pub blob: Digest,
    pub blob_size: u64,
    pub media_type: String,
    /// Sum of the sizes of its files.
    pub size: u64,
    /// It hides all below it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opaque: bool,
    /// Its blob, the plain tar, lies nowhere: it is packed from the tree whenever somebody wants it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub packed: bool,
}

impl LayerRef {
    /// Joins what is known of a layer with the bytes it came in.
    pub(crate) fn new(layer: &LayerRecord, blob: Digest, blob_size: u64, media_type: &str) -> Self {
        Self {
            chain_id: layer.chain_id,
            diff_id: layer.diff_id,
            blob,
            blob_size,
            media_type: media_type.to_owned(),
            size: layer.size,
            opaque: layer.opaque,
            packed: false,
        }
    }
}

impl ImageRecord {
    /// Sums an image up.
    pub(crate) fn new(
        id: ImageId,
        manifest: Digest,
        config: &ImageConfig,
        layers: Vec<LayerRef>,
        records: &[LayerRecord],
        added: i64,
    ) -> Self {
        let largest = |id: fn(&LayerRecord) -> u32| records.iter().map(id).max().unwrap_or_default();
        Self {
            id,
            manifest,
            platform: config.platform(),
            config: config.config.clone(),
            created: config.created.clone(),
            added,
            size: layers.iter().map(|layer| layer.size).sum(),
            layers,
            uid_max: largest(|layer| layer.uid_max),
            gid_max: largest(|layer| layer.gid_max),
            indexes: Vec::new(),
        }
    }

    /// Returns the layers that a snapshot stacks, the topmost first: those below a layer that hides
    /// everything are left out.
    pub fn stack(&self) -> Vec<ChainId> {
        let base = self.layers.iter().rposition(|layer| layer.opaque).unwrap_or(0);
        self.layers[base..].iter().rev().map(|layer| layer.chain_id).collect()
    }

    /// Returns the blobs that must lie in the store.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = Digest> {
        let layers = self.layers.iter().filter(|layer| !layer.packed).map(|layer| layer.blob);
        layers.chain([self.manifest, *self.id.digest()]).chain(self.indexes.iter().copied())
    }

    /// Returns the chain id of the topmost layer.
    pub fn top(&self) -> Option<ChainId> {
        self.layers.last().map(|layer| layer.chain_id)
    }
}

impl Record for ImageRecord {
    const KIND: &'static str = "image";
    const VERSION: u32 = 1;
}

/// What lies beside the tree of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    pub chain_id: ChainId,
    pub diff_id: DiffId,
    /// The layer below.
    pub parent: Option<ChainId>,
    pub size: u64,
    pub entries: u64,
    pub uid_max: u32,
    pub gid_max: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opaque: bool,
}

impl Record for LayerRecord {
    const KIND: &'static str = "layer";
    const VERSION: u32 = 1;
}

/// Where a name leads now, and where it led before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceRecord {
    pub reference: Reference,
    pub target: Target,
    /// Earlier targets, the latest first.
    #[serde(default)]
    pub history: Vec<Target>,
}

/// An image that a name led to from some moment on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub image: ImageId,
    pub manifest: Digest,
    /// The index that the registry keeps under the name, where it keeps one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Digest>,
    /// Seconds since 1970.
    pub since: i64,
}

impl Target {
    /// Returns the digest that names it at a registry.
    pub fn digest(&self) -> &Digest {
        self.index.as_ref().unwrap_or(&self.manifest)
    }

    /// Whether a digest names it: that of its index, or that of its manifest.
    pub(crate) fn is_named(&self, digest: &Digest) -> bool {
        self.manifest == *digest || self.index.as_ref() == Some(digest)
    }
}

impl Record for ReferenceRecord {
    const KIND: &'static str = "reference";
    const VERSION: u32 = 1;
}
