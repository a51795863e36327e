//! The flags of every list that can be filtered.

use std::marker::PhantomData;

use crate::grammar::filter;
use crate::grammar::format::{self, Format};
use crate::grammar::key_value::Pair;

/// What stands in a list.
pub(crate) trait Listed {
    /// Names of filters.
    const FILTERS: &'static [&'static str];
    /// What `--quiet` leaves of a row.
    const IDENTITY: &'static str;
}

/// Which rows are shown, and how.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct ListOptions<T: Listed> {
    #[arg(
        short,
        long,
        value_name = "NAME=VALUE",
        value_parser = filter::parse,
        help = format!("Provide filter values ({})", T::FILTERS.join(", ")),
    )]
    pub(crate) filter: Vec<Pair>,
    /// Format output: 'table', 'table TEMPLATE', 'json', 'raw' or a Go template
    #[arg(long, value_parser = format::parse_list, default_value = "", hide_default_value = true)]
    pub(crate) format: Format,
    #[arg(short, long, help = format!("Only display {}", T::IDENTITY))]
    pub(crate) quiet: bool,
    #[arg(skip)]
    rows: PhantomData<T>,
}
