//! `system audit`: prove that nothing is orphaned.

use engine::request::AuditRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `system audit`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Free what is orphaned instead of only naming it
    #[arg(long)]
    repair: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Audit(AuditRequest { repair: self.repair }))
    }
}
