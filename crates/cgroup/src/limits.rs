//! Writing limits: picks the hierarchy for each, tells what is missing, writes what is planned.

use std::os::fd::{AsFd, OwnedFd};

use oci::runtime::{DeviceRule, Pids, Resources};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use crate::controller::{Controller, Controllers};
use crate::devices::{DeviceList, parse_rules};
use crate::error::{Error, Result, Warning};
use crate::file;
use crate::group::{Group, Member, enable, v2_controllers};
use crate::layout::Mode as LayoutMode;
use crate::plan::{Otherwise, Plan, Write, v1, v2};

/// Which version's files carry a controller's limits.
enum Place<'g> {
    V1(&'g Member),
    V2(&'g Member),
    Nowhere,
}

/// Collects warnings while limits are written.
struct Writer<'g> {
    group: &'g Group,
    warnings: Vec<Warning>,
    /// What the v2 directory can limit; read when first needed.
    v2_has: Option<Controllers>,
    /// What stood in the files before, in the order of writing, where that is to be known.
    before: Option<Vec<Before<'g>>>,
}

/// What stood in one file.
#[derive(Debug)]
struct Before<'g> {
    member: &'g Member,
    file: String,
    value: String,
}

/// Limits that have taken the place of others.
#[derive(Debug)]
#[must_use = "the limits stay unless `undo` is called"]
pub struct Replaced<'g> {
    before: Vec<Before<'g>>,
    /// Limits that are not in force.
    pub warnings: Vec<Warning>,
}

impl Replaced<'_> {
    /// Puts back what stood there before, as far as the kernel lets us: values that bound one another are tried again.
    pub fn undo(self) {
        let mut pending: Vec<Before<'_>> = self.before.into_iter().rev().collect();
        loop {
            let count = pending.len();
            pending.retain(|before| {
                file::write(before.member.dir.as_fd(), &before.file, before.value.as_bytes()).is_err()
            });
            if pending.is_empty() || pending.len() == count {
                return;
            }
        }
    }
}

/// The limit of processes before it is set.
#[derive(Debug)]
pub struct PidsLimit {
    /// The file with its path; none where the machine has no such limit.
    open: Option<(OwnedFd, String)>,
    write: Write,
    warnings: Vec<Warning>,
}

impl PidsLimit {
    /// Writes the limit; returns it if it is not in force.
    pub fn apply(self) -> Result<Vec<Warning>> {
        if let Some((fd, path)) = self.open
            && let Err(error) = file::write_open(&fd, self.write.value.as_bytes())
        {
            let (limit, value) = (self.write.limit.to_owned(), self.write.value);
            return Err(Error::Write { limit, path, value, hint: None, source: error.into() });
        }
        Ok(self.warnings)
    }
}

impl Group {
    /// Writes all limits; returns those that are not in force.
    ///
    /// Absent limits are left as they are, so it serves updates of a running container too. On v2 the device rules are not
    /// written but compiled: see [`device_program`](crate::device_program()).
    pub fn apply(&self, resources: &Resources) -> Result<Vec<Warning>> {
        let mut writer = Writer::new(self);
        writer.all_but_pids(resources)?;
        if let Some(pids) = &resources.pids {
            writer.pids(pids)?;
        }
        Ok(writer.warnings)
    }

    /// Writes all limits but that of processes, which would count the helpers of a start.
    pub fn apply_except_pids(&self, resources: &Resources) -> Result<Vec<Warning>> {
        let mut writer = Writer::new(self);
        writer.all_but_pids(resources)?;
        Ok(writer.warnings)
    }

