//! The options before the verb, read by hand: there are seven, and they are on the path of every command.

use std::path::PathBuf;

use crate::caller::Caller;
use crate::error::{BAD_USAGE, Exit, Failure};
use crate::grammar::boolean;
use crate::help;

/// Where the engine keeps its state, and how much it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Global {
    /// Images, containers and volumes; the engine's default otherwise.
    pub root: Option<PathBuf>,
    /// What dies with the boot; the engine's default otherwise.
    pub run_root: Option<PathBuf>,
    /// The configuration file that is meant; the usual one otherwise.
    pub config_file: Option<PathBuf>,
    /// The directory of Docker's `config.json`; the one below the home directory otherwise.
    pub client_dir: Option<PathBuf>,
    pub debug: bool,
}

/// Docker's own that make no sense without a daemon.
const DAEMON: &[&str] = &[
    "--host",
    "-H",
    "--context",
    "-c",
    "--log-level",
    "-l",
    "--tls",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
    "--tlsverify",
];

/// Reads the options in front and returns the words that follow.
pub(crate) fn parse<'a>(args: &'a [String], caller: &dyn Caller) -> Result<(Global, &'a [String]), Exit> {
    let from_env = |name| caller.var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut global = Global {
        root: from_env("CORACLE_ROOT"),
        run_root: from_env("CORACLE_RUN_ROOT"),
        config_file: from_env("CORACLE_CONFIG"),
        client_dir: from_env("DOCKER_CONFIG"),
        debug: false,
    };
    let mut rest = args;
    while let Some((first, after)) = rest.split_first() {
        if first == "--" {
            return Ok((global, after));
        }
        if !first.starts_with('-') || first == "-" {
            break;
        }
        rest = after;
        let (flag, value) = match first.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (first.as_str(), None),
        };
        match flag {
            "--help" | "-h" => return Err(Exit::Print(help::top())),
            "--version" | "-v" => return Err(Exit::Print(version())),
            "--debug" | "-D" => global.debug = switch(flag, value)?,
            "--root" => global.root = Some(path(flag, value, &mut rest)?),
            "--config-file" => global.config_file = Some(path(flag, value, &mut rest)?),
            "--config" => global.client_dir = Some(path(flag, value, &mut rest)?),
            "--run-root" => global.run_root = Some(path(flag, value, &mut rest)?),
            _ => return Err(unknown(flag).into()),
        }
    }
    Ok((global, rest))
}

/// Returns the line of `--version`.
fn version() -> String {
    format!("coracle version {}\n", env!("CARGO_PKG_VERSION"))
}

fn switch(flag: &str, value: Option<&str>) -> Result<bool, Failure> {
    let value = value.unwrap_or("true");
    boolean::parse(value).map_err(|error| {
        Failure::new(BAD_USAGE, format!("invalid argument \"{value}\" for \"{flag}\" flag: {error}"))
    })
}

fn path(flag: &str, value: Option<&str>, rest: &mut &[String]) -> Result<PathBuf, Failure> {
    let value = match value {
        Some(value) => value,
        None => match rest.split_first() {
            Some((value, after)) => {
                *rest = after;
                value
            }
            None => return Err(Failure::new(BAD_USAGE, format!("flag needs an argument: {flag}"))),
        },
    };
    if value.is_empty() {
        return Err(Failure::new(BAD_USAGE, format!("{flag}: the path is empty")));
    }
    Ok(PathBuf::from(value))
}

fn unknown(flag: &str) -> Failure {
    match DAEMON.contains(&flag) {
        true => Failure::new(BAD_USAGE, format!("{flag} is not supported: there is no daemon to connect to"))
            .hint("use --root and --run-root to choose between engines on this machine"),
        false => {
            let known =
                ["--root", "--run-root", "--config", "--config-file", "--debug", "--version", "--help"];
            let failure = Failure::new(BAD_USAGE, format!("unknown flag: {flag}"));
            failure.hint(match crate::suggest::nearest(flag, known) {
                Some(near) => format!("did you mean {near}?"),
                None => "run 'coracle --help' for more information".to_owned(),
            })
        }
    }
}
