//! The options of the driver `local`: where the data of a volume really lies.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use sys::mount::{Attr, Parameter};

use crate::{Error, Result};

/// Where the data of a volume lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backing {
    /// In the volume's own directory.
    Directory,
    /// In a directory of the host (`o=bind`).
    Bind { device: PathBuf, recursive: bool, options: Vec<String> },
    /// In memory, anew with each start of a container.
    Tmpfs { options: Vec<String> },
    /// In a file system of its own on a device of the host, mounted for each container alone.
    FileSystem { kind: String, device: PathBuf, options: Vec<String> },
}

/// Options of a mount and not of the file system: they are set when a container's mount is made.
const OF_MOUNTS: [&str; 17] = [
    "atime",
    "defaults",
    "dev",
    "diratime",
    "exec",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "nosuid",
    "nosymfollow",
    "relatime",
    "ro",
    "rw",
    "strictatime",
    "suid",
    "symfollow",
];

/// File systems that need a helper program or a connection that the engine does not make.
const REMOTE: [&str; 7] = ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs"];

impl Backing {
    /// Reads `type`, `o` and `device`, as Docker's driver `local` does.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<Self> {
        for key in options.keys() {
            match key.as_str() {
                "type" | "o" | "device" => {}
                "size" => {
                    return Err(Error::Unsupported(
                        "option \"size\" is not supported: volumes have no quota yet (type=tmpfs takes o=size=…)"
                            .into(),
                    ));
                }
                other => return Err(Error::Option(format!("invalid option: {other:?}"))),
            }
        }
        if options.is_empty() {
            return Ok(Self::Directory);
        }
        let given = |key: &str| options.get(key).map(String::as_str).filter(|value| !value.is_empty());
        let missing = |key: &str| Error::Option(format!("missing required option: {key:?}"));
        let words: Vec<&str> =
            given("o").unwrap_or_default().split(',').filter(|word| !word.is_empty()).collect();
        let is_bind = words.iter().any(|word| matches!(*word, "bind" | "rbind"));
        let kind = given("type").or(is_bind.then_some("none")).ok_or_else(|| missing("type"))?;
        let device = given("device").ok_or_else(|| missing("device"));
        let rest = |dropped: &[&str]| {
            words.iter().filter(|word| !dropped.contains(word)).map(|word| (*word).to_owned()).collect()
        };
        let options: Vec<String> = rest(&["bind", "rbind"]);
        if let Some(bad) = options.iter().find(|word| !is_option(word)) {
            return Err(Error::Option(format!("invalid mount option {bad:?}")));
        }
        match kind {
            kind if REMOTE.contains(&kind) => Err(Error::Unsupported(format!(
                "volumes of type {kind:?} are not supported: mount it on the host and give that directory with \
                 o=bind and device="
            ))),
            "tmpfs" => Ok(Self::Tmpfs { options }),
            _ if is_bind => {
                let device = PathBuf::from(device?);
                if !device.is_absolute() {
                    return Err(Error::Option(format!("device {:?} is not an absolute path", device)));
                }
                Ok(Self::Bind { device, recursive: words.contains(&"rbind"), options })
            }
            "none" => Err(Error::Option("type \"none\" needs o=bind".into())),
            kind if !kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) => {
                Err(Error::Option(format!("invalid type: {kind:?}")))
            }
            kind if VIRTUAL.contains(&kind) => Err(Error::Unsupported(format!(
                "volumes of type {kind:?} are not supported: it is no file system on a device"
            ))),
            kind => Ok(Self::FileSystem { kind: kind.to_owned(), device: PathBuf::from(device?), options }),
        }
    }
}

impl Backing {
    /// Whether nothing may be written to it, by the engine neither.
    pub(crate) fn is_read_only(&self) -> bool {
        match self {
            Self::Directory => false,
            Self::Bind { options, .. } | Self::Tmpfs { options } | Self::FileSystem { options, .. } => {
                options
                    .iter()
                    .rev()
                    .find(|word| matches!(word.as_str(), "ro" | "rw"))
                    .is_some_and(|word| word == "ro")
            }
        }
    }

    /// Mounts a file system of its own, in no namespace.
    pub(crate) fn mount(kind: &str, device: &Path, options: &[String]) -> sys::Result<OwnedFd> {
        let of_file_system = options.iter().filter(|word| !OF_MOUNTS.contains(&word.as_str()));
        let mut parameters: Vec<Parameter<'_>> = of_file_system
            .map(|word| match word.split_once('=') {
                Some((name, value)) => Parameter::Text(name, value.to_owned()),
                None => Parameter::Flag(word),
            })
            .collect();
        parameters.push(Parameter::Text("source", device.display().to_string()));
        sys::mount::create(kind, &parameters, Attr::MOUNT_ATTR_NODEV)
    }
}

/// File systems of the kernel's own, which would give a container what its masks take away.
const VIRTUAL: [&str; 16] = [
    "proc",
    "sysfs",
    "devpts",
    "devtmpfs",
    "mqueue",
    "cgroup",
    "cgroup2",
    "debugfs",
    "tracefs",
    "securityfs",
    "bpf",
    "configfs",
    "overlay",
    "fuse",
    "autofs",
    "binfmt_misc",
];

/// Whether a word cannot mean anything to the engine itself: its own options begin with `x-`.
fn is_option(word: &str) -> bool {
    !word.starts_with("x-") && !word.contains('\0')
}

#[cfg(test)]
#[test]
fn options_as_dockers_local_driver_reads_them() {
    let read = |text: &str| {
        let options = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        let options = options.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        match Backing::parse(&options) {
            Ok(backing) => format!("{backing:?}"),
            Err(error) => format!("!{error}"),
        }
    };
    for (text, expected) in [
        ("", "Directory"),
        ("type=none o=bind,ro device=/srv", r#"Bind { device: "/srv", recursive: false, options: ["ro"] }"#),
        ("o=rbind device=/srv", r#"Bind { device: "/srv", recursive: true, options: [] }"#),
        ("type=tmpfs device=tmpfs o=size=1m,uid=5", r#"Tmpfs { options: ["size=1m", "uid=5"] }"#),
        ("type=tmpfs", "Tmpfs { options: [] }"),
        (
            "type=ext4 device=/dev/x o=noatime",
            r#"FileSystem { kind: "ext4", device: "/dev/x", options: ["noatime"] }"#,
        ),
        ("type=ext4", "!missing required option: \"device\""),
        ("device=/dev/x", "!missing required option: \"type\""),
        ("type=none device=/x", "!type \"none\" needs o=bind"),
        ("o=bind device=x", "!device \"x\" is not an absolute path"),
        ("foo=bar", "!invalid option: \"foo\""),
        ("type=../x device=/x", "!invalid type: \"../x\""),
        ("type=tmpfs o=x-coracle.idmap=container", "!invalid mount option \"x-coracle.idmap=container\""),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
    for kind in ["nfs", "cifs"] {
        assert!(read(&format!("type={kind} device=:/x")).contains("mount it on the host"), "{kind}");
    }
    assert!(read("type=proc device=proc").starts_with("!volumes of type \"proc\""));
    assert!(read("size=1g").contains("no quota"));
}
