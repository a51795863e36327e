//! The mounts inside the root: each is made detached and attached by descriptor.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::FileType;
use sys::mount::{self, Attr, Change, Parameter};
use sys::{Context, Dir};

use super::idmap::Below;
use super::{Builder, Outcome, copyup};
use crate::error::Failure;
use crate::step::{MountStep, Source};

/// The kernel's own limit on links in one path (path_resolution(7)).
const LINKS_MAX: usize = 40;

impl Builder<'_> {
    /// Makes one mount and attaches it at its destination.
    pub(super) fn mount(&mut self, index: usize, step: &MountStep) -> Outcome<()> {
        match &step.source {
            Source::Cgroup => return self.mount_cgroup(step),
            Source::Remount { options } => return self.remount(step, options),
            _ => {}
        }
        let mut below = Vec::new();
        let tree = match step.source {
            Source::Bind { .. } => self.bind(index, step, &mut below)?,
            Source::Image { .. } => self.image(index, step)?,
            _ => self.detached(index, step).map_err(|failure| at_place(failure, &step.destination))?,
        };
        let is_directory = is_directory(&tree, &step.destination)?;
        let target = self.target(&step.destination, is_directory, &step.source)?;
        protect_proc(&tree, &target, step)?;
        mount::attach(tree.as_fd(), target.as_fd()).on_path("mount at", &step.destination)?;
        if !below.is_empty() {
            let top = Dir::from_fd(tree, &step.destination).strict();
            for mount in below {
                let Ok(place) = top.open_path_nofollow(&mount.path) else { continue };
                mount::attach(mount.tree.as_fd(), place.as_fd()).on_path("mount at", &mount.path)?;
            }
        }
        Ok(())
    }

    /// Makes a mount that is no bind, without a place.
    fn detached(&mut self, index: usize, step: &MountStep) -> Outcome<OwnedFd> {
        // A new file system has nothing below it: the recursive options are its own too.
        let set = (step.set & !step.recursive_clear) | step.recursive_set;
        let attributes = Attr::from_bits_truncate(set as u32);
        let tree = match &step.source {
            Source::Proc { options } => self.proc(options, attributes)?,
            Source::Sysfs { options } => mount::create("sysfs", &parameters(options), attributes)?,
            Source::Mqueue { options } => self.mqueue(options, attributes)?,
            Source::Devpts { options } => self.devpts(step, options)?,
            Source::New { kind, source, options } => {
                let tree = match self.source(index) {
                    Ok(tree) => tree,
                    Err(_) => self.new_file_system(step, (kind, source), options, attributes)?,
                };
                self.map_new(tree.as_fd(), step, kind)?;
                tree
            }
            Source::Cgroup | Source::Bind { .. } | Source::Image { .. } | Source::Remount { .. } => {
                return Err(Failure::refused("cgroup, bind and image mounts are made apart"));
            }
        };
        if step.propagation != 0 {
            let recursive = step.propagation_recursive;
            mount::set_attributes(
                tree.as_fd(),
                Change { propagation: step.propagation, recursive, ..Change::default() },
            )
            .on_path("set the propagation of", &step.destination)?;
        }
        Ok(tree)
    }

    /// Mounts procfs of the container's pid namespace: a child born in there makes it, and its
    /// descriptor appears in our table.
    pub(super) fn proc(&mut self, options: &[String], attributes: Attr) -> Outcome<OwnedFd> {
        let parameters = parameters(options);
        let proc = sys::process::in_child_namespace(|| mount::create("proc", &parameters, attributes))??;
        let keep = proc.try_clone().context(|| "cannot keep procfs".into())?;
        self.proc = Some(keep);
        Ok(proc)
    }

    /// Mounts the message queues of the container's ipc namespace; their directory was made with our
    /// own credentials and belongs to root inside.
    fn mqueue(&self, options: &[String], attributes: Attr) -> Outcome<OwnedFd> {
        let mount = mount::create("mqueue", &parameters(options), attributes)?;
        if let Some(label) = &self.plan.mount_label {
            // The file system is as old as its ipc namespace, and takes no context any more.
            label_root(&mount, label)?;
        }
        let owner =
            (rustix::fs::Uid::from_raw(self.plan.root_uid), rustix::fs::Gid::from_raw(self.plan.root_gid));
        if self.plan.new_namespaces & sys::process::NEWIPC != 0 {
            rustix::fs::chownat(&mount, "", Some(owner.0), Some(owner.1), rustix::fs::AtFlags::EMPTY_PATH)
                .context(|| "cannot give the message queues to the container".into())?;
        }
        Ok(mount)
    }

    fn devpts(&self, step: &MountStep, options: &[String]) -> Outcome<OwnedFd> {
        let mount = match self.console {
            Some(console) => {
                console.devpts.mount.try_clone().context(|| "cannot use the terminals".into())?
            }
            None => crate::terminals::instance(self.plan, options)?.mount,
        };
        let (set, clear) = (step.set | step.recursive_set, step.clear | step.recursive_clear);
        if set | clear != 0 {
            mount::set_attributes(mount.as_fd(), Change { set, clear, ..Change::default() })
                .on_path("set the options of the mount at", &step.destination)?;
        }
        Ok(mount)
    }

    /// Changes what is mounted at a place.
    fn remount(&self, step: &MountStep, options: &[String]) -> Outcome<()> {
        let target = self
            .root()?
            .open_path(&step.destination)
            .map_err(|error| Failure::from(error).during("cannot remount"))?;
        let alone = Change {
            set: step.set,
            clear: step.clear,
            propagation: if step.propagation_recursive { 0 } else { step.propagation },
            ..Change::default()
        };
        let all = Change {
            set: step.recursive_set,
            clear: step.recursive_clear,
            propagation: if step.propagation_recursive { step.propagation } else { 0 },
            recursive: true,
            ..Change::default()
        };
        if !mount::is_root(target.as_fd()).on_path("look at", &step.destination)? {
            let place = step.destination.display();
            return Err(Failure::refused(format!("cannot remount `{place}`: nothing is mounted there")));
        }
        mount::set_attributes(target.as_fd(), alone).on_path("remount", &step.destination)?;
        if all.set | all.clear | all.propagation != 0 {
            mount::set_attributes(target.as_fd(), all).on_path("remount", &step.destination)?;
        }
        if !options.is_empty() {
            mount::reconfigure(target.as_fd(), &parameters(options))
                .map_err(|error| at_place(error.into(), &step.destination))?;
        }
        Ok(())
    }

    fn new_file_system(
        &self,
        step: &MountStep,
        (kind, source): (&str, &str),
        options: &[String],
        attributes: Attr,
    ) -> Outcome<OwnedFd> {
        let copy_up = kind == "tmpfs" && options.iter().any(|option| option == copyup::WORD);
        let mut parameters = parameters(options);
        parameters.retain(|parameter| !matches!(parameter, Parameter::Flag(copyup::WORD)));
        parameters.push(Parameter::Text("source", source.to_owned()));
        self.labelled(&mut parameters);
        if kind == "tmpfs" {
            // Owners are ids inside; the file system wants those of the host.
            let mut ids = [("uid", self.plan.root_uid), ("gid", self.plan.root_gid)];
            for (name, id) in &mut ids {
                let map = if *name == "uid" { &self.plan.uid_map } else { &self.plan.gid_map };
                let asked =
                    options.iter().rev().find_map(|o| o.strip_prefix(*name)?.strip_prefix('=')?.parse().ok());
                if let Some(asked) = asked {
                    *id = super::inside(map, asked, self.plan)?;
                }
            }
            parameters.retain(|p| !matches!(p, Parameter::Text("uid" | "gid", _)));
            parameters.extend(ids.map(|(name, id)| Parameter::Text(name, id.to_string())));
            self.mode_of_place(&step.destination, options, &mut parameters);
        }
        if !copy_up {
            return Ok(mount::create(kind, &parameters, attributes)?);
        }
        let read_only = Attr::MOUNT_ATTR_RDONLY;
        let tree = mount::create(kind, &parameters, attributes - read_only)?;
        self.copy_up(&step.destination, &tree)?;
        if attributes.contains(read_only) {
            let change = Change { set: read_only.bits().into(), ..Change::default() };
            mount::set_attributes(tree.as_fd(), change).on_path("make read-only", &step.destination)?;
        }
        Ok(tree)
    }

    /// Gives a new file system the container's label, for all that is in it.
    pub(super) fn labelled(&self, parameters: &mut Vec<Parameter<'_>>) {
        if let Some(label) = &self.plan.mount_label {
            parameters.push(Parameter::Text("context", label.clone()));
        }
    }

    /// Gives a tmpfs the mode of the directory that it covers, unless it was asked for one: 1777 of the kernel's
    /// own would open /run to everybody. As runc does.
    fn mode_of_place(&self, destination: &Path, options: &[String], parameters: &mut Vec<Parameter<'_>>) {
        if options.iter().any(|option| option.starts_with("mode=")) {
            return;
        }
        if let Ok(stat) = self.root().and_then(|root| Ok(root.stat(destination)?)) {
            parameters.push(Parameter::Text("mode", format!("{:o}", stat.st_mode & 0o7777)));
        }
    }

    fn bind(&mut self, index: usize, step: &MountStep, below: &mut Vec<Below>) -> Outcome<OwnedFd> {
        let mut tree = self.source(index)?;
        let propagation = if step.propagation == 0 { mount::PRIVATE } else { step.propagation };
        let recursive = step.propagation == 0 || step.propagation_recursive;
        let destination = &step.destination;
        if propagation == mount::SHARED && self.user_namespace.is_some() {
            self.warnings.push(format!(
                "`rshared` of the mount at `{}` is `rslave` in effect: the kernel lets no mount out of a user namespace (`--userns=host` has none)",
                destination.display()
            ));
        }
        // A shared bind stays the peer that it is: the clone came from the host's own mounts.
        if propagation != mount::SHARED {
            mount::set_attributes(tree.as_fd(), Change { propagation, recursive, ..Change::default() })
                .on_path("set the propagation of the mount at", destination)?;
        }
        *below = self.map_ids(&mut tree, step)?;
        for (set, clear, recursive) in
            [(step.set, step.clear, false), (step.recursive_set, step.recursive_clear, true)]
        {
            if set | clear != 0 {
                mount::set_attributes(tree.as_fd(), Change { set, clear, recursive, ..Change::default() })
                    .on_path("set the options of the mount at", destination)?;
            }
        }
        Ok(tree)
    }

    /// Returns an image's tree, which nobody may change and no mount of the host's reaches.
    fn image(&mut self, index: usize, step: &MountStep) -> Outcome<OwnedFd> {
        let tree = self.source(index)?;
        let set = step.set | step.recursive_set | u64::from(Attr::MOUNT_ATTR_RDONLY.bits());
        mount::set_attributes(tree.as_fd(), Change { set, propagation: mount::PRIVATE, ..Change::default() })
            .on_path("set the options of the mount at", &step.destination)?;
        Ok(tree)
    }

    /// Takes what was opened for a step.
    fn source(&mut self, index: usize) -> Outcome<OwnedFd> {
        let position = self
            .sources
            .iter()
            .position(|(at, _)| *at == index)
            .ok_or_else(|| Failure::refused("the source of a mount was not opened"))?;
        Ok(self.sources.swap_remove(position).1)
    }

    /// Opens the place of a mount inside the root, making it where it is missing.
    fn target(&self, destination: &Path, is_directory: bool, source: &Source) -> Outcome<OwnedFd> {
        let root = self.root()?;
        // These three must be what their names say: a link there has led engines out of the
        // container or to a fake procfs (CVE-2019-19921, CVE-2025-54867, CVE-2026-41579).
        let strict =
            matches!(source, Source::Proc { .. } | Source::Sysfs { .. }) || destination == Path::new("/dev");
        if strict
            && let Ok(stat) = root.lstat(destination)
            && !FileType::from_raw_mode(stat.st_mode).is_dir()
        {
            return Err(Failure::refused(format!(
                "`{}` of the container must be a directory, not a link or file",
                destination.display()
            )));
        }
        match root.open_path(destination) {
            Ok(target) => {
                if self::is_directory(&target, destination)? != is_directory {
                    let (have, want) =
                        if is_directory { ("a file", "a directory") } else { ("a directory", "a file") };
                    return Err(Failure::refused(format!(
                        "cannot mount {want} on `{}`: it is {have} in the container",
                        destination.display()
                    )));
                }
                Ok(target)
            }
            Err(error) if error.is_not_found() => self
                .make_target(root, destination, is_directory)
                .map_err(|failure| at_place(failure, destination)),
            Err(error) => Err(at_place(error.into(), destination)),
        }
    }

    fn make_target(&self, root: &Dir, destination: &Path, is_directory: bool) -> Outcome<OwnedFd> {
        if is_directory {
            return Ok(root.mkdir_all(destination, 0o755)?.into());
        }
        // A link that leads to nothing is followed inside of the root, as on the way to a directory: images have
        // `/etc/resolv.conf` point into `/run`.
        let mut place = destination.to_owned();
        for _ in 0..LINKS_MAX {
            if let Some(parent) = place.parent() {
                root.mkdir_all(parent, 0o755)?;
            }
            match root.read_link(&place) {
                Ok(target) => place = place.parent().unwrap_or(Path::new("/")).join(target),
                Err(_) => return Ok(root.create_file(&place, 0o644)?),
            }
        }
        Err(Failure::refused(format!("cannot follow `{}`: too many links", destination.display())))
    }

    /// Shows the container its own cgroup: one cgroup2 mount, or on v1 a tmpfs with one bind a
    /// hierarchy.
    fn mount_cgroup(&mut self, step: &MountStep) -> Outcome<()> {
        let Some(group) = self.group else { return Ok(()) };
        let target = self.target(&step.destination, true, &step.source)?;
        let read_only = Attr::from_bits_truncate((step.set | step.recursive_set) as u32)
            | Attr::MOUNT_ATTR_NOSUID
            | Attr::MOUNT_ATTR_NODEV
            | Attr::MOUNT_ATTR_NOEXEC;
        let views = group.paths();
        if views.keys().all(|label| label == "unified") {
            let tree = mount::create("cgroup2", &[Parameter::Flag("nsdelegate")], read_only)?;
            mount::attach(tree.as_fd(), target.as_fd()).on_path("mount at", &step.destination)?;
            return Ok(());
        }
        let mut parameters = vec![
            Parameter::Text("mode", "0755".into()),
            Parameter::Text("uid", self.plan.root_uid.to_string()),
            Parameter::Text("gid", self.plan.root_gid.to_string()),
        ];
        self.labelled(&mut parameters);
        let base = mount::create("tmpfs", &parameters, Attr::empty())?;
        mount::attach(base.as_fd(), target.as_fd()).on_path("mount at", &step.destination)?;
        let directory = Dir::from_fd(base, &step.destination);
        for (label, path) in views {
            let tree = mount::clone_host_tree(Path::new(&path), false)?;
            let change =
                Change { set: read_only.bits().into(), propagation: mount::PRIVATE, ..Change::default() };
            mount::set_attributes(tree.as_fd(), change).on_path("restrict", Path::new(&path))?;
            let place = directory.mkdir_all(label.trim_start_matches("name="), 0o755)?;
            mount::attach(tree.as_fd(), place.as_fd()).on_path("mount at", &step.destination)?;
        }
        let change = Change { set: read_only.bits().into(), ..Change::default() };
        mount::set_attributes(directory.as_fd(), change).on_path("restrict", &step.destination)?;
        Ok(())
    }
}

