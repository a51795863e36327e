//! `save`: images as one archive that is an OCI layout and what `docker load` reads at once, as Docker writes it
//! since version 25. Every blob is in it once, whoever shares it.
//!
//! ```text
//! oci-layout index.json       read by OCI's tools
//! manifest.json               read by Docker of any age
//! blobs/sha256/HEX            configurations, manifests, and layers as they came
//! ```
//!
//! The bytes are hashed on their way: an archive that was written to its end holds what it says.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{Read, Write};

use oci::digest::Digest;
use oci::image::{ANNOTATION_IMAGE_NAME, ANNOTATION_REF_NAME, Descriptor, Index, Platform, media};
use oci::reference::Reference;
use serde::{Deserialize, Serialize};

use super::to_json;
use crate::layer::{Packing, decompress, stream, write_error, write_packed};
use crate::record::{ImageRecord, LayerRef};
use crate::tar::{Entry, Kind, TarWriter, Time};
use crate::{Error, Images, Lease, Result};

/// Which readers an archive is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SaveFormat {
    #[default]
    Both,
    Docker,
    Oci,
}

/// An image that is to be saved, with the names that were asked for.
#[derive(Debug)]
struct Wanted {
    image: ImageRecord,
    references: Vec<Reference>,
}

/// Where the bytes of a member come from.
#[derive(Debug)]
enum Source {
    Blob(File),
    /// Packed anew.
    Tree(LayerRef),
    /// Written as the plain tar.
    Zstd(File),
}

#[derive(Debug)]
struct Member {
    digest: Digest,
    size: u64,
    source: Source,
}

/// One image in `manifest.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// Images that are about to be written; what they need is held.
#[derive(Debug)]
pub struct Saving<'i> {
    images: &'i Images,
    wanted: Vec<Wanted>,
    members: Vec<Member>,
    format: SaveFormat,
    /// Files that are open stay; a tree that is read by name must not go.
    _lease: Option<Lease>,
}

