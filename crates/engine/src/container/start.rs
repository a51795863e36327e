//! `start`: from the record of a container to a supervised process.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use store::Lock;
use supervisor::events::{EventsJob, MountedVolume};
use supervisor::status::Summary;
use supervisor::{Attachment, Client, Job, Teardown};
use sys::Dir;

use super::attach::{Attached, Outcome, Terminal};
use super::find::{Container, find};
use super::idrange;
use super::placement::Placed;
use super::record::ContainerRecord;
use super::spec::{self, Situation};
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::StartRequest;
use crate::timing::Timing;

/// What a start needs besides the record.
#[derive(Debug)]
pub(crate) struct StartOptions {
    pub(crate) attach: Attachment,
    pub(crate) terminal_size: Option<(u16, u16)>,
    /// Whether the launching client's end of input is the container's.
    pub(crate) stdin_once: bool,
}

/// Starts containers that are not running. With `attach`, stays with the one named.
pub fn start(
    engine: &Engine,
    request: &StartRequest,
    terminal: &Terminal<'_>,
) -> Result<Vec<(String, Result<Outcome>)>> {
    let mut outcomes = Vec::new();
    for word in &request.containers {
        outcomes.push((word.clone(), start_one(engine, request, word, terminal)));
    }
    Ok(outcomes)
}

pub(super) fn start_one(
    engine: &Engine,
    request: &StartRequest,
    word: &str,
    terminal: &Terminal<'_>,
) -> Result<Outcome> {
    let found = find(engine, word)?;
    let attach = Attachment { stdin: request.interactive, stdout: request.attach, stderr: request.attach };
    let keys = request.detach_keys.as_ref().map_or(&[16, 17][..], |keys| &keys.0);
    if found.is_paused() {
        return Err(Error::conflict("cannot start a paused container, try unpause instead")
            .hint(format!("`coracle unpause {word}`")));
    }
    let Some((container, lock)) = to_be_started(engine, &found.record)? else {
        return match attach.any() {
            true => {
                Attached::to_running(engine, &found.record, attach, keys)?.stay(terminal, request.sig_proxy)
            }
            false => Ok(Outcome::Detached),
        };
    };
    let options = StartOptions {
        attach,
        terminal_size: terminal.size.filter(|_| container.record.request.tty),
        stdin_once: container.record.request.attach.stdin,
    };
    if attach.any() {
        crate::events::of_container(engine, &container.record, "attach", &[]);
    }
    let client = launch_anew(engine, &container, &options, lock)?;
    let mut attached = Attached::new(engine, client, &container.record, attach, keys);
    attached.until_started(terminal).map_err(|error| {
        super::remove::clear_failed_start(engine, &container.record);
        crate::system::explain(engine, error)
    })?;
    if attach.any() { attached.stay(terminal, request.sig_proxy) } else { Ok(Outcome::Detached) }
}

/// Launches a container that has run before or never.
fn launch_anew(engine: &Engine, container: &Container, options: &StartOptions, lock: Lock) -> Result<Client> {
    reuse_writable_layer(container)?;
    // One that has run before has the rests of that run.
    super::remove::clear_lost_run(engine, container);
    super::policy::note_start(engine, &container.record)?;
    for name in ["status", supervisor::KEPT, supervisor::LIMITS] {
        let _ = rustix::fs::unlink(container.run_dir.join(name));
    }
    launch(engine, &container.record, options, lock, &mut Timing::new(false))
}

/// Begins to start a container; the client is told how that goes. `None` where it runs.
pub(crate) fn begin(engine: &Engine, record: &ContainerRecord, attach: Attachment) -> Result<Option<Client>> {
    let Some((container, lock)) = to_be_started(engine, record)? else { return Ok(None) };
    let options = StartOptions { attach, terminal_size: None, stdin_once: record.request.attach.stdin };
    launch_anew(engine, &container, &options, lock).map(Some)
}

