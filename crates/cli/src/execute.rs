//! Carries commands out: calls the engine and prints its answers.

mod build;
mod layers;
mod networks;
mod registries;
mod session;
mod stats;
mod volumes;

use std::io::Write;
use std::ops::ControlFlow;

use engine::container::{self, ExecOutcome, Outcome};
use engine::request::view::Verdict;
use engine::request::{InspectKind, InspectRequest};
use engine::timing::Timing;
use engine::{Engine, EngineConfig, image, system};

use crate::commands::{self, Command};
use crate::configuration::Configuration;
use crate::error::Failure;
use crate::global::Global;
use crate::print::{self, Clock};
use crate::{Parsed, options, output};
pub(crate) use session::{Heard, Session};

/// Where the engine keeps its things unless told otherwise.
const ROOT: &str = "/var/lib/coracle";
const RUN_ROOT: &str = "/run/coracle";

/// Carries a command out and returns the exit code.
pub fn execute(parsed: Parsed) -> Result<u8, Failure> {
    if let Command::Version(format) = &parsed.command {
        return show_formatted(print::version(&system::version(), format));
    }
    if let Command::Completion(shell) = &parsed.command {
        return show(&commands::completion::script(*shell));
    }
    if let Command::Manual(directory) = &parsed.command {
        let section = commands::system_manual::write(directory)?;
        return show(&format!("{}\n", section.display()));
    }
    if let Command::Doctor(_, format) = &parsed.command {
        let rows = system::doctor(&config(&parsed.global)?);
        show_formatted(print::doctor(&rows, format))?;
        return Ok(u8::from(rows.iter().any(|row| row.verdict == Verdict::Broken)));
    }
    let engine = Engine::open(config(&parsed.global)?).map_err(|error| failure(&error, 125))?;
    match parsed.command {
        Command::Run(request) => run(&engine, &parsed.global, &request),
        Command::Registry(command) => registries::execute(&engine, &parsed.global, command),
        Command::Create { request, quiet } => {
            options::warning(&request).into_iter().for_each(warn);
            let created = registries::with_supply(&engine, &parsed.global, quiet, |supply| {
                container::create(&engine, &request, supply)
            });
            let created = created.map_err(|e| failure(&e, 125))?;
            created.warnings.iter().for_each(|warning| warn(warning));
            show(&format!("{}\n", created.id))
        }
        Command::Build(request, view) => build::build(&engine, &parsed.global, &request, view),
        Command::BuildCache(command) => build::cache(&engine, command, &clock()),
        Command::BuildHistory(command) => build::history(&engine, command, &clock()),
        Command::Commit(request) => layers::commit(&engine, &request),
        Command::Copy(request) => layers::cp(&engine, &request),
        Command::Diff(request) => layers::diff(&engine, &request),
        Command::Fork(request) => layers::fork(&engine, &request),
        Command::Export(request) => layers::export(&engine, &request),
        Command::Save(request) => layers::save(&engine, &request),
        Command::Start(request) => start(&engine, &request),
        Command::Stop(request) => each(container::stop_telling(&engine, &request, &warn)),
        Command::Kill(request) => each(container::kill(&engine, &request)),
        Command::Pause(request) => each(container::pause(&engine, &request)),
        Command::Unpause(request) => each(container::unpause(&engine, &request)),
        Command::Rename(request) => {
            container::rename(&engine, &request).map_err(|e| failure(&e, 1))?;
            Ok(0)
        }
        Command::Top(request) => {
            let table = container::top(&engine, &request).map_err(|e| failure(&e, 1))?;
            show(&print::processes(&table, &clock()))
        }
        Command::Restart(request) => {
            let session = Session::new(Heard::Nothing).map_err(|error| Failure::from_error(&error, 1))?;
            each(container::restart(&engine, &request, &session.terminal()))
        }
        Command::Attach(request) => attach(&engine, &request),
        Command::PruneContainers { request, ask } => prune(&engine, &request, ask),
        Command::Update(request) => each(container::update(&engine, &request)),
        Command::Stats { request, view, stream } => stats::execute(&engine, &request, &view, stream),
        Command::Remove(request) => each(container::remove(&engine, &request)),
        Command::Wait(request) => each(container::wait(&engine, &request)),
        Command::Events(request, format) => events(&engine, &request, &format),
        Command::Exec(request) => exec(&engine, &request),
        Command::Logs(request) => logs(&engine, &request),
        Command::Ps(request, view) => {
            if view.quiet && !matches!(view.format, crate::Format::Text | crate::Format::Raw) {
                warn("--format is ignored, as --quiet is set");
            }
            let rows = container::list(&engine, &request).map_err(|e| failure(&e, 1))?;
            show_formatted(print::ps(&rows, &view, &clock()))
        }
        Command::Inspect(request, format) => inspect(&engine, &request, &format),
        Command::Network(command) => networks::execute(&engine, command),
        Command::Port { request, why } => networks::port(&engine, &request, why),
        Command::Volume(command) => volumes::execute(&engine, command),
        other => images_and_system(&engine, other),
    }
}

