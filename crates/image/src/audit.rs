//! What should not be there, and taking it away.

use std::path::Path;

use oci::digest::{ChainId, Digest};
use oci::reference::Reference;
use store::{TEMPORARY_PREFIX, collect_temporaries};

use crate::content::blob_path;
use crate::root::Trash;
use crate::snapshot::{Snapshots, layer_path};
use crate::{Error, Images, Result};

/// An unfinished record of another engine is at most seconds old.
const TEMPORARY_AGE: std::time::Duration = std::time::Duration::from_secs(60);

/// What was found. All but the snapshots, which the caller compares with its containers, is a fault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Layers that neither an image nor a snapshot needs.
    pub layers: Vec<ChainId>,
    /// Blobs that no image names.
    pub blobs: Vec<Digest>,
    /// Workspaces whose process is gone.
    pub workspaces: Vec<String>,
    /// What was fetched in part, and nobody has come back for in a week. Younger ones are no fault: the next pull
    /// goes on with them.
    pub downloads: Vec<Digest>,
    /// Names that lead to an image that is not there.
    pub references: Vec<Reference>,
    /// Files of the store that are nothing we know, and records that were not finished.
    pub strangers: Vec<String>,
    /// Images, layers and snapshots that miss something, in words.
    pub broken: Vec<String>,
    /// The keys of all snapshots.
    pub snapshots: Vec<String>,
}

impl Audit {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        let snapshots = self.snapshots.clone();
        *self == Self { snapshots, ..Self::default() }
    }
}

impl Images {
    /// Looks for orphans and damage; changes nothing.
    pub fn audit(&self) -> Result<Audit> {
        let _alone = self.alone()?;
        self.look()
    }

    /// Removes what [`Images::audit`] finds, except what is broken: that is for the user to load again.
    pub fn collect(&self) -> Result<Audit> {
        let trash = self.trash("collect")?;
        let _alone = self.alone()?;
        let audit = self.look()?;
        self.discard_found(&audit, &trash)?;
        for download in &audit.downloads {
            self.remove_download(download)?;
        }
        for reference in &audit.references {
            self.remove_reference(reference)?;
        }
        // Who writes them holds a lease: what is there now was left by a crash.
        for dir in ["images", "references"] {
            collect_temporaries(self.root.open_dir(dir)?, std::time::Duration::ZERO)?;
        }
        collect_temporaries(self.root.open_dir("")?, TEMPORARY_AGE)?;
        Ok(audit)
    }

    /// Removes layers and blobs that nobody needs, workspaces whose process is gone, and what has come of blobs that
    /// nobody fetches now; returns the bytes on disk that are free then.
    pub fn collect_unneeded(&self) -> Result<u64> {
        let trash = self.trash("collect")?;
        {
            let _alone = self.alone()?;
            self.discard_found(&self.look()?, &trash)?;
        }
        // What is fetched now stays; the rest begins anew.
        let mut bytes = trash.size()?;
        for (digest, size) in self.downloads_disk()? {
            if self.remove_download(&digest)? {
                bytes += size;
            }
        }
        Ok(bytes)
    }

    /// Moves layers, blobs and workspaces that nobody needs out of sight.
    fn discard_found(&self, audit: &Audit, trash: &Trash) -> Result<()> {
        for layer in &audit.layers {
            self.discard(&layer_path(layer), trash)?;
        }
        for blob in &audit.blobs {
            self.discard(&blob_path(blob), trash)?;
        }
        for workspace in &audit.workspaces {
            self.discard(&Path::new("staging").join(workspace), trash)?;
        }
        Ok(())
    }

    /// Removes workspaces whose process is gone, where that needs no waiting: whoever is about to fill the disk
    /// finds what an interrupted one before it has left.
    pub(crate) fn sweep_staging(&self) -> Result<()> {
        let abandoned = || -> Result<Vec<String>> {
            let names = self.root.list("staging")?;
            let names = names.iter().map(|entry| entry.name.to_string_lossy().into_owned());
            names
                .filter_map(|name| self.is_abandoned(&name).map(|is| is.then_some(name)).transpose())
                .collect()
        };
        if abandoned()?.is_empty() {
            return Ok(());
        }
        let trash = self.trash("sweep")?;
        if let Some(_alone) = self.try_alone()? {
            for name in abandoned()? {
                self.discard(&Path::new("staging").join(name), &trash)?;
            }
        }
        Ok(())
    }

