//! Which hierarchies are mounted where: pure parsers of `/proc/self/mountinfo` and `/proc/self/cgroup`.

use std::path::{Path, PathBuf};

use crate::controller::Controllers;
use crate::path::CgroupPath;

/// The usual place of all hierarchies.
pub(crate) const USUAL_PLACE: &str = "/sys/fs/cgroup";

/// How a machine has its hierarchies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One hierarchy with all controllers.
    V2,
    /// One hierarchy for each controller or few.
    V1,
    /// v1 with an additional v2 hierarchy.
    Hybrid,
    /// Nothing is mounted.
    None,
}

/// The kind of a hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// v1 with its controllers, or with a name and none (`name=systemd`).
    V1 {
        controllers: Controllers,
        name: Option<String>,
    },
    V2,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    pub kind: Kind,
    pub mountpoint: PathBuf,
    /// The engine's own group as a path below the mount point; `/` where it lies outside.
    pub own: String,
    pub read_only: bool,
}

/// All mounted hierarchies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    pub hierarchies: Vec<Hierarchy>,
}

impl Layout {
    /// Parses the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`.
    pub fn parse(mountinfo: &str, self_cgroup: &str) -> Self {
        let own: Vec<OwnLine> = self_cgroup.lines().filter_map(OwnLine::parse).collect();
        let mut found: Vec<(&str, Hierarchy)> = Vec::new();
        for line in mountinfo.lines() {
            let Some((device, hierarchy)) = parse_mount(line, &own) else { continue };
            match found.iter_mut().find(|(known, _)| *known == device) {
                // A hierarchy mounted twice: the usual place is the one that others look at.
                Some((_, known)) if !is_usual(known) && is_usual(&hierarchy) => *known = hierarchy,
                Some(_) => {}
                None => found.push((device, hierarchy)),
            }
        }
        Self { hierarchies: found.into_iter().map(|(_, hierarchy)| hierarchy).collect() }
    }

    /// Guesses the usual mount points from the text of `/proc/self/cgroup` alone.
    ///
    /// The caller checks each guess; a wrong one means that mountinfo has to be read.
    pub(crate) fn guess_v1(self_cgroup: &str) -> Self {
        let lines = self_cgroup.lines().filter_map(OwnLine::parse);
        let hierarchies = lines.map(|line| {
            let folder = match (line.controllers, line.name) {
                ("", None) => "unified",
                ("", Some(name)) => name,
                (controllers, _) => controllers,
            };
            Hierarchy {
                mountpoint: Path::new(USUAL_PLACE).join(folder),
                own: line.path.to_owned(),
                kind: line.kind(),
                read_only: false,
            }
        });
        Self { hierarchies: hierarchies.collect() }
    }

    /// Returns how the hierarchies are arranged.
    pub fn mode(&self) -> Mode {
        let v2 = self.hierarchies.iter().any(|hierarchy| hierarchy.kind == Kind::V2);
        let v1 = self.hierarchies.iter().any(
            |hierarchy| matches!(&hierarchy.kind, Kind::V1 { controllers, .. } if !controllers.is_empty()),
        );
        match (v1, v2) {
            (true, true) => Mode::Hybrid,
            (true, false) => Mode::V1,
            (false, true) => Mode::V2,
            (false, false) => Mode::None,
        }
    }
}

impl Hierarchy {
    /// Returns the controllers of a v1 hierarchy.
    pub(crate) fn v1_controllers(&self) -> Controllers {
        match &self.kind {
            Kind::V1 { controllers, .. } => *controllers,
            Kind::V2 => Controllers::NONE,
        }
    }

    /// Returns where a group lies below the mount point, without a leading slash.
    ///
    /// On v2 a relative path starts at the parent of the engine's own group, as in runc: the own group has processes, so no
    /// controller could be enabled for its children.
    pub(crate) fn resolve(&self, path: &CgroupPath) -> String {
        let own = self.own.trim_matches('/');
        let start = match (&self.kind, path.is_absolute()) {
            (_, true) => "",
            (Kind::V1 { .. }, false) => own,
            (Kind::V2, false) => own.rsplit_once('/').map_or("", |(parent, _)| parent),
        };
        if start.is_empty() { path.below().to_owned() } else { format!("{start}/{}", path.below()) }
    }

    /// Returns a name for messages: the controllers, `name=systemd` or `unified`.
    pub fn label(&self) -> String {
        match &self.kind {
            Kind::V1 { controllers, name: None } => format!("{controllers:?}"),
            Kind::V1 { name: Some(name), .. } => format!("name={name}"),
            Kind::V2 => "unified".to_owned(),
        }
    }
}

fn is_usual(hierarchy: &Hierarchy) -> bool {
    hierarchy.mountpoint.starts_with(USUAL_PLACE)
}

/// One line of `/proc/self/cgroup`: `4:cpu,cpuacct:/path`.
struct OwnLine<'t> {
    controllers: &'t str,
    name: Option<&'t str>,
    path: &'t str,
}

impl<'t> OwnLine<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        match controllers.split_once("name=") {
            Some((before, name)) => {
                Some(Self { controllers: before.trim_end_matches(','), name: Some(name), path })
            }
            None => Some(Self { controllers, name: None, path }),
        }
    }

    fn kind(&self) -> Kind {
        match (self.controllers, self.name) {
            ("", None) => Kind::V2,
            (controllers, name) => {
                Kind::V1 { controllers: Controllers::parse(controllers), name: name.map(str::to_owned) }
            }
        }
    }
}

/// Parses one line of mountinfo into the device number and the hierarchy, if it is one.
fn parse_mount<'t>(line: &'t str, own: &[OwnLine<'_>]) -> Option<(&'t str, Hierarchy)> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ');
    let (_id, _parent, device) = (left.next()?, left.next()?, left.next()?);
    let (root, mountpoint, options) = (left.next()?, left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (fs_type, _source, super_options) = (right.next()?, right.next()?, right.next().unwrap_or(""));
    let kind = match fs_type {
        "cgroup2" => Kind::V2,
        "cgroup" => Kind::V1 {
            controllers: Controllers::parse(super_options),
            name: super_options.split(',').find_map(|option| option.strip_prefix("name=")).map(str::to_owned),
        },
        _ => return None,
    };
    let own_path = own.iter().find(|line| line.kind() == kind).map_or("/", |line| line.path);
    let read_only = options.split(',').chain(super_options.split(',')).any(|option| option == "ro");
    let mountpoint = PathBuf::from(unescape(mountpoint));
    Some((device, Hierarchy { kind, mountpoint, own: below_root(own_path, &unescape(root)), read_only }))
}

/// Returns the own path as seen below a mount whose root is not the hierarchy's.
fn below_root(own: &str, root: &str) -> String {
    match Path::new(own).strip_prefix(root) {
        Ok(below) if !own.contains("/..") => format!("/{}", below.display()),
        _ => "/".to_owned(),
    }
}

/// Undoes the octal escapes of mountinfo (`\040` is a space).
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or("").to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
