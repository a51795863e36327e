//! `RUN --mount`: what is bound into a step, and its locks.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ::build::content::Owners;
use ::build::ignore::Matcher;
use ::build::instruction::{MountKind, Sharing};
use ::build::key::KeyBuilder;
use ::build::plan::{Origin, Owned, PlannedMount, RunStep, SourcePath};
use oci::digest::Digest;
use store::Lock;
use sys::Dir;

use super::agent::Agent;
use super::gather::{Item, gather};
use super::origin::Tree;
use super::place::Placer;
use super::solve::Solver;
use crate::error::{Error, Result};
use crate::request::{BindMount, IdMap, MountRequest, Propagation, Recursion, Source, TmpfsMount, TmpfsSize};

/// Stands for this moment (utimensat(2)).
const NOW: rustix::fs::Timespec = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };

/// What a step has mounted.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) requests: Vec<MountRequest>,
    /// Secrets as variables, and where an agent is, `NAME` and value.
    pub(super) variables: Vec<(String, String)>,
    /// Held while the step runs.
    locks: Vec<Lock>,
    agents: Vec<Agent>,
}

impl Solver<'_> {
    /// Takes the digest of what a step binds, and a witness of what that was.
    pub(super) fn mount_digests(&self, step: &RunStep) -> Result<(Vec<Option<Digest>>, Digest)> {
        let mut witness = KeyBuilder::new("witness");
        let mut digests = Vec::new();
        for mount in &step.mounts {
            digests.push(match self.bound(mount)? {
                None => None,
                Some((tree, items)) => {
                    super::gather::witness(&tree, &items, &mut witness);
                    Some(super::gather::digest(&tree, &items, Owners::Kept)?)
                }
            });
        }
        Ok((digests, witness.finish()))
    }

    /// Takes the witness again.
    pub(super) fn mount_witness(&self, step: &RunStep) -> Result<Digest> {
        let mut witness = KeyBuilder::new("witness");
        for mount in &step.mounts {
            if let Some((tree, items)) = self.bound(mount)? {
                super::gather::witness(&tree, &items, &mut witness);
            }
        }
        Ok(witness.finish())
    }

    /// Finds what a mount binds; `None` for one that begins empty.
    fn bound(&self, mount: &PlannedMount) -> Result<Option<(Tree, Vec<Item>)>> {
        let origin = match &mount.origin {
            None | Some(Origin::Nothing) => return Ok(None),
            Some(origin) => origin,
        };
        let tree = self.tree(origin)?;
        let path = SourcePath { pattern: mount.source.clone(), written: mount.source.clone(), pivot: None };
        let items = gather(&tree, &path, false, &Matcher::default())?;
        Ok(Some((tree, items)))
    }

    /// Makes everything ready that a step has mounted.
    pub(super) fn mounts(&self, step: &RunStep) -> Result<Mounts> {
        let mut mounts = Mounts::default();
        for mount in &step.mounts {
            match mount.kind {
                MountKind::Bind => {
                    let source = self.copied(mount)?;
                    mounts.requests.push(bind(source, mount));
                }
                MountKind::Cache => self.cache_mount(mount, &mut mounts)?,
                MountKind::Tmpfs => mounts.requests.push(MountRequest::Tmpfs(TmpfsMount {
                    exec: true,
                    suid: true,
                    read_only: mount.read_only,
                    size: mount.size_bytes.map(TmpfsSize::Bytes),
                    ..TmpfsMount::at(PathBuf::from(&mount.target))
                })),
                MountKind::Secret => self.secret(mount, &mut mounts)?,
                MountKind::Ssh => self.ssh(mount, &mut mounts)?,
            }
        }
        if let Some(script) = &step.script {
            let path = self.work.directory("script")?.join("script");
            write_file(&path, script.content.as_bytes(), 0o755)?;
            let target = PathBuf::from(&step.arguments[0]);
            mounts.requests.push(MountRequest::Bind(bind_at(path, target, true)));
        }
        Ok(mounts)
    }

    /// A copy of what is bound: what a step writes there is nobody's, and the ignore file holds for it too.
    fn copied(&self, mount: &PlannedMount) -> Result<PathBuf> {
        let origin = mount.origin.as_ref().unwrap_or(&Origin::Context);
        let tree = self.tree(origin)?;
        let path = SourcePath { pattern: mount.source.clone(), written: mount.source.clone(), pivot: None };
        let directory = self.work.directory("bind")?;
        let root = Dir::open(&directory)?;
        let root = Dir::from_fd(root.into(), &directory);
        let placer = Placer { root: &root, owner: None, mode: None };
        let items = gather(&tree, &path, false, &Matcher::default())?;
        let is_file = items.iter().any(|item| item.name.is_some());
        for item in &items {
            placer.place(&tree, item, if is_file { "/file" } else { "/tree" })?;
        }
        Ok(directory.join(if is_file { "file" } else { "tree" }))
    }

    fn cache_mount(&self, mount: &PlannedMount, mounts: &mut Mounts) -> Result<()> {
        if mount.source != "/" && mount.origin.is_none() {
            return Err(Error::unsupported("`source` in a cache mount is not supported without `from`"));
        }
        let hash = super::kept::directory_name(&mount.id);
        let parent = self.engine.root.join("build/caches");
        let mut chosen = None;
        for number in 0.. {
            let name = if number == 0 { hash.clone() } else { format!("{hash}-{number}") };
            let path = parent.join(name);
            sys::fs::create_dir_all(&path)?;
            sys::fs::set_mode(&path, 0o700)?;
            let directory = Dir::open(&path)?;
            let lock = match mount.sharing {
                Sharing::Shared => Some(Lock::shared(&directory, "lock")?),
                Sharing::Locked => Some(Lock::exclusive(&directory, "lock")?),
                Sharing::Private => Lock::try_exclusive(&directory, "lock")?,
            };
            super::kept::name(&directory, &mount.id)?;
            if let Some(lock) = lock {
                chosen = Some((path, lock));
                break;
            }
        }
        let Some((path, lock)) = chosen else { return Ok(()) };
        let data = path.join("data");
        if !sys::fs::exists(&data) {
            match &mount.origin {
                Some(Origin::Nothing) | None => sys::fs::create_dir_all(&data)?,
                Some(_) => {
                    let copied = self.copied(mount)?;
                    std::fs::rename(&copied, &data).map_err(|error| {
                        Error::new(
                            oci::class::Class::of_os_error(&error),
                            format!("cannot fill cache mount `{}`", mount.id),
                        )
                        .caused_by(error)
                    })?;
                }
            }
            let dir = Dir::open(&data)?;
            let Owned { mode, uid, gid } = mount.owned;
            dir.chown_self(uid.unwrap_or(0), gid.unwrap_or(0))?;
            dir.chmod_self(mode.unwrap_or(0o755))?;
        }
        // When it was used last.
        Dir::open(&data)?
            .utimens_self(&rustix::fs::Timestamps { last_access: NOW, last_modification: NOW })?;
        mounts.locks.push(lock);
        mounts.requests.push(bind(data, mount));
        Ok(())
    }

    /// A socket that leads to the caller's agent.
    fn ssh(&self, mount: &PlannedMount, mounts: &mut Mounts) -> Result<()> {
        let Some((_, theirs)) = self.request.agents.iter().find(|(id, _)| *id == mount.id) else {
            if mount.required {
                return Err(Error::not_found(format!("agent of ssh `{}` was not given", mount.id))
                    .hint(format!("give it with --ssh {}", mount.id)));
            }
            return Ok(());
        };
        let Owned { mode, uid, gid } = mount.owned;
        let owned = (mode.unwrap_or(0o600), uid.unwrap_or(0), gid.unwrap_or(0));
        let agent = Agent::serve(theirs, &self.work.in_memory()?, owned)?;
        let target = PathBuf::from(&mount.target);
        mounts.requests.push(MountRequest::Bind(bind_at(agent.socket().to_owned(), target, true)));
        if mounts.agents.is_empty() {
            mounts.variables.push(("SSH_AUTH_SOCK".to_owned(), mount.target.clone()));
        }
        mounts.agents.push(agent);
        Ok(())
    }

    /// A secret never touches the disk: it lies in memory while the step runs.
    fn secret(&self, mount: &PlannedMount, mounts: &mut Mounts) -> Result<()> {
        let Some(secret) = self.request.secrets.iter().find(|secret| secret.id == mount.id) else {
            if mount.required {
                return Err(Error::not_found(format!("secret `{}` was not given", mount.id))
                    .hint(format!("give it with --secret id={},src=FILE", mount.id)));
            }
            return Ok(());
        };
        if let Some(variable) = &mount.variable {
            let value = String::from_utf8(secret.value.0.clone()).map_err(|_| {
                Error::invalid(format!("secret `{}` is no text, so it cannot be a variable", mount.id))
            })?;
            mounts.variables.push((variable.clone(), value));
        }
        if !mount.target.is_empty() {
            let path = self.work.in_memory()?.join("secret");
            write_file(&path, &secret.value.0, 0o400)?;
            let dir = Dir::open(path.parent().unwrap_or(Path::new("/")))?;
            let Owned { mode, uid, gid } = mount.owned;
            dir.chown("secret", uid.unwrap_or(0), gid.unwrap_or(0))?;
            dir.chmod("secret", mode.unwrap_or(0o400))?;
            mounts.requests.push(MountRequest::Bind(bind_at(path, PathBuf::from(&mount.target), true)));
        }
        Ok(())
    }
}

impl Mounts {
    /// The places in the image that are made only to mount something there: each target, and what lies above it.
    pub(super) fn stubs(&self) -> Vec<String> {
        let mut stubs = Vec::new();
        for request in &self.requests {
            let mut path = request.target();
            while let Some(parent) = path.parent() {
                let text = path.to_string_lossy().trim_start_matches('/').to_owned();
                if !text.is_empty() && !stubs.contains(&text) {
                    stubs.push(text);
                }
                path = parent;
            }
        }
        stubs
    }
}

fn bind(source: PathBuf, mount: &PlannedMount) -> MountRequest {
    MountRequest::Bind(bind_at(source, PathBuf::from(&mount.target), mount.read_only))
}

fn bind_at(source: PathBuf, target: PathBuf, read_only: bool) -> BindMount {
    BindMount {
        source,
        target,
        read_only,
        recursion: Recursion::Disabled,
        propagation: Propagation::RPrivate,
        idmap: IdMap::Identity,
        relabel: None,
        from: Source::Mount,
    }
}

fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(oci::class::Class::of_os_error(&error), format!("cannot write `{}`", path.display()))
            .caused_by(error)
    };
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    Ok(sys::fs::set_mode(path, mode)?)
}
