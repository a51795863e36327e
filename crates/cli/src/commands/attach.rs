//! `attach`: be at the streams of a container that runs.

use engine::request::AttachRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Read, boolean};
use crate::options::DetachOptions;
use crate::parse::{Arguments, Words};

/// Arguments of `attach`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    detach_keys: DetachOptions,
    /// Do not attach STDIN
    #[arg(long)]
    no_stdin: bool,
    /// Proxy all received signals to the process (default true)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean::parse)]
    sig_proxy: Option<bool>,
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Attach(AttachRequest {
            container: words.into_iter().next().unwrap_or_default(),
            stdin: !self.no_stdin,
            sig_proxy: self.sig_proxy.unwrap_or(true),
            detach_keys: self.detach_keys.keys(),
        }))
    }
}
