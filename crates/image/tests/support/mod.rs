//! Stores and image archives for the tests.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "tests stop at the first surprise")]
#![allow(clippy::new_without_default, reason = "made by tests alone")]

pub mod archive;

use std::io::Write;

use archive::{Archive, Header};
use image::{Images, sha256};
use oci::digest::Digest;
use serde_json::{Value, json};

/// A store in a directory of its own.
pub struct Store {
    pub temp: tempfile::TempDir,
    pub images: Images,
}

impl Store {
    pub fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let images = Images::open(temp.path().join("store")).unwrap();
        Self { temp, images }
    }

    /// A second handle, as another process would have.
    pub fn again(&self) -> Images {
        Images::open(self.images.path()).unwrap()
    }

    pub fn assert_clean(&self) {
        let audit = self.images.audit().unwrap();
        assert!(audit.is_clean(), "{audit:#?}");
        assert!(self.images.verify_blobs().unwrap().is_empty());
        let staging: Vec<_> = std::fs::read_dir(self.images.path().join("staging")).unwrap().collect();
        assert!(staging.is_empty(), "{staging:?}");
        let mut locks = std::fs::read_dir(self.images.path().join("locks")).unwrap();
        assert!(locks.all(|lock| lock.unwrap().file_name() == "gc"), "a layer lock was left");
    }
}

/// An image that is to be written as an archive.
#[derive(Debug, Clone)]
pub struct TestImage {
    pub layers: Vec<Vec<u8>>,
    pub config: Value,
}

impl TestImage {
    /// Takes layers as plain tars.
    pub fn new(layers: Vec<Vec<u8>>) -> Self {
        let diff_ids: Vec<String> = layers.iter().map(|layer| sha256(layer).to_string()).collect();
        let history: Vec<Value> = (0..layers.len())
            .map(|n| json!({"created": "2024-01-02T03:04:05Z", "created_by": format!("RUN step {n}")}))
            .collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": "2024-01-02T03:04:05.678Z",
            "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"], "Labels": {"a": "b"}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history,
        });
        Self { layers, config }
    }

    /// Layers with one small file each, all different.
    pub fn with_layers(count: usize, seed: &str) -> Self {
        let layer = |n: usize| {
            let tar = Archive::new().entry(&Header::new(b'5', "./").mode(0o711), b"");
            tar.file(&format!("{seed}-{n}"), format!("{n}")).file("top", format!("{n}")).finish()
        };
        Self::new((0..count).map(layer).collect())
    }

    pub fn config_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.config).unwrap()
    }

    pub fn id(&self) -> Digest {
        sha256(&self.config_bytes())
    }
}

/// Writes a docker-archive as `docker save` did for ten years.
pub fn docker_archive(images: &[(&TestImage, &[&str])]) -> Vec<u8> {
    let mut tar = Archive::new();
    let mut items = Vec::new();
    let mut written = std::collections::HashSet::new();
    for (image, tags) in images {
        let mut names = Vec::new();
        for layer in &image.layers {
            let hex = sha256(layer).hex();
            let name = format!("{hex}/layer.tar");
            if written.insert(name.clone()) {
                tar = tar.dir(&format!("{hex}/")).file(&format!("{hex}/VERSION"), "1.0").file(&name, layer);
            }
            names.push(name);
        }
        let config = format!("{}.json", image.id().hex());
        if written.insert(config.clone()) {
            tar = tar.file(&config, image.config_bytes());
        }
        items.push(json!({"Config": config, "RepoTags": tags, "Layers": names}));
    }
    tar.file("manifest.json", serde_json::to_vec(&items).unwrap()).finish()
}

/// The members of an OCI layout by name.
pub fn oci_members(
    image: &TestImage,
    annotations: Value,
    compress: fn(&[u8]) -> Vec<u8>,
) -> (Vec<(String, Vec<u8>)>, Value) {
    let mut members = Vec::new();
    let mut blob = |media: &str, bytes: Vec<u8>| {
        let digest = sha256(&bytes);
        let descriptor = json!({"mediaType": media, "digest": digest.to_string(), "size": bytes.len()});
        members.push((format!("blobs/sha256/{}", digest.hex()), bytes));
        descriptor
    };
    let config = blob("application/vnd.oci.image.config.v1+json", image.config_bytes());
    let layers: Vec<Value> = image
        .layers
        .iter()
        .map(|layer| blob("application/vnd.oci.image.layer.v1.tar+gzip", compress(layer)))
        .collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": layers,
    });
    let mut descriptor =
        blob("application/vnd.oci.image.manifest.v1+json", serde_json::to_vec(&manifest).unwrap());
    descriptor["annotations"] = annotations;
    (members, descriptor)
}

/// Writes an OCI archive.
pub fn oci_archive(members: &[(String, Vec<u8>)], descriptors: &[Value]) -> Vec<u8> {
    let index = json!({"schemaVersion": 2, "manifests": descriptors});
    let mut tar = Archive::new().file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    tar = tar.file("index.json", serde_json::to_vec(&index).unwrap()).dir("blobs/").dir("blobs/sha256/");
    let mut written = std::collections::HashSet::new();
    for (name, bytes) in members {
        if written.insert(name) {
            tar = tar.file(name, bytes);
        }
    }
    tar.finish()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}