fn images_and_system(engine: &Engine, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Import(request) => {
            let id = image::import(engine, &request, std::io::stdin()).map_err(|e| failure(&e, 1))?;
            show(&format!("{id}\n"))
        }
        Command::Load(request) => {
            let lines = image::load(engine, &request, std::io::stdin()).map_err(|e| failure(&e, 1))?;
            show(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())
        }
        Command::Tag(request) => {
            image::tag(engine, &request).map_err(|e| failure(&e, 1))?;
            Ok(0)
        }
        Command::Images(request, view) => {
            let rows = image::list(engine, &request).map_err(|e| failure(&e, 1))?;
            show_formatted(print::images(&rows, &view, &clock()))
        }
        Command::History(request, view) => {
            let rows = image::history(engine, &request).map_err(|e| failure(&e, 1))?;
            show_formatted(print::history(&rows, &view, &clock()))
        }
        Command::ImageInspect(request, format) => {
            let objects = request.images.iter().map(|word| (word.clone(), image::inspect(engine, word)));
            show_objects(objects.collect(), &format)
        }
        Command::RemoveImages(request) => remove_images(engine, &request),
        Command::Info(_, format) => {
            let view = system::info(engine).map_err(|e| failure(&e, 1))?;
            show_formatted(print::info(&view, &format))
        }
        Command::Image(command) => layers::image(engine, command),
        Command::Check(request) => {
            let check = system::check(engine, request).map_err(|e| failure(&e, 1))?;
            show(&print::check(&check))?;
            Ok(u8::from(check.damages.iter().any(|damage| damage.state != system::DamageState::Repaired)))
        }
        Command::Disk(view) => {
            let usage = system::df(engine).map_err(|e| failure(&e, 1))?;
            show_formatted(print::disk(&usage, &view, &clock()))
        }
        Command::PruneSystem { request, ask } => layers::prune(engine, &request, ask),
        Command::Boot => each(system::boot(engine, &warn).map_err(|e| failure(&e, 1))?),
        Command::Audit(request) => {
            let rows = system::audit(engine, request).map_err(|e| failure(&e, 1))?;
            show(&print::audit(&rows))?;
            Ok(u8::from(rows.iter().any(|row| !row.repaired)))
        }
        _ => Err(Failure::new(1, "this command is not connected")),
    }
}

fn config(global: &Global) -> Result<EngineConfig, Failure> {
    let root = global.root.clone().unwrap_or_else(|| ROOT.into());
    let run_root = global.run_root.clone().unwrap_or_else(|| RUN_ROOT.into());
    let configuration = Configuration::load(global.config_file.as_deref())?;
    Ok(EngineConfig { root, run_root, firewall: configuration.firewall(), build: configuration.build() })
}

/// Turns an engine's error into what is printed; `code` is for those without one of their own.
fn failure(error: &engine::Error, code: u8) -> Failure {
    let failure = Failure::from_error(error, error.code().unwrap_or(code));
    match error.remedy() {
        Some(remedy) => failure.hint(remedy),
        None => failure,
    }
}

fn clock() -> Clock {
    Clock { now: jiff::Timestamp::now().as_second(), zone: jiff::tz::TimeZone::system() }
}

fn show(text: &str) -> Result<u8, Failure> {
    output::stdout(text)
        .map_err(|error| Failure::new(1, format!("cannot write to standard output: {error}")))?;
    Ok(0)
}

/// Prints what a template made, or why it could not.
fn show_formatted(text: crate::template::Result<String>) -> Result<u8, Failure> {
    show(&formatted(text)?)
}