impl Images {
    /// Looks up what is to be saved: names (without a tag all of the repository), ids and digests.
    pub fn save(
        &self,
        words: &[String],
        platform: Option<&Platform>,
        format: SaveFormat,
    ) -> Result<Saving<'_>> {
        let lease = self.lease()?;
        let mut wanted: Vec<Wanted> = Vec::new();
        for word in words {
            for (image, reference) in self.wanted(word)? {
                if let Some(platform) = platform
                    && !image.platform.satisfies(platform)
                {
                    let available = vec![image.platform.to_string()];
                    return Err(Error::Platform { wanted: platform.to_string(), available });
                }
                let at = wanted.iter().position(|other| other.image.id == image.id).unwrap_or_else(|| {
                    wanted.push(Wanted { image, references: Vec::new() });
                    wanted.len() - 1
                });
                let references = &mut wanted[at].references;
                references.extend(reference.filter(|reference| !references.contains(reference)));
            }
        }
        let mut members = Vec::new();
        let mut known = HashSet::new();
        for image in wanted.iter().map(|wanted| &wanted.image) {
            self.members_of(image, format, &mut known, &mut members)?;
        }
        let reads_trees = members.iter().any(|member| matches!(member.source, Source::Tree(_)));
        Ok(Saving { images: self, wanted, members, format, _lease: reads_trees.then_some(lease) })
    }

    fn wanted(&self, word: &str) -> Result<Vec<(ImageRecord, Option<Reference>)>> {
        let named = Reference::parse(word).ok();
        if let Some(name) = named.as_ref().filter(|name| name.tag().is_none() && name.digest().is_none()) {
            let records = self.references()?.into_iter();
            let of_repository: Vec<_> =
                records.filter(|record| record.reference.name() == name.name()).collect();
            if !of_repository.is_empty() {
                let one = |record: crate::ReferenceRecord| {
                    Ok((self.image(&record.target.image)?, Some(record.reference)))
                };
                return of_repository.into_iter().map(one).collect();
            }
        }
        let image = self.resolve(word)?;
        let reference = named.filter(|name| name.digest().is_none() && name.tag().is_some());
        // An id is no name, and may look like one.
        let reference = match reference {
            Some(reference) => self.reference(&reference)?.map(|record| record.reference),
            None => None,
        };
        Ok(vec![(image, reference)])
    }

    fn members_of(
        &self,
        image: &ImageRecord,
        format: SaveFormat,
        known: &mut HashSet<Digest>,
        members: &mut Vec<Member>,
    ) -> Result<()> {
        let manifest = (format != SaveFormat::Docker).then_some(image.manifest);
        for digest in [*image.id.digest()].into_iter().chain(manifest) {
            if known.insert(digest) {
                let size = self.blob_size(&digest)?.ok_or_else(|| Error::NotFound(digest.to_string()))?;
                members.push(Member { digest, size, source: Source::Blob(self.open_blob(&digest)?) });
            }
        }
        for layer in &image.layers {
            if format == SaveFormat::Docker && layer.media_type == media::OCI_LAYER_ZSTD {
                if known.insert(*layer.diff_id.digest()) {
                    members.push(self.plain(layer)?);
                }
                continue;
            }
            if known.insert(layer.blob) {
                let source = match layer.packed {
                    true => Source::Tree(layer.clone()),
                    false => Source::Blob(self.open_blob(&layer.blob)?),
                };
                members.push(Member { digest: layer.blob, size: layer.blob_size, source });
            }
        }
        Ok(())
    }

    /// Docker reads zstd since version 23: whoever asks for its form alone gets a layer that all of them read.
    fn plain(&self, layer: &LayerRef) -> Result<Member> {
        let (_, mut plain) = decompress(self.open_blob(&layer.blob)?)?;
        let size = std::io::copy(&mut plain, &mut std::io::sink())
            .map_err(|source| Error::Read { what: format!("layer {}", layer.blob), source })?;
        let source = Source::Zstd(self.open_blob(&layer.blob)?);
        Ok(Member { digest: *layer.diff_id.digest(), size, source })
    }

    /// Opens the blob of a layer for reading. One that lies nowhere is packed into a file without a name, which is gone
    /// when it is closed.
    pub fn open_layer(&self, layer: &LayerRef) -> Result<File> {
        if !layer.packed {
            return self.open_blob(&layer.blob);
        }
        let workspace = self.workspace("pack")?;
        let mut file = workspace.create("blob")?;
        self.write_packed(layer, &mut file)?;
        Ok(workspace.dir.open_regular("blob")?)
    }

    /// Writes the blob of a layer that lies nowhere, and checks that it is what the image says.
    pub(crate) fn write_packed(&self, layer: &LayerRef, sink: &mut dyn Write) -> Result<()> {
        let found = write_packed(&self.layer_tree(&layer.chain_id)?, &Packing::layer(), sink)?;
        if found == layer.diff_id {
            return Ok(());
        }
        let what = format!("layer {}, as it lies in the store,", layer.chain_id);
        Err(Error::DigestMismatch { what, expected: *layer.diff_id.digest(), found: *found.digest() })
    }
}

