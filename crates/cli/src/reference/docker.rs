//! Docker's verbs and flags, as its own help tells them, and what becomes of each here.

use clap::{Arg, Command};

/// One line a verb: `VERB: --flag -f/--flag …`.
const TEXT: &str = include_str!("docker.txt");

/// One of Docker's verbs, by its long spelling, with the long names of its flags.
#[derive(Debug)]
pub(crate) struct DockerVerb {
    pub(crate) spelling: &'static str,
    pub(crate) flags: Vec<&'static str>,
}

/// What becomes of one of Docker's flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is there.
    Taken,
    /// It is there and changes nothing: what it asks for is done anyway.
    Idle,
    /// It is refused by name, with this reason.
    Refused(String),
    /// It is not known.
    Unknown,
}

/// Returns all of Docker's verbs, in the order of the alphabet.
pub(crate) fn verbs() -> impl Iterator<Item = DockerVerb> {
    TEXT.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (spelling, flags) = line.split_once(':').unwrap_or((line, ""));
        let long = |flag: &'static str| flag.rsplit("--").next().unwrap_or(flag);
        DockerVerb { spelling, flags: flags.split_whitespace().map(long).collect() }
    })
}

/// Finds a verb by a spelling of one or two words.
pub(crate) fn find<'a>(tree: &'a Command, spelling: &str) -> Option<&'a Command> {
    spelling.split(' ').try_fold(tree, |at, word| at.find_subcommand(word))
}

/// Tells what becomes of a flag of a verb, whose tree is of [`super::Scope::Known`].
pub(crate) fn fate(verb: &Command, flag: &str) -> Fate {
    let named = |arg: &&Arg| {
        arg.get_long() == Some(flag) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&flag))
    };
    match verb.get_arguments().find(named) {
        None => Fate::Unknown,
        Some(arg) if !arg.is_hide_set() => Fate::Taken,
        Some(arg) => match arg.get_help().map(ToString::to_string) {
            Some(why) if !why.is_empty() => Fate::Refused(why),
            _ => Fate::Idle,
        },
    }
}

#[cfg(test)]
#[test]
fn every_flag_of_docker_is_there_or_refused_by_name() {
    let tree = super::tree(super::Scope::Known);
    let mut unknown = Vec::new();
    let mut seen = 0;
    for verb in verbs() {
        let Some(command) = find(&tree, verb.spelling) else {
            let parts = std::iter::once(verb.spelling).chain(verb.spelling.split(' '));
            if parts.filter_map(crate::verb::later).next().is_none() {
                unknown.push(verb.spelling.to_owned());
            }
            continue;
        };
        for flag in verb.flags {
            seen += 1;
            if fate(command, flag) == Fate::Unknown {
                unknown.push(format!("{} --{flag}", verb.spelling));
            }
        }
    }
    assert!(seen > 300, "only {seen} flags were looked at");
    assert!(unknown.is_empty(), "neither there nor refused by name: {unknown:#?}");
}
