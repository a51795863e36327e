//! Does what the plan says: a stage a thread, each waiting for those that it needs.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use ::build::key::{KeyBuilder, Surroundings as KeySurroundings};
use ::build::plan::{Base, Origin, Plan, PlannedStage, Step, StepAction};
use ::build::{Fault, Source};
use image::{Capture, Composition, Images};
use oci::digest::{ChainId, Digest, ImageId};
use oci::image::{Config, History, ImageConfig, Platform};

use super::cache::{Cache, CacheRecord};
use super::context::Context;
use super::exchange::{self, Imports};
use super::fetched::FetchedFile;
use super::origin::Tree;
use super::progress::{BuildEvent, Progress};
use super::stop::{self, Stop};
use super::verify::Traced;
use super::with_causes;
use super::work::Work;
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::{BuildNetwork, BuildRequest, NamedSource};

/// What a stage has become so far.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// The image whose layers these are.
    pub(super) image: ImageId,
    pub(super) top: Option<ChainId>,
    pub(super) history: Vec<History>,
    /// When the last layer was made: the time of what only changes the configuration, so that a build of nothing new
    /// gives the same image.
    pub(super) created: Option<String>,
}

/// A plan that is being carried out.
pub(super) struct Solver<'a> {
    pub(super) engine: &'a Engine,
    pub(super) request: &'a BuildRequest,
    pub(super) plan: &'a Plan,
    pub(super) context: &'a Context,
    pub(super) work: &'a Work,
    pub(super) progress: &'a dyn Progress,
    pub(super) interrupt: Option<std::os::fd::BorrowedFd<'a>>,
    pub(super) images: Images,
    pub(super) cache: Cache,
    imports: &'a Imports,
    /// What this build has fetched.
    pub(super) fetched: Mutex<BTreeMap<String, FetchedFile>>,
    stages: Mutex<Stages>,
    changed: Condvar,
    numbers: AtomicUsize,
    /// Whether it is done to see whether it gives the same again.
    is_second: bool,
    trace: Mutex<Vec<Traced>>,
    pub(super) stop: Stop,
}

#[derive(Default)]
struct Stages {
    done: BTreeMap<usize, State>,
    fault: Option<Error>,
}

/// What a step did to the files.
pub(super) struct Outcome {
    pub(super) image: ImageId,
    pub(super) created: String,
    pub(super) has_layer: bool,
    key: Digest,
}

