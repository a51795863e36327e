//! `build`: Dockerfile → image. What is to be done is decided by the room `build`; here it is done.
//!
//! ```text
//!   ROOT/build/
//!     history/ID.json, ID.log  what was built, and what that printed
//!     cache/KEY.json       which image a step gave; its files are those of images
//!     fetched/HASH...      files of addresses
//!     digests/HASH         digests of the files of a context that was read before
//!     caches/HASH/         what `--mount=type=cache` keeps
//!     work/ID/             a build under way: an unpacked context, what is bound into steps; locked
//!   RUN_ROOT/builds/ID/    secrets of a build under way, in memory
//! ```

mod agent;
mod bases;
mod cache;
mod collect;
mod context;
mod copy;
mod exchange;
mod fetched;
mod finish;
mod gather;
pub mod history;
mod kept;
mod lines;
mod mode;
mod mounts;
mod origin;
mod place;
mod policy;
mod progress;
mod recorder;
mod run;
mod seen;
mod solve;
mod stop;
mod verify;
mod work;

use std::io::{Read, Write};
use std::os::fd::BorrowedFd;

use ::build::plan::{NamedContext, Request};
use ::build::{Dockerfile, Error as PlanError};
use oci::image::Platform;

use crate::error::{Error, Result};
use crate::image::Supply;
use crate::paths::Engine;
use crate::request::{BuildRequest, NamedSource};

pub(crate) use cache::hidden as cached_images;
pub use cache::{CacheRow, PrunedCache, list as list_cache, prune as prune_cache};
pub use history::{BuildRecord, BuildStatus};
pub use kept::{export as export_cache_mount, import as import_cache_mount};
pub use lines::Lines;
pub use policy::BuildPolicy;
pub use progress::{BuildEvent, Progress, step_digest};

/// What the caller's process gives to a build.
pub struct Surroundings<'a> {
    pub stdin: &'a mut (dyn Read + Send),
    pub stdout: &'a mut (dyn Write + Send),
    /// Readable when the user has asked for the end.
    pub interrupt: Option<BorrowedFd<'a>>,
    pub progress: &'a dyn Progress,
    /// Fetches images that are not here.
    pub supply: &'a Supply<'a>,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

/// What a build has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Built {
    /// The id of the image.
    Image(String),
    /// Files that went where they were asked for.
    Files,
    /// Nothing was built: so many warnings were found.
    Checked(usize),
}

/// Builds an image.
pub fn build(engine: &Engine, request: &BuildRequest, surroundings: &mut Surroundings<'_>) -> Result<Built> {
    // Before any step runs.
    request.tags.iter().try_for_each(|tag| ::image::check_tag(tag))?;
    let work = work::Work::begin(engine)?;
    if request.check {
        return carry_out(engine, request, &work, surroundings);
    }
    let with_epoch;
    let request = match request {
        // Otherwise every file that is written would differ by its time.
        BuildRequest { verify: true, epoch: None, .. } => {
            with_epoch = BuildRequest { epoch: Some(jiff::Timestamp::now().as_second()), ..request.clone() };
            &with_epoch
        }
        _ => request,
    };
    let entry = history::Entry::begin(engine, request, work.id())?;
    let recorder = entry.recorder(surroundings.progress, request)?;
    let mut surroundings = Surroundings {
        stdin: &mut *surroundings.stdin,
        stdout: &mut *surroundings.stdout,
        interrupt: surroundings.interrupt,
        progress: &recorder,
        supply: surroundings.supply,
    };
    let built = carry_out(engine, request, &work, &mut surroundings);
    let told = recorder.told();
    entry.end(&told, &built)?;
    drop(work);
    // What was found in the cache has made it no larger.
    if told.steps > told.cached {
        collect::collect(engine)?;
    }
    built
}

fn carry_out(
    engine: &Engine,
    request: &BuildRequest,
    work: &work::Work,
    surroundings: &mut Surroundings<'_>,
) -> Result<Built> {
    let context = context::load(engine, work, request, surroundings.stdin)?;
    let dockerfile = Dockerfile::parse(context.dockerfile.clone())?;
    let plan_request = plan_request(request, &context);
    let mut bases = bases::Bases::new(engine, request, surroundings.supply);
    let plan = dockerfile.plan(&plan_request, &mut bases)?;
    let rendered: Vec<String> =
        plan.warnings.iter().map(|warning| warning.render(&dockerfile.source)).collect();
    for warning in &rendered {
        surroundings.progress.tell(BuildEvent::Warning(warning));
    }
    if plan.warnings_are_errors && !rendered.is_empty() {
        let text =
            format!("the Dockerfile asks that warnings fail the build, and there are {}", rendered.len());
        return Err(Error::invalid(text));
    }
    if request.check {
        return Ok(Built::Checked(rendered.len()));
    }
    let imports = exchange::Imports::look(engine, request, surroundings);
    let solve = |steps_before: usize| {
        let told = (surroundings.progress, surroundings.interrupt);
        let solver =
            solve::Solver::new(engine, request, &plan, (&context, work, &imports), told, steps_before)?;
        let state = solver.solve(&dockerfile.source)?;
        if let Some(seen) = &context.seen {
            seen.save()?;
        }
        Ok::<_, Error>((state, solver.trace()))
    };
    let (state, trace) = solve(0)?;
    if request.verify {
        verify::hold_together(engine, &trace, &solve(trace.len())?.1)?;
    }
    let built = finish::finish(engine, request, &plan, &state, surroundings)?;
    let target = plan.stages.last().map_or(0, |stage| stage.index);
    request.cache_to.iter().try_for_each(|to| exchange::export(engine, to, &trace, target))?;
    Ok(built)
}

/// An error with its causes, in one line.
fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn plan_request(request: &BuildRequest, context: &context::Context) -> Request {
    let named = |source: &NamedSource| match source {
        NamedSource::Directory(_) => NamedContext::Directory,
        NamedSource::Image(name) => NamedContext::Image(name.clone()),
    };
    let mut build_arguments = request.build_arguments.clone();
    if let Some(epoch) = request.epoch {
        build_arguments.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert_with(|| epoch.to_string());
    }
    Request {
        target: request.target.clone(),
        build_arguments,
        platform: Platform::host(),
        labels: request.labels.clone(),
        contexts: request.contexts.iter().map(|(name, source)| (name.clone(), named(source))).collect(),
        ignore: context.ignore.clone(),
        check_only: request.check,
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        let hint = error.hint();
        let error = crate::error::wrap(error.class(), error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
