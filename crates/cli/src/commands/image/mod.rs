//! Words of `image` that have no short spelling.

pub(crate) mod layers;
pub(crate) mod prune;
pub(crate) mod rollback;
pub(crate) mod tree;

use engine::request::{ImageLayersRequest, PruneImagesRequest, RollbackRequest};

use crate::print::LayersView;

/// What was asked for of images.
#[derive(Debug, Clone, PartialEq)]
pub enum ImageCommand {
    Layers(ImageLayersRequest, LayersView),
    Prune { request: PruneImagesRequest, ask: bool },
    Rollback(RollbackRequest),
    TagHistory(String),
    Tree { truncate: bool },
}
