//! Files from one place to another by way of an archive: container and host, container and pipe.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;

use sys::Dir;

use crate::Result;
use crate::ids::Ids;
use crate::layer::{Destination, Form, Packing, pack_source, pipe_source, unpack_stream};

/// What is to be read.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// A directory with all in it.
    Directory(&'a Dir),
    /// Something in a directory; a link itself.
    Entry(&'a Dir, &'a OsStr),
}

/// Where files come from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub what: What<'a>,
    /// What it is called where it arrives; `.` for what is in a directory, without that.
    pub called: &'a Path,
    /// How ids inside appear to this process.
    pub ids: &'a Ids,
}

impl Source<'_> {
    fn packing(&self) -> Packing<'_> {
        Packing { form: Form::Part, prefix: self.called, ids: self.ids, ..Packing::layer() }
    }
}

/// Copies; returns how many bytes of files there were. Reading and writing go on at the same time.
pub fn transfer(source: &Source<'_>, target: &Destination<'_>) -> Result<u64> {
    pipe_source(source.what, &source.packing(), target)
}

/// Writes files as an archive.
pub fn write_archive(source: &Source<'_>, sink: &mut dyn Write) -> Result<()> {
    pack_source(source.what, &source.packing(), sink)
}

/// Puts an archive, compressed or not, where it goes; returns how many bytes of files it held.
pub fn read_archive(archive: impl Read + Send, target: &Destination<'_>) -> Result<u64> {
    unpack_stream(archive, target)
}

/// Whether a file that begins as a compressed one does holds an archive.
pub fn holds_archive(file: impl Read + Send) -> Result<bool> {
    let (_, mut source) = crate::layer::decompress(file)?;
    let mut head = Vec::new();
    let read = source.by_ref().take(512).read_to_end(&mut head);
    read.map_err(|source| crate::Error::Read { what: "archive".to_owned(), source })?;
    Ok(head.get(257..262) == Some(b"ustar"))
}
