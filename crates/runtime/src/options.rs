//! Mount options as the runtime specification lists them, parsed into what the kernel takes.

use sys::mount::{PRIVATE, SHARED, SLAVE, UNBINDABLE};

const RDONLY: u64 = 0x1;
const NOSUID: u64 = 0x2;
const NODEV: u64 = 0x4;
const NOEXEC: u64 = 0x8;
const ATIME: u64 = 0x70;
const NOATIME: u64 = 0x10;
const STRICTATIME: u64 = 0x20;
const NODIRATIME: u64 = 0x80;
const NOSYMFOLLOW: u64 = 0x20_0000;

/// Words for the whole of a file system, which fsconfig(2) takes for any; mounts of what is mounted elsewhere share it.
const OF_FILE_SYSTEMS: [&str; 7] = ["async", "dirsync", "lazytime", "mand", "nolazytime", "nomand", "sync"];

/// Words of mount(2) that the calls which replaced it have no place for: the kernel's messages are read from the
/// context, and inode versions are counted by whichever file system has them.
const WITHOUT_EFFECT: [&str; 5] = ["defaults", "iversion", "loud", "noiversion", "silent"];

/// The words that mean the same for every file system; the rest goes to the file system itself.
const WORDS: [&str; 33] = [
    "atime",
    "bind",
    "dev",
    "diratime",
    "exec",
    "idmap",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "rbind",
    "relatime",
    "remount",
    "ridmap",
    "ro",
    "rprivate",
    "rshared",
    "rslave",
    "runbindable",
    "rw",
    "shared",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "unbindable",
    "x-coracle.idmap=container",
    "x-coracle.idmap=owner",
];

/// Returns every option that is understood, as `features` lists them.
pub fn mount_options() -> Vec<String> {
    let recursive = [
        "ro",
        "rw",
        "nosuid",
        "suid",
        "nodev",
        "dev",
        "noexec",
        "exec",
        "noatime",
        "atime",
        "strictatime",
        "nostrictatime",
        "relatime",
        "norelatime",
        "nodiratime",
        "diratime",
        "nosymfollow",
        "symfollow",
    ];
    // The builder takes this one out of what a tmpfs is asked.
    let mut options = vec!["tmpcopyup".to_owned()];
    let plain = WORDS.iter().chain(&OF_FILE_SYSTEMS).chain(&WITHOUT_EFFECT);
    options.extend(plain.map(|word| (*word).to_owned()));
    options.extend(recursive.iter().map(|word| format!("r{word}")));
    options.sort_unstable();
    options.dedup();
    options
}

/// The parsed options of one mount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MountOptions {
    pub(crate) bind: bool,
    pub(crate) recursive_bind: bool,
    /// What is mounted there already is changed.
    pub(crate) remount: bool,
    pub(crate) set: u64,
    pub(crate) clear: u64,
    pub(crate) recursive_set: u64,
    pub(crate) recursive_clear: u64,
    pub(crate) propagation: u64,
    pub(crate) propagation_recursive: bool,
    pub(crate) idmap: Option<IdmapOption>,
    /// What the file system itself is asked.
    pub(crate) data: Vec<String>,
}

/// The id-map options: of the specification (`idmap`, `ridmap`) and our own defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdmapOption {
    Explicit { recursive: bool },
    Container,
    Owner,
}

/// Parses the `options` of a mount (runtime-spec, "Linux mount options").
pub(crate) fn parse_options(options: &[String]) -> MountOptions {
    let mut parsed = MountOptions::default();
    for option in options {
        apply_option(&mut parsed, option);
    }
    parsed
}

