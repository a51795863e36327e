//! `network ls`: the list of networks.

use engine::request::NetworksRequest;

use super::NetworkCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::format::{self, Format};
use crate::grammar::key_value::Pair;
use crate::grammar::{Read, filter};
use crate::parse::{Arguments, Words};
use crate::print::NetworksView;

/// Arguments of `network ls`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Provide filter values (dangling, driver, id, label, name, scope, type)
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = filter::parse)]
    filter: Vec<Pair>,
    /// Format output: 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(long, value_parser = format::parse_rows)]
    format: Option<Format>,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
    /// Only display network IDs
    #[arg(short, long)]
    quiet: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let mut request = NetworksRequest::default();
        filter::apply_to_networks(&self.filter, &mut request)?;
        let view = NetworksView {
            format: self.format.unwrap_or_default(),
            quiet: self.quiet,
            truncate: !self.no_trunc,
        };
        Ok(Command::Network(NetworkCommand::List(request, view)))
    }
}
