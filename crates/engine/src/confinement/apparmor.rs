//! AppArmor: which profile a container has, and that it is there.
//!
//! A container has the engine's own profile unless it asks for another or for none, as with Docker. The profile is
//! text; only apparmor_parser(8) makes of it what the kernel reads (`/sys/kernel/security/apparmor/.replace`), in a
//! form that depends on the kernel's features and is documented nowhere else. So this one program is run, as every
//! engine does, when the kernel has not got the profile or has another version's.

mod profile;

use std::path::{Path, PathBuf};
use std::time::Duration;

use store::Durability;
use sys::Dir;
use sys::program::{self, Program};

use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::request::Security;

/// The name of the engine's own profile.
pub(crate) const DEFAULT: &str = "coracle-default";

pub(crate) const UNCONFINED: &str = "unconfined";

/// Where the module shows what it has (securityfs).
const SECURITY: &str = "/sys/kernel/security/apparmor";

/// The file of the run root that holds the text which was loaded last.
const LOADED: &str = "apparmor";

/// Where Debian, Ubuntu and SUSE have the compiler. `PATH` is the caller's and is not asked.
const PARSERS: [&str; 2] = ["/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"];

/// Compiling takes tens of milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

const NO_PARSER: &str = "install apparmor_parser (Debian: `apt install apparmor`)";

/// What a container asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked<'a> {
    /// Nothing: the engine's own.
    Default,
    Unconfined,
    Profile(&'a str),
}

/// What the machine has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Machine {
    /// Whether AppArmor is in force in this kernel, and shows itself.
    enabled: bool,
    /// Whether the profile that is wanted is loaded; unknown to whoever may not look.
    loaded: Option<bool>,
    /// Whether what is loaded under the engine's name is this version's text.
    current: bool,
    parser: Option<PathBuf>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Decision {
    /// Nothing is said to the kernel.
    Nothing,
    Profile(String),
    /// The engine's own profile, loaded first; without it the container runs with a warning, unless it was asked for
    /// by name.
    Load {
        parser: PathBuf,
        asked: bool,
    },
    /// It runs without a profile, and says so.
    Without {
        reason: String,
    },
}

/// Returns the profile of a container's processes, loaded.
pub(crate) fn prepare(
    engine: &Engine,
    security: &Security,
    warnings: &mut Vec<String>,
) -> Result<Option<String>> {
    let asked = asked(security);
    if asked == Asked::Default && !is_enabled() {
        return Ok(None);
    }
    let text = profile::text(own_label().as_deref(), sys::fs::exists("/etc/apparmor.d/abi/3.0"));
    let machine = machine(engine, asked, &text);
    match decide(asked, &machine)? {
        Decision::Nothing => Ok(None),
        Decision::Profile(name) => Ok(Some(name)),
        Decision::Load { parser, asked } => match load(engine, &parser, &text) {
            Ok(()) => Ok(Some(DEFAULT.to_owned())),
            Err(error) if asked => Err(error),
            Err(error) => {
                warnings.push(without(&error.to_string()));
                Ok(None)
            }
        },
        Decision::Without { reason } => {
            warnings.push(without(&reason));
            Ok(None)
        }
    }
}

/// Refuses a profile that this machine cannot apply to anything.
pub(crate) fn check(security: &Security) -> Result<()> {
    match asked(security) {
        Asked::Profile(_) if !is_enabled() => decide(asked(security), &Machine::default()).map(drop),
        _ => Ok(()),
    }
}

/// Returns what `inspect` shows: nothing where the kernel has no AppArmor.
pub(crate) fn shown(security: &Security) -> &str {
    match asked(security) {
        _ if !is_enabled() => "",
        Asked::Default => DEFAULT,
        Asked::Unconfined => UNCONFINED,
        Asked::Profile(name) => name,
    }
}

/// What a container is told whose profile is not there.
fn without(reason: &str) -> String {
    format!("the AppArmor profile `{DEFAULT}` is not in force: {reason}")
}

/// Docker's order: what was asked for, else none for the privileged, else the default.
fn asked(security: &Security) -> Asked<'_> {
    match security.apparmor.as_deref() {
        Some(UNCONFINED) => Asked::Unconfined,
        Some(name) => Asked::Profile(name),
        None if security.privileged => Asked::Unconfined,
        None => Asked::Default,
    }
}

