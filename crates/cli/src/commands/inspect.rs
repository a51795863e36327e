//! `inspect` and `container inspect`: everything about an object, as JSON.

use engine::request::{InspectKind, InspectRequest};

use super::Command;
use crate::caller::Caller;
use crate::grammar::format::{self, Format};
use crate::grammar::{Invalid, Read};
use crate::parse::{Arguments, Words};

/// Arguments of `inspect`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Only inspect objects of the given type (container, image, network, volume)
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_kind)]
    kind: Option<InspectKind>,
    #[command(flatten)]
    rest: ContainerArgs,
}

/// Arguments of `container inspect`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ContainerArgs {
    /// Format output: 'json' or a Go template
    #[arg(short, long, value_parser = format::parse)]
    format: Option<Format>,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
}

fn parse_kind(text: &str) -> Read<InspectKind> {
    match text {
        "" => Ok(InspectKind::Any),
        "container" => Ok(InspectKind::Container),
        "image" => Ok(InspectKind::Image),
        "network" => Ok(InspectKind::Network),
        "volume" => Ok(InspectKind::Volume),
        "node" | "service" | "secret" | "config" | "task" | "plugin" => {
            Err(Invalid::new(format!("there are no objects of type `{text}` yet")))
        }
        _ => Err(Invalid::new(format!("unknown type: \"{text}\""))),
    }
}

impl ContainerArgs {
    fn command_of(self, words: Vec<String>, kind: InspectKind) -> Command {
        let Self { format, size } = self;
        Command::Inspect(InspectRequest { objects: words, kind, size }, format.unwrap_or_default())
    }
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(self.rest.command_of(words, self.kind.unwrap_or_default()))
    }
}

impl Arguments for ContainerArgs {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(self.command_of(words, InspectKind::Container))
    }
}
