//! Finds containers by name, id or unique beginning of an id.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use supervisor::status::{State, Status};
use sys::Dir;

use super::accompany::{accompany, is_alone};
use super::census::ids;
use super::record::ContainerRecord;
use crate::error::{Error, Result};
use crate::paths::Engine;

/// Where this machine's freezers are: a fact of the machine, found once for all containers of a list.
static FREEZERS: cgroup::Freezers = cgroup::Freezers::new();

/// A container as it lies on disk.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) record: ContainerRecord,
    pub(crate) status: Option<Status>,
    pub(crate) run_dir: PathBuf,
    /// Whether its first process was alive when the status was read: the two are of one moment.
    alive: bool,
    /// Whether it has ended and its supervisor will start it again.
    restarting: bool,
    /// Asked of the kernel when it is first needed.
    paused: OnceCell<bool>,
}

impl Container {
    /// Reads a container by its full id; `None` when there is none. One that runs and was left alone is accompanied
    /// from then on.
    pub(crate) fn load(engine: &Engine, id: &str) -> Result<Option<Self>> {
        Self::mended(engine, Self::read(engine, id)?)
    }

    fn mended(engine: &Engine, container: Option<Self>) -> Result<Option<Self>> {
        match container {
            Some(container) if is_alone(&container) => {
                // Whatever is in the way of that, the container is what it is.
                let _ = accompany(engine, &container);
                Self::read(engine, &container.record.id)
            }
            other => Ok(other),
        }
    }

    /// Reads a container if it runs or is about to be started again; of any other only what tells that.
    pub(super) fn load_running(engine: &Engine, id: &str) -> Result<Option<Self>> {
        let run = Run::look(&engine.run_dir(id))?;
        if !run.alive && !run.restarting {
            return Ok(None);
        }
        Self::mended(engine, Self::with(engine, id, run)?)
    }

    fn read(engine: &Engine, id: &str) -> Result<Option<Self>> {
        Self::with(engine, id, Run::look(&engine.run_dir(id))?)
    }

    fn with(engine: &Engine, id: &str, run: Run) -> Result<Option<Self>> {
        let directory = match Dir::open(engine.container_dir(id)) {
            Ok(directory) => directory,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let record: ContainerRecord = match store::read_record(&directory, "record.json") {
            Ok(record) => record,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Run { status, alive, restarting } = run;
        let status = status.or_else(|| last_run(&directory));
        Ok(Some(Self {
            record,
            status,
            run_dir: engine.run_dir(id),
            alive,
            restarting,
            paused: OnceCell::new(),
        }))
    }

    /// Whether its first process was alive when it was looked at; a paused one is.
    pub(crate) fn is_running(&self) -> bool {
        self.alive
    }

    /// Whether it has ended and is about to be started again.
    pub(crate) fn is_restarting(&self) -> bool {
        self.restarting
    }

    /// The same for whoever has its lock: nobody else has it and will start the container again.
    pub(super) fn locked(self) -> Self {
        Self { restarting: false, ..self }
    }

    /// Whether it runs and its processes stand still: by the kernel's word, which no crash can make a lie.
    pub(crate) fn is_paused(&self) -> bool {
        let ask = |status: &Status| {
            let path = cgroup::CgroupPath::parse(status.cgroup.as_deref()?).ok()?;
            Some(FREEZERS.is_frozen(&path))
        };
        let running = self.status.as_ref().filter(|_| self.alive);
        *self.paused.get_or_init(|| running.and_then(ask).unwrap_or(false))
    }

    /// The state in Docker's words.
    pub(crate) fn state(&self) -> Life {
        match &self.status {
            None => Life::Created,
            Some(_) if self.is_paused() => Life::Paused,
            Some(_) if self.alive => Life::Running,
            // Its process is gone and nobody wrote down how it ended: a crash of the machine.
            Some(_) if self.restarting => Life::Restarting,
            Some(status) if matches!(status.state, State::Running | State::Restarting) => Life::Lost,
            Some(status) if status.state == State::Exited => Life::Exited,
            Some(_) => Life::Created,
        }
    }

    /// How its last run ended: 0 when there was none, 255 when nobody saw it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.state() {
            // One that waited to be started again has ended before, and how is known.
            Life::Lost if self.status.as_ref().is_some_and(|status| status.state == State::Running) => 255,
            _ => self.status.as_ref().map_or(0, |status| status.exit_code),
        }
    }