    /// Writes all limits but device rules to a group in use: all of them, or none. Where one is refused, the others get
    /// the values again that they had.
    pub fn replace(&self, resources: &Resources) -> Result<Replaced<'_>> {
        let mut writer = Writer { before: Some(Vec::new()), ..Writer::new(self) };
        let resources = &Resources { devices: Vec::new(), ..resources.clone() };
        let mut written = writer.all_but_pids(resources);
        if let Some(pids) = &resources.pids
            && written.is_ok()
        {
            written = writer.pids(pids);
        }
        let Writer { warnings, before, .. } = writer;
        let replaced = Replaced { before: before.unwrap_or_default(), warnings };
        match written {
            Ok(()) => Ok(replaced),
            Err(error) => {
                replaced.undo();
                Err(error)
            }
        }
    }

    /// Opens the file of the limit of processes, to set it after the caller has entered the group's cgroup namespace.
    ///
    /// Where v2 is mounted with `nsdelegate`, as systemd does, nobody may set the limits of a namespace's root who opened
    /// their files inside (cgroups(7), "Cgroup delegation"); the kernel asks where they were opened.
    pub fn open_pids_limit(&self, pids: &Pids) -> Result<PidsLimit> {
        let mut writer = Writer::new(self);
        let plan = v1::pids(pids);
        let write = plan.writes.into_iter().next().expect("the plan of one limit");
        let member = match writer.place(Controller::Pids) {
            Place::V1(member) | Place::V2(member) => member,
            Place::Nowhere => {
                let (reason, remedy) = self.why_missing(Controller::Pids);
                writer.warn(write.limit, reason, remedy);
                return Ok(PidsLimit { open: None, write, warnings: writer.warnings });
            }
        };
        let path = format!("{}/{}", self.show(member), write.file);
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        match openat(&member.dir, write.file.as_ref(), flags, Mode::empty()) {
            Ok(fd) => Ok(PidsLimit { open: Some((fd, path)), write, warnings: writer.warnings }),
            Err(error) => Err(Error::io("open", path, error)),
        }
    }

    /// Whether the device rules need a program at [`Group::v2_fd`], as no v1 hierarchy takes them.
    pub fn needs_device_program(&self) -> bool {
        self.v1(Controller::Devices).is_none()
            && self.hierarchies.mode() == LayoutMode::V2
            && self.v2().is_some()
    }
}

impl<'g> Writer<'g> {
    fn new(group: &'g Group) -> Self {
        Self { group, warnings: Vec::new(), v2_has: None, before: None }
    }

    fn pids(&mut self, pids: &Pids) -> Result<()> {
        self.limits(Controller::Pids, || Ok(v1::pids(pids)), |_| Ok(v1::pids(pids)))
    }

    fn all_but_pids(&mut self, resources: &Resources) -> Result<()> {
        use Controller::*;
        if !resources.devices.is_empty() {
            self.devices(&resources.devices)?;
        }
        if let Some(memory) = &resources.memory {
            self.check_usage(memory)?;
            self.limits(Memory, || v1::memory(memory), |_| v2::memory(memory))?;
        }
        if let Some(cpu) = &resources.cpu {
            self.limits(Cpu, || v1::cpu(cpu), |quota_now| v2::cpu(cpu, quota_now))?;
            self.limits(Cpuset, || Ok(v1::cpuset(cpu)), |_| Ok(v1::cpuset(cpu)))?;
        }
        if let Some(io) = &resources.block_io {
            self.limits(Io, || Ok(v1::io(io)), |_| Ok(v2::io(io)))?;
        }
        if !resources.hugepage_limits.is_empty() {
            let limits = &resources.hugepage_limits;
            self.limits(Hugetlb, || v1::hugetlb(limits), |_| v2::hugetlb(limits))?;
        }
        if let Some(network) = &resources.network {
            if self.group.hierarchies.mode() == LayoutMode::V2 {
                self.warnings.extend(v2::network(network).warnings);
            } else {
                self.limits(NetCls, || Ok(v1::net_cls(network)), |_| Ok(Plan::default()))?;
                self.limits(NetPrio, || v1::net_prio(network), |_| Ok(Plan::default()))?;
            }
        }
        if !resources.rdma.is_empty() {
            self.limits(Rdma, || v2::rdma(&resources.rdma), |_| v2::rdma(&resources.rdma))?;
        }
        if !resources.unified.is_empty() {
            self.unified(&resources.unified)?;
        }
        Ok(())
    }

    /// Plans one controller's limits for the place that has it, and writes them.
    fn limits(
        &mut self,
        controller: Controller,
        plan_v1: impl Fn() -> Result<Plan>,
        plan_v2: impl Fn(&str) -> Result<Plan>,
    ) -> Result<()> {
        let plan = plan_v1()?;
        if plan == Plan::default() {
            return Ok(());
        }
        match self.place(controller) {
            Place::V1(member) => self.carry_out(member, plan),
            Place::V2(member) => {
                let mut quota_now = String::new();
                if controller == Controller::Cpu {
                    quota_now = file::read(member.dir.as_fd(), "cpu.max").unwrap_or_default();
                }
                let plan =
                    plan_v2(quota_now.split(' ').next().filter(|word| !word.is_empty()).unwrap_or("max"))?;
                self.carry_out(member, plan)
            }
            Place::Nowhere => {
                let (reason, remedy) = self.group.why_missing(controller);
                for write in plan.writes.iter().filter(|write| write.otherwise != Otherwise::Skip) {
                    if self.warnings.last().is_none_or(|last| last.limit != write.limit) {
                        self.warn(write.limit, reason.clone(), remedy);
                    }
                }
                Ok(())
            }
        }
    }

