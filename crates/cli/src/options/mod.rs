//! The options that `run` and `create` share, by subject, and how they become one request.

mod checks;
mod identity;
mod listing;
mod namespaces;
mod networks;
mod process;
mod pruning;
mod refused;
mod resources;
mod security;
mod storage;

use engine::request::ContainerRequest;

use crate::caller::Caller;
use crate::grammar::{Invalid, Read};

pub(crate) use checks::{check_limits, warning};
pub(crate) use listing::{ListOptions, Listed};
pub(crate) use process::{DetachOptions, EnvOptions};
pub(crate) use pruning::{ByAge, Filtered, PruneOptions};
pub(crate) use refused::{Refusal, Refused, Table};
pub(crate) use resources::Limits;

/// Everything that describes a container on the command line.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ContainerOptions {
    #[command(flatten)]
    identity: identity::Identity,
    #[command(flatten)]
    process: process::Process,
    #[command(flatten)]
    storage: storage::Storage,
    #[command(flatten)]
    resources: Limits,
    #[command(flatten)]
    security: security::Confinement,
    #[command(flatten)]
    namespaces: namespaces::Sharing,
    #[command(flatten)]
    networks: networks::Networking,
    #[command(flatten)]
    refused: Refused<refused::OfContainers>,
}

impl ContainerOptions {
    /// Whether `--attach` was given.
    pub(crate) fn asks_attach(&self) -> bool {
        self.process.asks_attach()
    }

    /// Builds the request; the words are the image, and the command where there is one.
    pub(crate) fn request(self, words: Vec<String>, caller: &dyn Caller) -> Read<ContainerRequest> {
        self.refused.check()?;
        let mut request = ContainerRequest::default();
        let mut words = words.into_iter();
        request.image = words.next().unwrap_or_default();
        request.command = words.collect();
        if request.image.is_empty() {
            return Err(Invalid::new("the name of the image is empty"));
        }
        self.identity.fill(caller, &mut request)?;
        self.process.fill(caller, &mut request)?;
        self.storage.fill(caller, &mut request)?;
        self.resources.fill(&mut request)?;
        self.security.fill(caller, &mut request)?;
        self.namespaces.fill(&mut request);
        self.networks.fill(&mut request)?;
        checks::check(&request)?;
        Ok(request)
    }
}
