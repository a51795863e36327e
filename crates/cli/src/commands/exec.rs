//! `exec`: one more process in a running container.

use std::path::PathBuf;

use engine::request::{ExecRequest, Streams};

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read, path};
use crate::options::{DetachOptions, EnvOptions};
use crate::parse::{Arguments, Words};

/// Arguments of `exec`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Detached mode: run command in the background
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    detach_keys: DetachOptions,
    #[command(flatten)]
    env: EnvOptions,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    interactive: bool,
    /// Give extended privileges to the command
    #[arg(long)]
    privileged: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    tty: bool,
    /// Username or UID (format: "<name|uid>[:<group|gid>]")
    #[arg(short, long)]
    user: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_parser = path::parse_workdir)]
    workdir: Option<PathBuf>,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(2);
    const FLAGS_END_AT_FIRST_WORD: bool = true;

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let mut words = words.into_iter();
        let container = words.next().unwrap_or_default();
        let attach = match self.detach {
            true => Streams::NONE,
            false => Streams { stdin: self.interactive, ..Streams::OUTPUT },
        };
        if self.tty && attach.stdin && !caller.stdin_is_terminal() {
            return Err(
                Invalid::new("the input device is not a TTY").hint("leave out -t where input is piped")
            );
        }
        Ok(Command::Exec(ExecRequest {
            container,
            command: words.collect(),
            env: self.env.read(caller)?,
            workdir: self.workdir,
            user: self.user.filter(|user| !user.is_empty()),
            tty: self.tty,
            attach,
            detach: self.detach,
            detach_keys: self.detach_keys.keys(),
            privileged: self.privileged,
            console_size: if self.tty { caller.console() } else { None },
        }))
    }
}
