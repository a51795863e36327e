//! `login`: prove who you are to a registry, and have it remembered.

use std::fmt;

use super::{RegistryCommand, domain};
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::{Invalid, Read};
use crate::parse::{Arguments, Words};

/// Arguments of `login`.
#[derive(Clone, clap::Args)]
pub(crate) struct Args {
    /// Username
    #[arg(short, long)]
    username: Option<String>,
    /// Password
    #[arg(short, long)]
    password: Option<String>,
    /// Take the password from stdin
    #[arg(long)]
    password_stdin: bool,
}

/// What was typed; what is missing is asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginWords {
    pub registry: String,
    pub user: Option<String>,
    pub password: Option<String>,
    pub password_stdin: bool,
}

impl fmt::Debug for LoginWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginWords({} as {:?})", self.registry, self.user)
    }
}

impl Arguments for Args {
    const WORDS: Words = Words::AtMost(1);

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let user = self.username.filter(|user| !user.is_empty());
        if self.password_stdin {
            if self.password.is_some() {
                return Err(Invalid::new("--password and --password-stdin are mutually exclusive"));
            }
            if user.is_none() {
                return Err(Invalid::new("Must provide --username with --password-stdin"));
            }
        } else if (user.is_none() || self.password.is_none()) && !caller.stdin_is_terminal() {
            return Err(Invalid::new("Cannot perform an interactive login from a non TTY device")
                .hint("give --username, and the password with --password-stdin"));
        }
        Ok(Command::Registry(RegistryCommand::Login(LoginWords {
            registry: domain(words.into_iter().next()),
            user,
            password: self.password,
            password_stdin: self.password_stdin,
        })))
    }
}
