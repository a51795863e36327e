//! The threads of an extraction: decompress, hash and extract at the same time with bounded memory.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use oci::digest::DiffId;

use super::compression::{decompress, read_full};
use crate::hash::Sha256;
use crate::{Error, Result};

const CHUNK_BYTES: usize = 256 << 10;
const CHUNKS_IN_FLIGHT: usize = 8;

/// Buffers that both consumers are done with: fresh ones would cost a page fault per 4 KiB.
type Pool = Mutex<Vec<Vec<u8>>>;

/// Runs `consume` over the uncompressed bytes of `source` and returns their digest, which covers the
/// bytes that `consume` left unread as well.
pub(super) fn run(
    source: impl Read + Send,
    consume: impl FnOnce(&mut Chunks<'_>) -> Result<()>,
) -> Result<DiffId> {
    run_with(|feed| decompress_into(source, feed), consume)
}

/// Does the same for bytes that `produce` makes.
pub(super) fn run_with(
    produce: impl FnOnce(&mut Feed<'_>) -> Result<()> + Send,
    consume: impl FnOnce(&mut Chunks<'_>) -> Result<()>,
) -> Result<DiffId> {
    let (hash_sender, hash_receiver) = sync_channel(CHUNKS_IN_FLIGHT);
    let pool = &Pool::default();
    std::thread::scope(|threads| {
        let hasher = threads.spawn(move || hash(pool, &hash_receiver));
        let passed = pass(pool, Some(hash_sender), produce, consume);
        let sha256 = hasher.join().expect("the hasher does not panic");
        passed.map(|()| DiffId::new(sha256.finish()))
    })
}

/// Consumes what `produce` makes; the two work at the same time.
pub(super) fn pass_on(
    produce: impl FnOnce(&mut Feed<'_>) -> Result<()> + Send,
    consume: impl FnOnce(&mut Chunks<'_>) -> Result<()>,
) -> Result<()> {
    pass(&Pool::default(), None, produce, consume)
}

/// Passes on what a thread produces.
fn pass(
    pool: &Pool,
    hashes: Option<SyncSender<Arc<Vec<u8>>>>,
    produce: impl FnOnce(&mut Feed<'_>) -> Result<()> + Send,
    consume: impl FnOnce(&mut Chunks<'_>) -> Result<()>,
) -> Result<()> {
    let (sender, receiver) = sync_channel(CHUNKS_IN_FLIGHT);
    std::thread::scope(|threads| {
        let producer = threads.spawn(move || {
            let mut feed = Feed { pool, chunks: sender, hashes, buffer: Vec::new(), refused: false };
            let produced = produce(&mut feed).and_then(|()| feed.send().map_err(feed_error));
            match produced {
                // The consumer tells why.
                Err(_) if feed.refused => Ok(()),
                Err(error) => {
                    feed.fail();
                    Err(error)
                }
                Ok(()) => Ok(()),
            }
        });
        let mut chunks = Chunks { receiver, pool, current: None, at: 0 };
        let consumed = consume(&mut chunks).and_then(|()| chunks.drain());
        // Makes a producer that still sends give up.
        drop(chunks);
        // The producer's own fault is told better than its echo in the consumer.
        producer.join().expect("the producer does not panic")?;
        consumed
    })
}

/// Takes in the uncompressed bytes of a source.
pub(super) fn decompress_into(source: impl Read + Send, feed: &mut Feed<'_>) -> Result<()> {
    let (_, mut source) = decompress(source)?;
    feed.read_all(&mut *source)
}

fn feed_error(source: io::Error) -> Error {
    Error::Read { what: "layer".to_owned(), source }
}

/// Takes bytes in and passes them on as chunks, to be hashed and consumed.
#[derive(Debug)]
pub(crate) struct Feed<'p> {
    pool: &'p Pool,
    chunks: SyncSender<io::Result<Arc<Vec<u8>>>>,
    hashes: Option<SyncSender<Arc<Vec<u8>>>>,
    buffer: Vec<u8>,
    /// Whoever consumes has given up.
    refused: bool,
}

impl Feed<'_> {
    /// Takes in all that a source has.
    pub(super) fn read_all(&mut self, source: &mut dyn Read) -> Result<()> {
        loop {
            self.buffer.resize(CHUNK_BYTES, 0);
            let len = match read_full(source, &mut self.buffer) {
                Ok(len) => len,
                Err(error) => {
                    self.buffer.clear();
                    return Err(feed_error(error));
                }
            };
            self.buffer.truncate(len);
            if len == 0 {
                return Ok(());
            }
            self.send().map_err(feed_error)?;
        }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let next = self.pool.lock().expect("no holder panics").pop().unwrap_or_default();
        let chunk = Arc::new(std::mem::replace(&mut self.buffer, next));
        self.buffer.clear();
        let hashed = self.hashes.as_ref().is_none_or(|hashes| hashes.send(Arc::clone(&chunk)).is_ok());
        self.refused = !hashed || self.chunks.send(Ok(chunk)).is_err();
        if self.refused { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    /// The consumer must not take the end of the channel for the end of the archive.
    fn fail(&self) {
        let _ = self.chunks.send(Err(io::ErrorKind::BrokenPipe.into()));
    }
}

impl io::Write for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.capacity() < CHUNK_BYTES {
            self.buffer.reserve_exact(CHUNK_BYTES - self.buffer.len());
        }
        let len = bytes.len().min(CHUNK_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..len]);
        if self.buffer.len() == CHUNK_BYTES {
            self.send()?;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hash(pool: &Pool, chunks: &Receiver<Arc<Vec<u8>>>) -> Sha256 {
    let mut sha256 = Sha256::default();
    for chunk in chunks {
        sha256.update(&chunk);
        recycle(pool, chunk);
    }
    sha256
}

fn recycle(pool: &Pool, chunk: Arc<Vec<u8>>) {
    if let Some(buffer) = Arc::into_inner(chunk) {
        pool.lock().expect("no holder panics").push(buffer);
    }
}

/// The uncompressed bytes as they arrive.
#[derive(Debug)]
pub(super) struct Chunks<'p> {
    receiver: Receiver<io::Result<Arc<Vec<u8>>>>,
    pool: &'p Pool,
    current: Option<Arc<Vec<u8>>>,
    at: usize,
}

impl Chunks<'_> {
    /// Writes all that comes.
    pub(super) fn write_to(&mut self, sink: &mut dyn io::Write) -> Result<()> {
        loop {
            let piece = self.fill_buf().map_err(feed_error)?;
            if piece.is_empty() {
                return sink.flush().map_err(super::write_error);
            }
            sink.write_all(piece).map_err(super::write_error)?;
            let len = piece.len();
            self.consume(len);
        }
    }

    fn drain(&mut self) -> Result<()> {
        loop {
            let len =
                self.fill_buf().map_err(|source| Error::Read { what: "layer".to_owned(), source })?.len();
            if len == 0 {
                return Ok(());
            }
            self.consume(len);
        }
    }
}

impl BufRead for Chunks<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.as_ref().is_none_or(|chunk| self.at == chunk.len()) {
            if let Some(done) = self.current.take() {
                recycle(self.pool, done);
            }
            self.at = 0;
            self.current = match self.receiver.recv() {
                Ok(chunk) => Some(chunk?),
                Err(_) => None,
            };
        }
        Ok(self.current.as_ref().map_or(&[], |chunk| &chunk[self.at..]))
    }

    fn consume(&mut self, len: usize) {
        self.at += len;
    }
}

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let len = available.len().min(buffer.len());
        buffer[..len].copy_from_slice(&available[..len]);
        self.consume(len);
        Ok(len)
    }
}
