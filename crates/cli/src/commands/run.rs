//! `run`: create a container, start it, stay with it.

use engine::request::{RunRequest, Streams};

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read, boolean};
use crate::options::{ContainerOptions, DetachOptions};
use crate::parse::{Arguments, Words};

/// Arguments of `run`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Run container in background and print container ID
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    detach_keys: DetachOptions,
    /// Proxy received signals to the process (default true)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = boolean::parse)]
    sig_proxy: Option<bool>,
    /// Suppress the pull output
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    container: ContainerOptions,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);
    const FLAGS_END_AT_FIRST_WORD: bool = true;

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let asked_attach = self.container.asks_attach();
        let mut container = self.container.request(words, caller)?;
        if self.detach {
            if asked_attach {
                return Err(Invalid::new("conflicting options: cannot specify both --attach and --detach"));
            }
            container.attach = Streams::NONE;
        } else if container.tty && container.attach.stdin && !caller.stdin_is_terminal() {
            return Err(
                Invalid::new("the input device is not a TTY").hint("leave out -t where input is piped")
            );
        }
        Ok(Command::Run(RunRequest {
            // A terminal delivers its signals itself.
            sig_proxy: self.sig_proxy.unwrap_or(true) && !container.tty,
            container,
            detach: self.detach,
            detach_keys: self.detach_keys.keys(),
            quiet: self.quiet,
        }))
    }
}
