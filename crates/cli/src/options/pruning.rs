//! The flags of every `prune`.

use std::marker::PhantomData;

use engine::request::PruneRequest;

use crate::caller::Caller;
use crate::grammar::key_value::Pair;
use crate::grammar::{Read, filter, time};

/// What can be told apart by filters.
pub(crate) trait Filtered {
    /// Names of filters.
    const FILTERS: &'static [&'static str];
}

/// What goes, and whether to ask before.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct PruneOptions<T: Filtered> {
    #[arg(
        long,
        value_name = "NAME=VALUE",
        value_parser = filter::parse,
        help = format!("Provide filter values ({})", T::FILTERS.join(", ")),
    )]
    filter: Vec<Pair>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    #[arg(skip)]
    things: PhantomData<T>,
}

impl<T: Filtered> PruneOptions<T> {
    /// Returns the filters as typed.
    pub(crate) fn filters(&self) -> &[Pair] {
        &self.filter
    }

    /// Reads filters of labels and age.
    pub(crate) fn by_age(&self, caller: &dyn Caller) -> Read<PruneRequest> {
        filter::read_prune(&self.filter, |text| time::parse(text, caller.now(), || caller.zone()))
    }

    /// Reads a filter of age alone, as seconds since 1970.
    pub(crate) fn until(&self, caller: &dyn Caller) -> Read<Option<i64>> {
        if let Some((name, _)) = self.filter.iter().find(|(name, _)| !T::FILTERS.contains(&name.as_str())) {
            return Err(filter::unknown(name, T::FILTERS));
        }
        Ok(self.by_age(caller)?.until)
    }

    /// Whether to ask before something goes.
    pub(crate) fn asks(&self) -> bool {
        !self.force
    }
}

/// Things that are pruned by labels and age.
#[derive(Debug, Clone)]
pub(crate) enum ByAge {}

impl Filtered for ByAge {
    const FILTERS: &'static [&'static str] = filter::PRUNE_BY_AGE;
}
