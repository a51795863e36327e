//! docker-archive: `manifest.json` names configurations, tags and layers.

use serde::{Deserialize, Deserializer};

use super::members::Members;
use super::{Found, FoundLayer};
use crate::reference::parse_tag;
use crate::root::Workspace;
use crate::{Error, Images, Result};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default, deserialize_with = "nullable")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    layers: Vec<String>,
}

fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Option::<Vec<String>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Finds the images of the archive.
pub(super) fn find(images: &Images, workspace: &Workspace, members: &Members) -> Result<Vec<Found>> {
    let bytes = images.read_staged(workspace, members.get("manifest.json")?)?;
    let items: Vec<Item> = serde_json::from_slice(&bytes)
        .map_err(|error| Error::Archive(format!("`manifest.json` cannot be read: {error}")))?;
    items.iter().map(|item| found(item, members)).collect()
}

fn found(item: &Item, members: &Members) -> Result<Found> {
    let config = members.get(&item.config)?.clone();
    // Docker calls the file by the image id; content decides.
    let layer = |name: &String| Ok(FoundLayer { blob: members.get(name)?.clone(), name: name.clone() });
    Ok(Found {
        manifest: None,
        config,
        layers: item.layers.iter().map(layer).collect::<Result<_>>()?,
        references: item.repo_tags.iter().map(|tag| parse_tag(tag)).collect::<Result<_>>()?,
    })
}
