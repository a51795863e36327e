//! Docker's image references: `busybox`, `localhost:5000/team/app:1.2`, `alpine@sha256:…`.
//!
//! ```text
//! reference = [ domain "/" ] path [ ":" tag ] [ "@" digest ]
//! ```
//!
//! The first component is a domain if it holds `.` or `:`, is `localhost` or has an upper-case letter;
//! otherwise the domain is `docker.io`, and a single path component lies below `library/`.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::class::Class;
use crate::digest::{Digest, InvalidDigest};

const DEFAULT_DOMAIN: &str = "docker.io";
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";
const NAME_BYTES_MAX: usize = 255;
const TAG_BYTES_MAX: usize = 128;

/// A reference in its full form; neither tag nor digest is added that was not written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not a reference; the texts are Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// The grammar is not met.
    #[error("invalid reference format")]
    Format,
    /// Docker allows upper case in tags and domains alone.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// It would be taken for an image id.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    Identifier(String),
    /// The repository name is too long.
    #[error("repository name must not be more than 255 characters")]
    TooLong,
    /// The part after `@` is no digest we know.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

impl InvalidReference {
    /// Returns the class of the failure.
    pub fn class(&self) -> Class {
        Class::Invalid
    }
}

impl Reference {
    /// Parses and normalises: `busybox` becomes `docker.io/library/busybox`.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        if text.len() == 64 && Digest::from_hex(text).is_ok() {
            return Err(InvalidReference::Identifier(text.to_owned()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (domain, remainder) = split_domain(rest);
        let (path, tag) = match remainder.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (remainder, None),
        };
        let mut path = path.to_owned();
        if domain == DEFAULT_DOMAIN && !path.contains('/') {
            path.insert_str(0, OFFICIAL_PREFIX);
        }
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidReference::Uppercase(path));
        }
        if !is_domain(domain) || !path.split('/').all(is_path_component) || !tag.is_none_or(is_tag) {
            return Err(InvalidReference::Format);
        }
        if domain.len() + 1 + path.len() > NAME_BYTES_MAX {
            return Err(InvalidReference::TooLong);
        }
        let digest = digest.map(str::parse).transpose()?;
        Ok(Self { domain: domain.to_owned(), path, tag: tag.map(str::to_owned), digest })
    }

    /// Parses and adds `latest` where neither tag nor digest is given.
    pub fn parse_tagged(text: &str) -> Result<Self, InvalidReference> {
        Self::parse(text).map(Self::with_default_tag)
    }

    /// Adds `latest` where there is neither tag nor digest.
    #[must_use]
    pub fn with_default_tag(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(DEFAULT_TAG.to_owned());
        }
        self
    }

    /// Replaces the tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, InvalidReference> {
        if !is_tag(tag) {
            return Err(InvalidReference::Format);
        }
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// Names the content: tag dropped, digest set.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// Returns the registry's host and port: `docker.io`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Returns the repository within the registry: `library/busybox`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the tag that was written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest that was written.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Returns domain and path: `docker.io/library/busybox`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// Returns the name as people write it: `busybox`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        let short = match self.path.strip_prefix(OFFICIAL_PREFIX) {
            Some(name) if !name.contains('/') => name,
            _ => &self.path,
        };
        // `docker.io/example.com/box` without its domain is the name of somebody else's image.
        match Self::parse(short) {
            Ok(read) if read.domain == self.domain && read.path == self.path => short.to_owned(),
            _ => self.name(),
        }
    }

    /// Returns the whole reference as people write it: `busybox:latest`.
    pub fn familiar(&self) -> String {
        self.suffixed(self.familiar_name())
    }

    /// Returns what follows the name, without its mark: the digest, or else the tag.
    pub fn suffix(&self) -> String {
        self.digest.map(|digest| digest.to_string()).or_else(|| self.tag.clone()).unwrap_or_default()
    }

    fn suffixed(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(&digest.to_string());
        }
        name
    }
}

fn split_domain(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || has_upper(first) => {
            let domain = if first == LEGACY_DEFAULT_DOMAIN { DEFAULT_DOMAIN } else { first };
            (domain, rest)
        }
        _ => (DEFAULT_DOMAIN, text),
    }
}

