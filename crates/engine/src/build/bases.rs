//! The images that a build begins with: those of the store.

use ::build::plan::{BaseImage, BaseImages, Unavailable};

use crate::error::Error;
use crate::paths::Engine;

/// Looks images up.
#[derive(Debug)]
pub(super) struct Bases<'a> {
    engine: &'a Engine,
}

impl<'a> Bases<'a> {
    pub(super) fn new(engine: &'a Engine) -> Self {
        Self { engine }
    }
}

impl BaseImages for Bases<'_> {
    fn base_image(&mut self, name: &str) -> Result<BaseImage, Unavailable> {
        let load = || -> Result<BaseImage, Error> {
            let found = crate::image::for_run(self.engine, name)?;
            let id =
                found.id.parse().map_err(|_| Error::invalid(format!("invalid image id `{}`", found.id)))?;
            let config = crate::image::open(self.engine)?.configuration_of(&id)?;
            Ok(BaseImage { name: name.to_owned(), id: found.id.clone(), config })
        };
        load().map_err(|error| Unavailable {
            class: error.class(),
            text: error.to_string(),
            hint: error.remedy().map(str::to_owned),
        })
    }
}
