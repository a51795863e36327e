//! Typed instructions. Variables are not yet in: words are as they were written.

mod copy;
mod duration;
mod flags;
mod health;
mod mount;
mod parse;
mod run;
mod size;
mod stage;

pub use copy::{Copy, CopyKind, CopySource};
pub use mount::{Mount, MountKind, Sharing};
pub(crate) use parse::{Parsed, parse_statement};
pub use run::{Run, RunNetwork};
pub use stage::From;

use oci::image::Healthcheck;

use crate::source::Span;
use crate::syntax::Word;

/// One instruction of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    pub keyword: Word,
    pub command: Command,
    /// From the keyword to the end of the last heredoc.
    pub span: Span,
    /// The logical line as it was written, heredocs apart.
    pub original: String,
    /// The comment lines right above.
    pub comments: Vec<String>,
}

/// What an instruction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Arg(Vec<Argument>),
    Cmd(CommandLine),
    /// COPY and ADD.
    Copy(Copy),
    Entrypoint(CommandLine),
    Env(Vec<Pair>),
    Expose(Vec<Word>),
    Healthcheck(Healthcheck),
    Label(Vec<Pair>),
    Maintainer(Word),
    Onbuild(Trigger),
    Run(Run),
    Shell(Vec<String>),
    Stopsignal(Word),
    User(Word),
    Volume(Vec<Word>),
    Workdir(Word),
}

/// `name=value`, or the old form `name value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub name: Word,
    pub value: Word,
    /// Whether it is of the old form.
    pub legacy: bool,
}

/// What ARG declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    pub name: Word,
    pub default: Option<Word>,
}

/// A command: a JSON list is the words themselves, anything else is a line for the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    Exec(Vec<String>),
    Shell(String),
}

/// An instruction for those who build on this image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// As the image's configuration keeps it.
    pub text: String,
}
