//! Manifests and indexes: asked for by tag or digest, of bounded size, and what they say they are.

use oci::digest::Digest;
use oci::image::{Document, media, parse_document};
use sha2::Digest as _;
use ureq::http::Method;

use crate::http::{Payload, Request};
use crate::repository::{Place, Repository};
use crate::{Error, Result};

/// The specification lets registries refuse larger ones; so do we.
pub const DOCUMENT_BYTES_MAX: u64 = 4 << 20;

const ACCEPTED: [&str; 4] =
    [media::OCI_INDEX, media::OCI_MANIFEST, media::DOCKER_INDEX, media::DOCKER_MANIFEST];

/// Which manifest is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector<'a> {
    Tag(&'a str),
    Digest(&'a Digest),
}

impl std::fmt::Display for Selector<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

/// A document as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub bytes: Vec<u8>,
    /// Of the bytes, computed here. What the registry calls their digest is not looked at.
    pub digest: Digest,
    /// What it is by content.
    pub media_type: String,
    pub document: Document,
}

impl Repository {
    /// Fetches a manifest or index.
    pub fn manifest(&self, selector: Selector<'_>) -> Result<Fetched> {
        self.any_place(|place| self.manifest_at(place, selector))
    }

    fn manifest_at(&self, place: &Place, selector: Selector<'_>) -> Result<Fetched> {
        let what = match selector {
            Selector::Tag(tag) => format!("manifest `{}:{tag}`", self.path),
            Selector::Digest(digest) => format!("manifest `{}@{digest}`", self.path),
        };
        let headers = vec![("accept", ACCEPTED.join(", "))];
        let answer = self.ask(place, Method::GET, &format!("manifests/{selector}"), headers, &what)?;
        if answer.status() != 200 {
            return Err(answer.into_error(&self.domain, &what));
        }
        let sent = answer.header("content-type").unwrap_or_default().to_owned();
        let bytes = answer.into_bytes(&what, DOCUMENT_BYTES_MAX)?;
        let digest = Digest::from_bytes(sha2::Sha256::digest(&bytes).into());
        if let Selector::Digest(expected) = selector
            && *expected != digest
        {
            return Err(Error::DigestMismatch { what, expected: *expected, found: digest });
        }
        let document = parse_document(&bytes)
            .map_err(|source| Error::Document { name: format!("{}:{selector}", self.path), source })?;
        let media_type = media_type(&document, &sent);
        check_media_type(&format!("{}:{selector}", self.path), &sent, &document)?;
        Ok(Fetched { bytes, digest, media_type, document })
    }

    /// Whether the registry has exactly this manifest. By digest, it cannot be another.
    pub fn has_manifest(&self, digest: &Digest) -> Result<bool> {
        let what = format!("manifest `{}@{digest}`", self.path);
        let headers = vec![("accept", ACCEPTED.join(", "))];
        let answer =
            self.ask(self.registry(), Method::HEAD, &format!("manifests/{digest}"), headers, &what)?;
        match answer.status() {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(answer.into_error(&self.domain, &what)),
        }
    }

    /// Sends a manifest or index. All that it names must be there: registries check.
    pub fn put_manifest(&self, selector: Selector<'_>, media_type: &str, bytes: &[u8]) -> Result<()> {
        let what = format!("manifest `{selector}` for `{}`", self.path);
        let place = self.registry();
        let mut request = Request {
            method: Method::PUT,
            address: self.address(place, &format!("manifests/{selector}"))?,
            headers: vec![("content-type", media_type.to_owned())],
            payload: Payload::Bytes(bytes),
            registry: &self.domain,
            what: &what,
        };
        let answer = self.send(place, &mut request)?;
        match answer.is_success() {
            true => Ok(()),
            false => Err(answer.into_error(&self.domain, &what)),
        }
    }
}

/// What the document calls itself; where it says nothing, what it was sent as.
fn media_type(document: &Document, sent: &str) -> String {
    let (own, default) = match document {
        Document::Manifest(manifest) => (&manifest.media_type, media::OCI_MANIFEST),
        Document::Index(index) => (&index.media_type, media::OCI_INDEX),
    };
    let sent = essence(sent);
    match own.is_empty() {
        false => own.clone(),
        true if ACCEPTED.contains(&sent) => sent.to_owned(),
        true => default.to_owned(),
    }
}

/// Refuses a manifest that is sent as an index, or the other way round (CVE-2021-41190).
fn check_media_type(name: &str, sent: &str, document: &Document) -> Result<()> {
    let sent = essence(sent);
    let (found, contradicting) = match document {
        Document::Manifest(_) => ("a manifest", [media::OCI_INDEX, media::DOCKER_INDEX]),
        Document::Index(_) => ("an index", [media::OCI_MANIFEST, media::DOCKER_MANIFEST]),
    };
    if contradicting.contains(&sent) {
        return Err(Error::MediaType { name: name.to_owned(), sent: sent.to_owned(), found });
    }
    Ok(())
}

/// Without parameters: `application/json; charset=utf-8`.
fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}
