//! Where `run`, `create` and `build` get an image that is not here: `--pull always|missing|never`.

use oci::class::Class;
use oci::reference::Reference;

use super::ImageForRun;
use crate::error::Result;
use crate::paths::Engine;
use crate::request::{ContainerRequest, Platform, PullPolicy, PullRequest};

/// Whoever fetches an image, should it come to that: it knows where from, and shows how far it is.
pub struct Supply<'s> {
    pub pull: &'s dyn Fn(&PullRequest) -> Result<()>,
    /// Is told in words what happens.
    pub tell: &'s dyn Fn(&str),
}

impl std::fmt::Debug for Supply<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supply").finish_non_exhaustive()
    }
}

/// An image that is wanted, and how it may be had.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) image: &'a str,
    /// Any otherwise.
    pub(crate) platform: Option<&'a Platform>,
    pub(crate) pull: PullPolicy,
}

/// Resolves the image of a new container, and pulls it where the request wants that.
pub(crate) fn for_container(
    engine: &Engine,
    request: &ContainerRequest,
    supply: &Supply<'_>,
) -> Result<ImageForRun> {
    let wish = Wish { image: &request.image, platform: request.platform.as_ref(), pull: request.pull };
    supplied(engine, wish, supply)
}

/// Resolves an image, and pulls it where the wish allows it.
pub(crate) fn supplied(engine: &Engine, wish: Wish<'_>, supply: &Supply<'_>) -> Result<ImageForRun> {
    if wish.pull == PullPolicy::Always {
        fetch(wish, supply)?;
    }
    let found = super::for_run(engine, wish.image).and_then(|image| fitting(wish, image));
    match found {
        Err(error) if error.class() == Class::NotFound && wish.pull == PullPolicy::Missing => {
            // An id says nothing to a registry.
            let Ok(reference) = Reference::parse_tagged(wish.image) else { return Err(error) };
            (supply.tell)(&format!("Unable to find image '{}' locally", reference.familiar()));
            fetch(wish, supply)?;
            super::for_run(engine, wish.image).and_then(|image| fitting(wish, image))
        }
        other => other,
    }
}

/// An image for another platform than was asked for is none.
fn fitting(wish: Wish<'_>, image: ImageForRun) -> Result<ImageForRun> {
    let Some(wanted) = wish.platform else { return Ok(image) };
    let wanted = super::manage::platform(wanted);
    match image.is_for(&wanted)? {
        true => Ok(image),
        false => Err(crate::Error::not_found(format!(
            "image with reference {} was found but does not provide the specified platform ({wanted})",
            wish.image
        ))),
    }
}

fn fetch(wish: Wish<'_>, supply: &Supply<'_>) -> Result<()> {
    (supply.pull)(&PullRequest {
        reference: wish.image.to_owned(),
        all_tags: false,
        platform: wish.platform.cloned(),
    })
}
