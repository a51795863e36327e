//! The history of builds: what was built, how it ended, and what it printed.
//!
//! ```text
//!   ROOT/build/history/ID.json    a build; one that runs is there too
//!   ROOT/build/history/ID.log     its progress as plain lines, without values of secrets, bounded
//! ```
//!
//! A build that was killed leaves a record that says it runs, while nobody holds the lock of its work.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Durability, Lock, Record, read_record, remove, write_record};
use sys::Dir;

use super::Built;
use super::recorder::{Recorder, Told};
use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::request::{BuildRequest, ContextSource, DockerfileSource};

/// How a build has ended, if it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BuildStatus {
    Running,
    Completed,
    Error,
    Canceled,
}

/// One build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    pub id: String,
    /// What people know it by: the directory of its context, its Dockerfile and its target.
    pub name: String,
    pub status: BuildStatus,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    pub took_ms: u64,
    /// Steps that began, those found in the cache among them.
    pub steps: usize,
    pub cached: usize,
    pub context: String,
    pub dockerfile: String,
    pub target: Option<String>,
    pub tags: Vec<String>,
    /// Without those of proxies, whose addresses may hold passwords.
    pub build_arguments: BTreeMap<String, String>,
    /// The image that came of it.
    pub image: Option<String>,
    /// What stopped it, as it was shown.
    pub error: Option<String>,
}

impl Record for BuildRecord {
    const KIND: &'static str = "build";
    const VERSION: u32 = 1;
}

/// A build that is being written down.
#[derive(Debug)]
pub(super) struct Entry {
    directory: Dir,
    record: BuildRecord,
    began: Instant,
}

impl Entry {
    /// Writes down that a build has begun, and forgets the oldest where there are too many.
    pub(super) fn begin(engine: &Engine, request: &BuildRequest, id: &str) -> Result<Self> {
        let directory = open(engine)?;
        let created_ms = jiff::Timestamp::now().as_millisecond();
        let record = BuildRecord { id: id.to_owned(), created_ms, ..record_of(request) };
        write_record(&directory, &file_name(id), &record, Durability::Volatile)?;
        for old in records(engine, &directory)?.into_iter().skip(engine.build.history_max.max(1)) {
            if old.status != BuildStatus::Running {
                forget(&directory, &old.id)?;
            }
        }
        Ok(Self { directory, record, began: Instant::now() })
    }

    /// Makes what hears the build's progress and keeps it.
    pub(super) fn recorder<'p>(
        &self,
        progress: &'p dyn super::Progress,
        request: &BuildRequest,
    ) -> Result<Recorder<'p>> {
        let log = self.directory.create_file(log_name(&self.record.id), 0o600)?;
        Ok(Recorder::new(progress, std::fs::File::from(log), &request.secrets))
    }

    /// Writes down how it ended.
    pub(super) fn end(mut self, told: &Told, built: &Result<Built>) -> Result<()> {
        let record = &mut self.record;
        record.took_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        (record.steps, record.cached) = (told.steps, told.cached);
        match built {
            Ok(Built::Image(id)) => record.image = Some(id.clone()),
            Ok(_) => {}
            Err(error) => record.error = Some(told.without_secrets(&super::with_causes(error))),
        }
        record.status = match built {
            Ok(_) => BuildStatus::Completed,
            Err(error) if error.class() == oci::class::Class::Cancelled => BuildStatus::Canceled,
            Err(_) => BuildStatus::Error,
        };
        Ok(write_record(&self.directory, &file_name(&self.record.id), &self.record, Durability::Synced)?)
    }
}

/// Lists builds, the last first.
pub fn list(engine: &Engine) -> Result<Vec<BuildRecord>> {
    records(engine, &open(engine)?)
}

/// Finds a build by the beginning of its id; without one, the last.
pub fn find(engine: &Engine, wanted: &str) -> Result<BuildRecord> {
    let mut found = list(engine)?.into_iter().filter(|record| record.id.starts_with(wanted));
    let Some(record) = found.next() else {
        return Err(match wanted {
            "" => Error::not_found("there is no build in the history"),
            _ => Error::not_found(format!("No such build: {wanted}"))
                .hint("`coracle build history ls` lists them"),
        });
    };
    if !wanted.is_empty() && record.id != wanted && found.next().is_some() {
        return Err(Error::invalid(format!("several builds begin with `{wanted}`: write more of the id")));
    }
    Ok(record)
}

/// Tells everything about a build.
pub fn inspect(engine: &Engine, wanted: &str) -> Result<Value> {
    let record = find(engine, wanted)?;
    Ok(json!({
        "Id": record.id,
        "Name": record.name,
        "Status": format!("{:?}", record.status),
        "CreatedAt": jiff::Timestamp::from_millisecond(record.created_ms).unwrap_or_default().to_string(),
        "DurationMilliseconds": record.took_ms,
        "TotalSteps": record.steps,
        "CachedSteps": record.cached,
        "Context": record.context,
        "Dockerfile": record.dockerfile,
        "Target": record.target.unwrap_or_default(),
        "Tags": record.tags,
        "BuildArgs": record.build_arguments,
        "Image": record.image.unwrap_or_default(),
        "Error": record.error.unwrap_or_default(),
    }))
}

