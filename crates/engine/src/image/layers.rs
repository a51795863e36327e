//! `image layers` and `image tree`: what each layer did, and what images cost.

use image::{Forest, ImageRecord, LayerReport};

use crate::error::Result;
use crate::paths::Engine;
use crate::request::ImageLayersRequest;

/// Looks at the layers of an image, the lowest first.
pub fn layers(engine: &Engine, request: &ImageLayersRequest) -> Result<(ImageRecord, Vec<LayerReport>)> {
    Ok(super::open(engine)?.report(&request.image)?)
}

/// Looks at all images over the layers that they share.
pub fn tree(engine: &Engine) -> Result<Forest> {
    Ok(super::open(engine)?.forest()?)
}
