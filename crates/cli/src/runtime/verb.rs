//! The verbs: words → what the engine is asked.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use engine::bundle::request::{
    CreateRequest, EventsRequest, EventsUntil, ExecCommand, ExecProcess, ExecRequest, InheritedFds,
    KillRequest, RunRequest,
};
use engine::request::Signal;

use super::arguments::{self, Form};
use super::{FAILED, absolute};
use crate::caller::Caller;
use crate::error::{Exit, Failure};
use crate::suggest;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Create(CreateRequest),
    Start(String),
    State(String),
    Kill(KillRequest),
    Delete { id: String, force: bool },
    Run(RunRequest),
    Exec(ExecRequest),
    List { json: bool, quiet: bool },
    Ps { id: String, json: bool },
    Pause(String),
    Resume(String),
    Update { id: String, from: Changes },
    Events(EventsRequest),
    Spec { bundle: std::path::PathBuf, rootless: bool },
    Features,
}

/// Where an update finds what to change: the `resources` object of a specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Changes {
    /// Made of options.
    Options(serde_json::Value),
    File(std::path::PathBuf),
    Stdin,
}

/// Word, usage and purpose of each verb.
const VERBS: [(&str, &str, &str); 15] = [
    ("create", "[OPTIONS] CONTAINER", "Create a container of a bundle"),
    ("start", "CONTAINER", "Run the program of a created container"),
    ("state", "CONTAINER", "Show the state of a container"),
    ("kill", "[OPTIONS] CONTAINER [SIGNAL]", "Send a signal to a container's first process (default: TERM)"),
    ("delete", "[OPTIONS] CONTAINER", "Remove what a stopped container holds"),
    ("run", "[OPTIONS] CONTAINER", "Create and start a container"),
    ("exec", "[OPTIONS] CONTAINER COMMAND [ARG...]", "Run a further process in a container"),
    ("list", "[OPTIONS]", "List the containers under the root"),
    ("ps", "[OPTIONS] CONTAINER", "Show the processes of a container"),
    ("pause", "CONTAINER", "Stop all processes of a container where they are"),
    ("resume", "CONTAINER", "Let the processes of a paused container run on"),
    ("update", "[OPTIONS] CONTAINER", "Change the limits of a container"),
    ("events", "[OPTIONS] CONTAINER", "Show counters and want of memory of a container until it ends"),
    ("spec", "[OPTIONS]", "Write a specification to begin with"),
    ("features", "", "Show what this runtime supports"),
];

/// runc's verbs that are not built.
const LATER: [&str; 2] = ["checkpoint", "restore"];

/// Reads a verb and its arguments.
pub(super) fn parse(words: &[String], caller: &dyn Caller) -> Result<Command, Exit> {
    let Some((verb, args)) = words.split_first() else { return Err(Exit::Print(top())) };
    let line = Line { verb, args };
    match verb.as_str() {
        "create" => Ok(Command::Create(create(line.read()?, caller)?)),
        "run" => {
            let arguments::Run { create: made, detach, keep, .. } = line.read()?;
            Ok(Command::Run(RunRequest { create: create(made, caller)?, detach, keep }))
        }
        "start" => Ok(Command::Start(line.read::<arguments::One>()?.id)),
        "state" => Ok(Command::State(line.read::<arguments::One>()?.id)),
        "pause" => Ok(Command::Pause(line.read::<arguments::One>()?.id)),
        "resume" => Ok(Command::Resume(line.read::<arguments::One>()?.id)),
        "kill" => Ok(Command::Kill(kill(line.read()?)?)),
        "delete" => {
            let arguments::Delete { force, id } = line.read()?;
            Ok(Command::Delete { id, force })
        }
        "exec" => Ok(Command::Exec(exec(line.read()?, caller)?)),
        "list" => {
            let arguments::List { format, quiet } = line.read()?;
            Ok(Command::List { json: format == Form::Json, quiet })
        }
        "ps" => Ok(ps(line.read()?)?),
        "update" => Ok(update(line.read()?)?),
        "events" => {
            let arguments::Events { interval, stats, id } = line.read()?;
            let until = if stats { EventsUntil::Now } else { EventsUntil::End { interval } };
            Ok(Command::Events(EventsRequest { id, until }))
        }
        "spec" => {
            let arguments::Spec { bundle, rootless } = line.read()?;
            Ok(Command::Spec { bundle: absolute(&bundle, caller)?, rootless })
        }
        "features" => line.read::<arguments::Nothing>().map(|_| Command::Features),
        "help" => Err(Exit::Print(args.first().and_then(|word| help(word)).unwrap_or_else(top))),
        other => Err(unknown(other).into()),
    }
}

