//! Images as the OCI and Docker write them: descriptors, manifests, indexes and configurations.
//!
//! Foreign bytes enter through [`parse_document`] and [`ImageConfig::parse`], which refuse what two
//! readers could understand differently (CVE-2021-41190).

mod config;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::class::Class;
use crate::digest::Digest;

pub use config::{Config, Healthcheck, History, ImageConfig, RootFs};

/// Media types of manifests, configurations and layers.
pub mod media {
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
}

/// Annotation that holds a tag (or a whole name) in an `index.json`.
pub const ANNOTATION_REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Annotation in which containerd and Docker keep the whole name beside it.
pub const ANNOTATION_IMAGE_NAME: &str = "io.containerd.image.name";

/// Points to content by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

/// The machine an image is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    pub architecture: String,
    pub os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
}

impl Platform {
    /// The platform this program was built for.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self { architecture: architecture.to_owned(), os: "linux".to_owned(), ..Self::default() }
    }

    /// Whether an image for `self` is what somebody who asks for `wanted` means.
    pub fn satisfies(&self, wanted: &Self) -> bool {
        let variant = |platform: &Self| match (&*platform.architecture, platform.variant.as_deref()) {
            ("arm64", None | Some("v8" | "8")) | ("amd64", None | Some("v1")) => None,
            (_, variant) => variant.map(str::to_owned),
        };
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() && variant(self).is_none() || variant(self) == variant(wanted))
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

impl std::str::FromStr for Platform {
    type Err = InvalidDocument;

    /// Parses `os/arch`, `os/arch/variant` or `arch` (of Linux).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [architecture] => ("linux", architecture, None),
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(InvalidDocument::Platform(text.to_owned())),
        };
        let word = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_alphanumeric())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if !(word(os) && word(architecture) && variant.is_none_or(word)) {
            return Err(InvalidDocument::Platform(text.to_owned()));
        }
        let architecture = match architecture {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            "armhf" => "arm",
            other => other,
        };
        Ok(Self {
            architecture: architecture.to_owned(),
            os: os.to_lowercase(),
            variant: variant.map(str::to_owned),
            os_version: None,
        })
    }
}

/// Configuration and layers of one image for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Manifests for several platforms, or the table of contents of an image layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    #[serde(deserialize_with = "nullable")]
    pub manifests: Vec<Descriptor>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What a descriptor to an image can lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    Manifest(Manifest),
    Index(Index),
}

/// Why bytes are no manifest, index or configuration.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDocument {
    #[error("{what} is not valid JSON of its kind")]
    Json {
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error(
        "document has both `layers` and `manifests`: it could be read as image or as index and is refused"
    )]
    Ambiguous,
    #[error("document has neither `layers` nor `manifests`")]
    Neither,
    #[error("media type `{}` contradicts the content", .0.escape_debug())]
    MediaType(String),
    #[error("schema version {0} is not supported (only 2)")]
    SchemaVersion(u64),
    #[error("`rootfs.type` is `{}`, expected `layers`", .0.escape_debug())]
    RootFs(String),
    #[error("invalid platform `{0}`: expected os/arch[/variant]")]
    Platform(String),
}

impl InvalidDocument {
    /// Returns the class of the failure.
    pub fn class(&self) -> Class {
        match self {
            Self::SchemaVersion(_) => Class::Unsupported,
            _ => Class::Invalid,
        }
    }
}

/// Parses a manifest or an index, told apart by what it holds and never by what a peer calls it.
pub fn parse_document(bytes: &[u8]) -> Result<Document, InvalidDocument> {
    /// The keys that decide, whatever their values.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Keys {
        #[serde(default)]
        schema_version: Option<u64>,
        #[serde(default)]
        media_type: Option<String>,
        #[serde(default, deserialize_with = "present")]
        config: bool,
        #[serde(default, deserialize_with = "present")]
        layers: bool,
        #[serde(default, deserialize_with = "present")]
        fs_layers: bool,
        #[serde(default, deserialize_with = "present")]
        manifests: bool,
    }
    let json = |source| InvalidDocument::Json { what: "manifest", source };
    let keys: Keys = serde_json::from_slice(bytes).map_err(json)?;
    if keys.schema_version.is_some_and(|version| version != 2) || keys.fs_layers {
        return Err(InvalidDocument::SchemaVersion(keys.schema_version.unwrap_or(1)));
    }
    let is_image = keys.config || keys.layers;
    let media_type = keys.media_type.unwrap_or_default();
    let expected: &[&str] = match (is_image, keys.manifests) {
        (true, true) => return Err(InvalidDocument::Ambiguous),
        (false, false) => return Err(InvalidDocument::Neither),
        (true, false) => &["", media::OCI_MANIFEST, media::DOCKER_MANIFEST],
        (false, true) => &["", media::OCI_INDEX, media::DOCKER_INDEX],
    };
    if !expected.contains(&&*media_type) {
        return Err(InvalidDocument::MediaType(media_type));
    }
    if is_image {
        serde_json::from_slice(bytes).map(Document::Manifest).map_err(json)
    } else {
        serde_json::from_slice(bytes).map(Document::Index).map_err(json)
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Reads `null` as the empty value: Go writes it for empty lists and maps.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests;
