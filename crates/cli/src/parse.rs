//! Arguments → command, as meant: a pure function but for what it asks the [`Caller`].

use std::error::Error as _;
use std::ffi::OsString;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction};

use crate::caller::Caller;
use crate::commands::*;
use crate::error::{BAD_USAGE, Exit, Failure};
use crate::global::{self, Global};
use crate::grammar::{Invalid, boolean};
use crate::verb::{self, Entry, Verb};
use crate::{help, suggest};

/// What clap calls the words beside the flags.
const WORDS: &str = "words";

/// A command line that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub global: Global,
    pub command: Command,
}

/// The flags of one verb, as clap reads them.
pub(crate) trait Arguments: clap::Args {
    /// How many words the verb takes beside its flags.
    const WORDS: Words;

    /// Whether what follows the first word are words too, whatever it looks like.
    const FLAGS_END_AT_FIRST_WORD: bool = false;

    /// Turns flags and words, of which there are as many as may be, into a command, with all checks.
    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Result<Command, Invalid>;
}

/// How many words a verb takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    None,
    Exactly(usize),
    AtLeast(usize),
    AtMost(usize),
    Between(usize, usize),
}

/// Reads a command line without the program's name. Only the parser of the verb asked for is built.
pub fn parse(args: &[OsString], caller: &dyn Caller) -> Result<Parsed, Exit> {
    let args = args.iter().map(utf8).collect::<Result<Vec<String>, Failure>>()?;
    let (global, words) = global::parse(&args, caller)?;
    let Some((first, rest)) = words.split_first() else { return Err(Exit::Print(help::top())) };
    if first == "help" {
        return Err(asked_help(rest, caller));
    }
    let (spelling, entry, rest) = find_verb(first, rest)?;
    let command = read_verb(&spelling, entry, rest, caller)?;
    Ok(Parsed { global, command })
}

fn utf8(arg: &OsString) -> Result<String, Failure> {
    let shown = || Failure::new(BAD_USAGE, format!("argument `{}` is not UTF-8", arg.to_string_lossy()));
    arg.to_str().map(str::to_owned).ok_or_else(shown)
}

/// `help VERB` is `VERB --help`.
fn asked_help(words: &[String], caller: &dyn Caller) -> Exit {
    let mut words = words.to_vec();
    if words.is_empty() {
        return Exit::Print(help::top());
    }
    words.push("--help".to_owned());
    match parse(&words.iter().map(OsString::from).collect::<Vec<_>>(), caller) {
        Err(exit) => exit,
        Ok(_) => Failure::new(1, format!("unknown help topic: {}", words[0])).into(),
    }
}

type Found<'a> = (String, &'static Entry, &'a [String]);

fn find_verb<'a>(first: &str, rest: &'a [String]) -> Result<Found<'a>, Exit> {
    // A verb may have verbs of its own: `build cache ls`.
    if let [second, third, rest @ ..] = rest {
        let spelling = format!("{first} {second} {third}");
        if let Some(entry) = verb::find(&spelling) {
            return Ok((spelling, entry, rest));
        }
    }
    if !verb::is_group(first) {
        let entry = verb::find(first).ok_or_else(|| unknown(first, "", help::first_words()))?;
        return Ok((first.to_owned(), entry, rest));
    }
    match rest.split_first() {
        None => Err(Exit::Print(help::group(first))),
        Some((word, _)) if word == "--help" || word == "-h" => Err(Exit::Print(help::group(first))),
        Some((second, rest)) => {
            let spelling = format!("{first} {second}");
            let known = verb::spellings(Some(first)).map(|(word, _)| word);
            let entry = verb::find(&spelling).ok_or_else(|| unknown(second, &format!("{first} "), known))?;
            Ok((spelling, entry, rest))
        }
    }
}

fn unknown<'a>(word: &str, group: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let spelling = format!("{group}{word}");
    if let Some(why) = verb::later(&spelling).or_else(|| verb::later(word)) {
        let text = format!("`coracle {spelling}` is not supported: {why}");
        return Failure::new(1, text).hint(format!("run 'coracle {group}--help' for what there is"));
    }
    let failure = Failure::new(1, format!("unknown command: coracle {group}{word}"));
    failure.hint(match suggest::nearest(word, known) {
        Some(near) => format!("did you mean 'coracle {group}{near}'?"),
        None => format!("run 'coracle {group}--help' for more information"),
    })
}

