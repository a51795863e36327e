//! From what the user typed to an image.

use std::path::Path;

use oci::digest::{Digest, ImageId};
use oci::reference::Reference;
use store::read_record;

use crate::record::ImageRecord;
use crate::{Error, Images, Result};

impl Images {
    /// Finds an image by name, name and tag, name and digest, id, or the beginning of an id, in
    /// Docker's order: a name that looks like an id is a name.
    ///
    /// A plain name costs two small reads: the reference and the image's record.
    pub fn resolve(&self, text: &str) -> Result<ImageRecord> {
        let id = self.resolve_id(text)?;
        match self.image(&id) {
            // Removed between the two reads.
            Err(Error::NotFound(_)) => Err(not_found(text)),
            other => other,
        }
    }

    /// Finds the id of an image.
    pub fn resolve_id(&self, text: &str) -> Result<ImageId> {
        if let Ok(digest) = text.parse::<Digest>().or_else(|_| Digest::from_hex(text)) {
            return self.known(&digest)?.ok_or_else(|| not_found(text));
        }
        let reference = Reference::parse_tagged(text);
        if let Ok(reference) = &reference
            && let Some(id) = self.by_reference(reference)?
        {
            return Ok(id);
        }
        if let Some(id) = self.by_prefix(text.strip_prefix("sha256:").unwrap_or(text))? {
            return Ok(id);
        }
        Err(match reference {
            Ok(_) => not_found(text),
            Err(error) => error.into(),
        })
    }

    /// Reads the record of an image.
    pub fn image(&self, id: &ImageId) -> Result<ImageRecord> {
        let dir = self.root.open_dir("images")?;
        match read_record(&dir, &record_name(id)) {
            Err(error) if error.is_not_found() => Err(not_found(&id.to_string())),
            other => Ok(other?),
        }
    }

    /// Lists the ids of all images.
    pub fn image_ids(&self) -> Result<Vec<ImageId>> {
        let names = self.root.list("images")?;
        let id = |name: &str| Digest::from_hex(name.strip_suffix(".json")?).ok().map(ImageId::new);
        let mut ids: Vec<ImageId> = names.iter().filter_map(|entry| id(entry.name.to_str()?)).collect();
        ids.sort();
        Ok(ids)
    }

    fn known(&self, digest: &Digest) -> Result<Option<ImageId>> {
        let id = ImageId::new(*digest);
        Ok(self.root.exists(Path::new("images").join(record_name(&id)))?.then_some(id))
    }

    fn by_reference(&self, reference: &Reference) -> Result<Option<ImageId>> {
        match reference.digest() {
            Some(digest) => self.by_digest(reference, digest),
            None => Ok(self.reference(reference)?.map(|record| record.target.image)),
        }
    }

    fn by_prefix(&self, prefix: &str) -> Result<Option<ImageId>> {
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if prefix.is_empty() || prefix.len() > 64 || !prefix.bytes().all(hexadecimal) {
            return Ok(None);
        }
        let ids = self.image_ids()?;
        let matches: Vec<ImageId> = ids.into_iter().filter(|id| id.hex().starts_with(prefix)).collect();
        match matches[..] {
            [] => Ok(None),
            [id] => Ok(Some(id)),
            _ => Err(Error::Ambiguous {
                prefix: prefix.to_owned(),
                matches: matches.iter().map(ImageId::short).collect(),
            }),
        }
    }
}

pub(crate) fn record_name(id: &ImageId) -> String {
    format!("{}.json", id.hex())
}

fn not_found(text: &str) -> Error {
    // Docker names the tag that was looked for.
    let named =
        Reference::parse_tagged(text).map_or_else(|_| text.to_owned(), |reference| reference.familiar());
    Error::NotFound(named)
}
