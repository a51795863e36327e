//! All volumes of an engine: making, finding, holding and removing them.

use std::path::{Path, PathBuf};

use rustix::fs::RenameFlags;
use rustix::io::Errno;
use store::{Durability, Lock, read_record, write_record};
use sys::Dir;

use crate::record::{DRIVER, NewVolume, VolumeRecord};
use crate::{Backing, Error, Result, check_name};

const STAGING: &str = ".staging";
const LOCKS: &str = ".locks";
pub(crate) const RECORD: &str = "record.json";
pub(crate) const DATA: &str = "_data";
/// Held by whoever works in a directory of the staging; the kernel lets go of it when the process dies.
const STAGE_LOCK: &str = "lock";
/// Held together by those who make a directory in the staging, until they hold its own lock. No volume's name.
const MAKING_LOCK: &str = "+making";

/// The volumes of one engine root.
#[derive(Debug)]
pub struct Volumes {
    path: PathBuf,
    pub(crate) dir: Dir,
}

/// Keeps one volume from being removed, and where it is held alone from being filled by others.
///
/// A creation holds the volumes it names until its record says so; a removal looks at the records while it holds
/// the volume alone. So none is taken away from a container that is being made. Whoever holds several takes them
/// in the order of their names.
#[derive(Debug)]
pub struct Hold {
    pub record: VolumeRecord,
    alone: bool,
    _lock: Lock,
}

impl Hold {
    /// Whether nobody else holds it.
    pub fn is_alone(&self) -> bool {
        self.alone
    }
}

