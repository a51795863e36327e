//! RUN: a container of the image so far, of which everything but its files is thrown away.

use std::io::Read;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use ::build::instruction::RunNetwork;
use ::build::plan::RunStep;
use oci::digest::ImageId;
use oci::image::Config;
use supervisor::Attachment;

use super::mounts::Mounts;
use super::progress::{BuildEvent, Progress};
use super::solve::{Solver, State};
use super::stop::given_up;
use crate::container::{
    Attached, ContainerRecord, Outcome, STUBS, StartOptions, Terminal, create_from, launch, to_be_started,
};
use crate::error::{Error, Result};
use crate::request::{
    BuildNetwork, ContainerRequest, Entrypoint, LogDriver, Namespaces, NetworkMode, RemoveRequest,
};
use crate::timing::Timing;

/// As long a line as is told at once.
const LINE_BYTES_MAX: usize = 8 << 10;
/// Every step has the same name for itself, so that none gets into files by chance.
const HOSTNAME: &str = "buildkitsandbox";

impl Solver<'_> {
    pub(super) fn run(&self, state: &State, step: &RunStep, number: usize) -> Result<ImageId> {
        let mounts = self.mounts(step)?;
        let mut image = crate::image::for_run(self.engine, &state.image.to_string())?;
        image.config = config(step);
        let request = self.container(state, step, &mounts);
        let record = create_from(self.engine, &request, &image)?;
        // Its lease keeps images from being removed: the container's own snapshot does so from here on.
        drop(image);
        let stubs = mounts.stubs();
        let all: Vec<&str> = STUBS.iter().copied().chain(stubs.iter().map(String::as_str)).collect();
        let outcome =
            self.in_container(&with_secrets(&record, &mounts), number).and_then(|code| match code {
                0 => self.capture(&record.id, state.image, &all),
                code => Err(Error::new(
                    oci::class::Class::Invalid,
                    format!("the command returned a non-zero code: {code}"),
                )
                .exit_code(code)),
            });
        let removal = RemoveRequest { containers: vec![record.id.clone()], force: true, volumes: true };
        for (_, removed) in crate::container::remove(self.engine, &removal) {
            if let (Err(error), true) = (removed, outcome.is_ok()) {
                return Err(error);
            }
        }
        outcome
    }

    fn container(&self, state: &State, step: &RunStep, mounts: &Mounts) -> ContainerRequest {
        let network = match (step.network, self.request.network) {
            (RunNetwork::None, _) | (RunNetwork::Default, BuildNetwork::None) => NetworkMode::None,
            (RunNetwork::Host, _) | (RunNetwork::Default, BuildNetwork::Host) => NetworkMode::Host,
            (RunNetwork::Default, BuildNetwork::Default) => NetworkMode::Default,
        };
        ContainerRequest {
            image: state.image.to_string(),
            entrypoint: Entrypoint::Cleared,
            command: step.arguments.clone(),
            workdir: Some(PathBuf::from(&step.working_directory)),
            hostname: Some(HOSTNAME.to_owned()),
            step_of: Some(self.work.id().to_owned()),
            no_healthcheck: true,
            log: LogDriver::Off,
            mounts: mounts.requests.clone(),
            shm_bytes: self.request.shm_bytes,
            resources: self.request.resources.clone(),
            cgroup_parent: self.request.cgroup_parent.clone(),
            namespaces: Namespaces { network, ..Namespaces::default() },
            hosts: self.request.hosts.clone(),
            ..ContainerRequest::default()
        }
    }

    /// Runs the container to its end; returns its exit code.
    fn in_container(&self, record: &ContainerRecord, number: usize) -> Result<u8> {
        let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (from, to) = pipe.map_err(|errno| sys::Error::new("cannot make a pipe", errno))?;
        let null = sys::Dir::open("/dev")?.open_file("null", rustix::fs::OFlags::RDONLY, 0)?;
        let attach = Attachment { stdin: false, stdout: true, stderr: true };
        let options = StartOptions { attach, terminal_size: None, stdin_once: false };
        let Some((_, lock)) = to_be_started(self.engine, record)? else {
            return Err(Error::conflict("the container of the step was started by somebody else"));
        };
        std::thread::scope(|threads| {
            let reader = threads.spawn(move || tell_lines(std::fs::File::from(from), self.progress, number));
            let client = launch(self.engine, record, &options, lock, &mut Timing::new(false));
            let told = AtomicBool::new(false);
            let warn = |text: &str| self.progress.tell(BuildEvent::Note(text));
            let terminal = Terminal {
                stdin: null.as_fd(),
                stdout: to.as_fd(),
                stderr: to.as_fd(),
                size: None,
                signals: Some(self.stop.fd()),
                take_signals: Box::new(|| self.ended_early(&told)),
                warn: &warn,
            };
            let outcome = client.and_then(|client| {
                let mut attached = Attached::new(self.engine, client, record, attach, &[]);
                let started = attached.until_started(&terminal);
                started.map_err(|error| {
                    crate::container::clear_failed_start(self.engine, record);
                    crate::system::explain(self.engine, error)
                })?;
                attached.stay(&terminal, true)
            });
            drop(terminal);
            drop(to);
            let _ = reader.join();
            if told.load(Ordering::SeqCst) {
                return Err(given_up());
            }
            match outcome? {
                Outcome::Ended(code) => Ok(code),
                Outcome::Detached => Err(Error::conflict("the step was left alone")),
            }
        })
    }

    /// A build that is given up kills its steps: their first process might not listen to anything else.
    fn ended_early(&self, told: &AtomicBool) -> Vec<i32> {
        if !self.stop.flag().is_set() || told.swap(true, Ordering::SeqCst) {
            return Vec::new();
        }
        vec![libc::SIGKILL]
    }
}

/// How a step runs, in place of how the image would.
fn config(step: &RunStep) -> Config {
    let mut env = step.environment.clone();
    env.extend(step.proxies.iter().cloned());
    Config { env, user: step.user.clone(), working_dir: step.working_directory.clone(), ..Config::default() }
}

/// The record as the container is started from: secrets go to its process by memory alone and are not in the record
/// that was written.
fn with_secrets(record: &ContainerRecord, mounts: &Mounts) -> ContainerRecord {
    let mut record = record.clone();
    for (name, value) in &mounts.variables {
        let prefix = format!("{name}=");
        record.env.retain(|entry| !entry.starts_with(&prefix));
        record.env.push(format!("{prefix}{value}"));
    }
    record
}

/// Tells each line as it comes.
fn tell_lines(mut source: std::fs::File, progress: &dyn Progress, number: usize) {
    let mut pending = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = source.read(&mut buffer) {
        pending.extend_from_slice(&buffer[..length]);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            progress.tell(BuildEvent::Output { number, line: line.strip_suffix(b"\r").unwrap_or(line) });
        }
        if pending.len() > LINE_BYTES_MAX {
            progress.tell(BuildEvent::Output { number, line: &pending });
            pending.clear();
        }
    }
    if !pending.is_empty() {
        progress.tell(BuildEvent::Output { number, line: &pending });
    }
}
