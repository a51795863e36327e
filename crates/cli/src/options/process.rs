//! What runs in the container, and how it is connected to the caller.

use std::path::PathBuf;

use engine::request::{
    ContainerRequest, DetachKeys, Entrypoint, EnvVar, RestartPolicy, Signal, Streams, Timeout,
};

use super::identity::read;
use crate::caller::Caller;
use crate::grammar::stream::{self, Stream};
use crate::grammar::{Invalid, Read, detach_keys, duration, env, host, path, restart};

/// Options about the container's first process.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Process {
    #[command(flatten)]
    env: EnvOptions,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long)]
    entrypoint: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_parser = path::parse_workdir)]
    workdir: Option<PathBuf>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long)]
    user: Option<String>,
    /// Add additional groups to join
    #[arg(long, value_name = "GROUP")]
    group_add: Vec<String>,
    /// Container host name
    #[arg(short = 'h', long, value_parser = host::parse_hostname)]
    hostname: Option<String>,
    /// Container NIS domain name
    #[arg(long, value_parser = host::parse_hostname)]
    domainname: Option<String>,
    /// Run an init inside the container that forwards signals and reaps processes
    #[arg(long)]
    init: bool,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    interactive: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    tty: bool,
    /// Attach to STDIN, STDOUT or STDERR
    #[arg(short, long, value_name = "STREAM", value_parser = stream::parse)]
    attach: Vec<Stream>,
    /// Restart policy to apply when a container exits: no, on-failure or on-failure:TRIES, always, unless-stopped
    #[arg(long, value_name = "POLICY", value_parser = restart::parse)]
    restart: Option<RestartPolicy>,
    /// Signal to stop the container
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<Signal>,
    /// Timeout (in seconds) to stop a container
    #[arg(long, value_name = "SECONDS", value_parser = duration::parse_stop_timeout)]
    stop_timeout: Option<Timeout>,
}

impl Process {
    pub(super) fn asks_attach(&self) -> bool {
        !self.attach.is_empty()
    }

    pub(super) fn fill(self, caller: &dyn Caller, request: &mut ContainerRequest) -> Read<()> {
        request.env = self.env.read(caller)?;
        request.entrypoint = match self.entrypoint {
            None => Entrypoint::Image,
            Some(program) if program.is_empty() => Entrypoint::Cleared,
            Some(program) => Entrypoint::Program(program),
        };
        request.workdir = self.workdir;
        request.user = self.user.filter(|user| !user.is_empty());
        request.groups = self.group_add;
        request.hostname = self.hostname.filter(|name| !name.is_empty());
        request.domainname = self.domainname.filter(|name| !name.is_empty());
        request.init = self.init;
        request.interactive = self.interactive;
        request.tty = self.tty;
        request.attach = attach(&self.attach, self.interactive);
        request.console_size = if self.tty { caller.console() } else { None };
        request.restart = self.restart.unwrap_or_default();
        request.stop_signal = self.stop_signal;
        request.stop_timeout = self.stop_timeout;
        Ok(())
    }
}

/// Without `--attach` the output is attached, and the input where it is kept open.
fn attach(asked: &[Stream], interactive: bool) -> Streams {
    if asked.is_empty() {
        return Streams { stdin: interactive, ..Streams::OUTPUT };
    }
    Streams {
        stdin: asked.contains(&Stream::Stdin),
        stdout: asked.contains(&Stream::Stdout),
        stderr: asked.contains(&Stream::Stderr),
    }
}

/// `--env` and `--env-file`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct EnvOptions {
    /// Set environment variables
    #[arg(short, long, value_name = "NAME[=VALUE]", value_parser = env::check)]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
}

impl EnvOptions {
    /// Returns the variables of the files, then the single ones, which win.
    pub(crate) fn read(self, caller: &dyn Caller) -> Read<Vec<EnvVar>> {
        let lookup = |name: &str| caller.var(name);
        let mut all = Vec::new();
        for file in &self.env_file {
            let variables = env::parse_file(&read(caller, file)?, &lookup);
            all.extend(variables.map_err(|error| Invalid::new(format!("{}: {error}", file.display())))?);
        }
        all.extend(self.env.iter().map(|text| env::resolve(text, &lookup)));
        Ok(all)
    }
}

/// `--detach-keys`
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DetachOptions {
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "KEYS", value_parser = parse_detach_keys)]
    detach_keys: Option<Keys>,
}

impl DetachOptions {
    /// Returns the keys, where some were given.
    pub(crate) fn keys(self) -> Option<DetachKeys> {
        self.detach_keys.and_then(|keys| keys.0)
    }
}

/// Perhaps no keys: an empty text asks for the default.
#[derive(Debug, Clone)]
struct Keys(Option<DetachKeys>);

fn parse_detach_keys(text: &str) -> Read<Keys> {
    detach_keys::parse(text).map(Keys)
}
