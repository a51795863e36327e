//! Tells how bytes are compressed by how they begin, and undoes it in this process: no helper program
//! is run (CVE-2014-9357, CVE-2026-41567).

use std::io::{self, BufReader, Cursor, Read};

use oci::image::media;

use crate::{Error, Result};

/// How a layer is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

impl Compression {
    /// Returns the media type of a layer compressed so.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Plain => media::OCI_LAYER,
            Self::Gzip => media::OCI_LAYER_GZIP,
            Self::Zstd => media::OCI_LAYER_ZSTD,
        }
    }
}

/// Judges by the first bytes; six are enough.
pub(crate) fn detect(first: &[u8]) -> Result<Compression> {
    match first {
        [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Compression::Zstd),
        // A skippable frame may come first (zstd:chunked, estargz).
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::Zstd),
        [b'B', b'Z', b'h', ..] => Err(Error::Compression("bzip2")),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err(Error::Compression("xz")),
        [0x5d, 0, 0, ..] => Err(Error::Compression("lzma")),
        _ => Ok(Compression::Plain),
    }
}

/// Wraps a source so that uncompressed bytes come out.
pub(crate) fn decompress<'r>(
    mut source: impl Read + Send + 'r,
) -> Result<(Compression, Box<dyn Read + Send + 'r>)> {
    let read_error = |source| Error::Read { what: "compressed data".to_owned(), source };
    let mut first = Vec::with_capacity(6);
    source.by_ref().take(6).read_to_end(&mut first).map_err(read_error)?;
    let compression = detect(&first)?;
    let source = Cursor::new(first).chain(source);
    let reader: Box<dyn Read + Send> = match compression {
        Compression::Plain => Box::new(source),
        // Several members in a row are one stream: pigz and eStargz write them.
        Compression::Gzip => {
            Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(128 << 10, source)))
        }
        Compression::Zstd => Box::new(
            zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(128 << 10, source))
                .map_err(read_error)?,
        ),
    };
    Ok((compression, reader))
}

/// Reads until the buffer is full or the end is reached.
pub(super) fn read_full(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match source.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}