/// Reads what a build has printed.
pub fn logs(engine: &Engine, wanted: &str) -> Result<Vec<u8>> {
    let record = find(engine, wanted)?;
    match open(engine)?.read_regular(log_name(&record.id), super::recorder::LOG_BYTES_MAX * 2) {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        other => Ok(other?),
    }
}

/// Forgets a build.
pub fn remove_one(engine: &Engine, wanted: &str) -> Result<()> {
    let record = find(engine, wanted)?;
    if record.status == BuildStatus::Running {
        return Err(Error::conflict(format!("build `{}` is running", record.id))
            .hint("interrupt it, or wait for its end"));
    }
    forget(&open(engine)?, &record.id)
}

fn open(engine: &Engine) -> Result<Dir> {
    let path = engine.root.join("build/history");
    if !sys::fs::exists(&path) {
        sys::fs::create_dir_all(&path)?;
        sys::fs::set_mode(&path, 0o700)?;
    }
    Ok(Dir::open(&path)?)
}

fn records(engine: &Engine, directory: &Dir) -> Result<Vec<BuildRecord>> {
    let mut found = Vec::new();
    for entry in directory.list("")? {
        let Some(name) = entry.name.to_str().filter(|name| name.ends_with(".json")) else { continue };
        // One that goes meanwhile is none.
        let Ok(mut record) = read_record::<BuildRecord>(directory, name) else { continue };
        if record.status == BuildStatus::Running && !is_running(engine, &record.id) {
            record.status = BuildStatus::Error;
            record.error = Some("the builder was killed".to_owned());
        }
        found.push(record);
    }
    found.sort_by(|a, b| b.created_ms.cmp(&a.created_ms).then_with(|| b.id.cmp(&a.id)));
    Ok(found)
}

fn is_running(engine: &Engine, id: &str) -> bool {
    Lock::is_held_at(&engine.root.join("build/work").join(id).join("lock")).unwrap_or(false)
}

fn forget(directory: &Dir, id: &str) -> Result<()> {
    for name in [file_name(id), log_name(id)] {
        remove(directory, &name, Durability::Volatile)?;
    }
    Ok(())
}

fn record_of(request: &BuildRequest) -> BuildRecord {
    let context = match &request.context {
        // Without the dot of `build .`.
        ContextSource::Directory(path) => path.components().collect::<PathBuf>().display().to_string(),
        ContextSource::Stdin => "-".to_owned(),
    };
    let dockerfile = match &request.dockerfile {
        DockerfileSource::Default => "Dockerfile".to_owned(),
        DockerfileSource::Path(path) => path.display().to_string(),
        DockerfileSource::Stdin => "-".to_owned(),
    };
    let is_proxy = |name: &str| name.to_ascii_lowercase().ends_with("_proxy");
    let build_arguments = request.build_arguments.iter().filter(|(name, _)| !is_proxy(name));
    BuildRecord {
        id: String::new(),
        name: name_of(&context, &dockerfile, request.target.as_deref()),
        status: BuildStatus::Running,
        created_ms: 0,
        took_ms: 0,
        steps: 0,
        cached: 0,
        context,
        dockerfile,
        target: request.target.clone(),
        tags: request.tags.clone(),
        build_arguments: build_arguments.map(|(name, value)| (name.clone(), value.clone())).collect(),
        image: None,
        error: None,
    }
}

/// `DIRECTORY[/DOCKERFILE][ (TARGET)]`
fn name_of(context: &str, dockerfile: &str, target: Option<&str>) -> String {
    let context = context.trim_end_matches('/');
    let within = dockerfile.strip_prefix(context).map_or(dockerfile, |rest| rest.trim_start_matches('/'));
    let mut name = context.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("/").to_owned();
    if !["", "Dockerfile"].contains(&within) {
        name = format!("{name}/{}", within.trim_start_matches('/'));
    }
    match target {
        Some(target) => format!("{name} ({target})"),
        None => name,
    }
}

fn file_name(id: &str) -> String {
    format!("{id}.json")
}

fn log_name(id: &str) -> String {
    format!("{id}.log")
}

#[cfg(test)]
#[test]
fn names_of_builds() {
    for (context, dockerfile, target, expected) in [
        ("/home/me/web", "Dockerfile", None, "web"),
        ("/home/me/web/", "/home/me/web/deploy/Dockerfile.dev", None, "web/deploy/Dockerfile.dev"),
        ("/home/me/web", "/etc/Dockerfile", Some("test"), "web/etc/Dockerfile (test)"),
        ("/", "Dockerfile", None, "/"),
        ("-", "-", None, "-"),
    ] {
        assert_eq!(name_of(context, dockerfile, target), expected);
    }
}
