//! What becomes of objects that are to be removed.

use oci::class::Class;

use crate::error::{Error, Result};

/// What became of one object.
#[derive(Debug)]
pub enum Removed {
    /// It is gone.
    Gone,
    /// There was none, which is no failure where removal was forced.
    Missing(Error),
}

impl Removed {
    /// Removes what was found. With force a missing one is no failure, and neither is one that somebody else removes
    /// meanwhile.
    pub(crate) fn by<T>(force: bool, found: Result<T>, remove: impl FnOnce(T) -> Result<()>) -> Result<Self> {
        let is_missing = |error: &Error| force && error.class() == Class::NotFound;
        match found {
            Err(error) if is_missing(&error) => Ok(Self::Missing(error)),
            Err(error) => Err(error),
            Ok(object) => match remove(object) {
                Err(error) if !is_missing(&error) => Err(error),
                _ => Ok(Self::Gone),
            },
        }
    }
}
