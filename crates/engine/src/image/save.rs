//! `save`: images as an archive for other machines and other engines.

use std::io::Write;

use image::SaveFormat;

use crate::error::{Doing, Result};
use crate::output::Output;
use crate::paths::Engine;
use crate::request::{ArchiveFormat, SaveRequest};

/// Writes images to a file, or to `stdout`. What is wrong with the request is told before anything is written.
pub fn save(engine: &Engine, request: &SaveRequest, stdout: &mut (dyn Write + Send)) -> Result<()> {
    let images = super::open(engine)?;
    let platform = request.platform.as_ref().map(super::manage::platform);
    let format = match request.format {
        ArchiveFormat::Both => SaveFormat::Both,
        ArchiveFormat::Docker => SaveFormat::Docker,
        ArchiveFormat::Oci => SaveFormat::Oci,
    };
    let saving = images.save(&request.images, platform.as_ref(), format)?;
    let write = || match &request.output {
        Some(path) => {
            let mut output = Output::create(path)?;
            saving.write(&mut output)?;
            output.commit()
        }
        None => Ok(saving.write(stdout)?),
    };
    write().doing(|| format!("cannot save {}", request.images.join(", ")))
}