fn read_verb(spelling: &str, entry: &Entry, args: &[String], caller: &dyn Caller) -> Result<Command, Exit> {
    with_arguments(entry.verb, Line { spelling, entry, args, caller })
}

/// Something that is done with the flags of one verb, whichever it is.
pub(crate) trait WithArguments {
    type Output;

    fn call<A: Arguments>(self) -> Self::Output;
}

/// Knows which flags are whose.
pub(crate) fn with_arguments<W: WithArguments>(verb: Verb, act: W) -> W::Output {
    match verb {
        Verb::Attach => act.call::<attach::Args>(),
        Verb::Audit => act.call::<system_audit::Args>(),
        Verb::Boot => act.call::<system_boot::Args>(),
        Verb::Build => act.call::<build::Args>(),
        Verb::BuildCacheExport => act.call::<build_cache::ExportArgs>(),
        Verb::BuildCacheImport => act.call::<build_cache::ImportArgs>(),
        Verb::BuildCacheLs => act.call::<build_cache::ListArgs>(),
        Verb::BuildCachePrune => act.call::<build_cache::PruneArgs>(),
        Verb::BuildHistoryInspect => act.call::<build_history::InspectArgs>(),
        Verb::BuildHistoryLogs => act.call::<build_history::LogsArgs>(),
        Verb::BuildHistoryLs => act.call::<build_history::ListArgs>(),
        Verb::BuildHistoryRm => act.call::<build_history::RemoveArgs>(),
        Verb::Check => act.call::<system_check::Args>(),
        Verb::Commit => act.call::<commit::Args>(),
        Verb::Completion => act.call::<completion::Args>(),
        Verb::ContainerInspect => act.call::<inspect::ContainerArgs>(),
        Verb::ContainerPrune => act.call::<container_prune::Args>(),
        Verb::Copy => act.call::<cp::Args>(),
        Verb::Create => act.call::<create::Args>(),
        Verb::Diff => act.call::<diff::Args>(),
        Verb::Df => act.call::<system_df::Args>(),
        Verb::Doctor => act.call::<doctor::Args>(),
        Verb::Events => act.call::<events::Args>(),
        Verb::Exec => act.call::<exec::Args>(),
        Verb::Export => act.call::<export::Args>(),
        Verb::Fork => act.call::<fork::Args>(),
        Verb::History => act.call::<history::Args>(),
        Verb::ImageInspect => act.call::<image_inspect::Args>(),
        Verb::ImageLayers => act.call::<image::layers::Args>(),
        Verb::ImagePrune => act.call::<image::prune::Args>(),
        Verb::ImageRollback => act.call::<image::rollback::Args>(),
        Verb::ImageTree => act.call::<image::tree::Args>(),
        Verb::Images => act.call::<images::Args>(),
        Verb::Import => act.call::<import::Args>(),
        Verb::Info => act.call::<info::Args>(),
        Verb::Inspect => act.call::<inspect::Args>(),
        Verb::Kill => act.call::<kill::Args>(),
        Verb::Load => act.call::<load::Args>(),
        Verb::Login => act.call::<registry::login::Args>(),
        Verb::Logout => act.call::<registry::logout::Args>(),
        Verb::Logs => act.call::<logs::Args>(),
        Verb::Manual => act.call::<system_manual::Args>(),
        Verb::ManifestInspect => act.call::<registry::manifest_inspect::Args>(),
        Verb::NetworkConnect => act.call::<network::connect::Args>(),
        Verb::NetworkCreate => act.call::<network::create::Args>(),
        Verb::NetworkDisconnect => act.call::<network::disconnect::Args>(),
        Verb::NetworkInspect => act.call::<network::inspect::Args>(),
        Verb::NetworkLs => act.call::<network::ls::Args>(),
        Verb::NetworkPrune => act.call::<network::prune::Args>(),
        Verb::NetworkRm => act.call::<network::rm::Args>(),
        Verb::Pause => act.call::<pause::Args>(),
        Verb::Port => act.call::<port::Args>(),
        Verb::Ps => act.call::<ps::Args>(),
        Verb::Pull => act.call::<registry::pull::Args>(),
        Verb::Push => act.call::<registry::push::Args>(),
        Verb::Rename => act.call::<rename::Args>(),
        Verb::Restart => act.call::<restart::Args>(),
        Verb::Rm => act.call::<rm::Args>(),
        Verb::Rmi => act.call::<rmi::Args>(),
        Verb::Run => act.call::<run::Args>(),
        Verb::Save => act.call::<save::Args>(),
        Verb::Start => act.call::<start::Args>(),
        Verb::Stats => act.call::<stats::Args>(),
        Verb::Stop => act.call::<stop::Args>(),
        Verb::SystemPrune => act.call::<system_prune::Args>(),
        Verb::Tag => act.call::<tag::Args>(),
        Verb::Top => act.call::<top::Args>(),
        Verb::Unpause => act.call::<unpause::Args>(),
        Verb::Update => act.call::<update::Args>(),
        Verb::Version => act.call::<version::Args>(),
        Verb::VolumeCreate => act.call::<volume::create::Args>(),
        Verb::VolumeInspect => act.call::<volume::inspect::Args>(),
        Verb::VolumeLs => act.call::<volume::ls::Args>(),
        Verb::VolumePrune => act.call::<volume::prune::Args>(),
        Verb::VolumeRm => act.call::<volume::rm::Args>(),
        Verb::Wait => act.call::<wait::Args>(),
    }
}