/// Files of procfs that a mount may stand for, as lxcfs and its like do: they tell and control nothing.
const PROC_TARGETS: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
];

/// Refuses a mount that fakes procfs: programs, ours too, believe what stands there
/// (CVE-2015-3630, CVE-2019-16884, CVE-2025-52881).
///
/// The target is asked, not its name: a link in the image may lead into /proc.
fn protect_proc(tree: &OwnedFd, target: &OwnedFd, step: &MountStep) -> Outcome<()> {
    let destination = &step.destination;
    let is_proc = matches!(step.source, Source::Proc { .. }) || mount::is_procfs(tree);
    if destination == Path::new("/proc") && !is_proc {
        return Err(Failure::refused(
            "cannot mount on `/proc`: only procfs itself may stand there, like `/proc` of the host",
        ));
    }
    let allowed = PROC_TARGETS.iter().any(|path| destination == Path::new(path));
    if mount::is_procfs(target) && !is_proc && !allowed {
        return Err(Failure::refused(format!(
            "cannot mount on `{}`: it lies inside /proc of the container",
            destination.display()
        )));
    }
    Ok(())
}

/// Labels the top of a file system for SELinux.
fn label_root(mount: &OwnedFd, label: &str) -> Outcome<()> {
    let top = Dir::from_fd(mount.try_clone().context(|| "cannot label a mount".into())?, Path::new("/"));
    Ok(top.setxattr_self(std::ffi::OsStr::new("security.selinux"), label.as_bytes())?)
}

/// Names the place of a mount that could not be made.
fn at_place(failure: Failure, destination: &Path) -> Failure {
    failure.during(&format!("cannot mount at `{}`", destination.display()))
}

fn is_directory(fd: &OwnedFd, path: &Path) -> Outcome<bool> {
    let stat = rustix::fs::fstat(fd).on_path("look at", path)?;
    Ok(FileType::from_raw_mode(stat.st_mode).is_dir())
}

/// Turns `key=value` and bare words into fsconfig(2) parameters.
pub(crate) fn parameters(options: &[String]) -> Vec<Parameter<'_>> {
    options
        .iter()
        .map(|option| match option.split_once('=') {
            Some((name, value)) => Parameter::Text(name, value.to_owned()),
            None => Parameter::Flag(option),
        })
        .collect()
}