fn apply_option(parsed: &mut MountOptions, option: &str) {
    if let Some((set, clear)) = attribute(option) {
        parsed.set = (parsed.set & !clear) | set;
        parsed.clear = (parsed.clear & !set) | clear;
        return;
    }
    if let Some((set, clear)) = option.strip_prefix('r').and_then(recursive_attribute) {
        parsed.recursive_set = (parsed.recursive_set & !clear) | set;
        parsed.recursive_clear = (parsed.recursive_clear & !set) | clear;
        return;
    }
    if let Some((flag, recursive)) = propagation(option) {
        parsed.propagation = flag;
        parsed.propagation_recursive = recursive;
        return;
    }
    match option {
        "bind" => parsed.bind = true,
        "rbind" => (parsed.bind, parsed.recursive_bind) = (true, true),
        "remount" => parsed.remount = true,
        "idmap" => parsed.idmap = Some(IdmapOption::Explicit { recursive: false }),
        "ridmap" => parsed.idmap = Some(IdmapOption::Explicit { recursive: true }),
        "x-coracle.idmap=container" => parsed.idmap = Some(IdmapOption::Container),
        "x-coracle.idmap=owner" => parsed.idmap = Some(IdmapOption::Owner),
        "" => {}
        word if WITHOUT_EFFECT.contains(&word) => {}
        other => parsed.data.push(other.to_owned()),
    }
}

/// Returns the attribute bits to set and to clear.
fn attribute(option: &str) -> Option<(u64, u64)> {
    Some(match option {
        "ro" => (RDONLY, 0),
        "rw" => (0, RDONLY),
        "nosuid" => (NOSUID, 0),
        "suid" => (0, NOSUID),
        "nodev" => (NODEV, 0),
        "dev" => (0, NODEV),
        "noexec" => (NOEXEC, 0),
        "exec" => (0, NOEXEC),
        // The three are one value: mount_setattr(2) wants all its bits cleared where one is set.
        "noatime" => (NOATIME, ATIME),
        "strictatime" => (STRICTATIME, ATIME),
        "relatime" | "norelatime" | "atime" | "nostrictatime" => (0, ATIME),
        "nodiratime" => (NODIRATIME, 0),
        "diratime" => (0, NODIRATIME),
        "nosymfollow" => (NOSYMFOLLOW, 0),
        "symfollow" => (0, NOSYMFOLLOW),
        _ => return None,
    })
}

/// The recursive forms (`rro`, `rnosuid`, …) exist for all attributes but the bind words.
fn recursive_attribute(rest: &str) -> Option<(u64, u64)> {
    match rest {
        "elatime" => None,
        other => attribute(other),
    }
}

/// Returns the propagation flag and whether it is recursive.
pub(crate) fn propagation(option: &str) -> Option<(u64, bool)> {
    Some(match option {
        "private" => (PRIVATE, false),
        "rprivate" => (PRIVATE, true),
        "slave" => (SLAVE, false),
        "rslave" => (SLAVE, true),
        "shared" => (SHARED, false),
        "rshared" => (SHARED, true),
        "unbindable" => (UNBINDABLE, false),
        "runbindable" => (UNBINDABLE, true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> MountOptions {
        parse_options(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_last_of_two_contrary_options_wins() {
        assert_eq!(parse("ro,rw").set & RDONLY, 0);
        assert_eq!(parse("rw,ro").set & RDONLY, RDONLY);
    }

    #[test]
    fn recursive_forms_are_kept_apart() {
        let parsed = parse("rbind,rro,nosuid");
        assert!(parsed.recursive_bind);
        assert_eq!((parsed.recursive_set, parsed.set), (RDONLY, NOSUID));
    }

    #[test]
    fn relatime_is_not_a_recursive_elatime() {
        let parsed = parse("relatime");
        assert_eq!((parsed.clear, parsed.recursive_clear), (ATIME, 0));
        assert!(parsed.data.is_empty());
    }

    #[test]
    fn each_option_listed_is_understood() {
        let others = ["tmpcopyup"].into_iter().chain(OF_FILE_SYSTEMS);
        let (of_file_systems, ours): (Vec<_>, Vec<_>) =
            mount_options().into_iter().partition(|option| others.clone().any(|other| other == option));
        assert_eq!(of_file_systems.len(), 8);
        for option in ours {
            assert_eq!(parse(&option).data, Vec::<String>::new(), "{option}");
        }
    }

    #[test]
    fn unknown_words_go_to_the_file_system() {
        assert_eq!(parse("size=64m,mode=755,nosuid").data, ["size=64m", "mode=755"]);
    }
}
