//! `pull`, `push`, `login`, `logout`, `manifest inspect`, and what `run` shows when it pulls.

use std::cell::Cell;
use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use engine::Engine;
use engine::image::{self, Supply};
use engine::registry::{self, RegistryAccess, RegistryProxies};
use engine::request::{LoginRequest, PullRequest, PushRequest};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::{failure, show, warn};
use crate::commands::RegistryCommand;
use crate::commands::registry::LoginWords;
use crate::configuration::Configuration;
use crate::error::Failure;
use crate::global::Global;
use crate::output;
use crate::print::{self, Look, Progress, Way};

pub(super) fn execute(engine: &Engine, global: &Global, command: RegistryCommand) -> Result<u8, Failure> {
    let access = access(global)?;
    match command {
        RegistryCommand::Pull { request, quiet } => pull(engine, &access, &request, quiet),
        RegistryCommand::Push { request, quiet } => push(engine, &access, &request, quiet),
        RegistryCommand::Login(words) => login(&access, words),
        RegistryCommand::Logout { registry } => logout(&access, &registry),
        RegistryCommand::Manifest(request) => {
            let bytes = registry::manifest(&access, &request).map_err(|error| failure(&error, 1))?;
            show(&print::document(&bytes))
        }
    }
}

/// What of the surroundings concerns registries.
fn access(global: &Global) -> Result<RegistryAccess, Failure> {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let either = |lower: &str| var(lower).or_else(|| var(&lower.to_ascii_uppercase()));
    let home = || var("HOME").map(|home| PathBuf::from(home).join(".docker"));
    Ok(RegistryAccess {
        words: Configuration::load(global.config_file.as_deref())?.registries(),
        credentials: global.client_dir.clone().or_else(home).map(|dir| dir.join("config.json")),
        proxies: RegistryProxies {
            http: either("http_proxy"),
            https: either("https_proxy"),
            direct: either("no_proxy"),
        },
    })
}

