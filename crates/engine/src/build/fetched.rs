//! ADD of addresses: files that were fetched, and are asked for again only by whether they have changed.
//!
//! ```text
//!   ROOT/build/fetched/HASH.json     what is known of an address, by its hash
//!   ROOT/build/fetched/HASH-DIGEST   its file: mode 0600, the time that the other side gave; never written to
//! ```

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::PathBuf;

use ::build::content;
use ::build::key::KeyBuilder;
use oci::digest::Digest;
use registry::{Download, Known, RemoteFile, Settings};
use rustix::fs::{Timespec, Timestamps};
use serde::{Deserialize, Serialize};
use store::{Durability, Record, read_record, remove, write_record};
use sys::Dir;

use super::cache::CacheRow;
use super::stop::StopFlag;
use crate::container::random_id;
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;

/// As much as one address may have.
const BYTES_MAX: u64 = 16 << 30;
/// Begins the names of files on their way.
const HALF: &str = "half-";

/// What is known of an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Fetched {
    /// Without its query, in which signed links keep their secret.
    url: String,
    digest: Digest,
    bytes: u64,
    etag: Option<String>,
    last_modified: Option<String>,
    /// Seconds since 1970.
    last_used: i64,
}

impl Record for Fetched {
    const KIND: &'static str = "fetched";
    const VERSION: u32 = 1;
}

/// A file that is there.
#[derive(Debug, Clone)]
pub(super) struct FetchedFile {
    pub(super) digest: Digest,
    pub(super) path: PathBuf,
}

/// Brings the file of an address here, if it is not; with a checksum that is known nobody is asked.
pub(super) fn fetch(
    engine: &Engine,
    proxies: &registry::Proxies,
    (url, checksum): (&str, Option<&Digest>),
    stop: &StopFlag,
) -> Result<FetchedFile> {
    let fetch = || -> Result<FetchedFile> {
        let directory = open(engine)?;
        let hash = KeyBuilder::new("address").text(url).finish().hex();
        let record_name = format!("{hash}.json");
        let mut known: Option<Fetched> = read_record(&directory, &record_name).ok();
        known = known.filter(|known| directory.exists(file_name(&hash, &known.digest)).unwrap_or(false));
        let is_wanted = |digest: &Digest| checksum.is_none_or(|checksum| checksum == digest);
        let is_certain = known.as_ref().is_some_and(|known| checksum == Some(&known.digest));
        let fetched = match known {
            Some(known) if is_certain => known,
            // One that is not wanted need not be told to be the same.
            known => {
                ask(&directory, &hash, proxies, url, known.filter(|known| is_wanted(&known.digest)), stop)?
            }
        };
        if let Some(checksum) = checksum.filter(|checksum| **checksum != fetched.digest) {
            return Err(Error::invalid(format!("its digest is {}, and not {checksum}", fetched.digest))
                .hint("either the file has changed, or somebody has changed it"));
        }
        let last_used = jiff::Timestamp::now().as_second();
        let (digest, fetched) = (fetched.digest, Fetched { last_used, ..fetched });
        write_record(&directory, &record_name, &fetched, Durability::Volatile)?;
        let path = PathBuf::from(file_name(&hash, &digest));
        Ok(FetchedFile { digest, path })
    };
    fetch().doing(|| format!("cannot fetch `{}`", shown(url)))
}

/// Opens the directory of files that were fetched.
pub(super) fn open(engine: &Engine) -> Result<Dir> {
    let path = engine.root.join("build/fetched");
    if !sys::fs::exists(&path) {
        sys::fs::create_dir_all(&path)?;
    }
    Ok(Dir::open(&path)?)
}

/// Lists what was fetched.
pub(super) fn list(engine: &Engine) -> Result<Vec<CacheRow>> {
    let directory = open(engine)?;
    let mut rows = Vec::new();
    for (hash, fetched) in records(&directory)? {
        rows.push(CacheRow {
            key: hash.chars().take(12).collect(),
            title: format!("file of {}", fetched.url),
            size: fetched.bytes,
            last_used: fetched.last_used,
        });
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.last_used));
    Ok(rows)
}

/// Removes the files that are meant, and those that belong to nothing any more; returns what went.
pub(super) fn forget(engine: &Engine, is_meant: impl Fn(&CacheRow) -> bool) -> Result<Vec<CacheRow>> {
    let directory = open(engine)?;
    let gone: Vec<CacheRow> = list(engine)?.into_iter().filter(|row| is_meant(row)).collect();
    let mut kept = BTreeSet::new();
    for (hash, fetched) in records(&directory)? {
        if gone.iter().any(|row| hash.starts_with(&row.key)) {
            remove(&directory, &format!("{hash}.json"), Durability::Volatile)?;
        } else {
            kept.extend([format!("{hash}.json"), file_name(&hash, &fetched.digest)]);
        }
    }
    for entry in directory.list("")? {
        let name = entry.name.to_string_lossy().into_owned();
        if !kept.contains(&name) {
            remove(&directory, &name, Durability::Volatile)?;
        }
    }
    Ok(gone)
}

