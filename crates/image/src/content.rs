//! Blobs: bytes by digest, in the form of an OCI image layout.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use oci::digest::Digest;
use rustix::fs::RenameFlags;
use store::sync_dir;

use crate::hash::{Tee, sha256};
use crate::root::{Workspace, sync_file};
use crate::{Error, Images, Result};

/// Limit of a manifest, index or configuration.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 8 << 20;

/// The directory of downloads.
pub(crate) const DOWNLOADS: &str = "downloads";

/// Bytes in a workspace that are to become a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StagedBlob {
    /// Its file in the workspace; empty for what lies among the downloads, under its digest.
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl StagedBlob {
    /// Returns where it lies, relative to the store.
    fn path(&self, workspace: &Workspace) -> PathBuf {
        match self.name.is_empty() {
            true => download_path(&self.digest),
            false => workspace.path(&self.name),
        }
    }
}

impl Images {
    /// Takes bytes in, checks digest and size, and makes them durable under their digest. What fails
    /// the check is never visible.
    pub fn ingest(&self, source: impl Read, expected: &Digest, size: Option<u64>) -> Result<u64> {
        if let Some(found) = self.blob_size(expected)? {
            check_size(expected, size, found)?;
            return Ok(found);
        }
        let workspace = self.workspace("ingest")?;
        // One byte more than announced tells that there are too many, without taking them all.
        let limit = size.map_or(u64::MAX, |size| size.saturating_add(1));
        let staged = stage(&workspace, "blob", source.take(limit))?;
        check_size(expected, size, staged.size)?;
        if staged.digest != *expected {
            return Err(Error::DigestMismatch {
                what: "blob".to_owned(),
                expected: *expected,
                found: staged.digest,
            });
        }
        sync_file(&workspace.dir.open_regular(&staged.name)?, "blob")?;
        self.commit_blobs(&workspace, [&staged])?;
        Ok(staged.size)
    }

    /// Opens a blob for reading.
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        match self.root.open_regular(blob_path(digest)) {
            Err(error) if error.is_not_found() => Err(Error::NotFound(digest.to_string())),
            other => Ok(other?),
        }
    }

    /// Reads a small blob and verifies it.
    pub fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>> {
        let bytes = self.root.read_regular(blob_path(digest), DOCUMENT_BYTES_MAX)?;
        let found = sha256(&bytes);
        if found != *digest {
            return Err(Error::DigestMismatch { what: "blob".to_owned(), expected: *digest, found });
        }
        Ok(bytes)
    }

    /// Returns the size of a blob, `None` where there is none.
    pub fn blob_size(&self, digest: &Digest) -> Result<Option<u64>> {
        match self.root.lstat(blob_path(digest)) {
            Ok(stat) => Ok(u64::try_from(stat.st_size).ok()),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Lists all blobs.
    pub fn blobs(&self) -> Result<Vec<Digest>> {
        let names = self.root.list("blobs/sha256")?;
        Ok(names.iter().filter_map(|entry| Digest::from_hex(entry.name.to_str()?).ok()).collect())
    }

    /// Opens staged bytes, wherever they are by now.
    pub(crate) fn open_staged(&self, workspace: &Workspace, blob: &StagedBlob) -> Result<File> {
        match self.root.open_regular(blob.path(workspace)) {
            Err(error) if error.is_not_found() => self.open_blob(&blob.digest),
            other => Ok(other?),
        }
    }

    /// Reads a staged document of bounded size.
    pub(crate) fn read_staged(&self, workspace: &Workspace, blob: &StagedBlob) -> Result<Vec<u8>> {
        if blob.size > DOCUMENT_BYTES_MAX as u64 {
            return Err(Error::Archive(format!("document {} has more than 8 MiB", blob.digest)));
        }
        let mut bytes = Vec::new();
        let read_error = |source| Error::Read { what: format!("document {}", blob.digest), source };
        self.open_staged(workspace, blob)?.read_to_end(&mut bytes).map_err(read_error)?;
        Ok(bytes)
    }

    /// Gives staged and synced bytes their final names.
    pub(crate) fn commit_blobs<'b>(
        &self,
        workspace: &Workspace,
        blobs: impl IntoIterator<Item = &'b StagedBlob>,
    ) -> Result<()> {
        for blob in blobs {
            let target = blob_path(&blob.digest);
            match self.root.rename(blob.path(workspace), &target, RenameFlags::empty()) {
                // Another image of the same archive has brought it already.
                Err(error) if error.is_not_found() && self.root.exists(&target)? => {}
                other => other?,
            }
        }
        Ok(sync_dir(self.root.open_dir("blobs/sha256")?)?)
    }
}

/// Writes bytes into a workspace and hashes them.
pub(crate) fn stage(workspace: &Workspace, name: &str, source: impl Read) -> Result<StagedBlob> {
    let read_error = |source| Error::Read { what: "content".to_owned(), source };
    let (_, digest, size) = Tee::new(source, workspace.create(name)?).finish().map_err(read_error)?;
    Ok(StagedBlob { name: name.to_owned(), digest, size })
}

/// Writes a document into a workspace.
pub(crate) fn stage_bytes(workspace: &Workspace, name: &str, bytes: &[u8]) -> Result<StagedBlob> {
    stage(workspace, name, bytes)
}

/// Where what is being fetched lies, whole or in part.
pub(crate) fn download_path(digest: &Digest) -> PathBuf {
    Path::new(DOWNLOADS).join(digest.hex())
}

pub(crate) fn blob_path(digest: &Digest) -> PathBuf {
    Path::new("blobs/sha256").join(digest.hex())
}

fn check_size(digest: &Digest, expected: Option<u64>, found: u64) -> Result<()> {
    match expected {
        Some(expected) if expected != found => {
            Err(Error::SizeMismatch { what: format!("blob {digest}"), expected, found })
        }
        _ => Ok(()),
    }
}