    /// Looks as [`Images::audit`] does, for a caller that holds [`Images::alone`]: else what is being made now is
    /// counted too.
    pub fn look(&self) -> Result<Audit> {
        let mut audit = Audit { snapshots: self.list()?, ..Audit::default() };
        self.look_at_images(&mut audit)?;
        self.look_at_snapshots(&mut audit)?;
        let needed = match self.needed() {
            Ok(needed) => needed,
            // A record that cannot be read: what it needs is unknown, so nothing is an orphan.
            Err(_) => return Ok(audit),
        };
        for entry in self.root.list("layers")? {
            let name = entry.name.to_string_lossy();
            match Digest::from_hex(&name).map(ChainId::new) {
                Ok(chain_id) if !needed.layers.contains(&chain_id) => audit.layers.push(chain_id),
                Err(_) if name != "empty" => audit.strangers.push(format!("layers/{name}")),
                _ => {}
            }
        }
        audit.blobs = self.blobs()?.into_iter().filter(|blob| !needed.blobs.contains(blob)).collect();
        for entry in self.root.list("staging")? {
            let name = entry.name.to_string_lossy().into_owned();
            if self.is_abandoned(&name)? {
                audit.workspaces.push(name);
            }
        }
        audit.downloads = crate::pull::aged_downloads(self)?;
        audit.layers.sort();
        audit.blobs.sort();
        Ok(audit)
    }

    fn look_at_images(&self, audit: &mut Audit) -> Result<()> {
        for dir in ["images", "references"] {
            for entry in self.root.list(dir)? {
                let name = entry.name.to_string_lossy();
                let is_image = name.strip_suffix(".json").is_some_and(|hex| Digest::from_hex(hex).is_ok());
                if name.starts_with(TEMPORARY_PREFIX) || dir == "images" && !is_image {
                    audit.strangers.push(format!("{dir}/{name}"));
                }
            }
        }
        let ids = self.image_ids()?;
        for id in &ids {
            let image = match self.image(id) {
                Ok(image) => image,
                Err(error) => {
                    audit.broken.push(format!("image {id}: {error}"));
                    continue;
                }
            };
            for blob in image.blobs() {
                if self.blob_size(&blob)?.is_none() {
                    audit.broken.push(format!("image {id}: blob {blob} is missing"));
                }
            }
            for layer in &image.layers {
                self.look_at_layer(&layer.chain_id, &format!("image {id}"), audit)?;
            }
        }
        match self.references() {
            Ok(references) => {
                let dangling = references.into_iter().filter(|record| !ids.contains(&record.target.image));
                audit.references = dangling.map(|record| record.reference).collect();
            }
            Err(error) => audit.broken.push(error.to_string()),
        }
        Ok(())
    }

    fn look_at_layer(&self, chain_id: &ChainId, of: &str, audit: &mut Audit) -> Result<()> {
        match self.layer(chain_id) {
            Ok(Some(_)) if self.root.exists(layer_path(chain_id).join("fs"))? => {}
            Ok(_) => audit.broken.push(format!("{of}: layer {chain_id} is missing")),
            Err(error) => audit.broken.push(format!("{of}: layer {chain_id}: {error}")),
        }
        Ok(())
    }

    fn look_at_snapshots(&self, audit: &mut Audit) -> Result<()> {
        for key in self.list()? {
            match self.parent(&key).and_then(|top| self.ancestry(top)) {
                Ok(_) | Err(Error::SnapshotNotFound(_)) => {}
                Err(error) => audit.broken.push(format!("snapshot `{key}`: {error}")),
            }
        }
        Ok(())
    }

    /// Reads every blob and compares it with its digest; returns those that differ.
    pub fn verify_blobs(&self) -> Result<Vec<Digest>> {
        let mut damaged = Vec::new();
        for digest in self.blobs()? {
            let file = self.open_blob(&digest)?;
            let read_error = |source| Error::Read { what: format!("blob {digest}"), source };
            let (_, found, _) = crate::hash::Tee::new(file, std::io::sink()).finish().map_err(read_error)?;
            if found != digest {
                damaged.push(digest);
            }
        }
        Ok(damaged)
    }
}
