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
    let pool = Pool::default();
    let (chunk_sender, chunk_receiver) = sync_channel(CHUNKS_IN_FLIGHT);
    let (hash_sender, hash_receiver) = sync_channel(CHUNKS_IN_FLIGHT);
    std::thread::scope(|threads| {
        let pool = &pool;
        let producer = threads.spawn(move || produce(source, pool, &chunk_sender, hash_sender));
        let hasher = threads.spawn(move || hash(pool, &hash_receiver));
        let mut chunks = Chunks { receiver: chunk_receiver, pool, current: None, at: 0 };
        let consumed = consume(&mut chunks).and_then(|()| chunks.drain());
        // Makes a producer that still sends give up.
        drop(chunks);
        let produced = producer.join().expect("the producer does not panic");
        let sha256 = hasher.join().expect("the hasher does not panic");
        // The producer's own fault is told better than its echo in the consumer.
        produced?;
        consumed?;
        Ok(DiffId::new(sha256.finish()))
    })
}

fn produce(
    source: impl Read + Send,
    pool: &Pool,
    chunks: &SyncSender<io::Result<Arc<Vec<u8>>>>,
    hashes: SyncSender<Arc<Vec<u8>>>,
) -> Result<()> {
    let (_, mut source) = decompress(source)?;
    loop {
        let mut buffer = pool.lock().expect("no holder panics").pop().unwrap_or_default();
        buffer.resize(CHUNK_BYTES, 0);
        match read_full(&mut *source, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => buffer.truncate(len),
            Err(source) => {
                // The consumer must not take the end of the channel for the end of the archive.
                let _ = chunks.send(Err(io::ErrorKind::BrokenPipe.into()));
                return Err(Error::Read { what: "layer".to_owned(), source });
            }
        }
        let chunk = Arc::new(buffer);
        if hashes.send(Arc::clone(&chunk)).is_err() || chunks.send(Ok(chunk)).is_err() {
            return Ok(());
        }
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
