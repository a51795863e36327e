//! `volume create`: a place for data.

use engine::request::VolumeCreateRequest;

use super::VolumeCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::grammar::key_value::{Pair, parse_label, parse_pair};
use crate::options::{Refusal, Refused, Table};
use crate::parse::{Arguments, Words};

/// Arguments of `volume create`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Specify volume driver name
    #[arg(short, long, value_name = "DRIVER")]
    driver: Option<String>,
    /// Set metadata for a volume
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_label)]
    label: Vec<Pair>,
    /// Set driver specific options: type, o, device
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    opt: Vec<Pair>,
    #[command(flatten)]
    refused: Refused<OfCreate>,
}

struct OfCreate;

const CLUSTER: &str = "there are no cluster volumes";

impl Table for OfCreate {
    const ROWS: &'static [Refusal] = &[
        Refusal::value("availability", CLUSTER),
        Refusal::value("group", CLUSTER),
        Refusal::value("limit-bytes", CLUSTER),
        Refusal::value("required-bytes", CLUSTER),
        Refusal::value("scope", CLUSTER),
        Refusal::value("secret", CLUSTER),
        Refusal::value("sharing", CLUSTER),
        Refusal::value("topology-preferred", CLUSTER),
        Refusal::value("topology-required", CLUSTER),
        Refusal::value("type", CLUSTER),
    ];
}

impl Arguments for Args {
    const WORDS: Words = Words::AtMost(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        let Self { driver, label, opt, .. } = self;
        let name = words.into_iter().next().filter(|name| !name.is_empty());
        let (labels, options) = (label.into_iter().collect(), opt.into_iter().collect());
        Ok(Command::Volume(VolumeCommand::Create(VolumeCreateRequest { name, driver, options, labels })))
    }
}
