//! `--tmpfs TARGET[:OPTIONS]`, with the options of mount(8).

use engine::request::{TmpfsMount, TmpfsSize};

use super::{Invalid, Read, number, path, size};

/// Options that are handed to the kernel as they are.
const FLAGS: [&str; 16] = [
    "sync",
    "async",
    "dirsync",
    "nodirsync",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "noswap",
    "private",
    "rprivate",
    "defaults",
];

/// Options with a value that are handed on as they are.
const VALUES: [&str; 3] = ["nr_blocks", "mpol", "huge"];

/// Reads the value of `--tmpfs`.
pub(crate) fn parse(text: &str) -> Read<TmpfsMount> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let mut mount = TmpfsMount::at(path::parse_target(target)?);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        apply(option, &mut mount)?;
    }
    Ok(mount)
}

fn apply(option: &str, mount: &mut TmpfsMount) -> Read<()> {
    let invalid = || Invalid::new(format!("invalid tmpfs option {option:?}"));
    match option.split_once('=') {
        None => match option {
            "ro" | "rw" => mount.read_only = option == "ro",
            "exec" | "noexec" => mount.exec = option == "exec",
            "suid" | "nosuid" => mount.suid = option == "suid",
            "dev" | "nodev" => mount.dev = option == "dev",
            flag if FLAGS.contains(&flag) => mount.others.push(flag.to_owned()),
            _ => return Err(invalid()),
        },
        Some((key, value)) => match key {
            "size" => mount.size = Some(parse_size(value).ok_or_else(invalid)?),
            "mode" => {
                let mode = u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o7777);
                mount.mode = Some(mode.ok_or_else(invalid)?);
            }
            "uid" => mount.uid = Some(number::parse(value).map_err(|_| invalid())?),
            "gid" => mount.gid = Some(number::parse(value).map_err(|_| invalid())?),
            "nr_inodes" => mount.inodes = Some(size::parse(value).map_err(|_| invalid())?),
            key if VALUES.contains(&key) && !value.is_empty() => mount.others.push(option.to_owned()),
            _ => return Err(invalid()),
        },
    }
    Ok(())
}

fn parse_size(text: &str) -> Option<TmpfsSize> {
    match text.strip_suffix('%') {
        Some(percent) => percent.parse().ok().map(TmpfsSize::Percent),
        None => size::parse(text).ok().map(TmpfsSize::Bytes),
    }
}

#[cfg(test)]
#[test]
fn readings() {
    let show = |text: &str| parse(text).map(|m| format!("{} {}", m.target.display(), m.options().join(",")));
    let rows = [
        ("/run", "\"/run rw,noexec,nosuid,nodev\""),
        ("/run:", "\"/run rw,noexec,nosuid,nodev\""),
        ("/run/:rw,exec,size=64k", "\"/run rw,exec,nosuid,nodev,size=65536\""),
        ("/t:ro,suid,dev,size=50%,mode=1777", "\"/t ro,noexec,suid,dev,size=50%,mode=1777\""),
        (
            "/t:uid=1,gid=2,nr_inodes=1k,noatime",
            "\"/t rw,noexec,nosuid,nodev,uid=1,gid=2,nr_inodes=1024,noatime\"",
        ),
        ("/t:huge=always", "\"/t rw,noexec,nosuid,nodev,huge=always\""),
        ("/t:foo", "!invalid tmpfs option \"foo\""),
        ("/t:size=x", "!invalid tmpfs option \"size=x\""),
        ("/t:mode=99", "!invalid tmpfs option \"mode=99\""),
        ("t", "!invalid mount path: 't' mount path must be absolute"),
        ("/", "!destination can't be '/'"),
    ];
    super::check::table(show, &rows);
}
