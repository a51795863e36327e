//! The bytes of layers on their way here: kept as they come, so that a break costs nothing but time.
//!
//! `downloads/HEX` holds what has come of a blob. Whoever fetches holds `locks/download-HEX`; others wait
//! and find it whole. What was there before is hashed again: a power cut may have left anything. When the
//! image is committed its downloads are renamed to blobs; what nobody touches for a week is removed.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;

use oci::digest::{DiffId, Digest};
use oci::image::Descriptor;
use registry::{BlobReader, Repository};
use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_NOW};
use store::Lock;

use super::{Stage, Watch};
use crate::content::{DOWNLOADS, download_path};
use crate::hash::Sha256;
use crate::layer::{Applied, decompress};
use crate::root::{Workspace, now};
use crate::{Error, Images, Result};

/// What nobody has touched for this long is not waited for any more.
const AGE_MAX_SECONDS: i64 = 7 * 24 * 3600;

/// The layers of one image at its registry.
pub(super) struct Downloads<'a> {
    images: &'a Images,
    repository: &'a Repository,
    watch: &'a dyn Watch,
    /// What has been fetched and verified here.
    verified: Mutex<HashSet<Digest>>,
}

impl<'a> Downloads<'a> {
    pub(super) fn new(
        images: &'a Images,
        repository: &'a Repository,
        watch: &'a dyn Watch,
        layers: &[Descriptor],
    ) -> Self {
        layers.iter().for_each(|layer| watch.layer(&layer.digest, Stage::Wanted));
        Self { images, repository, watch, verified: Mutex::default() }
    }

    /// Fetches a layer and extracts it on the way.
    pub(super) fn extract(&self, workspace: &Workspace, layer: &Descriptor, name: &str) -> Result<Applied> {
        self.fetch(layer, &mut |source| {
            if workspace.dir.exists(name)? {
                workspace.dir.remove_tree(name)?;
            }
            workspace.extract(name, source)
        })
    }

    /// Fetches the bytes of a layer that needs no extraction, and checks that they are this layer's.
    pub(super) fn keep(&self, layer: &Descriptor, diff_id: &DiffId) -> Result<()> {
        // What lies among the downloads and was not verified by us is not trusted, whatever its size.
        if self.verified.lock().expect("no holder panics").contains(&layer.digest) {
            return Ok(());
        }
        if self.images.blob_size(&layer.digest)?.is_some() {
            self.watch.layer(&layer.digest, Stage::Exists);
            return Ok(());
        }
        let read_error = |source| Error::Read { what: "layer".to_owned(), source };
        let found = self.fetch(layer, &mut |source| {
            let (_, plain) = decompress(source)?;
            let (_, found, _) = crate::hash::Tee::new(plain, io::sink()).finish().map_err(read_error)?;
            Ok(DiffId::new(found))
        })?;
        crate::commit::check_diff_id(layer.digest.to_string().as_ref(), diff_id, &found)?;
        self.watch.layer(&layer.digest, Stage::Complete);
        Ok(())
    }

