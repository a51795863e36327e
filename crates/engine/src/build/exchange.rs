//! `--cache-to` and `--cache-from` with a directory: steps for other machines.
//!
//! ```text
//!   DIRECTORY/images.tar    the images of the steps, an OCI archive in which each layer is once
//!   DIRECTORY/steps.json    which key each of them is the result of; written last
//! ```
//!
//! Whoever can write there decides what a step gives, as with every cache that is fetched from somewhere: content is
//! held against its digests, and that a result belongs to its key can be held against nothing.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use image::SaveFormat;
use oci::digest::Digest;
use serde::{Deserialize, Serialize};
use store::{Durability, Record, read_record, write_record};
use sys::Dir;

use super::cache::{Cache, CacheRecord};
use super::progress::{BuildEvent, Progress};
use super::verify::Traced;
use crate::error::{Doing, Result};
use crate::output::Output;
use crate::paths::Engine;
use crate::request::CacheTarget;

const IMAGES: &str = "images.tar";
const STEPS: &str = "steps.json";

/// What stands in `steps.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Steps {
    steps: Vec<(Digest, CacheRecord)>,
}

impl Record for Steps {
    const KIND: &'static str = "build-cache";
    const VERSION: u32 = 1;
}

/// Writes the steps of a build to a directory; `target` is the number of the stage that was asked for.
pub(super) fn export(engine: &Engine, to: &CacheTarget, trace: &[Traced], target: usize) -> Result<()> {
    let export = || -> Result<()> {
        let images = crate::image::open(engine)?;
        let cache = Cache::open(engine)?;
        let mut steps: Vec<(Digest, CacheRecord)> = Vec::new();
        for traced in trace.iter().filter(|traced| to.all_stages || traced.place.0 == target) {
            if let Some(record) = cache.find(&images, &traced.key)? {
                steps.push((traced.key, record));
            }
        }
        let mut ids: Vec<String> = steps.iter().map(|(_, record)| record.image.to_string()).collect();
        ids.sort();
        ids.dedup();
        sys::fs::create_dir_all(&to.directory)?;
        if !ids.is_empty() {
            let mut output = Output::create(&to.directory.join(IMAGES))?;
            images.save(&ids, None, SaveFormat::Oci)?.write(&mut output)?;
            output.commit()?;
        }
        let directory = Dir::open(&to.directory)?;
        Ok(write_record(&directory, STEPS, &Steps { steps }, Durability::Volatile)?)
    };
    export().doing(|| format!("cannot write the build cache to `{}`", to.directory.display()))
}

/// Steps of other machines that this build may take.
#[derive(Debug, Default)]
pub(super) struct Imports {
    sources: Vec<Source>,
    /// The archive is read when the first of its steps is wanted.
    loading: Mutex<()>,
}

#[derive(Debug)]
struct Source {
    directory: PathBuf,
    steps: Vec<(Digest, CacheRecord)>,
}

impl Imports {
    /// Looks at the directories; one that is not there yet is told of, and no error.
    pub(super) fn look(directories: &[PathBuf], progress: &dyn Progress) -> Self {
        let mut sources = Vec::new();
        for directory in directories {
            match Dir::open(directory).map_err(store::Error::from).and_then(|dir| read_record(&dir, STEPS)) {
                Ok(Steps { steps }) => sources.push(Source { directory: directory.clone(), steps }),
                Err(error) => {
                    let error = super::with_causes(&error.into());
                    let text =
                        format!("nothing is taken from the cache in `{}`: {error}", directory.display());
                    progress.tell(BuildEvent::Note(&text));
                }
            }
        }
        Self { sources, loading: Mutex::default() }
    }

    /// Brings a step in, with all others of its source; returns whether one has it.
    pub(super) fn bring(&self, engine: &Engine, cache: &Cache, key: &Digest) -> Result<bool> {
        let has = |source: &&Source| source.steps.iter().any(|(known, _)| known == key);
        let Some(source) = self.sources.iter().find(has) else { return Ok(false) };
        let _one_at_a_time = self.loading.lock().expect("no holder panics");
        let images = crate::image::open(engine)?;
        if cache.find(&images, key)?.is_some() {
            return Ok(true);
        }
        load(&images, &source.directory.join(IMAGES))?;
        for (known, record) in &source.steps {
            if images.image(&record.image).is_ok() {
                let last_used = jiff::Timestamp::now().as_second();
                cache.write(known, &CacheRecord { last_used, ..record.clone() })?;
            }
        }
        Ok(true)
    }
}

fn load(images: &image::Images, path: &Path) -> Result<()> {
    let file = std::fs::File::open(path).map_err(|error| {
        crate::error::Error::new(
            oci::class::Class::of_os_error(&error),
            format!("cannot read the build cache in `{}`", path.display()),
        )
        .caused_by(error)
    })?;
    images
        .load(file, None)
        .map(drop)
        .doing(|| format!("cannot read the build cache in `{}`", path.display()))
        .map_err(crate::system::explain_denied)
}
