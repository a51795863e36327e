//! `create`: makes a container that waits for `start`.

use super::home::Runtime;
use super::make::{Starter, make};
use super::request::CreateRequest;
use crate::error::Result;

/// Makes a container of a bundle and returns what is weaker than asked for.
pub fn create(runtime: &Runtime, request: &CreateRequest) -> Result<Vec<String>> {
    Ok(make(runtime, request, Starter::Anybody)?.warnings)
}
