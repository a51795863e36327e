//! All verbs and their flags as one tree, for what tells about them: completions, man pages, tables. Commands themselves
//! are read by the parser of one verb, which is built in a fifth of the time.

mod docker;
mod manual;
mod page;

use clap::{Arg, Command};

use crate::help;
use crate::parse::{Arguments, WithArguments, with_arguments};
use crate::verb::{self, Entry, GROUPS};

pub use manual::{ManualPage, manual};
pub use page::page;

/// Which flags stand in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that there are.
    Supported,
    /// Also those that are known to be refused: hidden, and their help says why.
    Known,
}

/// Returns the tree of all verbs.
pub fn tree(scope: Scope) -> Command {
    let mut tree = Command::new("coracle")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A container engine with nothing to keep running")
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .args(help::GLOBAL.iter().map(global));
    for (word, entry) in verb::spellings(None) {
        tree = tree.subcommand(one(word, word, entry, scope));
    }
    for (group, about) in GROUPS {
        let mut command =
            Command::new(*group).about(*about).disable_help_subcommand(true).subcommand_required(true);
        for (word, entry) in verb::spellings(Some(group)) {
            command = command.subcommand(one(word, &format!("{group} {word}"), entry, scope));
        }
        tree = tree.subcommand(command);
    }
    tree
}

fn global(option: &help::GlobalOption) -> Arg {
    let arg = Arg::new(option.long).long(option.long).help(option.about);
    let arg = match option.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    match option.value {
        Some(value) => arg.value_name(value),
        None => arg.action(clap::ArgAction::SetTrue),
    }
}

fn one(word: &'static str, spelling: &str, entry: &Entry, scope: Scope) -> Command {
    let command = Command::new(word)
        .about(entry.about)
        .override_usage(help::usage(spelling, entry))
        .disable_version_flag(true);
    with_arguments(entry.verb, Flags(command, scope))
}

/// Adds the flags of a verb to its command.
struct Flags(Command, Scope);

impl WithArguments for Flags {
    type Output = Command;

    fn call<A: Arguments>(self) -> Command {
        let Self(command, scope) = self;
        let known = A::augment_args(Command::new(""));
        // Some shells are told of hidden ones, too.
        let flags = known.get_arguments().filter(|arg| scope == Scope::Known || !arg.is_hide_set());
        let command = command.args(flags.cloned());
        // `-h` is the host name to some of Docker's verbs.
        let is_taken = command.get_arguments().any(|arg| arg.get_short() == Some('h'));
        match is_taken {
            true => command
                .disable_help_flag(true)
                .arg(Arg::new("help").long("help").action(clap::ArgAction::Help).help("Print usage")),
            false => command,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Scope, tree};

    #[test]
    fn the_tree_of_all_verbs_stands() {
        tree(Scope::Supported).debug_assert();
        let tree = tree(Scope::Known);
        let run = tree.find_subcommand("run").unwrap();
        assert!(run.get_arguments().any(|arg| arg.get_long() == Some("publish")));
        let nested = tree.find_subcommand("container").unwrap().find_subcommand("run").unwrap();
        assert_eq!(nested.get_arguments().count(), run.get_arguments().count());
    }
}