/// Runs a verb that may have to fetch an image first; how far that is goes to standard error.
pub(super) fn with_supply<T>(
    engine: &Engine,
    global: &Global,
    quiet: bool,
    act: impl FnOnce(&Supply<'_>) -> T,
) -> T {
    let say = |text: &str| output::stderr(text);
    let pull = |request: &PullRequest| {
        let look = if quiet { Look::Silent } else { look(std::io::stderr()) };
        // Whoever interrupts it means the pull: there is no container yet that signals could go to.
        let access = access(global).map_err(invalid)?;
        sys::signals::let_through(|| show_pull(engine, &access, request, look, &say)).map(drop)
    };
    act(&Supply { pull: &pull, tell: &|line| output::stderr(&format!("{line}\n")) })
}

fn invalid(failure: Failure) -> engine::Error {
    let error = engine::Error::invalid(failure.text);
    match failure.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Pulls, and shows how far it is; returns the name in full.
fn show_pull(
    engine: &Engine,
    access: &RegistryAccess,
    request: &PullRequest,
    look: Look,
    say: &(dyn Fn(&str) + Sync),
) -> engine::Result<String> {
    let loud = |text: &str| {
        if look != Look::Silent {
            say(text)
        }
    };
    let progress = Progress::new(look, Way::Here, say);
    let begun = |tag: &str, name: &str| loud(&format!("{tag}: Pulling from {name}\n"));
    let mut last = String::new();
    let pulled = image::pull(engine, access, request, &progress, &begun, &mut |outcome| {
        progress.finish();
        let status = if outcome.is_up_to_date { "Image is up to date" } else { "Downloaded newer image" };
        loud(&format!("Digest: {}\nStatus: {status} for {}\n", outcome.digest, outcome.name));
        last.clone_from(&outcome.full_name);
    });
    progress.finish();
    pulled.map(|()| last)
}

fn look(stream: impl IsTerminal + std::os::fd::AsFd) -> Look {
    match sys::terminal::window_size(&stream) {
        Some((rows, columns)) if stream.is_terminal() => {
            Look::Bars { rows: usize::from(rows), columns: usize::from(columns) }
        }
        _ if stream.is_terminal() => Look::Bars { rows: 24, columns: 80 },
        _ => Look::Lines,
    }
}

fn say(text: &str) {
    // A reader that went away stops no pull.
    let _ = output::stdout(text);
}

fn pull(engine: &Engine, access: &RegistryAccess, request: &PullRequest, quiet: bool) -> Result<u8, Failure> {
    let name = request.reference.rsplit('/').next().unwrap_or_default();
    if !quiet && !request.all_tags && !name.contains([':', '@']) {
        say("Using default tag: latest\n");
    }
    let look = if quiet { Look::Silent } else { look(std::io::stdout()) };
    let last = show_pull(engine, access, request, look, &say).map_err(|error| failure(&error, 1))?;
    show(&format!("{last}\n"))
}

fn push(engine: &Engine, access: &RegistryAccess, request: &PushRequest, quiet: bool) -> Result<u8, Failure> {
    let progress =
        Progress::new(if quiet { Look::Silent } else { look(std::io::stdout()) }, Way::There, &say);
    let last = Cell::new(String::new());
    let begun = |name: &str| {
        if !quiet {
            say(&format!("The push refers to repository [{name}]\n"));
        }
        last.set(format!("{name}\n"));
    };
    let pushed = image::push(engine, access, request, &progress, &begun, &mut |outcome| {
        progress.finish();
        if outcome.without_index {
            warn(
                "not all that the index of this image names is here: the registry got the manifest of one platform",
            );
        }
        if !quiet {
            say(&format!("{}: digest: {} size: {}\n", outcome.tag, outcome.digest, outcome.size));
        }
    });
    progress.finish();
    pushed.map_err(|error| failure(&error, 1))?;
    if quiet { show(&last.take()) } else { Ok(0) }
}

fn login(access: &RegistryAccess, words: LoginWords) -> Result<u8, Failure> {
    if words.password.is_some() {
        warn("using --password via the CLI is insecure: use --password-stdin");
    }
    let user = match words.user {
        Some(user) => user,
        None => ask("Username: ")?,
    };
    let password = match (words.password, words.password_stdin) {
        (Some(password), _) => password,
        (None, true) => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Failure::new(1, format!("cannot read the password: {error}")))?;
            text.trim_end_matches(['\n', '\r']).to_owned()
        }
        (None, false) => ask_hidden("Password: ")?,
    };
    if user.is_empty() || password.is_empty() {
        return Err(Failure::new(1, "username and password must not be empty"));
    }
    let request = LoginRequest { registry: words.registry, user, password };
    let logged_in = registry::login(access, &request).map_err(|error| failure(&error, 1))?;
    if let Some(path) = logged_in.plainly_in {
        let path = path.display();
        warn(&format!(
            "your credentials are stored unencrypted in '{path}'; a credential helper would keep them better"
        ));
    }
    if logged_in.is_open {
        warn("the registry asks nobody who he is: the password was not checked");
    }
    show("Login Succeeded\n")
}

fn logout(access: &RegistryAccess, registry: &str) -> Result<u8, Failure> {
    let known = registry::logout(access, registry).map_err(|error| failure(&error, 1))?;
    show(&match known {
        true => format!("Removing login credentials for {registry}\n"),
        false => format!("Not logged in to {registry}\n"),
    })
}

fn ask(prompt: &str) -> Result<String, Failure> {
    output::stderr(prompt);
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.map_err(|error| Failure::new(1, format!("cannot read from the terminal: {error}")))?;
    Ok(answer.trim().to_owned())
}

/// Asks without showing what is typed.
fn ask_hidden(prompt: &str) -> Result<String, Failure> {
    let stdin = rustix::stdio::stdin();
    let before = tcgetattr(stdin).ok();
    if let Some(before) = &before {
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        let _ = tcsetattr(stdin, OptionalActions::Flush, &hidden);
    }
    let answer = ask(prompt);
    if let Some(before) = &before {
        let _ = tcsetattr(stdin, OptionalActions::Flush, before);
        output::stderr("\n");
    }
    answer
}