fn has_upper(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let digits = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
            if address.is_empty() || !address.bytes().all(digits) {
                return false;
            }
            match port.strip_prefix(':') {
                None => return port.is_empty(),
                port => ("v6", port),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        ends(bytes.first())
            && ends(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    host.split('.').all(label) && port.is_none_or(digits)
}

/// Lower-case alphanumeric runs joined by `.`, `_`, `__` or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separators = text.split(|letter: char| letter.is_ascii() && alphanumeric(letter as u8));
    let (first, last) = (separators.next(), separators.next_back());
    // Text before the first run and after the last must be empty, and there must be one run.
    first == Some("")
        && last == Some("")
        && separators.all(|between| {
            matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
        })
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = text.bytes();
    text.len() <= TAG_BYTES_MAX
        && bytes.next().is_some_and(word)
        && bytes.all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.suffixed(self.name()))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{InvalidReference, Reference};

    #[test]
    fn references_are_normalised_and_familiar() {
        let sha = format!("sha256:{}", "ab".repeat(32));
        let table = [
            ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
            ("me/app", "docker.io/me/app:latest", "me/app:latest"),
            ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("index.docker.io/library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
            ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
            ("localhost:5000/x/y:t", "localhost:5000/x/y:t", "localhost:5000/x/y:t"),
            ("quay.io/a/b.c_d__e--f", "quay.io/a/b.c_d__e--f:latest", "quay.io/a/b.c_d__e--f:latest"),
            ("[fe80::1]:5000/x", "[fe80::1]:5000/x:latest", "[fe80::1]:5000/x:latest"),
            ("[::1]/x", "[::1]/x:latest", "[::1]/x:latest"),
            ("HOST/x", "HOST/x:latest", "HOST/x:latest"),
            ("x:UPPER.tag-1_", "docker.io/library/x:UPPER.tag-1_", "x:UPPER.tag-1_"),
            ("localhost", "docker.io/library/localhost:latest", "localhost:latest"),
            // Short forms that would name another registry's image.
            ("docker.io/quay.io/x", "docker.io/quay.io/x:latest", "docker.io/quay.io/x:latest"),
            ("docker.io/localhost/x", "docker.io/localhost/x:latest", "docker.io/localhost/x:latest"),
        ];
        for (text, full, familiar) in table {
            let reference = Reference::parse_tagged(text).unwrap();
            assert_eq!(reference.to_string(), full, "{text}");
            assert_eq!(reference.familiar(), familiar, "{text}");
        }
        let digested = Reference::parse_tagged(&format!("busybox:1@{sha}")).unwrap();
        assert_eq!(digested.familiar(), format!("busybox:1@{sha}"));
        assert_eq!(Reference::parse_tagged(&format!("x@{sha}")).unwrap().tag(), None);
    }

    #[test]
    fn bad_references_get_dockers_words() {
        let long = format!("docker.io/{}", "a".repeat(300));
        let id = "a".repeat(64);
        let table = [
            ("", "invalid reference format"),
            (":tag", "invalid reference format"),
            ("a:", "invalid reference format"),
            ("a//b", "invalid reference format"),
            ("/a", "invalid reference format"),
            ("a/", "invalid reference format"),
            ("-a", "invalid reference format"),
            ("a_", "invalid reference format"),
            ("a___b", "invalid reference format"),
            ("a..b", "invalid reference format"),
            ("../a", "invalid reference format"),
            ("a b", "invalid reference format"),
            ("é", "invalid reference format"),
            ("x:.t", "invalid reference format"),
            ("-h.io/x", "invalid reference format"),
            ("h.io:p/x", "invalid reference format"),
            ("Busybox", "invalid reference format: repository name (library/Busybox) must be lowercase"),
            (&long, "repository name must not be more than 255 characters"),
        ];
        for (text, message) in table {
            assert_eq!(Reference::parse(text).unwrap_err().to_string(), message, "{text}");
        }
        assert!(matches!(Reference::parse(&id), Err(InvalidReference::Identifier(_))));
        assert!(matches!(Reference::parse("a@sha256:../x"), Err(InvalidReference::Digest(_))));
        assert!(Reference::parse(&format!("x:{}", "t".repeat(129))).is_err());
    }

    proptest! {
        #[test]
        fn what_parses_reads_the_same_again(text in "[a-zA-Z0-9.:/@_\\[\\]-]{0,40}") {
            if let Ok(reference) = Reference::parse(&text) {
                prop_assert_eq!(&Reference::parse(&reference.to_string()).unwrap(), &reference);
                prop_assert_eq!(&Reference::parse(&reference.familiar()).unwrap(), &reference);
                prop_assert!(!reference.name().split('/').any(|part| matches!(part, "" | "." | "..")));
            }
        }

        #[test]
        fn any_text_is_answered(text in "\\PC*") {
            let _ = Reference::parse(&text);
        }
    }
}
