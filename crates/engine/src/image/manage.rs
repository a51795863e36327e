//! `import`, `load`, `tag`, `rmi`.

use std::io::Read;
use std::path::Path;

use image::{Change, Force, ImageUse, Import, Removal};

use crate::container::Placed;
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::{ImportRequest, LoadRequest, RemoveImagesRequest, RollbackRequest, TagRequest};

/// Makes an image of one layer from a root file system; returns its id.
pub fn import(engine: &Engine, request: &ImportRequest, stdin: impl Read + Send) -> Result<String> {
    let images = super::open(engine)?;
    let changes: Vec<Change> = request
        .changes
        .iter()
        .map(|change| Change::new(&change.instruction, &change.arguments))
        .collect::<Result<_, image::Error>>()?;
    let import = Import {
        reference: request.reference.as_deref(),
        changes: &changes,
        message: request.message.as_deref(),
        platform: request.platform.as_ref().map(platform),
    };
    let (id, reference) = match &request.source {
        Some(path) => images.import(open_source(path)?, &import),
        None => images.import(stdin, &import),
    }
    .doing(|| format!("cannot import {}", source_name(request.source.as_deref())))
    .map_err(crate::system::explain_denied)?;
    let (id, named) = (id.to_string(), reference.map(|reference| reference.familiar().to_string()));
    crate::events::of_image(engine, &id, &id, "import");
    if let Some(name) = named {
        crate::events::of_image(engine, &id, &name, "tag");
    }
    Ok(id)
}

/// Loads the images of an archive; returns a line for each, as Docker prints it.
pub fn load(engine: &Engine, request: &LoadRequest, stdin: impl Read + Send) -> Result<Vec<String>> {
    let images = super::open(engine)?;
    let wanted = request.platform.as_ref().map(platform);
    let loaded = match &request.input {
        Some(path) => images.load(open_source(path)?, wanted.as_ref()),
        None => images.load(stdin, wanted.as_ref()),
    }
    .doing(|| format!("cannot load {}", source_name(request.input.as_deref())))
    .map_err(crate::system::explain_denied)?;
    let mut lines = Vec::new();
    for image in loaded {
        let id = image.id.to_string();
        crate::events::of_image(engine, &id, &id, "load");
        for reference in &image.references {
            crate::events::of_image(engine, &id, &reference.familiar().to_string(), "tag");
        }
        if image.references.is_empty() {
            lines.push(format!("Loaded image ID: {}", image.id));
        }
        lines.extend(
            image.references.iter().map(|reference| format!("Loaded image: {}", reference.familiar())),
        );
    }
    Ok(lines)
}

/// Gives an image another name.
pub fn tag(engine: &Engine, request: &TagRequest) -> Result<()> {
    let images = super::open(engine)?;
    let reference = images.tag(&request.source, &request.target)?;
    if let Ok(image) = images.resolve(&reference.to_string()) {
        let name = reference.familiar().to_string();
        crate::events::of_image(engine, &image.id.to_string(), &name, "tag");
    }
    Ok(())
}

/// Tells where a tag leads, and where it led before.
pub fn tag_history(engine: &Engine, name: &str) -> Result<Vec<image::TagEntry>> {
    Ok(super::open(engine)?.tag_history(name)?.1)
}

/// Leads a tag to where it led before; returns the image's id.
pub fn rollback(engine: &Engine, request: &RollbackRequest) -> Result<String> {
    let rolled = super::open(engine)?.rollback(&request.name, request.to.as_deref());
    let (reference, image) = rolled.map_err(|error| {
        Error::from(error)
            .hint(format!("see where it led with `coracle image tag --history {}`", request.name))
    })?;
    crate::events::of_image(engine, &image.to_string(), &reference.familiar().to_string(), "tag");
    Ok(image.to_string())
}

/// Removes images by Docker's rules; the lines for each are returned.
pub fn remove(engine: &Engine, request: &RemoveImagesRequest) -> Vec<(String, Result<Vec<String>>)> {
    request.images.iter().map(|word| (word.clone(), remove_one(engine, word, request.force))).collect()
}

fn remove_one(engine: &Engine, word: &str, force: bool) -> Result<Vec<String>> {
    let uses = uses(engine)?;
    let force = if force { Force::Yes } else { Force::No };
    let images = super::open(engine)?;
    let id = images.resolve(word).map(|image| image.id.to_string()).unwrap_or_default();
    let removals = images.remove_image(word, force, &uses).map_err(|error| {
        let error = Error::from(error);
        match error.class() {
            oci::class::Class::Conflict => {
                error.hint("remove the containers that use it, or all but one of its names, or use --force")
            }
            _ => error,
        }
    })?;
    tell(engine, &id, &removals);
    Ok(lines_of(removals))
}

/// Lists what containers need of images.
pub(super) fn uses(engine: &Engine) -> Result<Vec<ImageUse>> {
    let mut uses = Vec::new();
    for container in crate::container::all_containers(engine)? {
        let mut add = |image: &str, running| {
            if let Ok(image) = image.parse() {
                uses.push(ImageUse { image, container: container.record.short_id().to_owned(), running });
            }
        };
        add(&container.record.image_id, container.is_running());
        for mount in container.record.placed() {
            // No writable layer keeps the layers of an image that is only mounted: no force takes it away.
            if let Placed::Image(image) = mount {
                add(&image.id, true);
            }
        }
    }
    Ok(uses)
}

/// Tells the events of a removal.
pub(super) fn tell(engine: &Engine, id: &str, removals: &[Removal]) {
    for removal in removals {
        match removal {
            Removal::Untagged(_) => crate::events::of_image(engine, id, id, "untag"),
            Removal::Deleted(_) => crate::events::of_image(engine, id, id, "delete"),
            Removal::DeletedLayer(_) => {}
        }
    }
}

/// A line for each thing that was removed, as Docker prints it.
pub(super) fn lines_of(removals: Vec<Removal>) -> Vec<String> {
    let line = |removal| match removal {
        Removal::Untagged(reference) => format!("Untagged: {}", reference.familiar()),
        Removal::Deleted(id) => format!("Deleted: {id}"),
        Removal::DeletedLayer(chain_id) => format!("Deleted: {chain_id}"),
    };
    removals.into_iter().map(line).collect()
}

fn source_name(path: Option<&Path>) -> String {
    path.map_or_else(|| "standard input".to_owned(), |path| format!("`{}`", path.display()))
}

fn open_source(path: &Path) -> Result<std::fs::File> {
    std::fs::File::open(path).map_err(|error| {
        Error::new(oci::class::Class::of_os_error(&error), format!("cannot open `{}`", path.display()))
            .caused_by(error)
    })
}

pub(super) fn platform(wanted: &crate::request::Platform) -> oci::image::Platform {
    let mut platform = oci::image::Platform::host();
    platform.os.clone_from(&wanted.os);
    if let Some(architecture) = &wanted.architecture {
        platform.architecture.clone_from(architecture);
    }
    platform.variant.clone_from(&wanted.variant);
    platform
}
