//! The images that a build begins with: those of the store, and of registries.

use ::build::plan::{BaseImage, BaseImages, Unavailable};

use crate::error::Error;
use crate::image::{Supply, Wish};
use crate::paths::Engine;
use crate::request::{BuildRequest, PullPolicy};

/// Looks images up.
#[derive(Debug)]
pub(super) struct Bases<'a> {
    engine: &'a Engine,
    supply: &'a Supply<'a>,
    pull: PullPolicy,
}

impl<'a> Bases<'a> {
    /// What only looks at the Dockerfile fetches nothing: the planner does without the image then.
    pub(super) fn new(engine: &'a Engine, request: &BuildRequest, supply: &'a Supply<'a>) -> Self {
        let pull = if request.check { PullPolicy::Never } else { request.pull };
        Self { engine, supply, pull }
    }
}

impl BaseImages for Bases<'_> {
    fn base_image(&mut self, name: &str) -> Result<BaseImage, Unavailable> {
        let load = || -> Result<BaseImage, Error> {
            let wish = Wish { image: name, platform: None, pull: self.pull };
            let found = crate::image::supplied(self.engine, wish, self.supply)?;
            let id =
                found.id.parse().map_err(|_| Error::invalid(format!("invalid image id `{}`", found.id)))?;
            let config = crate::image::open(self.engine)?.configuration_of(&id)?;
            Ok(BaseImage { name: name.to_owned(), id: found.id.clone(), config })
        };
        load().map_err(|error| Unavailable {
            class: error.class(),
            text: with_causes(&error),
            hint: error.remedy().map(str::to_owned),
        })
    }
}

fn with_causes(error: &Error) -> String {
    let first: &(dyn std::error::Error + 'static) = error;
    let chain = std::iter::successors(Some(first), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