/// What a file of an address is called where it comes to lie in a directory, as BuildKit has it.
pub(super) fn name_of(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let path = path.split_once('/').map_or("", |(_, path)| path);
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
    match decoded.rsplit('/').find(|part| !part.is_empty()) {
        Some(name) if ![".", ".."].contains(&name) && !name.contains('\0') => name.to_owned(),
        _ => "__unnamed__".to_owned(),
    }
}

/// Without what may be a secret.
fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

fn records(directory: &Dir) -> Result<Vec<(String, Fetched)>> {
    let mut records = Vec::new();
    for entry in directory.list("")? {
        let Some(hash) = entry.name.to_str().and_then(|name| name.strip_suffix(".json")) else { continue };
        if let Ok(fetched) = read_record(directory, &format!("{hash}.json")) {
            records.push((hash.to_owned(), fetched));
        }
    }
    Ok(records)
}

fn file_name(hash: &str, digest: &Digest) -> String {
    format!("{hash}-{}", digest.hex())
}

/// Asks the other side; what is known stays if it has not changed.
fn ask(
    directory: &Dir,
    hash: &str,
    proxies: &registry::Proxies,
    url: &str,
    known: Option<Fetched>,
    stop: &StopFlag,
) -> Result<Fetched> {
    let settings = Settings { proxies: proxies.clone(), ..Settings::default() };
    let before = known.as_ref().map_or(Known::default(), |known| Known {
        etag: known.etag.as_deref(),
        last_modified: known.last_modified.as_deref(),
    });
    let from_room = |error: registry::Error| Error::from(image::Error::from(error));
    match (registry::download(settings, url, before).map_err(from_room)?, known) {
        (Download::Unchanged, Some(known)) => Ok(known),
        (Download::Unchanged, None) => Err(Error::invalid("it has not changed, though it was never seen")),
        (Download::File(file), _) => receive(directory, hash, url, file, stop),
    }
}

/// Takes the bytes in; the file has its name when it is complete.
fn receive(directory: &Dir, hash: &str, url: &str, file: RemoteFile, stop: &StopFlag) -> Result<Fetched> {
    let half = format!("{HALF}{}", random_id()?);
    let received = receive_half(directory, &half, hash, url, file, stop);
    if received.is_err() {
        let _ = remove(directory, &half, Durability::Volatile);
    }
    received
}

fn receive_half(
    directory: &Dir,
    half: &str,
    hash: &str,
    url: &str,
    file: RemoteFile,
    stop: &StopFlag,
) -> Result<Fetched> {
    let RemoteFile { reader, length, etag, last_modified } = file;
    let failed = |error: std::io::Error| {
        Error::new(oci::class::Class::of_os_error(&error), "it broke off").caused_by(error)
    };
    let mut target = std::fs::File::from(directory.create_file(half, 0o600)?);
    let mut source = stop.reader(reader.take(BYTES_MAX + 1));
    let (mut bytes, mut buffer) = (0_u64, [0; 64 << 10]);
    loop {
        let read = source.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        target.write_all(&buffer[..read]).map_err(failed)?;
        if bytes > BYTES_MAX {
            return Err(Error::invalid(format!("it has more than {BYTES_MAX} bytes")));
        }
    }
    if let Some(length) = length.filter(|length| *length != bytes) {
        return Err(Error::invalid(format!("it broke off: {bytes} of {length} bytes have come")));
    }
    // Before it has its name: after a power cut the record would vouch for a file that is empty.
    target.sync_data().map_err(failed)?;
    // What is on disk is what counts.
    let digest = content::digest_of(directory.open_regular(half)?).map_err(failed)?;
    // As BuildKit: one that has no time is of 1970.
    let modified = last_modified.as_deref().and_then(parse_http_date).unwrap_or(0);
    let time = Timespec { tv_sec: modified, tv_nsec: 0 };
    directory.utimens(half, &Timestamps { last_access: time, last_modification: time })?;
    directory.rename(half, file_name(hash, &digest), rustix::fs::RenameFlags::empty())?;
    Ok(Fetched { url: shown(url).to_owned(), digest, bytes, etag, last_modified, last_used: 0 })
}

/// Seconds since 1970 (RFC 9110, section 5.6.7).
fn parse_http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp().as_second())
}

#[cfg(test)]
#[test]
fn names_of_files_are_no_paths() {
    for (url, expected) in [
        ("https://example.org/a/file.txt", "file.txt"),
        ("https://example.org/a/file.txt?x=/y/z#/q", "file.txt"),
        ("https://example.org/a/dir/", "dir"),
        ("https://example.org", "__unnamed__"),
        ("https://example.org/", "__unnamed__"),
        ("https://example.org/%2e%2e", "__unnamed__"),
        ("https://example.org/a%2F..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("https://example.org/a%00b", "__unnamed__"),
        ("https://example.org/with%20blank", "with blank"),
    ] {
        assert_eq!(name_of(url), expected, "{url}");
    }
    assert_eq!(parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT"), Some(1_445_412_480));
    assert_eq!(parse_http_date("yesterday"), None);
}
