//! Image archives in the two formats that `load` reads: docker-archive and OCI layout in a tar.

use std::io::Write;

use anyhow::Result;
use flate2::{GzBuilder, write::GzEncoder};
use serde_json::{Value, json};

use super::entry::{Entry, LongNames, sha256, write_tar};

/// An image to be archived: uncompressed layers, lowest first, and how it is run.
pub(super) struct Image {
    pub(super) tag: &'static str,
    pub(super) layers: Vec<Vec<u8>>,
    /// The `config` object of the image configuration: Cmd, Env, …
    pub(super) config: Value,
}

/// How the layers inside an OCI archive are compressed.
#[derive(Clone, Copy)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn media_type(self) -> &'static str {
        match self {
            Self::None => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }

    /// Compresses in a way that depends on nothing but the bytes: no name, no time.
    pub(super) fn apply(self, bytes: &[u8]) -> Result<Vec<u8>> {
        Ok(match self {
            Self::None => bytes.to_vec(),
            Self::Gzip => {
                let mut gzip: GzEncoder<Vec<u8>> =
                    GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::new(6));
                gzip.write_all(bytes)?;
                gzip.finish()?
            }
            Self::Zstd => zstd::encode_all(bytes, 3)?,
        })
    }
}

impl Image {
    fn config_json(&self) -> Result<Vec<u8>> {
        let diff_ids: Vec<String> =
            self.layers.iter().map(|layer| format!("sha256:{}", sha256(layer))).collect();
        let history: Vec<Value> = (1..=self.layers.len())
            .map(|n| json!({"created": "2023-11-14T22:13:20Z", "created_by": format!("test layer {n}")}))
            .collect();
        Ok(serde_json::to_vec(&json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "created": "2023-11-14T22:13:20Z",
            "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": history,
        }))?)
    }

    /// Writes the archive that `docker save` wrote before it wrote OCI layouts.
    pub(super) fn docker_archive(&self) -> Result<Vec<u8>> {
        let config = self.config_json()?;
        let config_name = format!("{}.json", sha256(&config));
        let mut entries = Vec::new();
        let mut layer_names: Vec<String> = Vec::new();
        for layer in &self.layers {
            let id = sha256(layer);
            let name = format!("{id}/layer.tar");
            // Two equal layers are stored once and named twice.
            if !layer_names.contains(&name) {
                entries.push(Entry::dir(&format!("{id}/")));
                entries.push(Entry::file(name.as_str(), layer.as_slice()));
            }
            layer_names.push(name);
        }
        entries.push(Entry::file(config_name.as_str(), config));
        let manifest = json!([{"Config": config_name, "RepoTags": [self.tag], "Layers": layer_names}]);
        entries.push(Entry::file("manifest.json", serde_json::to_vec(&manifest)?));
        write_tar(&entries, LongNames::Gnu)
    }

    /// Writes an OCI image layout as an archive.
    pub(super) fn oci_archive(&self, compression: Compression) -> Result<Vec<u8>> {
        let mut entries = vec![
            Entry::file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#),
            Entry::dir("blobs/"),
            Entry::dir("blobs/sha256/"),
        ];
        let mut add = |media_type: &str, content: Vec<u8>| -> Value {
            let digest = sha256(&content);
            let size = content.len();
            let path = format!("blobs/sha256/{digest}");
            if !entries.iter().any(|entry| entry.path == path.as_bytes()) {
                entries.push(Entry::file(path, content));
            }
            json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size})
        };
        let mut layers = Vec::new();
        for layer in &self.layers {
            layers.push(add(compression.media_type(), compression.apply(layer)?));
        }
        let config = add("application/vnd.oci.image.config.v1+json", self.config_json()?);
        let manifest_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest =
            json!({"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": layers});
        let mut named = add(manifest_type, serde_json::to_vec(&manifest)?);
        named["annotations"] = json!({
            "io.containerd.image.name": format!("docker.io/library/{}", self.tag),
            "org.opencontainers.image.ref.name": self.tag.rsplit(':').next(),
        });
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [named],
        });
        entries.push(Entry::file("index.json", serde_json::to_vec(&index)?));
        write_tar(&entries, LongNames::Gnu)
    }
}