impl Volumes {
    /// Opens the volumes below an engine's root; directories that are missing are made, private ones (0700):
    /// containers reach files through mounts alone (CVE-2021-41091).
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join("volumes");
        for directory in [path.join(STAGING), path.join(LOCKS)] {
            if !sys::fs::exists(&directory) {
                sys::fs::create_dir_all(&directory)?;
            }
        }
        let dir = Dir::open(&path)?.strict();
        Ok(Self { path, dir })
    }

    /// Where the data of a volume lies, as `inspect` shows it.
    pub fn mountpoint(&self, name: &str) -> PathBuf {
        self.path.join(name).join(DATA)
    }

    /// Reads the record of a volume.
    pub fn get(&self, name: &str) -> Result<VolumeRecord> {
        check_name(name).map_err(|_| Error::NotFound(name.to_owned()))?;
        let dir = match self.dir.open_dir(name) {
            Err(error) if error.is_not_found() => return Err(Error::NotFound(name.to_owned())),
            other => other?,
        };
        match read_record(&dir, RECORD) {
            Err(error) if error.is_not_found() => Err(Error::NotFound(name.to_owned())),
            other => Ok(other?),
        }
    }

    /// Lists all volumes by name; one that vanishes meanwhile is left out.
    pub fn list(&self) -> Result<Vec<VolumeRecord>> {
        let mut names: Vec<String> =
            self.dir.list("")?.into_iter().filter_map(|entry| entry.name.into_string().ok()).collect();
        names.retain(|name| check_name(name).is_ok());
        names.sort();
        let mut volumes = Vec::new();
        for name in names {
            match self.get(&name) {
                Ok(record) => volumes.push(record),
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(volumes)
    }

    /// Returns the volume of a name, made where it is missing; whether it was made is told.
    ///
    /// Children first, the name last: a kill at any step leaves the volume as a whole or nothing but an abandoned
    /// directory in the staging.
    pub fn create(&self, new: &NewVolume, durability: Durability) -> Result<(VolumeRecord, bool)> {
        new.check()?;
        loop {
            match self.get(&new.name) {
                Ok(record) => return Ok((record, false)),
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
            let record = VolumeRecord {
                name: new.name.clone(),
                labels: new.labels.clone(),
                driver: DRIVER.to_owned(),
                options: new.options.clone(),
                created: now(),
                anonymous: new.anonymous,
                filled: false,
            };
            let stage = self.stage()?;
            stage.dir.mkdir("new", 0o700)?;
            let made = stage.dir.open_dir("new")?;
            made.mkdir(DATA, 0o755)?;
            made.chmod(DATA, 0o755)?;
            write_record(&made, RECORD, &record, durability)?;
            let from = stage.path("new");
            match self.dir.rename(from, &new.name, RenameFlags::NOREPLACE) {
                // Somebody was quicker: theirs it is.
                Err(error) if error.errno() == Some(Errno::EXIST) => continue,
                other => other?,
            }
            if durability == Durability::Synced {
                store::sync_dir(&self.dir)?;
            }
            return Ok((record, true));
        }
    }

    /// Holds a volume together with others; it is made where it is missing. Whether it was made is told.
    pub fn hold(&self, new: &NewVolume, durability: Durability) -> Result<(Hold, bool)> {
        new.check()?;
        let lock = Lock::shared(self.locks()?, &new.name)?;
        let (record, made) = self.create(new, durability)?;
        Ok((Hold { record, alone: false, _lock: lock }, made))
    }

    /// Holds a volume alone. A hold of one's own must be given up before.
    pub fn hold_alone(&self, new: &NewVolume, durability: Durability) -> Result<(Hold, bool)> {
        new.check()?;
        let lock = Lock::exclusive(self.locks()?, &new.name)?;
        let (record, made) = self.create(new, durability)?;
        Ok((Hold { record, alone: true, _lock: lock }, made))
    }

    /// Removes a volume unless `in_use`, asked while nobody else can begin to use it, names a reason. What a bind
    /// or a device brought stays: only the volume's own directory goes.
    pub fn remove<E: From<Error>>(
        &self,
        name: &str,
        in_use: impl FnOnce(&VolumeRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.get(name)?;
        let locks = self.locks()?;
        let lock = Lock::exclusive(&locks, name).map_err(Error::from)?;
        let record = self.get(name)?;
        in_use(&record)?;
        let stage = self.stage()?;
        let away = || -> Result<()> {
            self.dir.rename(name, stage.path("old"), RenameFlags::empty())?;
            Ok(store::sync_dir(&self.dir)?)
        };
        away()?;
        // A million files are deleted by nobody's leave but the name's, which is free already.
        lock.remove(&locks, name).map_err(Error::from)?;
        stage.dir.remove_tree("old").map_err(Error::from)?;
        Ok(())
    }

    /// Removes an anonymous volume of a container that goes, unless the record of another container names it:
    /// sixty-four random digits are found as bytes, without knowing what a record is made of.
    pub fn remove_with(&self, name: &str, containers: &Path, container: &str) -> Result<()> {
        let outcome = self.remove(name, |record| {
            if !record.anonymous || name.len() != 64 || named_by_another(containers, container, name)? {
                return Err(Error::InUse(name.to_owned()));
            }
            Ok(())
        });
        match outcome {
            Err(Error::NotFound(_) | Error::InUse(_)) => Ok(()),
            other => other,
        }
    }

    /// Opens the data of a volume; `None` where it is in memory and belongs to single containers.
    pub fn data(&self, record: &VolumeRecord) -> Result<Option<Dir>> {
        Ok(match record.backing()? {
            Backing::Directory => Some(self.dir.open_dir(Path::new(&record.name).join(DATA))?),
            Backing::Bind { device, .. } => Some(Dir::open(device)?.strict()),
            Backing::Tmpfs { .. } => None,
            Backing::FileSystem { kind, device, options } => {
                let mount = Backing::mount(&kind, &device, &options)?;
                Some(Dir::from_fd(mount, device).strict())
            }
        })
    }

    /// Adds up the sizes of a volume's files.
    pub fn size(&self, record: &VolumeRecord) -> Result<u64> {
        match record.backing()? {
            // What lies elsewhere is not the volume's, and is not freed with it.
            Backing::Directory => {
                Ok(crate::usage::size_of(&self.dir.open_dir(Path::new(&record.name).join(DATA))?)?)
            }
            _ => Ok(0),
        }
    }

    /// Returns what a killed creation or removal has left in the staging.
    pub fn abandoned(&self) -> Result<Vec<PathBuf>> {
        let staging = self.dir.open_dir(STAGING)?;
        // While somebody makes one, a directory may not be locked yet. Alone, what is not locked is nobody's.
        let Some(_alone) = Lock::try_exclusive(self.locks()?, MAKING_LOCK)? else { return Ok(Vec::new()) };
        let mut abandoned = Vec::new();
        for entry in staging.list("")? {
            let is_left = match staging.open_dir(&entry.name) {
                Err(error) if error.is_not_found() => false,
                Ok(dir) => !Lock::is_held(&dir, STAGE_LOCK)?,
                Err(error) => return Err(error.into()),
            };
            if is_left {
                abandoned.push(self.path.join(STAGING).join(entry.name));
            }
        }
        Ok(abandoned)
    }

    pub(crate) fn write(&self, record: &VolumeRecord, durability: Durability) -> Result<()> {
        Ok(write_record(&self.dir.open_dir(&record.name)?, RECORD, record, durability)?)
    }

    fn locks(&self) -> Result<Dir> {
        Ok(self.dir.open_dir(LOCKS)?)
    }

    /// Makes a directory of one's own; those that the dead have left go first.
    fn stage(&self) -> Result<Stage> {
        let staging = self.dir.open_dir(STAGING)?;
        for path in self.abandoned()? {
            if let Some(name) = path.file_name() {
                // Whoever is about to end may remove it at the same moment; what stays is found by the next.
                let _ = staging.remove_tree(name);
            }
        }
        let name = crate::random_name()?;
        let _making = Lock::shared(self.locks()?, MAKING_LOCK)?;
        staging.mkdir(&name, 0o700)?;
        let dir = staging.open_dir(&name)?;
        let lock = Lock::exclusive(&dir, STAGE_LOCK)?;
        Ok(Stage { staging, name, dir, _lock: lock })
    }
}

/// A directory below the staging, removed with all that is still in it.
struct Stage {
    staging: Dir,
    name: String,
    dir: Dir,
    _lock: Lock,
}

impl Stage {
    fn path(&self, name: &str) -> PathBuf {
        Path::new(STAGING).join(&self.name).join(name)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What cannot be removed now is removed by whoever works there next.
        let _ = self.staging.remove_tree(&self.name);
    }
}

fn named_by_another(containers: &Path, container: &str, name: &str) -> Result<bool> {
    let containers = match Dir::open(containers) {
        Err(error) if error.is_not_found() => return Ok(false),
        other => other?,
    };
    for entry in containers.list("")?.into_iter().filter(|entry| entry.name != container) {
        let bytes = match containers.open_dir(&entry.name) {
            Err(error) if error.is_not_found() => continue,
            other => match store::read(&other?, RECORD) {
                Err(error) if error.is_not_found() => continue,
                other => other?,
            },
        };
        if bytes.windows(name.len()).any(|window| window == name.as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}

const SECOND: i64 = 1_000_000_000;

/// Nanoseconds since 1970.
fn now() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec * SECOND + now.tv_nsec
}