/// Lets a layer be mounted again that was mounted `volatile`, which leaves a mark against that
/// (Documentation/filesystems/overlayfs.rst): after a crash of the machine it may lack anything. Within one boot it is whole.
fn reuse_writable_layer(container: &Container) -> Result<()> {
    let this_boot = |status: &supervisor::status::Status| status.boot_id == supervisor::status::boot_id();
    let upper = container.record.rootfs.as_ref().and_then(|overlay| Some((overlay, overlay.upper.as_ref()?)));
    match upper {
        Some((overlay, upper)) if upper.volatile && container.status.as_ref().is_some_and(this_boot) => {
            super::remove::remove_tree(&overlay.store.join(&upper.work).join("work/incompat/volatile"))
        }
        _ => Ok(()),
    }
}

/// Waits until nobody else starts or removes this container or clears its last run away, and keeps it so;
/// `None` when it runs, or is about to again.
///
/// Two starts at once would share the ids, the writable layer and the socket, and the one that fails
/// would clear away what the other has.
pub(crate) fn to_be_started(engine: &Engine, record: &ContainerRecord) -> Result<Option<(Container, Lock)>> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let run_dir = engine.run_dir(&record.id);
    let gone = || Error::not_found(format!("No such container: {}", record.name));
    loop {
        let container = Container::load(engine, &record.id)?.ok_or_else(gone)?;
        if container.is_running() || container.is_restarting() {
            return Ok(None);
        }
        make_run_dir(&run_dir)?;
        let directory = match Dir::open(&run_dir) {
            // The teardown of a run that has just ended.
            Err(error) if error.is_not_found() => continue,
            other => other?,
        };
        let lock = match Lock::try_exclusive(directory, supervisor::LOCK) {
            // It was removed between the two.
            Err(error) if error.is_not_found() => continue,
            other => other?,
        };
        if let Some(lock) = lock {
            // Whoever had it may have written since.
            let Some(container) = Container::load(engine, &record.id)? else {
                // Removed meanwhile: the directory is ours alone.
                let _ = super::remove::remove_tree(&run_dir);
                return Err(gone());
            };
            return Ok((!container.is_running()).then_some((container.locked(), lock)));
        }
        if Instant::now() > deadline {
            return Err(Error::conflict(format!(
                "cannot take hold of container `{}`: its supervisor is busy",
                record.name
            ))
            .hint("look at it with `coracle ps -a`, and try again"));
        }
        // The lock's holder is a process of a start or an end: milliseconds.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The recipe of a start: lease ids → specification → filter → plan → guardian.
pub(crate) fn launch(
    engine: &Engine,
    record: &ContainerRecord,
    options: &StartOptions,
    lock: Lock,
    timing: &mut Timing,
) -> Result<Client> {
    let run_dir = engine.run_dir(&record.id);
    let mut leases = Vec::new();
    let outcome = try_launch(engine, record, options, &lock, &mut leases, timing);
    if outcome.is_err() {
        for lease in &leases {
            let _ = rustix::fs::unlink(lease);
        }
        let _ = network::State::new(engine.run_root()).release_all(&record.id);
        if let Ok(directory) = Dir::open(&run_dir) {
            let _ = lock.remove(directory, supervisor::LOCK);
        }
        let _ = rustix::fs::rmdir(&run_dir);
    }
    outcome
}

fn try_launch(
    engine: &Engine,
    record: &ContainerRecord,
    options: &StartOptions,
    lock: &Lock,
    leases: &mut Vec<PathBuf>,
    timing: &mut Timing,
) -> Result<Client> {
    let situation = situation(engine, record)?;
    leases.extend(situation.ids.iter().flat_map(|ids| ids.files.iter().cloned()));
    timing.mark("lease ids");
    let place = crate::network::take(engine, record)?;
    timing.mark("addresses and ports");
    super::files::write(engine, record, place.as_ref())?;
    let spec = spec::build(engine, record, &situation)?;
    crate::confinement::label_files(engine, record, &situation.confinement)?;
    timing.mark("specification");
    let seccomp = spec::filter(engine, record, &spec)?;
    timing.mark("seccomp filter");
    let health = super::health::job(record, spec.spec.process.as_ref(), seccomp.as_ref());
    let plan = runtime::plan(runtime::PlanInput {
        spec: &spec.spec,
        rootfs: crate::image::rootfs(record)?,
        seccomp,
        gate: false,
        create_cwd: true,
    })?;
    timing.mark("plan");
    let mut job = job(engine, record, options, spec, plan, leases.clone());
    job.timing = timing.is_enabled();
    job.file_label = situation.confinement.mount_label();
    job.warnings = situation.confinement.warnings;
    job.health = health;
    let (network, sockets) = match place.map(|place| place.job(engine, record)) {
        Some((network, sockets)) => (Some(network), sockets),
        None => (None, Vec::new()),
    };
    job.network = network;
    let client = supervisor::launch(&job, lock, sockets)
        .doing(|| format!("cannot start container `{}`", record.name))?;
    timing.mark("launch");
    Ok(client)
}

/// Finds out what the specification depends on: joined containers and the id range.
fn situation(engine: &Engine, record: &ContainerRecord) -> Result<Situation> {
    let mut situation = Situation::of(engine, record)?;
    situation.confinement = crate::confinement::of(engine, record)?;
    if situation.own_user_namespace() {
        let wanted = record.highest_id.max(situation.identity.uid).max(situation.identity.gid);
        situation.ids = Some(idrange::lease(engine, &record.id, wanted)?);
    }
    Ok(situation)
}

fn make_run_dir(run_dir: &std::path::Path) -> Result<()> {
    sys::failpoint::step();
    match rustix::fs::mkdir(run_dir, rustix::fs::Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(errno) => Err(sys::Error::new(format!("cannot create `{}`", run_dir.display()), errno).into()),
    }
}

fn job(
    engine: &Engine,
    record: &ContainerRecord,
    options: &StartOptions,
    spec: spec::Built,
    plan: runtime::Plan,
    leases: Vec<PathBuf>,
) -> Job {
    Job {
        cgroup: spec.cgroup,
        resources: spec.resources,
        pids_limit: spec.pids_limit,
        plan,
        ..common_job(engine, record, options, leases)
    }
}

/// What a guardian is told whether it makes the container or finds it running.
pub(super) fn common_job(
    engine: &Engine,
    record: &ContainerRecord,
    options: &StartOptions,
    leases: Vec<PathBuf>,
) -> Job {
    let request = &record.request;
    let directory = engine.container_dir(&record.id);
    let removals = match request.auto_remove {
        true => super::remove::removals(engine, record, super::remove::Volumes::Removed),
        false => Vec::new(),
    };
    Job {
        id: record.id.clone(),
        run_dir: engine.run_dir(&record.id),
        summary: summary(record),
        cgroup: None,
        resources: oci::runtime::Resources::default(),
        pids_limit: None,
        plan: runtime::Plan::default(),
        terminal: request.tty,
        terminal_size: options.terminal_size,
        open_stdin: request.interactive,
        stdin_once: options.stdin_once,
        attach: options.attach,
        log: super::log_files::config(engine, record),
        network: None,
        health: None,
        events: EventsJob { run_root: engine.run_root().to_owned(), volumes: mounted_volumes(record) },
        teardown: Teardown {
            last_run: (!request.auto_remove).then(|| directory.join("last-run.json")),
            leases,
            removals,
        },
        file_label: None,
        warnings: Vec::new(),
        timing: false,
        again: false,
    }
}

fn mounted_volumes(record: &ContainerRecord) -> Vec<MountedVolume> {
    let mounted = |mount: Placed| match mount {
        Placed::Volume(volume) => Some(MountedVolume {
            name: volume.name,
            target: volume.target,
            read_only: volume.read_only,
            propagation: String::new(),
        }),
        _ => None,
    };
    record.placed().into_iter().filter_map(mounted).collect()
}

/// What `ps` shows of a container.
pub(crate) fn summary(record: &ContainerRecord) -> Summary {
    Summary {
        name: record.name.clone(),
        image: record.request.image.clone(),
        image_id: record.image_id.clone(),
        command: record.args.clone(),
        created: record.created,
        labels: record.labels.clone(),
    }
}

/// Lets a record be checked for use by others while it is started.
pub(crate) fn running_container(engine: &Engine, word: &str, why: &str) -> Result<Container> {
    let container = find(engine, word)?;
    if container.is_running() {
        return Ok(container);
    }
    Err(Error::conflict(format!("cannot join the {why} of container `{word}`: it is not running"))
        .hint(format!("start it with `coracle start {word}`")))
}