fn unknown(word: &str) -> Failure {
    if LATER.contains(&word) {
        return Failure::new(FAILED, format!("`coracle runtime {word}` is not supported"))
            .hint("run 'coracle runtime --help' for what there is");
    }
    let failure = Failure::new(FAILED, format!("unknown command: coracle runtime {word}"));
    failure.hint(match suggest::nearest(word, VERBS.iter().map(|(verb, _, _)| *verb)) {
        Some(near) => format!("did you mean 'coracle runtime {near}'?"),
        None => "run 'coracle runtime --help' for more information".to_owned(),
    })
}

/// Descriptors of socket activation come without being asked for, as with runc.
fn inherited(further: u32, caller: &dyn Caller) -> Result<InheritedFds, Failure> {
    let listen = match caller.var("LISTEN_FDS").filter(|text| !text.is_empty()) {
        Some(text) => text
            .parse()
            .map_err(|_| Failure::new(FAILED, format!("LISTEN_FDS is `{text}`, which is not a number")))?,
        None => 0,
    };
    Ok(InheritedFds { listen, further })
}

fn create(arguments: arguments::Create, caller: &dyn Caller) -> Result<CreateRequest, Failure> {
    if arguments.no_pivot {
        return Err(Failure::new(FAILED, "--no-pivot is not supported: without pivot_root the host's root stays in reach")
            .hint("leave it out; on a host that runs from its initial ramdisk, mount the bundle on another file system"));
    }
    Ok(CreateRequest {
        id: arguments.id,
        bundle: absolute(&arguments.bundle.unwrap_or_default(), caller)?,
        console_socket: arguments.console_socket,
        pid_file: arguments.pid_file,
        inherited: inherited(arguments.preserve_fds, caller)?,
        new_keyring: !arguments.no_new_keyring,
    })
}

fn kill(arguments: arguments::Kill) -> Result<KillRequest, Failure> {
    let signal: Signal = arguments
        .signal
        .parse()
        .map_err(|_| Failure::new(FAILED, format!("unknown signal \"{}\"", arguments.signal)))?;
    Ok(KillRequest { id: arguments.id, signal, all: arguments.all })
}

fn exec(arguments: arguments::Exec, caller: &dyn Caller) -> Result<ExecRequest, Failure> {
    let mut words = arguments.words.into_iter();
    let id = words.next().unwrap_or_default();
    let process = match arguments.process {
        Some(path) => ExecProcess::File(path),
        None => ExecProcess::Command(ExecCommand {
            args: words.collect(),
            cwd: arguments.cwd,
            env: arguments.env,
            user: arguments.user,
            additional_gids: arguments.additional_gids,
            no_new_privileges: arguments.no_new_privs,
            process_label: arguments.process_label.filter(|label| !label.is_empty()),
            apparmor: arguments.apparmor.filter(|profile| !profile.is_empty()),
            capabilities: arguments.cap,
        }),
    };
    Ok(ExecRequest {
        id,
        process,
        tty: arguments.tty,
        console_socket: arguments.console_socket,
        pid_file: arguments.pid_file,
        detach: arguments.detach,
        inherited: inherited(arguments.preserve_fds, caller)?,
        ignore_paused: arguments.ignore_paused,
        cgroups: arguments.cgroup,
    })
}

fn update(arguments: arguments::Update) -> Result<Command, Failure> {
    let id = arguments.id.clone();
    let from = match arguments.resources.as_deref() {
        Some("-") => Changes::Stdin,
        Some(path) => Changes::File(path.into()),
        None => Changes::Options(options(&arguments)?),
    };
    Ok(Command::Update { id, from })
}

/// Writes the options as the document that a file would hold.
fn options(arguments: &arguments::Update) -> Result<serde_json::Value, Failure> {
    let schemata = [
        ("--l3-cache-schema", arguments.l3_cache_schema.as_deref()),
        ("--mem-bw-schema", arguments.mem_bw_schema.as_deref()),
    ];
    if let Some((flag, _)) = schemata.iter().find(|(_, given)| given.is_some_and(|text| !text.is_empty())) {
        return Err(Failure::new(FAILED, format!("update: {flag} is not supported: there is no Intel RDT")));
    }
    let bytes = |flag: &str, text: &Option<String>| match text.as_deref() {
        None | Some("") => Ok(None),
        Some("-1") => Ok(Some(-1)),
        Some(text) => match crate::grammar::size::parse(text) {
            Ok(bytes) => Ok(Some(bytes.cast_signed())),
            Err(error) => Err(Failure::new(FAILED, format!("invalid value \"{text}\" for {flag}: {error}"))),
        },
    };
    let cpu = serde_json::json!({
        "shares": arguments.cpu_share,
        "quota": arguments.cpu_quota,
        "burst": arguments.cpu_burst,
        "period": arguments.cpu_period,
        "realtimeRuntime": arguments.cpu_rt_runtime,
        "realtimePeriod": arguments.cpu_rt_period,
        "cpus": arguments.cpuset_cpus,
        "mems": arguments.cpuset_mems,
        "idle": arguments.cpu_idle,
    });
    let memory = serde_json::json!({
        "limit": bytes("--memory", &arguments.memory)?,
        "reservation": bytes("--memory-reservation", &arguments.memory_reservation)?,
        "swap": bytes("--memory-swap", &arguments.memory_swap)?,
        "kernel": bytes("--kernel-memory", &arguments.kernel_memory)?,
        "kernelTCP": bytes("--kernel-memory-tcp", &arguments.kernel_memory_tcp)?,
    });
    let io = serde_json::json!({ "weight": arguments.blkio_weight });
    let pids = serde_json::json!({ "limit": arguments.pids_limit });
    let given =
        |part: &serde_json::Value| part.as_object().is_some_and(|part| part.values().any(|it| !it.is_null()));
    let parts = [("cpu", cpu), ("memory", memory), ("blockIO", io), ("pids", pids)];
    let parts = parts.into_iter().filter(|(_, part)| given(part));
    Ok(parts.map(|(name, part)| (name.to_owned(), part)).collect())
}

