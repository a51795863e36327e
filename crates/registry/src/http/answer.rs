//! What a registry answered.

use std::io::Read;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use ureq::Body;
use ureq::http::{Response, StatusCode};

use super::address::Address;
use super::pause::parse_retry_after;
use crate::error::Cause;
use crate::{Error, Result};

/// Limit of an error's text.
const COMPLAINT_BYTES_MAX: u64 = 64 << 10;

/// Status, headers and a body that has not been read.
#[derive(Debug)]
pub(crate) struct Answer {
    response: Response<Body>,
    /// Who answered in the end, after redirects.
    pub(crate) address: Address,
}

impl Answer {
    pub(super) fn new(response: Response<Body>, address: Address) -> Self {
        Self { response, address }
    }

    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn is_success(&self) -> bool {
        self.response.status().is_success()
    }

    /// Returns a header that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Returns all values of a header.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        self.response.headers().get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    }

    pub(crate) fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// Returns how long the other side wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        parse_retry_after(self.header("retry-after")?, Timestamp::now())
    }

    /// Returns where `Location` leads; the address is of this answer's own making and checked by who follows.
    pub(crate) fn location(&self) -> Result<Address> {
        let location = self.header("location").unwrap_or_default();
        self.address.locate(location).ok_or_else(|| Error::Malformed {
            address: self.address.to_string(),
            reason: "its Location header leads nowhere".to_owned(),
        })
    }

    /// Returns the body as a stream without end of its own: who reads it knows how much there may be.
    pub(crate) fn into_reader(self) -> impl Read + Send {
        self.response.into_body().into_with_config().limit(u64::MAX).reader()
    }

    /// Reads a body of bounded size; one that is larger is refused before it is read, where it says so.
    pub(crate) fn into_bytes(self, what: &str, limit: u64) -> Result<Vec<u8>> {
        let too_large = || Error::TooLarge { what: what.to_owned(), limit };
        if self.content_length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let address = self.address.to_string();
        let mut bytes = Vec::new();
        let broken = |error: std::io::Error| Error::Broken { address, source: Cause(error.to_string()) };
        self.into_reader().take(limit + 1).read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 > limit {
            return Err(too_large());
        }
        Ok(bytes)
    }

    /// Makes an error of an answer that is none of those expected.
    pub(crate) fn into_error(self, registry: &str, what: &str) -> Error {
        let status = self.response.status();
        let (registry, what) = (registry.to_owned(), what.to_owned());
        let said = match self.into_bytes("error", COMPLAINT_BYTES_MAX) {
            Ok(bytes) => parse_complaint(&bytes),
            Err(_) => String::new(),
        };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Denied { registry, what, said },
            StatusCode::NOT_FOUND => Error::NotFound { registry, what, said },
            status => Error::Status { registry, what, status: status.as_u16(), said },
        }
    }
}

/// Reads the first error of `{"errors":[{"code":…,"message":…}]}`; anything else says nothing.
fn parse_complaint(bytes: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Complaint {
        #[serde(default)]
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let complaint = serde_json::from_slice::<Complaint>(bytes).ok();
    let Some(entry) = complaint.and_then(|complaint| complaint.errors.into_iter().next()) else {
        return String::new();
    };
    let text = match entry.message.is_empty() {
        true => entry.code,
        false => format!("{}: {}", entry.code.to_lowercase(), entry.message),
    };
    // It goes to a terminal, and comes from anywhere.
    text.chars().filter(|letter| !letter.is_control()).take(500).collect()
}

#[cfg(test)]
#[test]
fn complaints_are_short_and_without_control_characters() {
    let bytes = br#"{"errors":[{"code":"DENIED","message":"no \u001b[31mway","detail":null},{"code":"X"}]}"#;
    assert_eq!(parse_complaint(bytes), "denied: no [31mway");
    assert_eq!(parse_complaint(b"<html>"), "");
    assert_eq!(parse_complaint(br#"{"errors":[]}"#), "");
}
