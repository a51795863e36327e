//! The builder: mounts a container's file system from outside its user namespace.
//!
//! It is a short-lived process with the host's credentials in a mount namespace of its own, which
//! the host's user namespace owns. Init is born in there, and afterwards copies the finished tree
//! into a namespace of its own user namespace; the kernel then locks every mount (see
//! mount_namespaces(7)), so masks cannot be taken away from inside, whatever capabilities are granted.
//!
//! ```text
//!   creator ── clone(NEWNS) ──> builder ── clone(NEWUSER|NEWPID|NEWNET|…) ──> init
//!                                 │ writes id maps, joins init's namespaces      │ session, hostname, lo
//!                                 │ overlay, /proc, /dev, binds, masks           │
//!                                 │ pivot_root; waits for the creator's network  │
//!                                 └── one byte "go" ───────────────────────────> │ locks mounts, drops
//!                                     exit                                       │ privileges, execs
//! ```

mod copyup;
mod idmap;
mod masks;
mod mounts;
mod rootfs;
mod sources;

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Uid};
use rustix::thread::set_thread_res_uid;
use sys::mount::{self, Change};
use sys::process::{self, Child, NEWCGROUP, NEWIPC, NEWNET, NEWPID, NEWUSER, NEWUTS};
use sys::{Context, Dir};

use crate::error::Failure;
use crate::report::Report;
use crate::step::{BuildStep, DeviceKind, Hooks, MountStep, Plan, Source};

pub(crate) use idmap::user_namespace;
pub(crate) use mounts::parameters;
pub(crate) use sources::open_devices;

type Outcome<T> = Result<T, Failure>;

/// What the builder works with.
pub(crate) struct Builder<'a> {
    plan: &'a Plan,
    /// An empty directory of the host on which the root is attached inside the private namespace.
    staging: &'a Path,
    console: Option<&'a crate::Console>,
    group: Option<&'a cgroup::Group>,
    pids_limit: Option<i64>,
    /// The limit of processes before it is set: last, as the builder would count.
    opened_limit: Option<cgroup::PidsLimit>,
    /// Where the creator tells that the network is set up, until it has.
    network: Option<&'a Report>,
    /// Detached clones of all bind sources, opened before the namespace turned into a slave, and of the images that
    /// are mounted beside the root; file systems on devices; all by step.
    sources: Vec<(usize, OwnedFd)>,
    user_namespace: Option<OwnedFd>,
    /// The kernel's own procfs of the container, out of reach of any path (CVE-2025-52881).
    proc: Option<OwnedFd>,
    root: Option<Dir>,
    /// An empty read-only directory, for masks.
    empty: Option<OwnedFd>,
    pub(crate) warnings: Vec<String>,
}

/// What the caller hands to the builder besides the plan.
pub(crate) struct BuildInput<'a> {
    pub(crate) staging: &'a Path,
    pub(crate) console: Option<&'a crate::Console>,
    pub(crate) group: Option<&'a cgroup::Group>,
    pub(crate) pids_limit: Option<i64>,
    /// Where the creator tells that the network is set up, if it does that.
    pub(crate) network: Option<&'a Report>,
}

impl<'a> Builder<'a> {
    /// `devices` are file systems of [`open_devices`].
    pub(crate) fn new(plan: &'a Plan, input: &BuildInput<'a>, devices: Vec<(usize, OwnedFd)>) -> Self {
        Self {
            plan,
            staging: input.staging,
            console: input.console,
            group: input.group,
            pids_limit: input.pids_limit,
            opened_limit: None,
            network: input.network,
            sources: devices,
            user_namespace: None,
            proc: None,
            root: None,
            empty: None,
            warnings: Vec::new(),
        }
    }

    /// Opens bind sources while the mounts are still peers of the host's, so that a bind may keep
    /// shared propagation, then cuts the namespace off.
    pub(crate) fn separate(&mut self) -> Outcome<()> {
        for (index, step) in self.plan.build.iter().enumerate() {
            let BuildStep::Mount(MountStep {
                source: Source::Bind { path, recursive, subpath },
                destination,
                ..
            }) = step
            else {
                continue;
            };
            let tree = match subpath {
                None => mount::clone_host_tree(path, *recursive),
                Some(below) => sources::clone_below(path, below, *recursive),
            };
            let tree = tree.map_err(|error| {
                let path = subpath.as_ref().map_or_else(|| path.clone(), |below| path.join(below));
                let what = format!("cannot mount `{}` at `{}`", path.display(), destination.display());
                Failure { what, ..Failure::from(error) }
            })?;
            self.sources.push((index, tree));
        }
        mount::set_propagation_recursive(Path::new("/"), mount::SLAVE)?;
        Ok(())
    }

