//! `restart`: stop a container and start it again.

use engine::request::RestartRequest;

use super::{Command, stop};
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `restart`: how to stop.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    #[command(flatten)]
    stop: stop::Args,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let stop::Args { signal, timeout } = self.stop;
        Ok(Command::Restart(RestartRequest { containers: words, signal, timeout }))
    }
}
