//! What is mounted into a container beside its image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One mount, in the order asked; a later one may lie inside an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountRequest {
    Bind(BindMount),
    Tmpfs(TmpfsMount),
    Volume(VolumeMount),
    Image(ImageMount),
}

impl MountRequest {
    /// Returns the place inside the container.
    pub fn target(&self) -> &Path {
        match self {
            Self::Bind(bind) => &bind.target,
            Self::Tmpfs(tmpfs) => &tmpfs.target,
            Self::Volume(volume) => &volume.target,
            Self::Image(image) => &image.target,
        }
    }
}

/// A file or directory of the host. The source must exist: a mistyped path is an error, not a
/// new directory owned by root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindMount {
    /// Absolute path on the host.
    pub source: PathBuf,
    /// Absolute path in the container, already cleaned of `.` and `..`.
    pub target: PathBuf,
    pub read_only: bool,
    pub recursion: Recursion,
    pub propagation: Propagation,
    pub idmap: IdMap,
    /// SELinux relabelling was asked for (`z`, `Z`); without effect where SELinux is off.
    pub relabel: Option<Relabel>,
    /// Which flag it came from, so that an error can name it.
    pub from: Source,
}

/// A volume, made at the creation of the container where it is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeMount {
    /// Absent: an anonymous one, which may go with the container.
    pub name: Option<String>,
    /// Absolute path in the container, already cleaned of `.` and `..`.
    pub target: PathBuf,
    pub read_only: bool,
    /// Leave an empty volume empty, whatever the image has there.
    pub no_copy: bool,
    /// Show this directory of the volume only; relative, without `..`.
    pub subpath: Option<PathBuf>,
    pub propagation: Propagation,
    pub idmap: IdMap,
    pub relabel: Option<Relabel>,
    /// Of a volume that is to be made.
    pub driver: Option<String>,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub from: Source,
}

/// The files of another image, read-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageMount {
    /// Reference or id, as typed.
    pub image: String,
    pub target: PathBuf,
    /// Show this directory of the image only; relative, without `..`.
    pub subpath: Option<PathBuf>,
}

/// `--volumes-from`: all mounts of another container but those in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumesFrom {
    /// Name or id.
    pub container: String,
    /// Even what is writable there.
    pub read_only: bool,
}

/// The flag that a mount was asked by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// `--volume`
    #[default]
    Volume,
    /// `--mount`
    Mount,
}

/// What happens to the mounts below a bind source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recursion {
    /// They come along; a read-only bind makes them read-only where the kernel can.
    #[default]
    Enabled,
    /// They stay behind.
    Disabled,
    /// They come along and stay writable even where the bind is read-only.
    Writable,
    /// They come along read-only, or the mount fails.
    ReadOnly,
}

/// How mounts made later travel between host and container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    #[default]
    RPrivate,
    Private,
    RSlave,
    Slave,
    RShared,
    Shared,
}

impl Propagation {
    /// Returns the option of mount(8) and of the OCI specification.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RPrivate => "rprivate",
            Self::Private => "private",
            Self::RSlave => "rslave",
            Self::Slave => "slave",
            Self::RShared => "rshared",
            Self::Shared => "shared",
        }
    }
}

/// How user ids on disk appear in the container when it has a user namespace of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdMap {
    /// One to one: 0 inside is 0 on disk, as users of Docker see it.
    #[default]
    Identity,
    /// The owner of the source appears as root inside, and what root creates belongs to that owner.
    Owner,
    /// No mapping: ids on disk are those of the container's range.
    None,
}

/// SELinux relabelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relabel {
    /// `z`
    Shared,
    /// `Z`
    Private,
}

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmpfsMount {
    /// Absolute path in the container.
    pub target: PathBuf,
    pub read_only: bool,
    pub exec: bool,
    pub suid: bool,
    pub dev: bool,
    pub size: Option<TmpfsSize>,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub inodes: Option<u64>,
    /// Further options that mount(8) knows: `noatime`, `huge=always`.
    pub others: Vec<String>,
}

/// The limit of a tmpfs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TmpfsSize {
    Bytes(u64),
    /// Of the machine's memory.
    Percent(u8),
}

impl TmpfsMount {
    /// Makes a tmpfs with Docker's defaults: `noexec,nosuid,nodev`.
    pub fn at(target: PathBuf) -> Self {
        Self {
            target,
            read_only: false,
            exec: false,
            suid: false,
            dev: false,
            size: None,
            mode: None,
            uid: None,
            gid: None,
            inodes: None,
            others: Vec::new(),
        }
    }

    /// Returns the mount options in the words of mount(8) and of the OCI specification.
    pub fn options(&self) -> Vec<String> {
        let flag = |set: bool, yes: &str, no: &str| if set { yes.to_owned() } else { no.to_owned() };
        let mut options = vec![
            flag(self.read_only, "ro", "rw"),
            flag(self.exec, "exec", "noexec"),
            flag(self.suid, "suid", "nosuid"),
            flag(self.dev, "dev", "nodev"),
        ];
        options.extend(self.size.map(|size| match size {
            TmpfsSize::Bytes(bytes) => format!("size={bytes}"),
            TmpfsSize::Percent(percent) => format!("size={percent}%"),
        }));
        options.extend(self.mode.map(|mode| format!("mode={mode:o}")));
        options.extend(self.uid.map(|uid| format!("uid={uid}")));
        options.extend(self.gid.map(|gid| format!("gid={gid}")));
        options.extend(self.inodes.map(|inodes| format!("nr_inodes={inodes}")));
        options.extend(self.others.iter().cloned());
        options
    }
}