    /// Streams a blob into `consume`, from the store or the registry, and verifies it.
    fn fetch<T>(
        &self,
        layer: &Descriptor,
        consume: &mut dyn FnMut(&mut (dyn Read + Send)) -> Result<T>,
    ) -> Result<T> {
        let digest = &layer.digest;
        let _lock = self.lock(digest)?;
        if self.images.blob_size(digest)?.is_some() {
            return consume(&mut self.images.open_blob(digest)?);
        }
        let file = self.images.open_download(digest)?;
        loop {
            let here = resumable(&file, layer.size)?;
            let on_retry = |_: &registry::Error, pause| self.watch.layer(digest, Stage::Retrying { pause });
            let rest = self.repository.blob(digest, layer.size, here, &on_retry);
            let told = |bytes| self.watch.layer(digest, Stage::Fetched { bytes, size: layer.size });
            let mut download = Download {
                file: &file,
                here,
                position: 0,
                rest,
                sha256: Sha256::default(),
                failure: None,
                told: &told,
            };
            let consumed = consume(&mut download);
            match download.verify(layer) {
                Ok(()) => {
                    self.watch.layer(digest, Stage::Verified);
                    self.verified.lock().expect("no holder panics").insert(*digest);
                    return consumed;
                }
                Err(error @ Error::DigestMismatch { .. }) => {
                    // Kept bytes that are wrong would be wrong for ever.
                    file.set_len(0).map_err(write_error)?;
                    if here == 0 {
                        self.images.root.unlink(download_path(digest))?;
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn lock(&self, digest: &Digest) -> Result<crate::root::NamedLock> {
        let name = lock_name(digest);
        if Lock::is_held(self.images.root.open_dir("locks")?, &name)? {
            self.watch.layer(digest, Stage::Waiting);
        }
        self.images.lock(name)
    }
}

/// A blob as it is read: first what is here, then what comes, which is kept.
struct Download<'d> {
    file: &'d File,
    /// So much is here at the beginning.
    here: u64,
    position: u64,
    rest: BlobReader<'d>,
    sha256: Sha256,
    failure: Option<io::Error>,
    told: &'d (dyn Fn(u64) + Sync),
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.position < self.here {
            true => {
                let left = usize::try_from(self.here - self.position).unwrap_or(usize::MAX);
                let len = buffer.len().min(left);
                self.file.read_at(&mut buffer[..len], self.position)
            }
            false => self.rest.read(buffer).and_then(|len| {
                self.file.write_all_at(&buffer[..len], self.position)?;
                Ok(len)
            }),
        };
        match read {
            Ok(len) => {
                self.sha256.update(&buffer[..len]);
                self.position += len as u64;
                (self.told)(self.position);
                Ok(len)
            }
            Err(error) => {
                let echo = io::Error::new(error.kind(), error.to_string());
                self.failure = Some(error);
                Err(echo)
            }
        }
    }
}

impl Download<'_> {
    /// Reads what the consumer has left, and checks the whole: what failed on bytes that are not the right ones
    /// has not failed by itself.
    fn verify(mut self, layer: &Descriptor) -> Result<()> {
        let mut buffer = vec![0; 128 << 10];
        while self.failure.is_none() && matches!(self.read(&mut buffer), Ok(1..)) {}
        if let Some(failure) = self.failure {
            return Err(match failure.downcast::<registry::Error>() {
                Ok(error) => error.into(),
                Err(source) => Error::Read { what: format!("blob {}", layer.digest), source },
            });
        }
        let what = || format!("blob {}", layer.digest);
        let found = self.sha256.finish();
        if self.position != layer.size {
            return Err(Error::SizeMismatch { what: what(), expected: layer.size, found: self.position });
        }
        match found == layer.digest {
            true => Ok(()),
            false => Err(Error::DigestMismatch { what: what(), expected: layer.digest, found }),
        }
    }
}

/// Returns how much of a download can be used.
fn resumable(file: &File, size: u64) -> Result<u64> {
    let len = file.metadata().map_err(|source| Error::Read { what: "download".to_owned(), source })?.len();
    if len <= size {
        return Ok(len);
    }
    file.set_len(0).map_err(write_error)?;
    Ok(0)
}

fn write_error(source: io::Error) -> Error {
    Error::Write { what: "download".to_owned(), source }
}

fn lock_name(digest: &Digest) -> String {
    format!("download-{}", digest.hex())
}

impl Images {
    /// Opens what is here of a blob, and says that somebody wants it.
    fn open_download(&self, digest: &Digest) -> Result<File> {
        // Stores of before know no such directory.
        if !self.root.exists(DOWNLOADS)? {
            self.root.mkdir_all(DOWNLOADS, 0o700)?;
        }
        let path = download_path(digest);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        sys::failpoint::step();
        let fd = self.root.open_file(&path, flags, 0o600)?;
        let touched = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        self.root.utimens(&path, &Timestamps { last_access: touched, last_modification: touched })?;
        Ok(fd.into())
    }

    /// Removes what nobody has come back for.
    pub(crate) fn sweep_downloads(&self) -> Result<()> {
        for digest in aged_downloads(self)? {
            self.remove_download(&digest)?;
        }
        Ok(())
    }

    /// Removes a download, unless somebody fetches it now; returns whether it is gone.
    pub(crate) fn remove_download(&self, digest: &Digest) -> Result<bool> {
        let locks = self.root.open_dir("locks")?;
        let Some(lock) = Lock::try_exclusive(&locks, &lock_name(digest))? else { return Ok(false) };
        match self.root.unlink(download_path(digest)) {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
        lock.remove(&locks, &lock_name(digest))?;
        Ok(true)
    }

    /// Lists what has come of blobs, with the bytes that it takes on disk.
    pub(crate) fn downloads_disk(&self) -> Result<Vec<(Digest, u64)>> {
        Ok(downloads(self)?.into_iter().map(|download| (download.digest, download.disk)).collect())
    }
}

/// What has come of a blob.
struct Fragment {
    digest: Digest,
    /// Seconds since 1970 when somebody wanted it last.
    touched: i64,
    /// Bytes on disk.
    disk: u64,
}

/// Lists downloads that nobody has touched for a week.
pub(crate) fn aged_downloads(images: &Images) -> Result<Vec<Digest>> {
    let is_aged = |download: &Fragment| now().saturating_sub(download.touched) > AGE_MAX_SECONDS;
    Ok(downloads(images)?.into_iter().filter(is_aged).map(|download| download.digest).collect())
}

fn downloads(images: &Images) -> Result<Vec<Fragment>> {
    let entries = match images.root.list(DOWNLOADS) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        other => other?,
    };
    let mut downloads = Vec::new();
    for entry in entries {
        let Some(digest) = entry.name.to_str().and_then(|name| Digest::from_hex(name).ok()) else { continue };
        match images.root.lstat(Path::new(DOWNLOADS).join(&entry.name)) {
            Ok(stat) => downloads.push(Fragment {
                digest,
                touched: stat.st_mtime,
                disk: u64::try_from(stat.st_blocks).unwrap_or_default() * 512,
            }),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(downloads)
}