fn decide(asked: Asked<'_>, machine: &Machine) -> Result<Decision> {
    let (own, by_name) = match asked {
        Asked::Unconfined if machine.enabled => return Ok(Decision::Profile(UNCONFINED.to_owned())),
        Asked::Unconfined => return Ok(Decision::Nothing),
        Asked::Profile(name) => (name == DEFAULT, Some(name)),
        Asked::Default => (true, None),
    };
    if !machine.enabled {
        return match by_name {
            Some(name) => Err(Error::unsupported(format!(
                "cannot apply AppArmor profile `{name}`: AppArmor is not in force on this machine"
            ))
            .hint("boot with `apparmor=1`, leave the option out, or say apparmor=unconfined")),
            None => Ok(Decision::Nothing),
        };
    }
    if let (Some(name), false) = (by_name, own) {
        return match machine.loaded {
            Some(false) => Err(Error::not_found(format!("AppArmor profile `{name}` is not loaded"))
                .hint("load its file with `apparmor_parser -r FILE`; `aa-status` lists those that are")),
            // The kernel says it at the latest.
            Some(true) | None => Ok(Decision::Profile(name.to_owned())),
        };
    }
    match (machine.loaded == Some(true), machine.current, &machine.parser) {
        (true, true, _) | (true, false, None) => Ok(Decision::Profile(DEFAULT.to_owned())),
        (_, _, Some(parser)) => Ok(Decision::Load { parser: parser.clone(), asked: by_name.is_some() }),
        (false, _, None) if by_name.is_some() => {
            Err(Error::not_found(format!("AppArmor profile `{DEFAULT}` is not loaded")).hint(NO_PARSER))
        }
        (false, _, None) => Ok(Decision::Without {
            reason: format!("there is no apparmor_parser to load it with; {NO_PARSER}"),
        }),
    }
}

/// Whether AppArmor decides anything here, and where this process can see it.
pub(crate) fn is_enabled() -> bool {
    sys::fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with('Y'))
        && sys::fs::exists(SECURITY)
}

/// Tells what is in the way of the engine's own profile, and what to do about it; for `doctor`.
pub(crate) fn examine() -> Result<&'static str, (&'static str, String)> {
    if !is_enabled() {
        return Ok("not in this kernel");
    }
    match parser() {
        Some(_) => Ok("available"),
        None => Err(("no apparmor_parser: containers run without a profile", NO_PARSER.to_owned())),
    }
}

fn machine(engine: &Engine, asked: Asked<'_>, text: &str) -> Machine {
    if !is_enabled() {
        return Machine::default();
    }
    let wanted = if let Asked::Profile(name) = asked { name } else { DEFAULT };
    let loaded = sys::fs::read_to_string(format!("{SECURITY}/profiles")).ok().map(|list| has(&list, wanted));
    let current = sys::fs::read_to_string(engine.run_root().join(LOADED)).is_ok_and(|loaded| loaded == text);
    Machine { enabled: true, loaded, current, parser: parser() }
}

fn parser() -> Option<PathBuf> {
    PARSERS.iter().find(|path| sys::fs::exists(path)).map(PathBuf::from)
}

/// Whether a list of `NAME (MODE)` has a profile. A name may hold blanks and brackets.
fn has(list: &str, wanted: &str) -> bool {
    list.lines().any(|line| line.rsplit_once(" (").is_some_and(|(name, _)| name == wanted))
}

/// Returns the profile that a process is under: `unconfined`, or its name without its mode.
pub(crate) fn of_process(pid: sys::process::Pid) -> Option<String> {
    let text = sys::fs::read_to_string(format!("/proc/{pid}/attr/apparmor/current")).ok()?;
    let text = text.trim_end_matches(['\n', '\0']);
    let name = text.rsplit_once(" (").map_or(text, |(name, _)| name);
    (!name.is_empty()).then(|| name.to_owned())
}

/// Returns the profile that this process is under itself, if any.
fn own_label() -> Option<String> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    of_process(own).filter(|name| name != UNCONFINED)
}

/// Has the kernel take the engine's own profile, and remembers the text for this boot.
fn load(engine: &Engine, parser: &Path, text: &str) -> Result<()> {
    let args = ["apparmor_parser", "--replace", "--skip-cache", "--quiet"].map(str::to_owned);
    let program = Program {
        path: parser,
        args: &args,
        env: &["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()],
        document: text.as_bytes(),
        timeout: Some(PATIENCE),
    };
    if let Some(why) = program::run(&program)?.failure() {
        return Err(Error::unsupported(format!("`{}` did not load it: {why}", parser.display())));
    }
    store::write_atomic(Dir::open(engine.run_root())?, LOADED, text.as_bytes(), Durability::Volatile)?;
    Ok(())
}

#[cfg(test)]
mod tests;