impl<'a> Solver<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        request: &'a BuildRequest,
        plan: &'a Plan,
        (context, work, imports): (&'a Context, &'a Work, &'a Imports),
        (progress, interrupt): (&'a dyn Progress, Option<std::os::fd::BorrowedFd<'a>>),
        steps_before: usize,
    ) -> Result<Self> {
        Ok(Self {
            engine,
            request,
            plan,
            context,
            work,
            progress,
            interrupt,
            images: crate::image::open(engine)?,
            cache: Cache::open(engine)?,
            imports,
            fetched: Mutex::default(),
            stages: Mutex::default(),
            changed: Condvar::new(),
            numbers: AtomicUsize::new(1 + steps_before),
            is_second: steps_before > 0,
            trace: Mutex::default(),
            stop: Stop::new()?,
        })
    }

    /// Does all stages; returns what the target has become.
    pub(super) fn solve(&self, source: &Source) -> Result<State> {
        let (done, end) = stop::pipe()?;
        std::thread::scope(|threads| {
            if let Some(interrupt) = self.interrupt {
                threads.spawn(move || {
                    if stop::is_interrupted(interrupt, done.as_fd()) {
                        self.give_up(Error::new(oci::class::Class::Cancelled, "interrupted").exit_code(130));
                    }
                });
            }
            self.do_stages(source);
            drop(end);
        });
        let mut stages = self.stages();
        if let Some(error) = stages.fault.take() {
            return Err(error);
        }
        let target = self.plan.stages.last().map_or(0, |stage| stage.index);
        stages
            .done
            .remove(&target)
            .ok_or_else(|| Error::new(oci::class::Class::Cancelled, "the build was given up"))
    }

    /// Tells what each step gave, in the order of the Dockerfile.
    pub(super) fn trace(&self) -> Vec<Traced> {
        let mut trace = self.trace.lock().expect("no holder panics").clone();
        trace.sort_by_key(|traced| traced.place);
        trace
    }

    fn do_stages(&self, source: &Source) {
        std::thread::scope(|threads| {
            for stage in &self.plan.stages {
                threads.spawn(move || match self.stage(stage, source) {
                    Ok(Some(state)) => {
                        self.stages().done.insert(stage.index, state);
                        self.changed.notify_all();
                    }
                    // Somebody else has failed.
                    Ok(None) => {}
                    Err(error) => self.give_up(error),
                });
            }
        });
    }

    fn stages(&self) -> MutexGuard<'_, Stages> {
        self.stages.lock().expect("no holder panics")
    }

    fn give_up(&self, error: Error) {
        // The first fault is the one that is told; what it ends says so too.
        self.stages().fault.get_or_insert(error);
        self.stop.tell();
        self.changed.notify_all();
    }

    /// Waits for a stage; `None` if the build has failed.
    fn wait_for(&self, index: usize) -> Option<State> {
        let mut stages = self.stages();
        loop {
            if stages.fault.is_some() {
                return None;
            }
            if let Some(state) = stages.done.get(&index) {
                return Some(state.clone());
            }
            stages = self.changed.wait(stages).expect("no holder panics");
        }
    }

    fn stage(&self, stage: &PlannedStage, source: &Source) -> Result<Option<State>> {
        let Some(mut state) = self.base(stage)? else { return Ok(None) };
        let counted: Vec<&Step> =
            stage.steps.iter().filter(|step| step.action != StepAction::Configure).collect();
        let total = counted.len();
        let mut index = 0;
        for step in &stage.steps {
            if step.action == StepAction::Configure {
                self.note(&mut state, step, None);
                continue;
            }
            for other in step.needs() {
                if self.wait_for(other).is_none() {
                    return Ok(None);
                }
            }
            if self.stop.flag().is_set() {
                return Ok(None);
            }
            index += 1;
            let number = self.numbers.fetch_add(1, Ordering::SeqCst);
            let trigger = if step.is_trigger { "ONBUILD " } else { "" };
            let title = format!("[{} {index}/{total}] {trigger}{}", stage.name, step.title);
            let again = if self.is_second { "again: " } else { "" };
            self.progress.tell(BuildEvent::Begun { number, title: &format!("{again}{title}") });
            let outcome = self.step(&state, step, number).map_err(|error| {
                self.progress.tell(BuildEvent::Failed { number, text: &error.to_string() });
                let shown = Fault::new(step.span, format!("step {number} failed: {}", with_causes(&error)));
                let hint = error.remedy().map(str::to_owned);
                let mut shown = Error::new(error.class(), shown.render(source));
                if let Some(code) = error.code() {
                    shown = shown.exit_code(code);
                }
                match hint {
                    Some(hint) => shown.hint(hint),
                    None => shown,
                }
            })?;
            let place = (stage.index, index);
            self.trace.lock().expect("no holder panics").push(Traced {
                place,
                title,
                image: outcome.image,
                key: outcome.key,
            });
            state.image = outcome.image;
            state.top = self.images.image(&outcome.image)?.top();
            self.note(&mut state, step, Some(&outcome));
        }
        Ok(Some(state))
    }

    /// Where a stage begins; `None` if the build has failed.
    fn base(&self, stage: &PlannedStage) -> Result<Option<State>> {
        Ok(Some(match &stage.base {
            Base::Stage(index) => match self.wait_for(*index) {
                Some(state) => state,
                None => return Ok(None),
            },
            Base::Scratch => {
                State { image: self.nothing()?, top: None, history: Vec::new(), created: self.now_if_epoch() }
            }
            Base::Image(base) => {
                let image = parse_id(&base.id)?;
                State {
                    image,
                    top: self.images.image(&image)?.top(),
                    history: base.config.history.clone(),
                    created: base.config.created.clone(),
                }
            }
        }))
    }

    /// An image without files, for stages that begin with nothing.
    pub(super) fn nothing(&self) -> Result<ImageId> {
        let platform = Platform::host();
        let config =
            ImageConfig { architecture: platform.architecture, os: platform.os, ..ImageConfig::default() };
        let image =
            self.images.compose(&Composition { layers_of: None, depth: None, config, references: &[] })?;
        let record = CacheRecord {
            image,
            title: "FROM scratch".to_owned(),
            created: String::new(),
            has_layer: false,
            size: 0,
            last_used: jiff::Timestamp::now().as_second(),
        };
        self.cache.write(&KeyBuilder::new("scratch").finish(), &record)?;
        Ok(image)
    }

    /// Adds a step to the history.
    fn note(&self, state: &mut State, step: &Step, outcome: Option<&Outcome>) {
        if let Some(outcome) = outcome {
            state.created = Some(outcome.created.clone());
        }
        state.history.push(History {
            created: self.epoch_text().or_else(|| state.created.clone()),
            created_by: step.history.created_by.clone(),
            empty_layer: !outcome.is_some_and(|outcome| outcome.has_layer),
            comment: match outcome {
                Some(outcome) if self.request.inline_cache => exchange::inline_comment(&outcome.key),
                _ => String::new(),
            },
            ..History::default()
        });
    }

    pub(super) fn epoch_text(&self) -> Option<String> {
        let time = jiff::Timestamp::from_second(self.request.epoch?).ok()?;
        Some(time.to_string())
    }

    fn now_if_epoch(&self) -> Option<String> {
        self.epoch_text()
    }

    fn step(&self, state: &State, step: &Step, number: usize) -> Result<Outcome> {
        let began = Instant::now();
        let (key, witness) = match &step.action {
            StepAction::Run(run) => {
                let (digests, witness) = self.mount_digests(run)?;
                (run.key(state.top.as_ref(), &digests, &self.surroundings()), Some(witness))
            }
            StepAction::Copy(copy) => {
                let (digests, witness) = self.content_digests(copy)?;
                (copy.key(state.top.as_ref(), &digests), Some(witness))
            }
            StepAction::Workdir(workdir) => (workdir.key(state.top.as_ref()), None),
            StepAction::Configure => unreachable!("it has no files"),
        };
        let key = self.with_epoch(key);
        // Whoever does the same step now is waited for.
        let _alone = self.cache.alone(&key)?;
        if let Some(record) = self.found(&key)? {
            self.progress.tell(BuildEvent::Cached { number });
            let CacheRecord { image, created, has_layer, .. } = record;
            return Ok(Outcome { image, created, has_layer, key });
        }
        let (image, witness_now) = match &step.action {
            StepAction::Run(run) => (self.run(state, run, number)?, Some(self.mount_witness(run)?)),
            StepAction::Copy(copy) => (self.copy(state, copy)?, Some(self.content_witness(copy)?)),
            StepAction::Workdir(workdir) => (self.workdir(state, workdir)?, None),
            StepAction::Configure => unreachable!("it has no files"),
        };
        let key = match witness == witness_now {
            true => key,
            // What was made is not what the key says.
            false => {
                let text =
                    format!("files changed while step {number} used them: the next build does it again");
                self.progress.tell(BuildEvent::Note(&text));
                KeyBuilder::new("changed").text(&crate::container::random_id()?).finish()
            }
        };
        let record = self.images.image(&image)?;
        let below = self.images.image(&state.image)?;
        let has_layer = record.layers.len() > below.layers.len();
        let created = self.epoch_text().unwrap_or_else(|| jiff::Timestamp::now().to_string());
        let size = if has_layer { record.layers.last().map_or(0, |layer| layer.size) } else { 0 };
        self.cache.write(
            &key,
            &CacheRecord {
                image,
                title: step.title.clone(),
                created: created.clone(),
                has_layer,
                size,
                last_used: jiff::Timestamp::now().as_second(),
            },
        )?;
        self.progress.tell(BuildEvent::Done { number, took: began.elapsed() });
        Ok(Outcome { image, created, has_layer, key })
    }

    /// Looks a step up, here and then in what others have given.
    fn found(&self, key: &Digest) -> Result<Option<CacheRecord>> {
        if self.request.no_cache {
            return Ok(None);
        }
        let found = self.cache.find(&self.images, key)?;
        if found.is_none() && self.imports.bring(self.engine, &self.cache, key)? {
            return self.cache.find(&self.images, key);
        }
        Ok(found)
    }

    /// Times in layers are bounded by the epoch, so that it belongs to what a step gives.
    fn with_epoch(&self, key: Digest) -> Digest {
        match self.request.epoch {
            None => key,
            Some(epoch) => {
                KeyBuilder::new("epoch").bytes(key.as_bytes()).bytes(&epoch.to_le_bytes()).finish()
            }
        }
    }

    fn surroundings(&self) -> KeySurroundings {
        let network = match self.request.network {
            BuildNetwork::Default => "default",
            BuildNetwork::None => "none",
            BuildNetwork::Host => "host",
        };
        let host = |(name, address): &(String, Option<std::net::IpAddr>)| match address {
            Some(address) => format!("{name}={address}"),
            None => format!("{name}=host-gateway"),
        };
        KeySurroundings {
            platform: Platform::host(),
            network: network.to_owned(),
            hosts: self.request.hosts.iter().map(host).collect(),
        }
    }

    /// Makes an image of what was written over another; without a change it has that one's layers.
    pub(super) fn capture(&self, key: &str, below: ImageId, stubs: &[&str]) -> Result<ImageId> {
        let capture = Capture {
            key,
            image: below,
            config: Config::default(),
            changes: &[],
            reference: None,
            author: "",
            message: "",
            created_by: String::new(),
            stubs,
            epoch: self.request.epoch,
        };
        let captured = self.images.capture(&capture, || ()).map_err(Error::from);
        Ok(captured.doing(|| "cannot keep the files of the step".to_owned())?.id)
    }

    /// Opens where files come from.
    pub(super) fn tree(&self, origin: &Origin) -> Result<Tree> {
        match origin {
            Origin::Context => Ok(Tree {
                root: self.context.root.try_clone()?,
                ignore: self.context.ignore.clone(),
                owners: ::build::content::Owners::Replaced,
                is_live: true,
                seen: self.context.seen.clone(),
                stop: self.stop.flag().clone(),
            }),
            Origin::Named(name) => match self.request.contexts.get(name) {
                Some(NamedSource::Directory(path)) => Tree::of_directory(path, self.stop.flag()),
                _ => Err(Error::not_found(format!("there is no build context `{name}`"))),
            },
            Origin::Stage(index) => {
                let state = self.stages().done.get(index).cloned();
                let state = state.ok_or_else(|| Error::not_found(format!("stage {index} is not done")))?;
                Tree::of_image(self.engine, &state.image, self.stop.flag())
            }
            Origin::Image(base) => Tree::of_image(self.engine, &parse_id(&base.id)?, self.stop.flag()),
            Origin::Nothing => Tree::of_image(self.engine, &self.nothing()?, self.stop.flag()),
        }
    }
}

pub(super) fn parse_id(text: &str) -> Result<ImageId> {
    text.parse().map_err(|_| Error::invalid(format!("invalid image id `{text}`")))
}
