//! What people look at: the list of images, `image inspect` and `history`.

use std::collections::BTreeMap;

use oci::digest::{Digest, ImageId};
use oci::image::{Config, ImageConfig};
use oci::reference::Reference;
use serde::Serialize;

use crate::record::{ImageRecord, ReferenceRecord};
use crate::{Error, Images, Result};

/// One image of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSummary {
    pub image: ImageRecord,
    /// Its names, sorted; none for an image that lost its last one.
    pub references: Vec<Reference>,
    /// What registries call it, name by name.
    pub digests: Vec<Digest>,
}

impl ImageSummary {
    /// Seconds since 1970 when the image says it was made.
    pub fn created(&self) -> Option<i64> {
        created_seconds(self.image.created.as_deref())
    }
}

/// `image inspect`, in Docker's field names.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageInspect {
    pub id: String,
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    pub parent: String,
    pub comment: String,
    pub created: String,
    pub docker_version: String,
    pub author: String,
    pub config: Config,
    pub architecture: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    pub os: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    pub size: u64,
    pub graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    pub root_fs: InspectRootFs,
    pub metadata: Metadata,
}

/// Where the layers lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GraphDriver {
    pub data: BTreeMap<String, String>,
    pub name: String,
}

/// The diff ids of the layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InspectRootFs {
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
}

/// What the store adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metadata {
    /// When a name last began to lead here.
    pub last_tag_time: String,
}

/// One line of `history`, the latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistoryEntry {
    /// `<missing>` for all but the topmost: only images have ids.
    pub id: String,
    /// Seconds since 1970, 0 where it does not say.
    pub created: i64,
    pub created_by: String,
    pub tags: Vec<String>,
    pub size: u64,
    pub comment: String,
}

impl Images {
    /// Lists all images, the latest made first.
    pub fn list_images(&self) -> Result<Vec<ImageSummary>> {
        let references = self.references()?;
        let mut images = Vec::new();
        for id in self.image_ids()? {
            let image = match self.image(&id) {
                // Removed since it was listed.
                Err(Error::NotFound(_)) => continue,
                other => other?,
            };
            let ours = references.iter().filter(|record| record.target.image == id);
            let digests = ours.map(|record| *record.target.digest()).collect();
            images.push(ImageSummary { references: names(&references, &id), digests, image });
        }
        images.sort_by_key(|image| std::cmp::Reverse((image.created(), image.image.added)));
        Ok(images)
    }

    /// Tells all about one image.
    pub fn inspect(&self, text: &str) -> Result<ImageInspect> {
        let image = self.resolve(text)?;
        let config = self.configuration_of(&image.id)?;
        let references: Vec<ReferenceRecord> = self.references()?;
        let ours: Vec<&ReferenceRecord> =
            references.iter().filter(|record| record.target.image == image.id).collect();
        let last_tagged = ours.iter().map(|record| record.target.since).max();
        let digest = |record: &&ReferenceRecord| {
            format!("{}@{}", record.reference.familiar_name(), record.target.digest())
        };
        let mut repo_digests: Vec<String> = ours.iter().map(digest).collect();
        repo_digests.sort();
        repo_digests.dedup();
        let tagged = ours.iter().map(|record| &record.reference).filter(|name| name.tag().is_some());
        Ok(ImageInspect {
            id: image.id.to_string(),
            repo_tags: tagged.map(Reference::familiar).collect(),
            repo_digests,
            parent: String::new(),
            comment: config.comment,
            created: config.created.unwrap_or_default(),
            docker_version: config.docker_version,
            author: config.author,
            architecture: config.architecture,
            variant: config.variant,
            os: config.os,
            os_version: config.os_version,
            size: image.size,
            graph_driver: self.graph_driver(&image),
            root_fs: InspectRootFs {
                kind: "layers".to_owned(),
                layers: image.layers.iter().map(|layer| layer.diff_id.to_string()).collect(),
            },
            metadata: Metadata { last_tag_time: timestamp(last_tagged) },
            config: config.config,
        })
    }

    /// Tells how an image came to be, the latest step first.
    pub fn history(&self, text: &str) -> Result<Vec<HistoryEntry>> {
        let image = self.resolve(text)?;
        let config = self.configuration_of(&image.id)?;
        let mut layers = image.layers.iter();
        let mut entries: Vec<HistoryEntry> = Vec::new();
        for step in config.history {
            let layer = if step.empty_layer { None } else { layers.next() };
            entries.push(HistoryEntry {
                id: "<missing>".to_owned(),
                created: created_seconds(step.created.as_deref()).unwrap_or_default(),
                created_by: step.created_by,
                tags: Vec::new(),
                size: layer.map_or(0, |layer| layer.size),
                comment: step.comment,
            });
        }
        // A configuration may tell less than there is.
        entries.extend(layers.map(|layer| HistoryEntry {
            id: "<missing>".to_owned(),
            created: 0,
            created_by: String::new(),
            tags: Vec::new(),
            size: layer.size,
            comment: String::new(),
        }));
        if let Some(top) = entries.last_mut() {
            top.id = image.id.to_string();
            top.tags = self.references_of(&image.id)?.iter().map(Reference::familiar).collect();
        }
        entries.reverse();
        Ok(entries)
    }

    /// Reads and verifies the configuration of an image.
    pub fn configuration_of(&self, id: &ImageId) -> Result<ImageConfig> {
        let bytes = self.read_blob(id.digest())?;
        ImageConfig::parse(&bytes).map_err(|source| Error::Document { name: id.to_string(), source })
    }

    fn graph_driver(&self, image: &ImageRecord) -> GraphDriver {
        let fs = |hex: String| self.path().join("layers").join(hex).join("fs").display().to_string();
        let mut dirs = image.stack().into_iter().map(|chain_id| fs(chain_id.hex()));
        let mut data = BTreeMap::new();
        // Docker's words: the image's topmost layer is its upper directory.
        data.extend(dirs.next().map(|top| ("UpperDir".to_owned(), top)));
        let lower: Vec<String> = dirs.collect();
        if !lower.is_empty() {
            data.insert("LowerDir".to_owned(), lower.join(":"));
        }
        GraphDriver { data, name: "overlay2".to_owned() }
    }
}

fn names(references: &[ReferenceRecord], id: &ImageId) -> Vec<Reference> {
    let ours = references.iter().filter(|record| record.target.image == *id);
    ours.map(|record| record.reference.clone()).collect()
}

fn created_seconds(text: Option<&str>) -> Option<i64> {
    text?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// Go's zero time where there is none.
fn timestamp(seconds: Option<i64>) -> String {
    let time = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |time| time.to_string())
}
