//! A file at an address, as the `ADD` of a build wants it. No credential goes with it.

use std::io::Read;

use crate::http::{Request, Transport, parse_address};
use crate::{Error, Result, Settings};

/// What is known of a file from the last time: the other side may say that it has not changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known<'a> {
    pub etag: Option<&'a str>,
    pub last_modified: Option<&'a str>,
}

/// What came of asking for a file.
#[derive(Debug)]
pub enum Download {
    /// It is what it was.
    Unchanged,
    File(RemoteFile),
}

/// A file on its way.
pub struct RemoteFile {
    /// Its bytes, which are read by whoever knows how many there may be.
    pub reader: Box<dyn Read + Send>,
    pub length: Option<u64>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

impl std::fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteFile").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Asks for a file by `http` or `https`.
///
/// Redirects lead neither from HTTPS to HTTP nor from elsewhere to addresses of this machine or of its link: who
/// answers for a name on the internet must not choose what of ours is read.
pub fn download(settings: Settings, url: &str, known: Known<'_>) -> Result<Download> {
    let Some(address) = parse_address(url) else {
        let reason = "it is no address, or holds a user".to_owned();
        return Err(Error::Malformed { address: without_query(url).to_owned(), reason });
    };
    let (host, path) = (address.authority().to_owned(), address.uri().path().to_owned());
    let transport = Transport::for_addresses(settings);
    let mut request = Request::get(address, &host, &path);
    if let Some(etag) = known.etag {
        request.headers.push(("if-none-match", etag.to_owned()));
    }
    if let Some(time) = known.last_modified {
        request.headers.push(("if-modified-since", time.to_owned()));
    }
    let answer = transport.send(&mut request, None)?;
    if answer.status() == 304 {
        return Ok(Download::Unchanged);
    }
    if !answer.is_success() {
        return Err(answer.into_error(&host, &path));
    }
    let header = |name: &str| answer.header(name).map(str::to_owned);
    let (etag, last_modified, length) = (header("etag"), header("last-modified"), answer.content_length());
    Ok(Download::File(RemoteFile { reader: Box::new(answer.into_reader()), length, etag, last_modified }))
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}
