//! Flags that Docker has and the engine has not: known, so that they are refused by name.

use std::fmt;
use std::marker::PhantomData;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::grammar::{Invalid, Read, network};

/// One flag that is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    /// Whether a value follows.
    pub(crate) valued: bool,
    /// Values that ask for nothing special.
    pub(crate) harmless: &'static [&'static str],
    /// What is missing, in one sentence.
    pub(crate) why: &'static str,
}

impl Refusal {
    /// A flag with a value.
    pub(crate) const fn value(long: &'static str, why: &'static str) -> Self {
        Self { long, short: None, valued: true, harmless: &[], why }
    }

    /// A flag without value.
    pub(crate) const fn switch(long: &'static str, why: &'static str) -> Self {
        Self { long, short: None, valued: false, harmless: &["false"], why }
    }

    pub(crate) const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    pub(crate) const fn unless(self, harmless: &'static [&'static str]) -> Self {
        Self { harmless, ..self }
    }
}

/// The refused flags of one verb.
pub(crate) trait Table {
    const ROWS: &'static [Refusal];
}

/// Takes all flags of a table and remembers the first one given.
pub(crate) struct Refused<T> {
    first: Option<&'static Refusal>,
    table: PhantomData<T>,
}

impl<T> Refused<T> {
    /// Fails where a refused flag was given.
    pub(crate) fn check(&self) -> Read<()> {
        match self.first {
            Some(refusal) => {
                Err(Invalid::new(format!("--{} is not supported: {}", refusal.long, refusal.why)))
            }
            None => Ok(()),
        }
    }
}

impl<T: Table> clap::FromArgMatches for Refused<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |row: &&Refusal| {
            matches.value_source(row.long) == Some(ValueSource::CommandLine)
                && matches
                    .get_many::<String>(row.long)
                    .is_some_and(|mut values| values.any(|value| !row.harmless.contains(&value.as_str())))
        };
        Ok(Self { first: T::ROWS.iter().find(given), table: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<T: Table> clap::Args for Refused<T> {
    fn augment_args(command: Command) -> Command {
        command.args(T::ROWS.iter().map(|row| {
            let mut arg =
                Arg::new(row.long).long(row.long).hide(true).help(row.why).action(ArgAction::Append);
            if let Some(short) = row.short {
                arg = arg.short(short);
            }
            if row.valued {
                arg
            } else {
                arg.num_args(0..=1).require_equals(true).default_missing_value("true")
            }
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<T> Clone for Refused<T> {
    fn clone(&self) -> Self {
        Self { first: self.first, table: PhantomData }
    }
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Refused").field(&self.first).finish()
    }
}

const WINDOWS: &str = "it is for Windows containers";

/// The flags of `run` and `create`.
pub(crate) struct OfContainers;

impl Table for OfContainers {
    const ROWS: &'static [Refusal] = &[
        Refusal::value("link", network::NO_LINKS),
        Refusal::value("link-local-ip", network::NO_LINK_LOCAL),
        Refusal::value("gpus", "the container device interface comes with a later release"),
        Refusal::value("runtime", "the engine is its own runtime").unless(&[""]),
        Refusal::value("storage-opt", "layers have no quota yet"),
        Refusal::value("kernel-memory", "the kernel has dropped this limit").unless(&["0"]),
        Refusal::switch("use-api-socket", "there is no API socket yet"),
        Refusal::switch("disable-content-trust", "images are not signed yet, so there is nothing to disable")
            .unless(&["true"]),
        Refusal::value("cpu-count", WINDOWS).unless(&["0"]),
        Refusal::value("cpu-percent", WINDOWS).unless(&["0"]),
        Refusal::value("io-maxbandwidth", WINDOWS).unless(&["0"]),
        Refusal::value("io-maxiops", WINDOWS).unless(&["0"]),
    ];
}
