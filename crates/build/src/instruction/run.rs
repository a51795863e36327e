//! RUN.

use super::CommandLine;
use super::flags::{Flags, Kind};
use super::mount::{self, Mount};
use super::parse::{command_line, some_arguments};
use crate::fault::Fault;
use crate::syntax::{Heredoc, Statement, Word};

/// A command that is run in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub command: CommandLine,
    pub heredocs: Vec<Heredoc>,
    /// As written; [`Run::mounts`] puts variables in.
    pub mounts: Vec<Word>,
    pub network: RunNetwork,
}

/// What the command sees of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunNetwork {
    /// What the build as a whole was given.
    #[default]
    Default,
    None,
    Host,
}

impl Run {
    /// Returns the mounts, with each value put through `expand`.
    pub fn mounts(
        &self,
        mut expand: impl FnMut(&str, &Word) -> Result<String, Fault>,
    ) -> Result<Vec<Mount>, Fault> {
        self.mounts.iter().map(|word| mount::parse(word, |value| expand(value, word))).collect()
    }
}

pub(super) fn parse(statement: &Statement) -> Result<Run, Fault> {
    let known =
        [("mount", Kind::Many), ("network", Kind::Text), ("security", Kind::Text), ("device", Kind::Text)];
    let flags = Flags::parse(statement, &known)?;
    flags.refuse("device", "build steps see no devices of the host")?;
    if let Some(word) = flags.text("security").filter(|word| word.text != "sandbox") {
        return Err(Fault::new(word.span, format!("`--security={}` is not supported", word.text))
            .hint("build steps run without privileges; leave the flag out"));
    }
    let network = match flags.text("network") {
        None => RunNetwork::Default,
        Some(word) => match &*word.text {
            "default" => RunNetwork::Default,
            "none" => RunNetwork::None,
            "host" => RunNetwork::Host,
            other => {
                return Err(Fault::new(word.span, format!("invalid network mode `{other}`"))
                    .hint("it can be `default`, `none` or `host`"));
            }
        },
    };
    let command = command_line(some_arguments(statement)?)?;
    if !statement.heredocs.is_empty() && matches!(command, CommandLine::Exec(_)) {
        return Err(Fault::new(statement.span, "a command in brackets cannot have a heredoc")
            .hint("write the command without brackets, so that a shell reads it"));
    }
    let mounts = flags.many("mount");
    for word in &mounts {
        mount::check(word)?;
    }
    Ok(Run { command, heredocs: statement.heredocs.clone(), mounts, network })
}