/// The arguments of a verb that was found.
struct Line<'a> {
    spelling: &'a str,
    entry: &'a Entry,
    args: &'a [String],
    caller: &'a dyn Caller,
}

impl WithArguments for Line<'_> {
    type Output = Result<Command, Exit>;

    fn call<A: Arguments>(self) -> Self::Output {
        self.read::<A>()
    }
}

impl Line<'_> {
    fn read<A: Arguments>(&self) -> Result<Command, Exit> {
        let plain = A::augment_args(clap::Command::new("coracle").no_binary_name(true));
        let words = Arg::new(WORDS).action(ArgAction::Append).num_args(0..);
        let mut command = pflag_like(plain).arg(words.trailing_var_arg(A::FLAGS_END_AT_FIRST_WORD));
        let mut matches =
            command.try_get_matches_from_mut(self.args).map_err(|error| match error.kind() {
                ErrorKind::DisplayHelp => Exit::Print(self.help::<A>()),
                _ => Exit::Fail(self.explain(&error, &command)),
            })?;
        let words: Vec<String> = matches.remove_many(WORDS).into_iter().flatten().collect();
        let arguments = A::from_arg_matches(&matches).map_err(|error| self.explain(&error, &command))?;
        self.check_words(A::WORDS, words.len())?;
        let code =
            if matches!(self.entry.verb, Verb::Run | Verb::Create | Verb::Exec) { BAD_USAGE } else { 1 };
        let failed = |invalid: Invalid| {
            let failure = Failure::from_invalid(&invalid, code);
            if failure.hint.is_some() { failure } else { failure.hint(self.see_help()) }
        };
        Ok(arguments.command(words, self.caller).map_err(failed)?)
    }

    fn see_help(&self) -> String {
        format!("see 'coracle {} --help'", self.spelling)
    }

    /// Help is rendered from the plain form: the flags as people write them.
    fn help<A: Arguments>(&self) -> String {
        let template = "\nUsage:  {usage}\n\n{about}{before-help}\n\nOptions:\n{options}\n";
        let command = clap::Command::new("coracle").next_display_order(None).disable_help_flag(true);
        let mut command = A::augment_args(command)
            .override_usage(help::usage(self.spelling, self.entry))
            .about(format!("{}{}", self.entry.about, help::aliases(self.entry)))
            .help_template(template);
        let text = command.render_help().to_string();
        // Without flags of its own the verb has nothing to list.
        text.trim_end().trim_end_matches("Options:").trim_end().to_owned() + "\n"
    }

    fn check_words(&self, words: Words, count: usize) -> Result<(), Failure> {
        let plural = |count| if count == 1 { "" } else { "s" };
        let wanted = match words {
            Words::None if count > 0 => "accepts no arguments".to_owned(),
            Words::Exactly(exact) if count != exact => format!("requires {exact} argument{}", plural(exact)),
            Words::AtLeast(least) | Words::Between(least, _) if count < least => {
                format!("requires at least {least} argument{}", plural(least))
            }
            Words::AtMost(most) | Words::Between(_, most) if count > most => {
                format!("requires at most {most} argument{}", plural(most))
            }
            _ => return Ok(()),
        };
        let usage = help::usage(self.spelling, self.entry);
        Err(Failure::new(1, format!("'coracle {}' {wanted}", self.spelling)).hint(format!("usage: {usage}")))
    }

    /// Words clap's error as Docker does.
    fn explain(&self, error: &clap::Error, command: &clap::Command) -> Failure {
        let context = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.as_str()),
            _ => None,
        };
        let flag = context(ContextKind::InvalidArg).unwrap_or_default();
        let flag = flag.split([' ', '=', '[']).next().unwrap_or_default();
        let value = context(ContextKind::InvalidValue).unwrap_or_default();
        let mut hint = None;
        let mut code = BAD_USAGE;
        let text = match error.kind() {
            ErrorKind::UnknownArgument if flag.starts_with("--") => {
                let known: Vec<String> = long_flags(command);
                hint = suggest::nearest(flag, known.iter().map(String::as_str))
                    .map(|near| format!("did you mean {near}?"));
                format!("unknown flag: {flag}")
            }
            ErrorKind::UnknownArgument => self.unknown_short(flag),
            ErrorKind::ValueValidation => {
                let cause = error.source();
                let invalid = cause.and_then(|cause| cause.downcast_ref::<Invalid>());
                hint = invalid.and_then(Invalid::hint_text).map(str::to_owned);
                code = invalid.and_then(Invalid::exit_code).unwrap_or(code);
                let cause = cause.map(|cause| cause.to_string()).unwrap_or_default();
                format!(
                    "invalid argument \"{value}\" for \"{}\" flag: {cause}",
                    both_spellings(flag, command)
                )
            }
            ErrorKind::InvalidValue | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
                format!("flag needs an argument: {}", self.spelled(flag, command))
            }
            _ => {
                error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
        };
        Failure { text, hint: Some(hint.unwrap_or_else(|| self.see_help())), code }
    }

    fn unknown_short(&self, flag: &str) -> String {
        let letter = flag.trim_start_matches('-');
        // Docker shows the whole cluster that the letter stood in.
        let cluster = |arg: &&String| arg.starts_with('-') && !arg.starts_with("--") && arg.contains(letter);
        let cluster = self.args.iter().find(cluster).map_or(flag, String::as_str);
        format!("unknown shorthand flag: '{letter}' in {cluster}")
    }

    /// Returns the flag as it was typed at the end of the line: `--name`, or `'m' in -m`.
    fn spelled(&self, flag: &str, command: &clap::Command) -> String {
        let short = find_flag(flag, command).and_then(Arg::get_short);
        match (short, self.args.last()) {
            (Some(letter), Some(last)) if !last.starts_with("--") => format!("'{letter}' in {last}"),
            _ => flag.to_owned(),
        }
    }
}

