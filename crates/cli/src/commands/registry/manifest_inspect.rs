//! `manifest inspect`: a manifest or index as the registry has it.

use engine::request::ManifestRequest;

use super::RegistryCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::options::{Refusal, Refused, Table};
use crate::parse::{Arguments, Words};

/// Arguments of `manifest inspect`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Allow communication with an insecure registry
    #[arg(long)]
    insecure: bool,
    /// List what refers to it: signatures, provenance, bills of materials
    #[arg(long)]
    referrers: bool,
    #[command(flatten)]
    refused: Refused<OfManifest>,
}

struct OfManifest;

impl Table for OfManifest {
    const ROWS: &'static [Refusal] =
        &[Refusal::switch("verbose", "the document is shown as it is").short('v')];
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        let reference = words.into_iter().next().unwrap_or_default();
        let request = ManifestRequest { reference, referrers: self.referrers, insecure: self.insecure };
        Ok(Command::Registry(RegistryCommand::Manifest(request)))
    }
}