    /// Finds the directory that carries a controller, enabling it on the v2 side where it is not.
    fn place(&mut self, controller: Controller) -> Place<'g> {
        let group = self.group;
        if let Some(member) = group.v1(controller) {
            return Place::V1(member);
        }
        let Some(member) = group.v2() else { return Place::Nowhere };
        let has = *self.v2_has.get_or_insert_with(|| v2_controllers(member.dir.as_fd()));
        if has.contains(controller) {
            return Place::V2(member);
        }
        let mount = group.mount(member);
        if mount.offered.contains(controller) {
            enable(mount, &member.below, controller.into());
            let has = v2_controllers(member.dir.as_fd());
            self.v2_has = Some(has);
            if has.contains(controller) {
                return Place::V2(member);
            }
        }
        Place::Nowhere
    }

    /// Writes a plan; a value refused with EINVAL is tried again after the others, for some bound one another.
    fn carry_out(&mut self, member: &'g Member, plan: Plan) -> Result<()> {
        self.warnings.extend(plan.warnings);
        let mut pending: Vec<&Write> = plan.writes.iter().collect();
        loop {
            let mut refused = Vec::new();
            let before = pending.len();
            for write in pending {
                match self.write(member, write) {
                    Err(Errno::INVAL) => refused.push(write),
                    Err(error) => return Err(self.failed(member, write, error)),
                    Ok(()) => {}
                }
            }
            match refused.first() {
                None => return Ok(()),
                Some(write) if refused.len() == before => {
                    return Err(self.failed(member, write, Errno::INVAL));
                }
                Some(_) => pending = refused,
            }
        }
    }

    /// Writes one file, and remembers what it held.
    fn put(&mut self, member: &'g Member, file: &str, value: &str) -> rustix::io::Result<()> {
        let dir = member.dir.as_fd();
        let held = self.before.is_some().then(|| file::read(dir, file).ok()).flatten();
        file::write(dir, file, value.as_bytes())?;
        if let (Some(before), Some(held)) = (&mut self.before, held) {
            // Of a file with a line for each device the first one is the default.
            let value = held.lines().next().unwrap_or_default().to_owned() + "\n";
            before.push(Before { member, file: file.to_owned(), value });
        }
        Ok(())
    }

    fn write(&mut self, member: &'g Member, write: &Write) -> rustix::io::Result<()> {
        let dir = member.dir.as_fd();
        match (self.put(member, &write.file, &write.value), &write.otherwise) {
            (Err(Errno::NOENT), _) if file::read(dir, "cgroup.procs") == Err(Errno::NOENT) => {
                Err(Errno::NOENT)
            }
            (Err(Errno::NOENT), Otherwise::Skip) => Ok(()),
            (Err(Errno::NOENT), Otherwise::Warn) => {
                self.warn_no_file(write.limit, &write.file);
                Ok(())
            }
            (Err(Errno::NOENT), Otherwise::Write { file, value }) => match self.put(member, file, value) {
                Err(Errno::NOENT) => {
                    self.warn_no_file(write.limit, file);
                    Ok(())
                }
                result => result,
            },
            (result, _) => result,
        }
    }

    fn failed(&self, member: &Member, write: &Write, error: Errno) -> Error {
        Error::Write {
            limit: write.limit.to_owned(),
            path: format!("{}/{}", self.group.show(member), write.file),
            value: write.value.clone(),
            hint: hint(member, write, error),
            source: error.into(),
        }
    }

    fn warn(&mut self, limit: &str, reason: String, remedy: &str) {
        self.warnings.push(Warning { limit: limit.to_owned(), reason, remedy: remedy.to_owned() });
    }

    fn warn_no_file(&mut self, limit: &str, file: &str) {
        self.warn(
            limit,
            format!("this kernel offers no `{file}`"),
            "boot a kernel that has it, or leave the limit out",
        );
    }

    /// Refuses a limit below what is used now, when asked to: the kernel of v2 would kill instead of refusing.
    fn check_usage(&self, memory: &oci::runtime::Memory) -> Result<()> {
        let (Some(true), Some(limit), Some(member)) =
            (memory.check_before_update, memory.limit.filter(|limit| *limit > 0), self.group.v2())
        else {
            return Ok(());
        };
        let usage = file::read(member.dir.as_fd(), "memory.current").ok();
        match usage.and_then(|text| text.trim().parse::<i64>().ok()) {
            Some(usage) if usage > limit => {
                Err(Error::invalid("memory limit", limit, format!("the container uses {usage} bytes")))
            }
            _ => Ok(()),
        }
    }

    fn unified(&mut self, values: &std::collections::BTreeMap<String, String>) -> Result<()> {
        let plan = v2::unified(values)?;
        let Some(member) = self.group.v2().filter(|_| self.group.hierarchies.mode() == LayoutMode::V2) else {
            let key = values.keys().next().map_or("", String::as_str);
            return Err(Error::invalid("unified resource", key, "it needs a machine with cgroup v2 alone"));
        };
        for key in values.keys() {
            let controller = Controllers::parse(key.split('.').next().unwrap_or_default());
            if let Some(controller) = controller.iter().next() {
                self.place(controller);
            }
        }
        self.carry_out(member, plan)
    }

    /// Writes the device rules to the v1 hierarchy.
    fn devices(&mut self, rules: &[DeviceRule]) -> Result<()> {
        let rules = parse_rules(rules)?;
        let Some(member) = self.group.v1(Controller::Devices) else {
            if !self.group.needs_device_program() {
                let (reason, remedy) = self.group.why_missing(Controller::Devices);
                self.warn("device rules", reason, remedy);
            }
            return Ok(());
        };
        let list = DeviceList::reduce(&rules)?;
        let (all, exceptions) = if list.allow_all {
            ("devices.allow", "devices.deny")
        } else {
            ("devices.deny", "devices.allow")
        };
        let failed = |name: &str, value: &str, error: Errno| Error::Write {
            limit: "device rules".to_owned(),
            path: format!("{}/{name}", self.group.show(member)),
            value: value.to_owned(),
            hint: None,
            source: error.into(),
        };
        match file::write(member.dir.as_fd(), all, b"a") {
            Ok(()) => {}
            // Only the owner of the machine may set device rules; a user namespace has no device nodes to fear.
            Err(Errno::PERM) => {
                let reason = "the kernel does not permit it here".to_owned();
                self.warn(
                    "device rules",
                    reason,
                    "run as root of the machine, or in a less confined container",
                );
                return Ok(());
            }
            Err(error) => return Err(failed(all, "a", error)),
        }
        let lines: Vec<String> = list.lines().collect();
        if lines.is_empty() {
            return Ok(());
        }
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let fd = openat(&member.dir, exceptions, flags, Mode::empty())
            .map_err(|error| failed(exceptions, "", error))?;
        for line in &lines {
            match file::write_open(&fd, line.as_bytes()) {
                Ok(()) => {}
                // The engine itself runs in a group that may not use the device.
                Err(Errno::PERM) => self.warn(
                    &format!("device rule `{line}`"),
                    "the engine's own cgroup does not have this device".to_owned(),
                    "allow the device to the container that the engine runs in",
                ),
                Err(error) => return Err(failed(exceptions, line, error)),
            }
        }
        Ok(())
    }
}

