//! `logout`: have a registry's credential forgotten.

use super::{RegistryCommand, domain};
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `logout`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {}

impl Arguments for Args {
    const WORDS: Words = Words::AtMost(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let registry = domain(words.into_iter().next());
        Ok(Command::Registry(RegistryCommand::Logout { registry }))
    }
}