impl Saving<'_> {
    /// Writes the archive.
    pub fn write(self, sink: &mut dyn Write) -> Result<()> {
        let mut tar = TarWriter::new(sink);
        if self.format != SaveFormat::Docker {
            document(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
            document(&mut tar, "index.json", &to_json("index", &self.index()?)?)?;
        }
        if self.format != SaveFormat::Oci {
            document(&mut tar, "manifest.json", &to_json("manifest", &self.items())?)?;
        }
        for directory in ["blobs/", "blobs/sha256/"] {
            tar.entry(&entry(directory, Kind::Directory)).map_err(write_error)?;
        }
        for member in self.members {
            let kind = Kind::File { size: member.size, sparse: None };
            tar.entry(&entry(&path_of(&member.digest), kind)).map_err(write_error)?;
            let mut data = Data { tar: &mut tar };
            match member.source {
                Source::Tree(layer) => self.images.write_packed(&layer, &mut data)?,
                // It may have grown, which no blob does.
                Source::Blob(file) => check(&member.digest, stream(file.take(member.size), &mut data)?)?,
                Source::Zstd(file) => {
                    let (_, plain) = decompress(file)?;
                    check(&member.digest, stream(plain.take(member.size), &mut data)?)?;
                }
            }
        }
        tar.finish().map_err(write_error)?.flush().map_err(write_error)
    }

    fn index(&self) -> Result<Index> {
        let mut manifests = Vec::new();
        for wanted in &self.wanted {
            let descriptor = self.descriptor(&wanted.image)?;
            if wanted.references.is_empty() {
                manifests.push(descriptor.clone());
            }
            manifests.extend(wanted.references.iter().map(|reference| {
                let mut annotations =
                    BTreeMap::from([(ANNOTATION_IMAGE_NAME.to_owned(), reference.to_string())]);
                annotations
                    .extend(reference.tag().map(|tag| (ANNOTATION_REF_NAME.to_owned(), tag.to_owned())));
                Descriptor { annotations, ..descriptor.clone() }
            }));
        }
        let media_type = media::OCI_INDEX.to_owned();
        Ok(Index { schema_version: 2, media_type, manifests, annotations: BTreeMap::new() })
    }

    fn descriptor(&self, image: &ImageRecord) -> Result<Descriptor> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Typed {
            #[serde(default)]
            media_type: String,
        }
        let bytes = self.images.read_blob(&image.manifest)?;
        let typed = serde_json::from_slice::<Typed>(&bytes).map(|typed| typed.media_type).unwrap_or_default();
        let media_type = if typed.is_empty() { media::OCI_MANIFEST.to_owned() } else { typed };
        Ok(Descriptor {
            media_type,
            digest: image.manifest,
            size: bytes.len() as u64,
            platform: Some(image.platform.clone()),
            annotations: BTreeMap::new(),
            artifact_type: None,
        })
    }

    fn blob_of<'l>(&self, layer: &'l LayerRef) -> &'l Digest {
        match self.format == SaveFormat::Docker && layer.media_type == media::OCI_LAYER_ZSTD {
            true => layer.diff_id.digest(),
            false => &layer.blob,
        }
    }

    fn items(&self) -> Vec<Item> {
        let item = |wanted: &Wanted| Item {
            config: path_of(wanted.image.id.digest()),
            repo_tags: wanted.references.iter().map(Reference::familiar).collect(),
            layers: wanted.image.layers.iter().map(|layer| path_of(self.blob_of(layer))).collect(),
        };
        self.wanted.iter().map(item).collect()
    }
}

fn check(expected: &Digest, found: Digest) -> Result<()> {
    if found == *expected {
        return Ok(());
    }
    Err(Error::DigestMismatch { what: "blob in the store".to_owned(), expected: *expected, found })
}

fn path_of(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Members bear no time and belong to root: the same images are the same archive.
fn entry(path: &str, kind: Kind) -> Entry {
    let mode = if kind == Kind::Directory { 0o755 } else { 0o644 };
    let (mtime, xattrs) = (Time::default(), Vec::new());
    Entry { path: path.as_bytes().to_vec(), kind, mode, uid: 0, gid: 0, mtime, atime: None, xattrs }
}

fn document<W: Write>(tar: &mut TarWriter<W>, name: &str, bytes: &[u8]) -> Result<()> {
    let kind = Kind::File { size: bytes.len() as u64, sparse: None };
    tar.entry(&entry(name, kind)).and_then(|()| tar.data(bytes)).map_err(write_error)
}

/// The data of the member that was begun.
struct Data<'a, W> {
    tar: &'a mut TarWriter<W>,
}

impl<W: Write> Write for Data<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.tar.data(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
