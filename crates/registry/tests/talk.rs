//! What all conversations of the tests begin with.

use std::time::Duration;

use oci::digest::Digest;
use registry::{Access, Patience, Repository, Settings};
use sha2::Digest as _;

/// Settings that lose patience soon.
pub(crate) fn settings() -> Settings {
    let patience = Patience {
        connect: Duration::from_secs(2),
        stall: Duration::from_millis(300),
        slowest_bytes: 2000,
        attempts: 3,
        pause: Duration::from_millis(5),
        pause_max: Duration::from_secs(2),
    };
    Settings { patience, ..Settings::default() }
}

/// Opens `a/b` at a host for reading.
pub(crate) fn pull(settings: &Settings, host: &str) -> Repository {
    Repository::open(settings, &format!("{host}/a/b").parse().unwrap(), &Access::Pull).unwrap()
}

/// Opens `a/b` at a host for writing.
pub(crate) fn push(settings: &Settings, host: &str) -> Repository {
    let access = Access::Push { mount_from: vec!["other/one".to_owned()] };
    Repository::open(settings, &format!("{host}/a/b").parse().unwrap(), &access).unwrap()
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(sha2::Sha256::digest(bytes).into())
}

/// Bytes that look like nothing in particular.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// A manifest of nothing.
pub(crate) fn manifest() -> Vec<u8> {
    let config = digest(b"{}");
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[]}}"#
    )
    .into_bytes()
}

/// An index of nothing.
pub(crate) fn index() -> Vec<u8> {
    br#"{"schemaVersion":2,"manifests":[]}"#.to_vec()
}
