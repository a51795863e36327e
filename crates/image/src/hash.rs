//! SHA-256 of bytes, and of streams while they pass.

use std::io::{self, Read, Write};

use oci::digest::{ChainId, DiffId, Digest};
use sha2::Digest as _;

/// Computes a digest piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Sha256(sha2::Sha256);

impl Sha256 {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

/// Returns the digest of bytes in memory.
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(sha2::Sha256::digest(bytes).into())
}

/// Returns the chain ids of layers, the lowest first.
pub fn chain_ids(diff_ids: &[DiffId]) -> Vec<ChainId> {
    ChainId::chain(diff_ids, sha256)
}

/// Copies what is read into a writer and hashes it.
#[derive(Debug)]
pub(crate) struct Tee<R, W> {
    source: R,
    copy: W,
    sha256: Sha256,
    size: u64,
}

impl<R: Read, W: Write> Tee<R, W> {
    pub(crate) fn new(source: R, copy: W) -> Self {
        Self { source, copy, sha256: Sha256::default(), size: 0 }
    }

    /// Reads what is left and returns the copy, the digest and the size of the whole.
    pub(crate) fn finish(mut self) -> io::Result<(W, Digest, u64)> {
        let mut buffer = vec![0; 256 << 10];
        while self.read(&mut buffer)? > 0 {}
        Ok((self.copy, self.sha256.finish(), self.size))
    }
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = loop {
            match self.source.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.sha256.update(&buffer[..len]);
        self.copy.write_all(&buffer[..len])?;
        self.size += len as u64;
        Ok(len)
    }
}
