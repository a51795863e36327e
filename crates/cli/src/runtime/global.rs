//! The options before the verb, which every caller of a runtime gives: read by hand.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{FAILED, absolute, verb};
use crate::caller::Caller;
use crate::error::{Exit, Failure};
use crate::suggest;

/// Where containers are kept unless asked otherwise: below /run, and a user's own below `XDG_RUNTIME_DIR`.
const ROOT: &str = "coracle/runtime";

/// Whether containers are those of a user who does not own the machine, as `--rootless` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rootless {
    Auto,
    Yes,
    No,
}

/// What holds for every verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Global {
    pub(super) root: PathBuf,
    pub(super) log: Option<PathBuf>,
    pub(super) json: bool,
    pub(super) debug: bool,
}

const KNOWN: [&str; 9] = [
    "--root",
    "--log",
    "--log-format",
    "--debug",
    "--rootless",
    "--systemd-cgroup",
    "--criu",
    "--version",
    "--help",
];

/// Reads the options in front and returns the words that follow.
pub(super) fn parse(args: &[OsString], caller: &dyn Caller) -> Result<(Global, Vec<String>), Exit> {
    let mut global = Global { root: PathBuf::new(), log: None, json: false, debug: false };
    let mut rootless = Rootless::Auto;
    let utf8 = |arg: &OsString| {
        let failed = || Failure::new(FAILED, format!("argument `{}` is not UTF-8", arg.to_string_lossy()));
        arg.to_str().map(str::to_owned).ok_or_else(failed)
    };
    let mut words = args.iter().map(utf8).collect::<Result<Vec<String>, Failure>>()?.into_iter().peekable();
    while let Some(word) = words.next_if(|word| word.starts_with('-')) {
        if word == "--" {
            break;
        }
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let mut needed = || {
            let value = value.clone().or_else(|| words.next());
            value.ok_or_else(|| Failure::new(FAILED, format!("flag needs an argument: {flag}")))
        };
        match flag {
            "--root" => global.root = absolute(&PathBuf::from(needed()?), caller)?,
            "--log" => {
                global.log = Some(needed()?.into()).filter(|path: &PathBuf| !path.as_os_str().is_empty())
            }
            "--log-format" => {
                global.json = match needed()?.as_str() {
                    "json" => true,
                    "text" => false,
                    other => return Err(wrong("--log-format", other, "`text` or `json`").into()),
                };
            }
            "--debug" => global.debug = switch(flag, value.as_deref())?,
            // It decides on the directory alone: where cgroups belong to others, limits become warnings unasked.
            "--rootless" => {
                rootless = match needed()?.as_str() {
                    "auto" => Rootless::Auto,
                    "true" => Rootless::Yes,
                    "false" => Rootless::No,
                    other => return Err(wrong("--rootless", other, "`true`, `false` or `auto`").into()),
                };
            }
            "--systemd-cgroup" if !switch(flag, value.as_deref())? => {}
            "--systemd-cgroup" => {
                return Err(Failure::new(FAILED, "--systemd-cgroup is not supported: cgroups are made without systemd")
                    .hint("use the cgroupfs driver (containerd: `SystemdCgroup = false`, podman: `--cgroup-manager cgroupfs`)")
                    .into());
            }
            "--criu" => {
                return Err(Failure::new(
                    FAILED,
                    "--criu is not supported: there is no checkpoint and restore",
                )
                .into());
            }
            "--help" | "-h" => return Err(Exit::Print(verb::top())),
            "--version" | "-v" => return Err(Exit::Print(version())),
            _ => return Err(unknown(flag).into()),
        }
    }
    if global.root.as_os_str().is_empty() {
        global.root = default_root(rootless, caller);
    }
    Ok((global, words.collect()))
}

/// Root of a user namespace is a user of the machine as well, and cannot write to /run.
fn default_root(rootless: Rootless, caller: &dyn Caller) -> PathBuf {
    let is_user = || !rustix::process::geteuid().is_root() || !engine::system::is_initial_user_namespace();
    let own = match rootless {
        Rootless::No => None,
        Rootless::Yes => caller.var("XDG_RUNTIME_DIR"),
        Rootless::Auto => caller.var("XDG_RUNTIME_DIR").filter(|_| is_user()),
    };
    let base = own.map(PathBuf::from).filter(|path| path.is_absolute()).unwrap_or_else(|| "/run".into());
    base.join(ROOT)
}

fn version() -> String {
    let spec = engine::bundle::SPEC_VERSION;
    format!("coracle-runtime version {}\nspec: {spec}\n", env!("CARGO_PKG_VERSION"))
}

fn switch(flag: &str, value: Option<&str>) -> Result<bool, Failure> {
    let value = value.unwrap_or("true");
    crate::grammar::boolean::parse(value).map_err(|_| wrong(flag, value, "`true` or `false`"))
}

fn wrong(flag: &str, value: &str, wanted: &str) -> Failure {
    Failure::new(FAILED, format!("invalid value \"{value}\" for {flag}: it is {wanted}"))
}

fn unknown(flag: &str) -> Failure {
    let failure = Failure::new(FAILED, format!("unknown flag: {flag}"));
    failure.hint(match suggest::nearest(flag, KNOWN) {
        Some(near) => format!("did you mean {near}?"),
        None => "run 'coracle runtime --help' for more information".to_owned(),
    })
}