    /// Gives init its id maps and enters the namespaces whose file systems are mounted.
    pub(crate) fn adopt(&mut self, init: &Child) -> Outcome<()> {
        let plan = self.plan;
        if plan.new_namespaces & NEWUSER != 0 {
            idmap::write_maps(init.pid, &plan.uid_map, &plan.gid_map)?;
        }
        if plan.own_user_namespace {
            let path = format!("/proc/{}/ns/user", init.pid);
            let fd = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .on_path("open", Path::new(&path))?;
            self.user_namespace = Some(fd);
        }
        self.limit_init(init)?;
        self.open_pids_limit()?;
        let joined: u64 = plan.join.iter().map(|(flag, _)| flag).sum();
        let enter = (plan.new_namespaces | joined) & (NEWPID | NEWNET | NEWIPC | NEWUTS | NEWCGROUP);
        if enter != 0 {
            process::join_namespaces(init.pidfd.as_fd(), enter)?;
        }
        process::keep_capabilities_across_fsuid()?;
        rustix::process::umask(Mode::empty());
        Ok(())
    }

    /// Sets what only the host's credentials may set.
    fn limit_init(&mut self, init: &Child) -> Outcome<()> {
        for step in &self.plan.build {
            match step {
                BuildStep::Rlimit { resource, soft, hard } => {
                    let warning = crate::rlimit::set(init.pid, *resource, *soft, *hard)?;
                    self.warnings.extend(warning);
                }
                BuildStep::OomScoreAdj { value } => {
                    let file = format!("/proc/{}/oom_score_adj", init.pid);
                    self.warnings.extend(crate::rlimit::set_oom_score(&file, *value)?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Applies the steps and makes the result the root of this namespace, with something to do in between.
    pub(crate) fn build(&mut self, before_pivot: impl FnOnce() -> Outcome<()>) -> Outcome<()> {
        process::set_fs_ids(self.plan.root_uid, self.plan.root_gid)?;
        self.open_images()?;
        for (index, step) in self.plan.build.iter().enumerate() {
            sys::failpoint::step();
            self.apply(index, step)?;
        }
        let root = self.root()?.as_fd().try_clone_to_owned().context(|| "cannot keep the root".into())?;
        if self.plan.hooks != Hooks::default() {
            // They find the network there, and their own byte comes after the network's.
            self.await_network()?;
        }
        before_pivot()?;
        mount::pivot_into(root.as_fd())?;
        // Not earlier: pivot_root(2) takes no shared mount.
        for step in &self.plan.build {
            if let BuildStep::RootPropagation { propagation } = step {
                self.propagate_root(*propagation)?;
            }
        }
        Ok(())
    }

    /// Waits until the creator has set up the network, if it does that.
    pub(crate) fn await_network(&mut self) -> Outcome<()> {
        match self.network.take() {
            Some(report) if !report.wait_for_start() => {
                Err(Failure::refused("the creator of the container is gone"))
            }
            _ => Ok(()),
        }
    }

    fn apply(&mut self, index: usize, step: &BuildStep) -> Outcome<()> {
        match step {
            BuildStep::Rootfs { rootfs } => self.mount_root(rootfs),
            BuildStep::Mount(mount) => self.mount(index, mount),
            BuildStep::Device { path, kind, major, minor, mode, uid, gid } => {
                let device = rustix::fs::makedev(*major, *minor);
                self.device(path, *kind, device, *mode, (*uid, *gid))
            }
            BuildStep::Symlink { path, target } => self.symlink(path, target),
            BuildStep::Console => self.console(),
            BuildStep::Sysctl { key, value } => self.sysctl(key, value),
            BuildStep::Mask { path } => self.mask(path),
            BuildStep::ReadOnly { path } => self.read_only(path),
            BuildStep::RootReadOnly => self.root_read_only(),
            BuildStep::PidsLimit => self.limit_pids(),
            // Set before and after.
            BuildStep::Rlimit { .. } | BuildStep::OomScoreAdj { .. } | BuildStep::RootPropagation { .. } => {
                Ok(())
            }
        }
    }

    fn root(&self) -> Outcome<&Dir> {
        self.root.as_ref().ok_or_else(|| Failure::refused("the root file system is not mounted yet"))
    }

    fn device(
        &self,
        path: &Path,
        kind: DeviceKind,
        device: u64,
        mode: u32,
        (uid, gid): (u32, u32),
    ) -> Outcome<()> {
        let root = self.root()?;
        let file_type = match kind {
            DeviceKind::Char => FileType::CharacterDevice,
            DeviceKind::Block => FileType::BlockDevice,
            DeviceKind::Fifo => FileType::Fifo,
        };
        if let Some(parent) = path.parent().filter(|p| *p != Path::new("/dev") && *p != Path::new("/")) {
            root.mkdir_all(parent, 0o755)?;
        }
        match root.mknod(path, file_type, mode, device) {
            // It may be a file of the host, seen through a bind mount: nothing is replaced.
            Err(error) if error.errno() == Some(rustix::io::Errno::EXIST) => {
                let stat = root.lstat(path)?;
                if FileType::from_raw_mode(stat.st_mode) != file_type || stat.st_rdev != device {
                    return Err(Failure::from(error).during(&format!(
                        "cannot make device `{}`: the container has something else there",
                        path.display()
                    )));
                }
                return Ok(());
            }
            // Nobody makes devices in a user namespace; there the host's own are shown, with the host's owner.
            Err(error) if error.errno() == Some(rustix::io::Errno::PERM) && kind != DeviceKind::Fifo => {
                return self.bind_device(path, file_type, device);
            }
            other => other?,
        }
        if (uid, gid) != (0, 0) {
            let plan = self.plan;
            root.chown(path, inside(&plan.uid_map, uid, plan)?, inside(&plan.gid_map, gid, plan)?)?;
        }
        Ok(())
    }

    /// Binds the node that the host has under the same path, which is still the root's.
    fn bind_device(&self, path: &Path, file_type: FileType, device: u64) -> Outcome<()> {
        let during = |failure: Failure| failure.during(&format!("cannot make device `{}`", path.display()));
        let tree = mount::clone_host_tree(path, false).map_err(|error| during(error.into()))?;
        let stat = rustix::fs::fstat(&tree).on_path("look at", path)?;
        if FileType::from_raw_mode(stat.st_mode) != file_type || stat.st_rdev != device {
            return Err(during(Failure::refused("this user may not, and the host has something else there")));
        }
        let target = self.root()?.create_file(path, 0o600)?;
        mount::attach(tree.as_fd(), target.as_fd()).on_path("mount device", path)?;
        Ok(())
    }

    fn symlink(&self, path: &Path, target: &Path) -> Outcome<()> {
        match self.root()?.symlink(target, path) {
            Err(error) if error.errno() == Some(rustix::io::Errno::EXIST) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Binds the terminal on /dev/console, by its kernel handle (CVE-2025-52565).
    fn console(&self) -> Outcome<()> {
        let Some(console) = self.console else {
            return Err(Failure::refused("the plan wants a terminal and none was given"));
        };
        let root = self.root()?;
        // What is there is mounted over and never taken away: /dev may be the host's own. A link is not
        // followed (CVE-2026-88264): nothing but /dev itself, which is strict, leads to it.
        let target = match root.open_path_nofollow("/dev/console") {
            Ok(target) => target,
            Err(error) if error.is_not_found() => root.create_file("/dev/console", 0o600)?,
            Err(error) => return Err(error.into()),
        };
        let stat = rustix::fs::fstat(&target).on_path("look at", Path::new("/dev/console"))?;
        if !matches!(FileType::from_raw_mode(stat.st_mode), FileType::CharacterDevice | FileType::RegularFile)
        {
            return Err(Failure::refused(
                "`/dev/console` of the container is neither a device nor a file: refusing to mount the terminal on it",
            ));
        }
        let tree = mount::clone_fd(console.pty.terminal.as_fd(), false)?;
        mount::attach(tree.as_fd(), target.as_fd())
            .context(|| "cannot mount the terminal on /dev/console".into())?;
        Ok(())
    }

    fn sysctl(&mut self, key: &str, value: &str) -> Outcome<()> {
        if self.proc.is_none() {
            // The container has another's /proc, or none.
            self.proc(&[], mount::Attr::empty())?;
        }
        if is_of_interfaces(key) {
            // They must be there, and `disable_ipv6` must not come before the addresses.
            self.await_network()?;
        }
        let Some(proc) = &self.proc else { return Err(Failure::refused("no procfs was made")) };
        // The detached procfs of the container's own namespaces: nothing can be mounted over it.
        let path = format!("sys/{key}");
        self.as_root_inside(|| {
            let fd = rustix::fs::openat2(
                proc,
                path.as_str(),
                OFlags::WRONLY | OFlags::CLOEXEC,
                Mode::empty(),
                rustix::fs::ResolveFlags::BENEATH
                    | rustix::fs::ResolveFlags::NO_SYMLINKS
                    | rustix::fs::ResolveFlags::NO_XDEV,
            )
            .context(|| format!("cannot open sysctl `{key}`"))?;
            rustix::io::write(&fd, value.as_bytes())
                .context(|| format!("cannot set sysctl `{key}` to `{value}`"))?;
            Ok(())
        })
    }

    /// Acts with root's effective id of the container, and our capabilities: sysctls of ipc look at that id
    /// alone, neither at capabilities nor at file-system ids (ipc_permissions() in ipc/ipc_sysctl.c).
    fn as_root_inside<T>(&self, act: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        let become_user = |id: Uid| {
            set_thread_res_uid(None, id, None).context(|| "cannot change the effective user id".into())
        };
        let before = rustix::process::geteuid();
        become_user(Uid::from_raw(self.plan.root_uid))?;
        let outcome = act();
        become_user(before)?;
        // They have followed the effective ones.
        process::set_fs_ids(self.plan.root_uid, self.plan.root_gid)?;
        outcome
    }

    fn read_only(&self, path: &Path) -> Outcome<()> {
        let target = match self.root()?.open_path(path) {
            Ok(target) => target,
            Err(error) if error.is_not_found() || error.errno() == Some(rustix::io::Errno::NOTDIR) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let tree = mount::clone_fd(target.as_fd(), true)?;
        let change = Change {
            set: mount::Attr::MOUNT_ATTR_RDONLY.bits().into(),
            recursive: true,
            ..Change::default()
        };
        mount::set_attributes(tree.as_fd(), change).on_path("make read-only", path)?;
        mount::attach(tree.as_fd(), target.as_fd()).on_path("make read-only", path)?;
        Ok(())
    }

    fn root_read_only(&self) -> Outcome<()> {
        let change = Change { set: mount::Attr::MOUNT_ATTR_RDONLY.bits().into(), ..Change::default() };
        mount::set_attributes(self.root()?.as_fd(), change)
            .context(|| "cannot make the root file system read-only".into())?;
        Ok(())
    }

    fn propagate_root(&self, propagation: u64) -> Outcome<()> {
        mount::set_attributes(self.root()?.as_fd(), Change { propagation, ..Change::default() })
            .context(|| "cannot set the propagation of the root".into())?;
        Ok(())
    }

    fn open_pids_limit(&mut self) -> Outcome<()> {
        if let (Some(group), Some(limit)) = (self.group, self.pids_limit) {
            let opened = group.open_pids_limit(&oci::runtime::Pids { limit });
            self.opened_limit = Some(opened.map_err(|error| no_limit(&error))?);
        }
        Ok(())
    }

    fn limit_pids(&mut self) -> Outcome<()> {
        if let Some(limit) = self.opened_limit.take() {
            let warnings = limit.apply().map_err(|error| no_limit(&error))?;
            self.warnings.extend(warnings.iter().map(ToString::to_string));
        }
        Ok(())
    }
}

fn no_limit(error: &cgroup::Error) -> Failure {
    Failure::of_group("limit the number of processes", error)
}

/// Whether a sysctl, with slashes, is one of interfaces: `net/ipv6/conf/all/disable_ipv6`.
fn is_of_interfaces(key: &str) -> bool {
    let mut parts = key.split('/');
    parts.next() == Some("net") && parts.next().is_some() && matches!(parts.next(), Some("conf" | "neigh"))
}

/// Returns the host's id of an id inside.
fn inside(map: &[oci::runtime::IdMapping], id: u32, plan: &Plan) -> Outcome<u32> {
    if !plan.own_user_namespace {
        return Ok(id);
    }
    crate::ids::find(map, id)
        .ok_or_else(|| Failure::refused(format!("id {id} is outside the container's id range")))
}

/// Paths as the host names them, for messages.
fn host_name(path: &Path) -> PathBuf {
    path.to_path_buf()
}
