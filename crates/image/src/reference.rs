//! Names of images: a tag moves, the digest stays, and where a tag led before is remembered.

use oci::digest::{Digest, ImageId};
use oci::reference::Reference;
use rustix::fs::FileType;
use store::{Durability, read_record, remove, write_record};

use crate::hash::sha256;
use crate::record::{ImageRecord, ReferenceRecord, Target};
use crate::root::now;
use crate::{Error, Images, Result};

const HISTORY_MAX: usize = 10;
/// Longer names than this are cut and told apart by their digest (file names end at 255 bytes).
const NAME_BYTES_MAX: usize = 200;

impl Images {
    /// Gives an image another name; `source` is a reference or an id. Returns the name in full.
    pub fn tag(&self, source: &str, target: &str) -> Result<Reference> {
        let target = parse_tag(target)?;
        let _lease = self.lease()?;
        let image = self.resolve(source)?;
        self.set_reference(&target, &image, None)?;
        Ok(target)
    }

    /// Lists all names, sorted.
    pub fn references(&self) -> Result<Vec<ReferenceRecord>> {
        let dir = self.root.open_dir("references")?;
        let mut records = Vec::new();
        for entry in dir.list("")? {
            let name = entry.name.to_string_lossy();
            if entry.kind != FileType::RegularFile || name.starts_with(store::TEMPORARY_PREFIX) {
                continue;
            }
            match read_record::<ReferenceRecord>(&dir, &name) {
                Ok(record) => records.push(record),
                // Removed since it was listed.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        records.sort_by(|a, b| a.reference.cmp(&b.reference));
        Ok(records)
    }

    /// Returns where a name with a tag leads.
    pub fn reference(&self, reference: &Reference) -> Result<Option<ReferenceRecord>> {
        let dir = self.root.open_dir("references")?;
        match read_record::<ReferenceRecord>(&dir, &file_name(reference)) {
            Ok(record) if record.reference == *reference => Ok(Some(record)),
            Ok(_) => Ok(None),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets a name lead to an image, durably; returns the image it led to before, if another.
    pub(crate) fn set_reference(
        &self,
        reference: &Reference,
        image: &ImageRecord,
        index: Option<Digest>,
    ) -> Result<Option<ImageId>> {
        let target = Target { image: image.id, manifest: image.manifest, index, since: now() };
        let mut record = ReferenceRecord { reference: reference.clone(), target, history: Vec::new() };
        let mut before = None;
        if let Some(old) = self.reference(reference)? {
            record.history = old.history;
            if old.target.image == image.id
                && old.target.manifest == image.manifest
                && old.target.index == index
            {
                record.target.since = old.target.since;
            } else {
                before = (old.target.image != image.id).then_some(old.target.image);
                record.history.insert(0, old.target);
                record.history.truncate(HISTORY_MAX);
            }
        }
        let dir = self.root.open_dir("references")?;
        write_record(&dir, &file_name(reference), &record, Durability::Synced)?;
        Ok(before)
    }

    /// Takes a name away; returns whether it was there.
    pub(crate) fn remove_reference(&self, reference: &Reference) -> Result<bool> {
        let dir = self.root.open_dir("references")?;
        Ok(remove(&dir, &file_name(reference), Durability::Synced)?)
    }

    /// Returns the names that lead to an image.
    pub fn references_of(&self, image: &ImageId) -> Result<Vec<Reference>> {
        let all = self.references()?.into_iter();
        Ok(all.filter(|record| record.target.image == *image).map(|record| record.reference).collect())
    }

    /// Finds `name@digest`: an image of this manifest that the name leads, or led, to.
    pub(crate) fn by_digest(&self, reference: &Reference, digest: &Digest) -> Result<Option<ImageId>> {
        let name = reference.name();
        for record in self.references()? {
            let mut targets = std::iter::once(&record.target).chain(&record.history);
            if record.reference.name() == name
                && let Some(target) = targets.find(|target| target.is_named(digest))
            {
                return Ok(Some(target.image));
            }
        }
        Ok(None)
    }
}

/// Parses what is to become a name: a tag is added where there is none, a digest is refused.
pub(crate) fn parse_tag(text: &str) -> Result<Reference> {
    let reference = Reference::parse_tagged(text)?;
    match reference.digest() {
        Some(_) => Err(Error::TagWithDigest(text.to_owned())),
        None => Ok(reference),
    }
}

/// Whether an image can be given this name, for those who would make it first.
pub fn check_tag(text: &str) -> Result<()> {
    parse_tag(text).map(drop)
}

/// Returns the file name of a reference: `docker.io%2Flibrary%2Fbusybox:latest`. `%` is in no
/// reference, so the form is unique.
fn file_name(reference: &Reference) -> String {
    let name = reference.to_string().replace('/', "%2F");
    if name.len() <= NAME_BYTES_MAX {
        return name;
    }
    let digest = sha256(name.as_bytes()).hex();
    format!("{}%%{digest}", &name[..NAME_BYTES_MAX - digest.len()])
}
