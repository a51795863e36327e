//! `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--userns`.

use engine::request::{CgroupMode, IpcMode, PidMode, UserMode, UtsMode};

use super::{Invalid, Read};

fn container(text: &str) -> Option<Read<String>> {
    let name = text.strip_prefix("container:")?;
    Some(if name.is_empty() {
        Err(Invalid::new(format!("`{text}` names no container")).hint("write container:NAME"))
    } else {
        Ok(name.to_owned())
    })
}

/// Reads the value of `--pid`.
pub(crate) fn parse_pid(text: &str) -> Read<PidMode> {
    match text {
        "" | "private" => Ok(PidMode::Private),
        "host" => Ok(PidMode::Host),
        _ => match container(text) {
            Some(name) => name.map(PidMode::Container),
            None => Err(Invalid::new("invalid PID mode").hint("use host or container:NAME")),
        },
    }
}

/// Reads the value of `--ipc`.
pub(crate) fn parse_ipc(text: &str) -> Read<IpcMode> {
    match text {
        "" | "private" => Ok(IpcMode::Private),
        "shareable" => Ok(IpcMode::Shareable),
        "none" => Ok(IpcMode::None),
        "host" => Ok(IpcMode::Host),
        _ => {
            match container(text) {
                Some(name) => name.map(IpcMode::Container),
                None => Err(Invalid::new("invalid IPC mode")
                    .hint("use none, private, shareable, host or container:NAME")),
            }
        }
    }
}

/// Reads the value of `--uts`.
pub(crate) fn parse_uts(text: &str) -> Read<UtsMode> {
    match text {
        "" | "private" => Ok(UtsMode::Private),
        "host" => Ok(UtsMode::Host),
        _ => Err(Invalid::new("invalid UTS mode").hint("use host or private")),
    }
}

/// Reads the value of `--cgroupns`.
pub(crate) fn parse_cgroup(text: &str) -> Read<CgroupMode> {
    match text {
        "" => Ok(CgroupMode::Default),
        "private" => Ok(CgroupMode::Private),
        "host" => Ok(CgroupMode::Host),
        _ => Err(Invalid::new("invalid CGROUP mode").hint("use host or private")),
    }
}

/// Reads the value of `--userns`.
pub(crate) fn parse_user(text: &str) -> Read<UserMode> {
    match text {
        "" => Ok(UserMode::Default),
        "auto" | "private" => Ok(UserMode::Auto),
        "host" => Ok(UserMode::Host),
        _ => match container(text) {
            Some(name) => name.map(UserMode::Container),
            None => Err(Invalid::new("invalid USER mode").hint("use auto, host or container:NAME")),
        },
    }
}

#[cfg(test)]
#[test]
fn modes() {
    use super::check::table;
    let joined = ("container:web", "Container(\"web\")");
    let nobody = ("container:", "!`container:` names no container");
    table(parse_pid, &[("host", "Host"), joined, nobody, ("foo", "!invalid PID mode")]);
    table(parse_ipc, &[("none", "None"), ("shareable", "Shareable"), joined, ("x", "!invalid IPC mode")]);
    table(parse_uts, &[("host", "Host"), ("x", "!invalid UTS mode")]);
    table(parse_cgroup, &[("private", "Private"), ("x", "!invalid CGROUP mode")]);
    table(parse_user, &[("auto", "Auto"), ("host", "Host"), joined, ("keep-id", "!invalid USER mode")]);
}
