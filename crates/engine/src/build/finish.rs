//! From the last step to an image, its names and files.

use std::path::Path;

use ::build::plan::Plan;
use image::{Composition, Destination, Ids, Owner};
use oci::digest::ImageId;
use oci::image::ImageConfig;
use sys::Dir;

use super::solve::State;
use super::stop::StopFlag;
use super::{Built, Surroundings};
use crate::error::{Doing, Error, Result};
use crate::output::Output;
use crate::paths::Engine;
use crate::request::{BuildOutput, BuildRequest, SaveRequest};

/// Makes the image, and gives it to whoever asked for it.
pub(super) fn finish(
    engine: &Engine,
    request: &BuildRequest,
    plan: &Plan,
    state: &State,
    surroundings: &mut Surroundings<'_>,
) -> Result<Built> {
    match &request.output {
        BuildOutput::Tar(path) => {
            let tree = super::origin::Tree::of_image(engine, &state.image, &StopFlag::default())?;
            match path {
                Some(path) => {
                    let mut output = Output::create(path)?;
                    image::write_tree(&tree.root, &mut output)?;
                    output.commit()?;
                }
                None => image::write_tree(&tree.root, surroundings.stdout)?,
            }
            return Ok(Built::Files);
        }
        BuildOutput::Local(path) => {
            local(engine, state, path)?;
            return Ok(Built::Files);
        }
        BuildOutput::Image | BuildOutput::Archive(..) => {}
    }
    let id = compose(engine, request, plan, state)?;
    if let BuildOutput::Archive(format, path) = &request.output {
        let images = if request.tags.is_empty() { vec![id.to_string()] } else { request.tags.clone() };
        let save = SaveRequest { images, output: path.clone(), platform: None, format: *format };
        crate::image::save(engine, &save, surroundings.stdout)?;
    }
    write_files(engine, request, &id)?;
    Ok(Built::Image(id.to_string()))
}

fn compose(engine: &Engine, request: &BuildRequest, plan: &Plan, state: &State) -> Result<ImageId> {
    let target = plan.stages.last().expect("a plan has a target");
    let epoch = request.epoch.and_then(|epoch| jiff::Timestamp::from_second(epoch).ok());
    let created = epoch.map(|time| time.to_string()).or_else(|| state.created.clone());
    let config = ImageConfig {
        created: Some(created.unwrap_or_else(|| jiff::Timestamp::now().to_string())),
        history: state.history.clone(),
        container: String::new(),
        container_config: None,
        docker_version: String::new(),
        comment: String::new(),
        ..target.config.clone()
    };
    let composition =
        Composition { layers_of: Some(state.image), depth: None, config, references: &request.tags };
    let id = crate::image::open(engine)?.compose(&composition).map_err(Error::from);
    let id = id.doing(|| "cannot keep the image".to_owned())?;
    for tag in &request.tags {
        crate::events::of_image(engine, &id.to_string(), tag, "tag");
    }
    Ok(id)
}

/// Puts the files of the image into a directory.
fn local(engine: &Engine, state: &State, path: &Path) -> Result<()> {
    let tree = super::origin::Tree::of_image(engine, &state.image, &StopFlag::default())?;
    sys::fs::create_dir_all(path)?;
    let directory = Dir::open(path)?;
    let source =
        image::Source { what: image::What::Directory(&tree.root), called: Path::new("."), ids: &Ids::SAME };
    let target = Destination { directory: &directory, owner: Owner::Kept, ids: &Ids::SAME };
    image::transfer(&source, &target)
        .map_err(Error::from)
        .doing(|| format!("cannot write the files of the image to `{}`", path.display()))?;
    Ok(())
}

fn write_files(engine: &Engine, request: &BuildRequest, id: &ImageId) -> Result<()> {
    let write = |path: &Path, text: &str| {
        let mut output = Output::create(path)?;
        std::io::Write::write_all(&mut output, text.as_bytes()).map_err(|error| {
            Error::new(oci::class::Class::of_os_error(&error), format!("cannot write `{}`", path.display()))
                .caused_by(error)
        })?;
        output.commit()
    };
    if let Some(path) = &request.iidfile {
        write(path, &id.to_string())?;
    }
    if let Some(path) = &request.metadata_file {
        let record = crate::image::open(engine)?.image(id)?;
        let metadata = serde_json::json!({
            "containerimage.config.digest": id.to_string(),
            "containerimage.digest": record.manifest.to_string(),
            "image.name": request.tags.join(","),
        });
        write(path, &format!("{metadata:#}\n"))?;
    }
    Ok(())
}
