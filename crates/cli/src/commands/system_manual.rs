//! `system manual`: the manual pages, written where man(1) finds them.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::Command;
use crate::caller::Caller;
use crate::error::Failure;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};
use crate::reference::manual;
use crate::text;

/// Arguments of `system manual`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let directory = words.into_iter().next().unwrap_or_default();
        Ok(Command::Manual(PathBuf::from(directory)))
    }
}

/// Writes the pages of section 1 below a directory as those of `MANPATH`; returns where they are.
pub(crate) fn write(directory: &Path) -> Result<PathBuf, Failure> {
    let section = directory.join("man1");
    // For everybody to read, other than what the engine keeps.
    DirBuilder::new().recursive(true).mode(0o755).create(&section).map_err(|e| cannot_write(&section, &e))?;
    for page in manual() {
        let path = section.join(&page.file);
        File::create(&path)
            .and_then(|mut file| file.write_all(page.text.as_bytes()))
            .map_err(|error| cannot_write(&path, &error))?;
    }
    Ok(section)
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(1, format!("cannot write `{}`: {}", path.display(), text::io_error(error)))
        .hint("name a directory for manual pages, as /usr/local/share/man")
}

#[cfg(test)]
#[test]
fn pages_are_written_where_man_looks_for_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let section = write(&directory.path().join("a/b")).expect("pages are written");
    let page = sys::fs::read_to_string(section.join("coracle-network-create.1")).expect("one is there");
    assert!(page.contains(".TH"), "{page}");
    let failure = write(&section.join("coracle.1")).unwrap_err().to_string();
    assert!(failure.contains("coracle.1/man1`: not a directory"), "{failure}");
}
