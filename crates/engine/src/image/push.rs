//! `push`: images to a registry, one or all tags of a repository.

use image::Watch;
use oci::reference::Reference;
use registry::{Access, Repository};

use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::registry::RegistryAccess;
use crate::request::PushRequest;

/// What the registry has under one name now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushOutcome {
    pub tag: String,
    pub digest: String,
    pub size: u64,
    /// The image came from an index of which not all is here: the registry got the manifest of this platform.
    pub without_index: bool,
}

/// Pushes what is asked for; `begun` is told where it goes before the first byte.
pub fn push(
    engine: &Engine,
    access: &RegistryAccess,
    request: &PushRequest,
    watch: &dyn Watch,
    begun: &dyn Fn(&str),
    done: &mut dyn FnMut(&PushOutcome),
) -> Result<()> {
    let reference = Reference::parse(&request.reference).map_err(image::Error::from)?;
    if reference.digest().is_some() {
        return Err(
            Error::invalid("cannot push a digest reference").hint("give the image a tag with `coracle tag`")
        );
    }
    if request.all_tags && reference.tag().is_some() {
        return Err(Error::invalid("tag can't be used with --all-tags/-a"));
    }
    let what = || format!("cannot push `{}`", request.reference);
    let images = super::open(engine)?;
    let names: Vec<Reference> = match request.all_tags {
        false => vec![reference.clone().with_default_tag()],
        true => {
            let all = images.references()?.into_iter().map(|record| record.reference);
            all.filter(|name| name.name() == reference.name() && name.tag().is_some()).collect()
        }
    };
    let missing = || {
        let name = reference.familiar_name();
        Error::not_found(format!("An image does not exist locally with the tag: {name}"))
    };
    if names.is_empty() {
        return Err(missing());
    }
    begun(&reference.name());
    for name in names {
        let Some(record) = images.reference(&name)? else { return Err(missing()) };
        let image = images.image(&record.target.image)?;
        let mount_from = image::mountable(&images, &name, &image)?;
        let to = Access::Push { mount_from: mount_from.clone() };
        let repository =
            Repository::open(&access.settings()?, &name, &to).map_err(image::Error::from).doing(what)?;
        let pushed = images.push(&repository, &name, &mount_from, watch).doing(what)?;
        crate::events::of_image(engine, &name.familiar(), &name.familiar(), "push");
        done(&PushOutcome {
            tag: name.tag().unwrap_or_default().to_owned(),
            digest: pushed.digest.to_string(),
            size: pushed.size,
            without_index: pushed.without_index,
        });
    }
    Ok(())
}
