//! `network ls`: the list of networks.

use engine::request::NetworksRequest;

use super::NetworkCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::{Read, filter};
use crate::options::{ListOptions, Listed};
use crate::parse::{Arguments, Words};
use crate::print::NetworksView;

/// Arguments of `network ls`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    list: ListOptions<Networks>,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
}

#[derive(Debug, Clone)]
enum Networks {}

impl Listed for Networks {
    const FILTERS: &'static [&'static str] = filter::NETWORKS;
    const IDENTITY: &'static str = "network IDs";
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let mut request = NetworksRequest::default();
        filter::apply_to_networks(&self.list.filter, &mut request)?;
        let view =
            NetworksView { format: self.list.format, quiet: self.list.quiet, truncate: !self.no_trunc };
        Ok(Command::Network(NetworkCommand::List(request, view)))
    }
}
