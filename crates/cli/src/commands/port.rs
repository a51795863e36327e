//! `port`: which ports of the host lead to a container.

use engine::request::PortRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Read, port};
use crate::parse::{Arguments, Words};

/// Arguments of `port`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Tell by which rules packets get there, and what could stop them
    #[arg(long)]
    why: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::Between(1, 2);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let Self { why } = self;
        let mut words = words.into_iter();
        let container = words.next().unwrap_or_default();
        let port = words.next().filter(|port| !port.is_empty());
        let port = port.as_deref().map(port::parse_private).transpose()?;
        Ok(Command::Port { request: PortRequest { container, port }, why })
    }
}
