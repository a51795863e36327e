//! A file that a verb writes for its caller: it appears when it is complete, and not before.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file on its way to a name.
#[derive(Debug)]
pub(crate) struct Output {
    file: File,
    path: PathBuf,
    /// Where it is until it is complete; none where the name is no plain file, such as `/dev/null`.
    temporary: Option<PathBuf>,
}

impl Output {
    /// Begins a file that will be at a path of the host, in place of what is there.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let existing = path.metadata();
        let is_special = existing.is_ok_and(|found| !found.is_file());
        let failed = |error| failure(path, error);
        if is_special {
            let file = File::options().write(true).open(path).map_err(failed)?;
            return Ok(Self { file, path: path.to_owned(), temporary: None });
        }
        let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::IsADirectory.into()))?;
        // A link stays, and what it leads to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut hidden = OsString::from(".");
        hidden.push(path.file_name().unwrap_or(name));
        hidden.push(format!(".{}", std::process::id()));
        let temporary = path.with_file_name(hidden);
        let file =
            File::options().write(true).create(true).truncate(true).open(&temporary).map_err(failed)?;
        Ok(Self { file, path, temporary: Some(temporary) })
    }

    /// Gives the file its name.
    pub(crate) fn commit(mut self) -> Result<()> {
        self.file.flush().map_err(|error| failure(&self.path, error))?;
        match self.temporary.take() {
            Some(temporary) => std::fs::rename(&temporary, &self.path).map_err(|error| {
                let _ = std::fs::remove_file(&temporary);
                failure(&self.path, error)
            }),
            None => Ok(()),
        }
    }
}

fn failure(path: &Path, error: io::Error) -> Error {
    let text = format!("cannot write `{}`", path.display());
    Error::new(oci::class::Class::of_os_error(&error), text).caused_by(error)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let _ = std::fs::remove_file(temporary);
        }
    }
}
