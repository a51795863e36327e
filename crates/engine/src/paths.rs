//! Where the engine keeps its things.
//!
//! ```text
//!   ROOT  /var/lib/coracle                     survives a reboot
//!     blobs/ images/ layers/ references/ snapshots/    the image room's (crate `image`)
//!     containers/ID/                           one directory a container
//!       record.json                            what it is: written before anything runs
//!       last-run.json                          that its last run began, and how it ended
//!       hostname hosts resolv.conf             bound into the container
//!       log log.1 …                            what it printed, bounded
//!     names/NAME -> ID                         claims; the record decides
//!     levels/cN,cM -> ID                       claims of SELinux levels, where SELinux is on
//!     cache/seccomp/                           compiled filters
//!   RUN_ROOT  /run/coracle                     tmpfs, dies with the boot
//!     containers/ID/{status,sock}              see `supervisor::status`
//!     ids/SLOT -> ID                           leased id ranges
//! ```

use std::path::{Path, PathBuf};

use sys::Dir;

use crate::build::BuildPolicy;
use crate::error::{Error, Result};

/// Explicit configuration; nothing is read from the environment below the faces.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    pub root: PathBuf,
    pub run_root: PathBuf,
    pub firewall: Firewall,
    pub build: BuildPolicy,
}

/// Whose rules decide who reaches a published port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Firewall {
    /// Ours, which lead packets to the container before the host's INPUT rules see them, as Docker's do.
    #[default]
    Engine,
    /// The host's INPUT rules: connections end at the host, and the supervisor passes their bytes on. The container sees
    /// its gateway as the source.
    Host,
}

/// An engine on its two directories. There is nothing behind it: each verb works on files and the kernel.
#[derive(Debug)]
pub struct Engine {
    pub(crate) root: PathBuf,
    pub(crate) run_root: PathBuf,
    pub(crate) firewall: Firewall,
    pub(crate) build: BuildPolicy,
}

impl Engine {
    /// Opens an engine, making its directories where they are missing.
    pub fn open(config: EngineConfig) -> Result<Self> {
        for (name, path) in [("--root", &config.root), ("--run-root", &config.run_root)] {
            if !path.is_absolute() {
                return Err(Error::invalid(format!("`{name} {}` is not an absolute path", path.display())));
            }
        }
        let EngineConfig { root, run_root, firewall, build } = config;
        let engine = Self { root, run_root, firewall, build };
        for directory in [engine.containers(), engine.names(), engine.seccomp_cache()] {
            make(&directory)?;
        }
        for directory in [engine.run_root.join("containers"), engine.ids()] {
            make(&directory)?;
        }
        Ok(engine)
    }

    pub(crate) fn config(&self) -> EngineConfig {
        EngineConfig {
            root: self.root.clone(),
            run_root: self.run_root.clone(),
            firewall: self.firewall,
            build: self.build.clone(),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn run_root(&self) -> &Path {
        &self.run_root
    }

    pub(crate) fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    pub(crate) fn names(&self) -> PathBuf {
        self.root.join("names")
    }

    /// SELinux levels that containers have; made with the first.
    pub(crate) fn levels(&self) -> PathBuf {
        self.root.join("levels")
    }

    pub(crate) fn ids(&self) -> PathBuf {
        self.run_root.join("ids")
    }

    pub(crate) fn seccomp_cache(&self) -> PathBuf {
        self.root.join("cache/seccomp")
    }

    pub(crate) fn container_dir(&self, id: &str) -> PathBuf {
        self.root.join("containers").join(id)
    }

    pub(crate) fn run_dir(&self, id: &str) -> PathBuf {
        self.run_root.join("containers").join(id)
    }

    pub(crate) fn open_names(&self) -> Result<Dir> {
        Ok(Dir::open(self.names())?)
    }
}

fn make(directory: &Path) -> Result<()> {
    if sys::fs::exists(directory) {
        return Ok(());
    }
    sys::fs::create_dir_all(directory).map_err(|error| {
        // Elsewhere somebody without privilege would get no further.
        Error::from(error).hint(match crate::system::has_admin() {
            true => "choose other places with --root and --run-root",
            false => crate::system::NEEDS_ROOT,
        })
    })
}