/// Makes clap read flags as Docker's parser does: `--rm=false` and `--memory-swap -1` are read, and of a flag
/// given twice the last counts.
fn pflag_like(command: clap::Command) -> clap::Command {
    let has_short_help = command.get_arguments().any(|arg| arg.get_short() == Some('h'));
    let mut help = Arg::new("help").long("help").action(ArgAction::Help).help("Print usage");
    if !has_short_help {
        help = help.short('h');
    }
    let command = command.disable_help_flag(true).args_override_self(true).arg(help);
    command.mut_args(|arg| match arg.get_action() {
        ArgAction::SetTrue => arg
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .default_value("false")
            .value_parser(ValueParser::new(boolean::parse)),
        ArgAction::Set | ArgAction::Append if !arg.is_positional() => arg.allow_hyphen_values(true),
        _ => arg,
    })
}

fn find_flag<'a>(flag: &str, command: &'a clap::Command) -> Option<&'a Arg> {
    command
        .get_arguments()
        .find(|arg| arg.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long)))
}

fn both_spellings(flag: &str, command: &clap::Command) -> String {
    match find_flag(flag, command).and_then(Arg::get_short) {
        Some(short) => format!("-{short}, {flag}"),
        None => flag.to_owned(),
    }
}

fn long_flags(command: &clap::Command) -> Vec<String> {
    command.get_arguments().filter_map(Arg::get_long).map(|long| format!("--{long}")).collect()
}
