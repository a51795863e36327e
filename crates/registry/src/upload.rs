//! Blobs on their way to a registry: is it there, can it be mounted, else it is sent in pieces.
//!
//! A piece that did not arrive is sent again from where the registry says that it is (distribution 1.1,
//! "Pushing a blob in chunks"); a session that is gone is begun anew.

use std::io::Read;
use std::time::Duration;

use oci::digest::Digest;
use ureq::http::Method;

use crate::blob::Retry;
use crate::http::{Address, Answer, Payload, Request};
use crate::repository::Repository;
use crate::{Error, Result};

/// What is sent in one request. A registry may ask for larger ones, and few refuse these.
const PIECE_BYTES: u64 = 16 << 20;
/// The most that we follow a registry's wish for larger ones.
const PIECE_BYTES_MAX: u64 = 1 << 30;

/// The bytes of a blob, to be read from any position on.
pub trait Source: Sync {
    /// Opens the bytes from a position on.
    fn open(&self, position: u64) -> std::io::Result<Box<dyn Read>>;
}

/// How a blob came to be in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It was there.
    Exists,
    /// The registry had it in this other repository.
    Mounted(String),
    /// It was sent.
    Uploaded,
}

/// An upload that has begun.
struct Session {
    address: Address,
    position: u64,
    piece: u64,
}

