//! `--cache-to` and `--cache-from`: steps for other machines, in a directory or in the history of an image.
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

use image::{Composition, SaveFormat};
use oci::digest::{Digest, ImageId};
use oci::image::{History, ImageConfig};
use serde::{Deserialize, Serialize};
use store::{Durability, Record, read_record, write_record};
use sys::Dir;

use super::Surroundings;
use super::cache::{Cache, CacheRecord};
use super::progress::BuildEvent;
use super::verify::Traced;
use crate::error::{Doing, Error, Result};
use crate::output::Output;
use crate::paths::Engine;
use crate::request::{BuildRequest, CacheSource, CacheTarget, PullRequest};

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
        Ok(write_record(&directory, STEPS, &Steps { steps }, Durability::Synced)?)
    };
    export().doing(|| format!("cannot write the build cache to `{}`", to.directory.display()))
}

/// Begins the comment of a history entry that tells the key of its step.
const INLINE: &str = "coracle.build.key=";

/// What the history of an image says of a step, for `--cache-to type=inline`.
pub(super) fn inline_comment(key: &Digest) -> String {
    format!("{INLINE}{key}")
}

/// Steps of other machines that this build may take.
#[derive(Debug, Default)]
pub(super) struct Imports {
    sources: Vec<Source>,
    /// One at a time brings something in.
    loading: Mutex<()>,
}

#[derive(Debug)]
enum Source {
    Directory { directory: PathBuf, steps: Vec<(Digest, CacheRecord)> },
    Image { id: ImageId, steps: Vec<InlineStep> },
}

/// What stands in the history of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
struct InlineStep {
    key: Digest,
    title: String,
    created: String,
    has_layer: bool,
    /// How many layers the image has had after it.
    depth: usize,
}

impl Imports {
    /// Looks at all sources, and pulls images; one that is not there yet is told of, and no error.
    pub(super) fn look(engine: &Engine, request: &BuildRequest, surroundings: &Surroundings<'_>) -> Self {
        let mut sources = Vec::new();
        for from in &request.cache_from {
            let (name, source) = match from {
                CacheSource::Directory(directory) => {
                    (directory.display().to_string(), directory_source(directory))
                }
                CacheSource::Image(name) => (name.clone(), image_source(engine, name, surroundings)),
            };
            match source {
                Ok(source) => sources.push(source),
                Err(error) => {
                    let error = super::with_causes(&error);
                    let text = format!("nothing is taken from the cache in `{name}`: {error}");
                    surroundings.progress.tell(BuildEvent::Note(&text));
                }
            }
        }
        Self { sources, loading: Mutex::default() }
    }

    /// Brings a step in, from a directory with all others that are there; returns whether one has it.
    pub(super) fn bring(&self, engine: &Engine, cache: &Cache, key: &Digest) -> Result<bool> {
        let Some(source) = self.sources.iter().find(|source| source.has(key)) else { return Ok(false) };
        let _one_at_a_time = self.loading.lock().expect("no holder panics");
        let images = crate::image::open(engine)?;
        if cache.find(&images, key)?.is_some() {
            return Ok(true);
        }
        match source {
            Source::Directory { directory, steps } => {
                load(&images, &directory.join(IMAGES))?;
                let there = steps.iter().filter(|(_, record)| images.image(&record.image).is_ok());
                there
                    .into_iter()
                    .try_for_each(|(key, record)| cache.write(key, &used_now(record.clone())))?;
            }
            Source::Image { id, steps } => {
                for step in steps.iter().filter(|step| step.key == *key) {
                    cache.write(key, &used_now(composed(&images, id, step)?))?;
                }
            }
        }
        Ok(true)
    }
}

impl Source {
    fn has(&self, key: &Digest) -> bool {
        match self {
            Self::Directory { steps, .. } => steps.iter().any(|(known, _)| known == key),
            Self::Image { steps, .. } => steps.iter().any(|step| step.key == *key),
        }
    }
}

fn directory_source(directory: &Path) -> Result<Source> {
    let Steps { steps } = read_record(Dir::open(directory)?, STEPS)?;
    Ok(Source::Directory { directory: directory.to_owned(), steps })
}

/// Pulls an image for its steps; one that is here alone will do.
fn image_source(engine: &Engine, name: &str, surroundings: &Surroundings<'_>) -> Result<Source> {
    let pull = PullRequest { reference: name.to_owned(), all_tags: false, platform: None };
    let pulled = (surroundings.supply.pull)(&pull);
    let images = crate::image::open(engine)?;
    let image = match (images.resolve(name), pulled) {
        (Ok(image), _) => image,
        (Err(_), Err(error)) => return Err(error),
        (Err(error), Ok(())) => return Err(error.into()),
    };
    let steps = inline_steps(&images.configuration_of(&image.id)?.history);
    match steps.is_empty() {
        true => Err(Error::not_found("it tells no steps").hint("build it with --cache-to type=inline")),
        false => Ok(Source::Image { id: image.id, steps }),
    }
}

fn inline_steps(history: &[History]) -> Vec<InlineStep> {
    let mut depth = 0;
    let mut steps = Vec::new();
    for entry in history {
        depth += usize::from(!entry.empty_layer);
        let key = entry.comment.strip_prefix(INLINE).and_then(|key| key.parse().ok());
        let Some(key) = key else { continue };
        let (title, created) = (entry.created_by.clone(), entry.created.clone().unwrap_or_default());
        steps.push(InlineStep { key, title, created, has_layer: !entry.empty_layer, depth });
    }
    steps
}

/// Makes an image of the layers up to a step.
fn composed(images: &image::Images, id: &ImageId, step: &InlineStep) -> Result<CacheRecord> {
    let of = images.configuration_of(id)?;
    let config = ImageConfig { architecture: of.architecture, os: of.os, ..ImageConfig::default() };
    let composition = Composition { layers_of: Some(*id), depth: Some(step.depth), config, references: &[] };
    let image = images.compose(&composition)?;
    let top = images.image(&image)?.layers.last().map_or(0, |layer| layer.size);
    Ok(CacheRecord {
        image,
        title: step.title.clone(),
        created: step.created.clone(),
        has_layer: step.has_layer,
        size: if step.has_layer { top } else { 0 },
        last_used: 0,
    })
}

fn used_now(record: CacheRecord) -> CacheRecord {
    CacheRecord { last_used: jiff::Timestamp::now().as_second(), ..record }
}

fn load(images: &image::Images, path: &Path) -> Result<()> {
    let file = std::fs::File::open(path).map_err(|error| {
        Error::new(
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

#[cfg(test)]
#[test]
fn steps_in_a_history() {
    let key = |byte| Digest::from_bytes([byte; 32]);
    let entry = |comment: String, empty_layer| History { comment, empty_layer, ..History::default() };
    let history = [
        entry("base".to_owned(), false),
        entry(inline_comment(&key(1)), false),
        entry(String::new(), true),
        entry(inline_comment(&key(2)), true),
        entry(format!("{INLINE}nonsense"), false),
        entry(inline_comment(&key(3)), false),
    ];
    let steps = inline_steps(&history);
    let found: Vec<_> = steps.iter().map(|step| (step.key, step.depth, step.has_layer)).collect();
    assert_eq!(found, [(key(1), 2, true), (key(2), 2, false), (key(3), 4, true)]);
}
