//! `start`: run a container again, or for the first time.

use engine::request::StartRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read, boolean};
use crate::options::{DetachOptions, Refusal, Refused, Table};
use crate::parse::{Arguments, Words};

/// Arguments of `start`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Attach STDOUT/STDERR and forward signals
    #[arg(short, long)]
    attach: bool,
    #[command(flatten)]
    detach_keys: DetachOptions,
    /// Attach container's STDIN
    #[arg(short, long)]
    interactive: bool,
    /// Proxy received signals to the process (default true)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true, value_parser = boolean::parse)]
    sig_proxy: Option<bool>,
    #[command(flatten)]
    refused: Refused<OfStart>,
}

struct OfStart;

impl Table for OfStart {
    const ROWS: &'static [Refusal] = &[
        Refusal::value("checkpoint", "checkpoints come with a later release"),
        Refusal::value("checkpoint-dir", "checkpoints come with a later release"),
    ];
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        if (self.attach || self.interactive) && words.len() > 1 {
            return Err(Invalid::new("you cannot start and attach multiple containers at once"));
        }
        Ok(Command::Start(StartRequest {
            containers: words,
            attach: self.attach,
            interactive: self.interactive,
            detach_keys: self.detach_keys.keys(),
            sig_proxy: self.sig_proxy.unwrap_or(true),
        }))
    }
}
