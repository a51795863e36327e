//! Where a tag led before, and leading it there again.

use oci::digest::{Digest, ImageId};
use oci::reference::Reference;

use crate::record::Target;
use crate::reference::parse_tag;
use crate::{Error, Images, Result};

/// An image that a tag leads, or led, to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagEntry {
    pub image: ImageId,
    pub manifest: Digest,
    /// The index that a registry kept under the name.
    pub index: Option<Digest>,
    /// Seconds since 1970 when it began to lead there.
    pub since: i64,
    /// The image is still in the store.
    pub present: bool,
}

impl Images {
    /// Tells where a tag leads, and where it led before, the latest first.
    pub fn tag_history(&self, name: &str) -> Result<(Reference, Vec<TagEntry>)> {
        let reference = parse_tag(name)?;
        let record = self.reference(&reference)?.ok_or_else(|| Error::NotFound(reference.familiar()))?;
        let entry = |target: &Target| TagEntry {
            image: target.image,
            manifest: target.manifest,
            index: target.index,
            since: target.since,
            present: self.image(&target.image).is_ok(),
        };
        let entries = std::iter::once(&record.target).chain(&record.history).map(entry).collect();
        Ok((reference, entries))
    }

    /// Lets a tag lead again to an image that it led to before: the latest other one that is still here, or `to`,
    /// the beginning of an image's id or of a manifest's digest. Returns the image.
    pub fn rollback(&self, name: &str, to: Option<&str>) -> Result<(Reference, ImageId)> {
        let _lease = self.lease()?;
        let (reference, entries) = self.tag_history(name)?;
        let begins = |digest: &Digest, text: &str| {
            digest.hex().starts_with(text.strip_prefix("sha256:").unwrap_or(text))
        };
        let current = entries[0].image;
        let found = entries.iter().skip(1).find(|entry| match to {
            Some(text) => begins(entry.image.digest(), text) || begins(&entry.manifest, text),
            None => entry.present && entry.image != current,
        });
        let missing = |what: String| Error::NoEarlier { reference: reference.familiar(), what };
        let entry = match (found, to) {
            (Some(entry), _) if entry.present => entry,
            (Some(entry), _) => {
                return Err(missing(format!("image {} has been removed", entry.image.short())));
            }
            (None, Some(text)) => return Err(missing(format!("it never led to `{text}`"))),
            (None, None) if entries.len() > 1 => {
                return Err(missing("the images that it led to have been removed".to_owned()));
            }
            (None, None) => return Err(missing("it never led to another image".to_owned())),
        };
        let image = self.image(&entry.image)?;
        self.set_reference(&reference, &image, entry.index)?;
        Ok((reference, image.id))
    }
}