    /// Its running status, or an error that names the state it is in.
    pub(crate) fn running(&self) -> Result<&Status> {
        match &self.status {
            Some(status) if self.alive => Ok(status),
            _ if self.restarting => Err(Error::conflict(format!(
                "Container {} is restarting, wait until the container is running",
                self.record.id
            ))),
            _ => Err(Error::conflict(format!(
                "container `{}` is not running (it is {})",
                self.record.name,
                self.state().word()
            ))
            .hint(format!("start it with `coracle start {}`", self.record.name))),
        }
    }
}

/// What is to be seen of a container's run.
struct Run {
    status: Option<Status>,
    alive: bool,
    restarting: bool,
}

impl Run {
    fn look(run_dir: &Path) -> Result<Self> {
        let (status, alive) = match Status::load(run_dir)? {
            Some(seen) => settled(run_dir, seen)?,
            None => (None, false),
        };
        let waits = status.as_ref().is_some_and(|status| {
            status.state == State::Restarting && status.boot_id == supervisor::status::boot_id()
        });
        let restarting = waits && is_locked(run_dir)?;
        Ok(Self { status, alive, restarting })
    }
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Created,
    Running,
    Paused,
    Restarting,
    Exited,
    Lost,
}

impl Life {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited | Self::Lost => "exited",
        }
    }
}

/// How long to wait for an end to be written down; it takes a few milliseconds.
const SETTLING: Duration = Duration::from_secs(1);

/// Waits, where the process has just ended, until its supervisor has written down how. An end that nobody will write
/// down is told by the lock, which nobody holds then. Returns the status and whether the process is alive.
fn settled(run_dir: &Path, mut status: Status) -> Result<(Option<Status>, bool)> {
    let deadline = Instant::now() + SETTLING;
    loop {
        if status.state != State::Running {
            return Ok((Some(status), false));
        }
        if status.is_alive() {
            return Ok((Some(status), true));
        }
        let held = is_locked(run_dir)?;
        let Some(later) = Status::load(run_dir)? else { return Ok((None, false)) };
        let lost = !held && later.state == State::Running && !later.is_alive();
        status = later;
        if lost || Instant::now() > deadline {
            return Ok((Some(status), false));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether somebody starts a container, accompanies it or clears it away.
pub(super) fn is_locked(run_dir: &Path) -> Result<bool> {
    Ok(store::Lock::is_held_at(&run_dir.join(supervisor::LOCK))?)
}

/// Reads the record of the last run, for containers of an earlier boot. One that only began was ended by the
/// machine's own end.
fn last_run(directory: &Dir) -> Option<Status> {
    let bytes = store::read(directory, "last-run.json").ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Finds the container that a user's word means.
pub(crate) fn find(engine: &Engine, word: &str) -> Result<Container> {
    if let Some(owner) = owner_of_name(engine, word)?
        && let Some(container) = Container::load(engine, &owner)?
        // Otherwise it is, or was, being renamed.
        && container.record.name == word
    {
        return Ok(container);
    }
    let is_hex = word.len() >= 2 && word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex {
        let mut matches = ids(engine)?;
        matches.retain(|id| id.starts_with(word));
        match matches.as_slice() {
            [] => {}
            [id] => {
                if let Some(container) = Container::load(engine, id)? {
                    return Ok(container);
                }
            }
            several => {
                return Err(Error::invalid(format!(
                    "`{word}` begins the ids of {} containers",
                    several.len()
                ))
                .hint("use more digits of the id"));
            }
        }
    }
    Err(Error::not_found(format!("No such container: {word}")).hint("`coracle ps -a` lists all containers"))
}

fn owner_of_name(engine: &Engine, name: &str) -> Result<Option<String>> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Ok(None);
    }
    Ok(store::owner(engine.open_names()?, name)?)
}

/// Whether a container runs, starts or is being cleared away: then what is claimed for it is its own.
pub(crate) fn is_held(engine: &Engine, id: &str) -> Result<bool> {
    Ok(is_locked(&engine.run_dir(id))?
        || Container::load(engine, id)?.is_some_and(|container| container.is_running()))
}

/// Returns the name of the container with this id.
pub(crate) fn name_of(engine: &Engine, id: &str) -> Option<String> {
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some(Container::load(engine, id).ok().filter(|_| is_id)??.record.name)
}
