//! `--security-opt`.

use std::path::PathBuf;

use engine::request::{Seccomp, Security, Unmask};

use super::{Invalid, Read, boolean};

/// One security option; a profile is named here and read later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecurityOpt {
    NoNewPrivileges(bool),
    Seccomp(SeccompChoice),
    AppArmor(String),
    Label(String),
    SystemPathsUnconfined,
    Mask(Vec<PathBuf>),
    UnmaskAll,
    Unmask(Vec<String>),
    WritableCgroups(bool),
}

/// What `seccomp=` may say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SeccompChoice {
    Builtin,
    Unconfined,
    File(PathBuf),
}

/// Reads the value of `--security-opt`; `key:value` is the old spelling of `key=value`.
pub(crate) fn parse(text: &str) -> Read<SecurityOpt> {
    let invalid = || {
        Invalid::new(format!("invalid --security-opt: {text:?}")).hint(
            "use seccomp=, apparmor=, label=, no-new-privileges, systempaths=unconfined, mask= or unmask=",
        )
    };
    let pair = text.split_once('=').or_else(|| text.split_once(':'));
    let (key, value) = match pair {
        None if text == "no-new-privileges" => return Ok(SecurityOpt::NoNewPrivileges(true)),
        None if text == "writable-cgroups" => return Ok(SecurityOpt::WritableCgroups(true)),
        // Docker's spelling of label=disable from before there were keys.
        None if text == "disable" => return Ok(SecurityOpt::Label("disable".to_owned())),
        None => return Err(invalid()),
        Some(pair) => pair,
    };
    if value.is_empty() {
        return Err(invalid());
    }
    Ok(match key {
        "no-new-privileges" => SecurityOpt::NoNewPrivileges(boolean::parse(value).map_err(|_| invalid())?),
        "writable-cgroups" => SecurityOpt::WritableCgroups(boolean::parse(value).map_err(|_| invalid())?),
        "seccomp" => SecurityOpt::Seccomp(match value {
            "builtin" => SeccompChoice::Builtin,
            "unconfined" => SeccompChoice::Unconfined,
            path => SeccompChoice::File(PathBuf::from(path)),
        }),
        "apparmor" => SecurityOpt::AppArmor(value.to_owned()),
        "label" => SecurityOpt::Label(value.to_owned()),
        "systempaths" if value == "unconfined" => SecurityOpt::SystemPathsUnconfined,
        "mask" => SecurityOpt::Mask(paths(value)?.into_iter().map(PathBuf::from).collect()),
        "unmask" if value.eq_ignore_ascii_case("all") => SecurityOpt::UnmaskAll,
        "unmask" => SecurityOpt::Unmask(paths(value)?),
        _ => return Err(invalid()),
    })
}

fn paths(text: &str) -> Read<Vec<String>> {
    let path = |path: &str| match path.starts_with('/') {
        true => Ok(path.to_owned()),
        false => Err(Invalid::new(format!("`{path}` is not an absolute path"))),
    };
    text.split(':').map(path).collect()
}

/// Puts all options together; the later of two that contradict wins. `load` reads a profile.
pub(crate) fn combine(
    options: Vec<SecurityOpt>,
    security: &mut Security,
    load: impl Fn(PathBuf) -> Read<Seccomp>,
) -> Read<()> {
    for option in options {
        match option {
            SecurityOpt::NoNewPrivileges(on) => security.no_new_privileges = on,
            SecurityOpt::WritableCgroups(on) => security.writable_cgroups = on,
            SecurityOpt::Seccomp(SeccompChoice::Builtin) => security.seccomp = Seccomp::Builtin,
            SecurityOpt::Seccomp(SeccompChoice::Unconfined) => security.seccomp = Seccomp::Unconfined,
            SecurityOpt::Seccomp(SeccompChoice::File(path)) => security.seccomp = load(path)?,
            SecurityOpt::AppArmor(profile) => security.apparmor = Some(profile),
            SecurityOpt::Label(label) => security.labels.push(label),
            SecurityOpt::SystemPathsUnconfined | SecurityOpt::UnmaskAll => security.unmask = Unmask::All,
            SecurityOpt::Mask(paths) => security.mask.extend(paths),
            SecurityOpt::Unmask(paths) => match &mut security.unmask {
                Unmask::All => {}
                Unmask::Paths(all) => all.extend(paths),
                Unmask::None => security.unmask = Unmask::Paths(paths),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
#[test]
fn readings() {
    let rows = [
        ("no-new-privileges", "NoNewPrivileges(true)"),
        ("no-new-privileges:true", "NoNewPrivileges(true)"),
        ("no-new-privileges=false", "NoNewPrivileges(false)"),
        ("seccomp=unconfined", "Seccomp(Unconfined)"),
        ("seccomp:unconfined", "Seccomp(Unconfined)"),
        ("seccomp=./p.json", "Seccomp(File(\"./p.json\"))"),
        ("seccomp=builtin", "Seccomp(Builtin)"),
        ("apparmor=unconfined", "AppArmor(\"unconfined\")"),
        ("label=type:svirt_t", "Label(\"type:svirt_t\")"),
        ("label:disable", "Label(\"disable\")"),
        ("systempaths=unconfined", "SystemPathsUnconfined"),
        ("mask=/a:/b", "Mask([\"/a\", \"/b\"])"),
        ("unmask=ALL", "UnmaskAll"),
        ("unmask=/proc/*", "Unmask([\"/proc/*\"])"),
        ("unmask=proc", "!`proc` is not an absolute path"),
        ("foo", "!invalid --security-opt: \"foo\""),
        ("foo=bar", "!invalid --security-opt: \"foo=bar\""),
        ("seccomp=", "!invalid --security-opt: \"seccomp=\""),
        ("systempaths=x", "!invalid --security-opt: \"systempaths=x\""),
        ("no-new-privileges=x", "!invalid --security-opt: \"no-new-privileges=x\""),
    ];
    super::check::table(parse, &rows);
}