impl Repository {
    /// Whether the registry has a blob in this repository.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let what = format!("blob {digest} of `{}`", self.path);
        let answer =
            self.ask(self.registry(), Method::HEAD, &format!("blobs/{digest}"), Vec::new(), &what)?;
        match answer.status() {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(answer.into_error(&self.domain, &what)),
        }
    }

    /// Sees to it that the registry has a blob. `progress` is told how many bytes have arrived.
    pub fn push_blob(
        &self,
        digest: &Digest,
        size: u64,
        source: &dyn Source,
        mount_from: &[String],
        progress: &dyn Fn(u64),
        on_retry: &Retry<'_>,
    ) -> Result<Sent> {
        if self.has_blob(digest)? {
            return Ok(Sent::Exists);
        }
        let what = format!("blob {digest} for `{}`", self.path);
        let mut session = None;
        for other in mount_from {
            // What begins instead of a mount is as good as any other beginning.
            match self.begin(&format!("blobs/uploads/?mount={digest}&from={other}"), &what)? {
                Begun::Mounted => return Ok(Sent::Mounted(other.clone())),
                Begun::Session(begun) => session = Some(begun),
            }
            if session.is_some() {
                break;
            }
        }
        self.upload(digest, size, source, session, &what, progress, on_retry)?;
        Ok(Sent::Uploaded)
    }

    #[expect(clippy::too_many_arguments, reason = "one blob, its bytes, and who is told")]
    fn upload(
        &self,
        digest: &Digest,
        size: u64,
        source: &dyn Source,
        session: Option<Session>,
        what: &str,
        progress: &dyn Fn(u64),
        on_retry: &Retry<'_>,
    ) -> Result<()> {
        let patience = self.transport.settings().patience;
        let mut session = session;
        let mut attempt = 0;
        let mut furthest = 0;
        loop {
            let outcome = self.advance(digest, size, source, &mut session, what);
            let position = session.as_ref().map_or(0, |session| session.position);
            if position > furthest {
                (furthest, attempt) = (position, 0);
            }
            progress(position);
            let error = match outcome {
                Ok(Step::Done) => return Ok(()),
                Ok(Step::More) => continue,
                Err(error) => error,
            };
            attempt += 1;
            // A token may have ended in the middle of a piece: asking where we are fetches another.
            let may_pass = error.is_passing() || matches!(error, Error::Denied { .. }) && attempt == 1;
            if !may_pass || attempt >= patience.attempts {
                return Err(error);
            }
            let pause = match error {
                Error::Denied { .. } => Duration::ZERO,
                _ => patience.pause_before(attempt),
            };
            on_retry(&error, pause);
            std::thread::sleep(pause);
            session = session.and_then(|session| self.resume(session, what));
        }
    }

    /// Begins, sends one piece, or closes.
    fn advance(
        &self,
        digest: &Digest,
        size: u64,
        source: &dyn Source,
        session: &mut Option<Session>,
        what: &str,
    ) -> Result<Step> {
        let current = match session {
            Some(current) => current,
            None => match self.begin("blobs/uploads/", what)? {
                Begun::Session(begun) => session.insert(begun),
                Begun::Mounted => return Ok(Step::Done),
            },
        };
        if current.position >= size {
            self.close(digest, current, what)?;
            return Ok(Step::Done);
        }
        let len = current.piece.min(size - current.position);
        let read_error = |error| Error::Read { what: what.to_owned(), source: error };
        let mut bytes = source.open(current.position).map_err(read_error)?.take(len);
        let last = current.position + len - 1;
        let mut request = Request {
            method: Method::PATCH,
            address: current.address.clone(),
            headers: vec![
                ("content-type", "application/octet-stream".to_owned()),
                ("content-range", format!("{}-{last}", current.position)),
            ],
            payload: Payload::Stream(&mut bytes, len),
            registry: &self.domain,
            what,
        };
        let answer = self.send(self.registry(), &mut request)?;
        match answer.status() {
            200..=299 => {
                current.address = next_address(&answer, &current.address)?;
                current.position = received(&answer).unwrap_or(current.position + len);
                Ok(Step::More)
            }
            _ => Err(answer.into_error(&self.domain, what)),
        }
    }

    fn begin(&self, rest: &str, what: &str) -> Result<Begun> {
        let place = self.registry();
        let answer = self.ask(place, Method::POST, rest, Vec::new(), what)?;
        match answer.status() {
            201 => Ok(Begun::Mounted),
            202 => {
                let least = answer.header("oci-chunk-min-length").and_then(|text| text.trim().parse().ok());
                let piece = PIECE_BYTES.max(least.unwrap_or(0)).min(PIECE_BYTES_MAX);
                Ok(Begun::Session(Session { address: answer.location()?, position: 0, piece }))
            }
            _ => Err(answer.into_error(&self.domain, what)),
        }
    }

    /// Asks how far an upload has come; `None` where it must begin anew.
    fn resume(&self, session: Session, what: &str) -> Option<Session> {
        let mut request = Request::get(session.address.clone(), &self.domain, what);
        let answer = self.send(self.registry(), &mut request).ok()?;
        if !matches!(answer.status(), 200..=299) {
            return None;
        }
        let position = received(&answer).unwrap_or(0);
        let address = next_address(&answer, &session.address).ok()?;
        Some(Session { address, position, piece: session.piece })
    }

    fn close(&self, digest: &Digest, session: &Session, what: &str) -> Result<()> {
        let malformed = || Error::Malformed {
            address: session.address.to_string(),
            reason: "its address cannot be extended".to_owned(),
        };
        let address = session.address.with_query("digest", &digest.to_string()).ok_or_else(malformed)?;
        let mut request = Request {
            method: Method::PUT,
            address,
            headers: vec![("content-type", "application/octet-stream".to_owned())],
            payload: Payload::None,
            registry: &self.domain,
            what,
        };
        let answer = self.send(self.registry(), &mut request)?;
        match answer.status() {
            201 | 204 => Ok(()),
            _ => Err(answer.into_error(&self.domain, what)),
        }
    }
}

enum Begun {
    Mounted,
    Session(Session),
}

enum Step {
    More,
    Done,
}

/// Where the next piece goes: each answer may say so anew.
fn next_address(answer: &Answer, current: &Address) -> Result<Address> {
    match answer.header("location") {
        Some(_) => answer.location(),
        None => Ok(current.clone()),
    }
}

/// `Range: 0-LAST` says how much has arrived.
fn received(answer: &Answer) -> Option<u64> {
    let range = answer.header("range")?;
    let range = range.trim().trim_start_matches("bytes=").trim_start_matches("bytes ");
    let (_, last) = range.split_once('-')?;
    match last.trim().parse::<u64>().ok()? {
        // Nothing has arrived, or one byte: registries write both so.
        0 => Some(0),
        last => Some(last + 1),
    }
}
