//! `cp`: files between a container and the host, or a pipe.

use std::path::{Path, PathBuf};

use engine::request::{CopyRequest, CopySide};

use super::Command;
use super::export::destination;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read};
use crate::parse::{Arguments, Words};

/// Arguments of `cp`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Archive mode (copy all uid/gid information)
    #[arg(short, long)]
    archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached
    #[arg(short, long)]
    quiet: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(2);

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let mut sides = words.iter().map(|word| side(word, caller));
        let mut next = || sides.next().unwrap_or_else(|| Err(Invalid::new("source can not be empty")));
        let (from, to) = (next()?, next()?);
        match (&from, &to) {
            (CopySide::Container { .. }, CopySide::Container { .. }) => {
                return Err(Invalid::new("copying between containers is not supported")
                    .hint("pipe it: coracle cp A:/path - | coracle cp - B:/"));
            }
            (CopySide::Container { .. }, CopySide::Pipe) => drop(destination(None, caller)?),
            (CopySide::Container { .. }, _) | (_, CopySide::Container { .. }) => {}
            _ => {
                return Err(Invalid::new("must specify at least one container source")
                    .hint("name a container and a path in it: CONTAINER:PATH"));
            }
        }
        let quiet = self.quiet || caller.console().is_none();
        Ok(Command::Copy(CopyRequest {
            from,
            to,
            archive: self.archive,
            follow_link: self.follow_link,
            quiet,
        }))
    }
}

/// Reads one end: `CONTAINER:PATH`, a path of the host, or `-`. What begins with `/` or `.` is of the host.
fn side(word: &str, caller: &dyn Caller) -> Read<CopySide> {
    if word.is_empty() {
        return Err(Invalid::new("a path can not be empty"));
    }
    if word == "-" {
        return Ok(CopySide::Pipe);
    }
    if !word.starts_with(['/', '.'])
        && let Some((name, path)) = word.split_once(':')
    {
        if path.is_empty() {
            return Err(Invalid::new(format!("`{word}` names no path"))
                .hint(format!("`{name}:/` is the root of the container")));
        }
        // Relative paths begin at the root, as with Docker.
        let path = PathBuf::from(if path.starts_with('/') { path.to_owned() } else { format!("/{path}") });
        return Ok(CopySide::Container { name: name.to_owned(), path });
    }
    if word.starts_with('/') {
        return Ok(CopySide::Host(PathBuf::from(word)));
    }
    let cwd =
        caller.cwd().map_err(|error| Invalid::new(format!("cannot find the working directory: {error}")))?;
    // Joined as text: a slash or dot at the end says something.
    Ok(CopySide::Host(PathBuf::from(format!("{}/{word}", Path::new(&cwd).display()))))
}