fn ps(arguments: arguments::Ps) -> Result<Command, Failure> {
    if arguments.options.iter().any(|option| option != "-ef") {
        return Err(Failure::new(
            FAILED,
            format!("ps: `{}` is not supported: the columns are those of -ef", arguments.options.join(" ")),
        )
        .hint("use `ps --format json` for the process ids, and ps(1) with them"));
    }
    Ok(Command::Ps { id: arguments.id, json: arguments.format == Form::Json })
}

/// Returns the help of `coracle runtime` alone.
pub(super) fn top() -> String {
    let mut text =
        "\nUsage:  coracle runtime [OPTIONS] COMMAND\n\nAct as an OCI runtime: run containers of bundles\n\nCommands:\n"
            .to_owned();
    for (verb, _, about) in VERBS {
        text.push_str(&format!("  {verb:<10} {about}\n"));
    }
    text.push_str(
        "
Options:
      --root DIR           Keep the state of containers here (default: /run/coracle/runtime)
      --log FILE           Write messages to this file too
      --log-format FORMAT  Form of the log: text or json (default: text)
      --debug              Log what is done
      --rootless VALUE     Keep containers below $XDG_RUNTIME_DIR: true, false or auto (default: auto)
  -v, --version            Print version information and quit

Run 'coracle runtime COMMAND --help' for more information on a command.
",
    );
    text
}

/// Returns the help of a verb, by asking for it.
fn help(verb: &str) -> Option<String> {
    let words = [verb.to_owned(), "--help".to_owned()];
    match VERBS.iter().any(|(known, _, _)| *known == verb).then(|| parse(&words, &crate::caller::Process)) {
        Some(Err(Exit::Print(text))) => Some(text),
        _ => None,
    }
}

/// The arguments of a verb that was found.
struct Line<'a> {
    verb: &'a str,
    args: &'a [String],
}

impl Line<'_> {
    fn read<A: clap::Args>(&self) -> Result<A, Exit> {
        let (usage, about) = VERBS
            .iter()
            .find(|(verb, _, _)| *verb == self.verb)
            .map_or(("", ""), |(_, usage, about)| (*usage, *about));
        let usage = format!("coracle runtime {} {usage}", self.verb);
        let mut command = A::augment_args(clap::Command::new("coracle").no_binary_name(true))
            .args_override_self(true)
            .about(about)
            .override_usage(usage.trim_end().to_owned())
            .help_template("Usage:  {usage}\n\n{about}\n\nOptions:\n{options}");
        let matches = command.try_get_matches_from_mut(self.args).map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp => {
                Exit::Print(format!("\n{}\n", command.render_help().to_string().trim_end()))
            }
            _ => Exit::Fail(self.explain(&error, &usage)),
        })?;
        A::from_arg_matches(&matches).map_err(|error| Exit::Fail(self.explain(&error, &usage)))
    }

    fn explain(&self, error: &clap::Error, usage: &str) -> Failure {
        use std::error::Error as _;
        let context = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.as_str(),
            _ => "",
        };
        let (argument, value) = (context(ContextKind::InvalidArg), context(ContextKind::InvalidValue));
        let flag = argument.split([' ', '=', '[']).next().unwrap_or_default();
        let text = match error.kind() {
            ErrorKind::UnknownArgument if flag.starts_with('-') => format!("unknown flag: {flag}"),
            ErrorKind::UnknownArgument => {
                format!("'coracle runtime {}': too many arguments: {flag}", self.verb)
            }
            ErrorKind::MissingRequiredArgument => {
                format!("'coracle runtime {}' requires at least 1 argument", self.verb)
            }
            ErrorKind::InvalidValue if value.is_empty() => format!("flag needs an argument: {flag}"),
            _ => match error.source() {
                Some(cause) => format!("invalid value \"{value}\" for {flag}: {cause}"),
                None => format!("invalid value \"{value}\" for {flag}"),
            },
        };
        Failure::new(FAILED, text).hint(format!("usage: {}", usage.trim_end()))
    }
}
