//! `rm` of what has a name and is never taken from its users: networks, volumes.

use std::marker::PhantomData;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// What such a verb removes.
pub(crate) trait Removable {
    /// Asks for the removal; with `force` those that are missing are no error.
    fn remove(names: Vec<String>, force: bool) -> Command;
}

/// Arguments of such a verb.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args<T> {
    /// Do not complain of those that do not exist
    #[arg(short, long)]
    force: bool,
    #[arg(skip)]
    things: PhantomData<T>,
}

impl<T: Removable> Arguments for Args<T> {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(T::remove(words, self.force))
    }
}