/// Explains the refusals that users meet.
fn hint(member: &Member, write: &Write, error: Errno) -> Option<String> {
    let dir = member.dir.as_fd();
    let read = |name: &str| file::read(dir, name).map(|text| text.trim().to_owned()).ok();
    match (error, write.file.as_ref()) {
        (Errno::BUSY, "memory.limit_in_bytes" | "memory.memsw.limit_in_bytes") => {
            let usage = read("memory.usage_in_bytes")?;
            Some(format!(
                "the container uses {usage} bytes now; stop something in it or choose a higher limit"
            ))
        }
        (Errno::INVAL, "memory.limit_in_bytes") => {
            let both = read("memory.memsw.limit_in_bytes")?;
            Some(format!("memory plus swap is limited to {both} bytes; raise that limit in the same call"))
        }
        (Errno::INVAL | Errno::ACCESS | Errno::RANGE, name @ ("cpuset.cpus" | "cpuset.mems")) => {
            let parent = file::open_place(dir, "..").ok()?;
            let has = ["cpuset.cpus.effective", "cpuset.effective_cpus"];
            let has =
                if name == "cpuset.cpus" { has } else { ["cpuset.mems.effective", "cpuset.effective_mems"] };
            let has = has.into_iter().find_map(|file| file::read(parent.as_fd(), file).ok())?;
            Some(format!("the parent group has {}", has.trim()))
        }
        (Errno::NODEV, name) if name.contains("throttle") || name == "io.max" => {
            Some("there is no such block device; give the disk, not a partition".to_owned())
        }
        _ => None,
    }
}