/// Returns what a template made, or why it could not.
fn formatted(text: crate::template::Result<String>) -> Result<String, Failure> {
    text.map_err(|error| {
        let failure = Failure::new(1, error.to_string());
        match error.hint_text() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

/// Asks on the terminal whether to go on.
fn confirmed(warning: &str) -> bool {
    output::stderr(&format!("WARNING! {warning}\nAre you sure you want to continue? [y/N] "));
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y")
}

fn warn(text: &str) {
    output::stderr(&format!("warning: {text}\n"));
}

/// Prints what came out for each object; failures go to standard error and make the exit code 1.
fn each<T: Answer>(outcomes: Vec<(String, Result<T, engine::Error>)>) -> Result<u8, Failure> {
    let mut code = 0;
    for (word, outcome) in outcomes {
        match outcome {
            Ok(answer) => {
                if let Some(line) = answer.line(&word) {
                    show(&format!("{line}\n"))?;
                }
            }
            Err(error) => {
                output::stderr(&failure(&error, 1).render());
                code = 1;
            }
        }
    }
    Ok(code)
}

/// What is printed for one object, if anything is.
trait Answer {
    fn line(&self, word: &str) -> Option<String>;
}

impl Answer for () {
    fn line(&self, word: &str) -> Option<String> {
        Some(word.to_owned())
    }
}

/// Warnings; the object is named beside them.
impl Answer for Vec<String> {
    fn line(&self, word: &str) -> Option<String> {
        self.iter().for_each(|warning| warn(warning));
        Some(word.to_owned())
    }
}

impl Answer for u8 {
    fn line(&self, _: &str) -> Option<String> {
        Some(self.to_string())
    }
}

impl Answer for engine::Removed {
    fn line(&self, word: &str) -> Option<String> {
        match self {
            Self::Gone => Some(word.to_owned()),
            Self::Missing(error) => {
                output::stderr(&failure(error, 1).render());
                None
            }
        }
    }
}

fn run(engine: &Engine, global: &Global, request: &engine::request::RunRequest) -> Result<u8, Failure> {
    let mut timing = Timing::new(std::env::var_os("CORACLE_TIMING").is_some_and(|value| value == "1"));
    options::warning(&request.container).into_iter().for_each(warn);
    let session =
        Session::new(if request.detach { Heard::Nothing } else { Heard::staying(request.sig_proxy) })
            .map_err(|error| Failure::from_error(&error, 125))?;
    let done = registries::with_supply(engine, global, request.quiet, |supply| {
        container::run(engine, request, supply, &session.terminal(), &mut timing)
    });
    for (phase, microseconds) in timing.phases() {
        output::stderr(&format!("timing: {phase}: {microseconds} µs\n"));
    }
    let done = done.map_err(|error| failure(&error, 125))?;
    match done.outcome {
        Outcome::Ended(code) => Ok(code),
        Outcome::Detached if request.detach => show(&format!("{}\n", done.id)),
        Outcome::Detached => Ok(0),
    }
}

fn start(engine: &Engine, request: &engine::request::StartRequest) -> Result<u8, Failure> {
    let session =
        Session::new(if request.attach { Heard::staying(request.sig_proxy) } else { Heard::Nothing })
            .map_err(|error| Failure::from_error(&error, 1))?;
    let outcomes =
        container::start(engine, request, &session.terminal()).map_err(|error| failure(&error, 1))?;
    let mut code = 0;
    for (word, outcome) in outcomes {
        match outcome {
            Ok(Outcome::Ended(ended)) => code = ended,
            Ok(Outcome::Detached) if request.attach => {}
            Ok(Outcome::Detached) => {
                show(&format!("{word}\n"))?;
            }
            Err(error) => {
                let failure = failure(&error, 1);
                output::stderr(&failure.render());
                // As with Docker, only whoever attaches learns why by the code.
                code = if request.attach { failure.code.max(1) } else { 1 };
            }
        }
    }
    Ok(code)
}

fn attach(engine: &Engine, request: &engine::request::AttachRequest) -> Result<u8, Failure> {
    let session =
        Session::new(Heard::staying(request.sig_proxy)).map_err(|error| Failure::from_error(&error, 1))?;
    match container::attach(engine, request, &session.terminal()).map_err(|error| failure(&error, 1))? {
        Outcome::Ended(code) => Ok(code),
        Outcome::Detached => {
            output::stderr("read escape sequence\n");
            Ok(0)
        }
    }
}

fn prune(engine: &Engine, request: &engine::request::PruneRequest, ask: bool) -> Result<u8, Failure> {
    if ask && !confirmed("This will remove all stopped containers.") {
        return Err(Failure::new(1, "container prune has been cancelled"));
    }
    let pruned = container::prune(engine, request).map_err(|error| failure(&error, 1))?;
    show(&print::pruned_containers(&pruned))
}

fn exec(engine: &Engine, request: &engine::request::ExecRequest) -> Result<u8, Failure> {
    let session = Session::new(if request.tty { Heard::All } else { Heard::Nothing })
        .map_err(|error| Failure::from_error(&error, 125))?;
    match container::exec(engine, request, &session.terminal()).map_err(|error| failure(&error, 1))? {
        ExecOutcome::Ended(code) => Ok(code),
        ExecOutcome::Detached => Ok(0),
    }
}

fn events(
    engine: &Engine,
    request: &engine::request::EventsRequest,
    format: &crate::Format,
) -> Result<u8, Failure> {
    let clock = clock();
    let mut outcome = Ok(0);
    let told = engine::events(engine, request, |event| {
        outcome = show_formatted(print::event(event, format, &clock));
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    told.map_err(|error| failure(&error, 1))?;
    outcome
}

fn logs(engine: &Engine, request: &engine::request::LogsRequest) -> Result<u8, Failure> {
    let warnings = container::logs(engine, request, |line| {
        let mut bytes = Vec::with_capacity(line.text.len() + 32);
        if request.timestamps {
            bytes.extend_from_slice(line.time.as_bytes());
            bytes.push(b' ');
        }
        if request.details {
            // As with Docker, a space stands there without any too.
            let pairs: Vec<_> = line.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
            bytes.extend_from_slice(pairs.join(",").as_bytes());
            bytes.push(b' ');
        }
        bytes.extend_from_slice(&line.text);
        // A reader that has gone away ends us by SIGPIPE's error at the next line.
        let _ = match line.stream {
            container::Stream::Stdout => std::io::stdout().write_all(&bytes),
            container::Stream::Stderr => std::io::stderr().write_all(&bytes),
        };
        let _ = std::io::stdout().flush();
    })
    .map_err(|error| failure(&error, 1))?;
    warnings.iter().for_each(|text| warn(text));
    Ok(0)
}

fn inspect(engine: &Engine, request: &InspectRequest, format: &crate::Format) -> Result<u8, Failure> {
    let one = |word: &String| {
        let container = || container::inspect(engine, word, request.size);
        let outcome = match request.kind {
            InspectKind::Container => container(),
            InspectKind::Image => image::inspect(engine, word),
            InspectKind::Network => engine::network::inspect(engine, word),
            InspectKind::Volume => engine::volume::inspect(engine, word),
            InspectKind::Any => match container() {
                Err(error) if error.class() == engine::Class::NotFound => image::inspect(engine, word)
                    .or_else(|_| engine::network::inspect(engine, word))
                    .or_else(|_| engine::volume::inspect(engine, word))
                    .map_err(|_| engine::Error::not_found(format!("No such object: {word}"))),
                other => other,
            },
        };
        (word.clone(), outcome)
    };
    show_objects(request.objects.iter().map(one).collect(), format)
}

/// Prints the documents found, then tells what was not.
fn show_objects(
    outcomes: Vec<(String, Result<serde_json::Value, engine::Error>)>,
    format: &crate::Format,
) -> Result<u8, Failure> {
    let mut objects = Vec::new();
    let mut failures = Vec::new();
    for (_, outcome) in outcomes {
        match outcome {
            Ok(object) => objects.push(object),
            Err(error) => failures.push(failure(&error, 1)),
        }
    }
    show_formatted(print::inspect(&objects, format))?;
    failures.iter().for_each(|failure| output::stderr(&failure.render()));
    Ok(u8::from(!failures.is_empty()))
}

fn remove_images(engine: &Engine, request: &engine::request::RemoveImagesRequest) -> Result<u8, Failure> {
    let mut code = 0;
    for (_, outcome) in image::remove(engine, request) {
        match outcome {
            Ok(lines) => {
                show(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
            }
            Err(error) => {
                output::stderr(&failure(&error, 1).render());
                // As for containers: what is not there is told, and is what was wanted.
                code = if request.force && error.class() == engine::Class::NotFound { code } else { 1 };
            }
        }
    }
    Ok(code)
}
