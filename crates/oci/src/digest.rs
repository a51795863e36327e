//! The ids of content: digest, diff id, chain id and image id, each a type of its own.
//!
//! A digest is checked once, where it enters: `sha256:` and 64 lowercase hexadecimal digits and
//! nothing else, so that none can be a path or name another algorithm (CVE-2024-3727, CVE-2014-9356).

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::class::Class;

/// The SHA-256 of some bytes as they are stored or sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid digest `{0}`: expected `sha256:` and 64 lowercase hexadecimal digits")]
pub struct InvalidDigest(String);

impl InvalidDigest {
    /// Returns the class of the failure.
    pub fn class(&self) -> Class {
        Class::Invalid
    }
}

impl Digest {
    /// Makes a digest of what a hash function returned.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the raw 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the 64 hexadecimal digits without `sha256:`: a file name.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = String::with_capacity(64);
        for byte in self.0 {
            hex.push(char::from(DIGITS[usize::from(byte >> 4)]));
            hex.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        hex
    }

    /// Returns the first twelve digits, as people write ids.
    pub fn short(&self) -> String {
        let mut hex = self.hex();
        hex.truncate(12);
        hex
    }

    /// Parses 64 lowercase hexadecimal digits without `sha256:`.
    pub fn from_hex(hex: &str) -> Result<Self, InvalidDigest> {
        let invalid = || InvalidDigest(hex.escape_debug().take(100).collect());
        let digits: &[u8; 64] = hex.as_bytes().try_into().map_err(|_| invalid())?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (nibble(pair[0]), nibble(pair[1]));
            *byte = high.zip(low).map(|(high, low)| high << 4 | low).ok_or_else(invalid)?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("sha256:").and_then(|hex| Self::from_hex(hex).ok());
        hex.ok_or_else(|| InvalidDigest(text.escape_debug().take(100).collect()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Declares an id that is a digest of something particular.
macro_rules! digest_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Digest);

        impl $name {
            /// Names the digest as an id of this kind.
            pub const fn new(digest: Digest) -> Self {
                Self(digest)
            }

            /// Returns the digest behind the id.
            pub const fn digest(&self) -> &Digest {
                &self.0
            }

            /// Returns the 64 hexadecimal digits without `sha256:`: a file name.
            pub fn hex(&self) -> String {
                self.0.hex()
            }

            /// Returns the first twelve digits, as people write ids.
            pub fn short(&self) -> String {
                self.0.short()
            }
        }

        impl FromStr for $name {
            type Err = InvalidDigest;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

digest_id! {
    /// The digest of a layer's uncompressed tar.
    DiffId
}
digest_id! {
    /// The digest that names a layer together with all layers below it.
    ChainId
}
digest_id! {
    /// The digest of an image's configuration: what Docker calls the image id.
    ImageId
}

impl ChainId {
    /// Returns the chain ids of a list of layers, the lowest first (OCI image spec, "Layer ChainID").
    pub fn chain(diff_ids: &[DiffId], sha256: impl Fn(&[u8]) -> Digest) -> Vec<Self> {
        let mut chain: Vec<Self> = Vec::with_capacity(diff_ids.len());
        for diff_id in diff_ids {
            let next = match chain.last() {
                None => *diff_id.digest(),
                Some(below) => sha256(format!("{below} {diff_id}").as_bytes()),
            };
            chain.push(Self(next));
        }
        chain
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ChainId, DiffId, Digest};

    #[test]
    fn cve_2024_3727_only_sha256_and_64_lowercase_digits() {
        let hex = "0123456789abcdef".repeat(4);
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        assert_eq!((digest.to_string(), digest.short()), (format!("sha256:{hex}"), hex[..12].to_owned()));
        let bad = [
            String::new(),
            hex.clone(),
            "sha256:".to_owned(),
            "sha256:../../x".to_owned(),
            format!("sha256:{}", hex.to_uppercase()),
            format!("sha256:{hex}0"),
            format!("sha256:{}", &hex[1..]),
            format!("sha256:{}\n", &hex[1..]),
            format!("sha512:{hex}{hex}"),
            format!("SHA256:{hex}"),
            format!("sha256:../{}", &hex[3..]),
            format!("sha256:{}é", &hex[2..]),
        ];
        for text in bad {
            assert!(text.parse::<Digest>().is_err(), "{text}");
            assert!(serde_json::from_value::<Digest>(text.into()).is_err());
        }
    }

    #[test]
    fn chain_starts_with_the_diff_id_and_hashes_pairs() {
        let diff_ids = [1, 2, 3].map(|n| DiffId::new(Digest::from_bytes([n; 32])));
        let asked = std::cell::RefCell::new(Vec::new());
        let chain = ChainId::chain(&diff_ids, |bytes| {
            asked.borrow_mut().push(String::from_utf8(bytes.to_vec()).unwrap());
            Digest::from_bytes([9; 32])
        });
        assert_eq!(chain[0].digest(), diff_ids[0].digest());
        let nine = Digest::from_bytes([9; 32]);
        let expected = [format!("{} {}", diff_ids[0], diff_ids[1]), format!("{nine} {}", diff_ids[2])];
        assert_eq!(asked.into_inner(), expected);
    }

    proptest! {
        #[test]
        fn digests_round_trip(bytes: [u8; 32]) {
            let digest = Digest::from_bytes(bytes);
            prop_assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        }

        #[test]
        fn no_text_makes_a_digest_that_reads_otherwise(text in "\\PC*") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
