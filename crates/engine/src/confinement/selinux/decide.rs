//! From what is asked and what the policy has to a container's labels: pure.

use super::{Context, Labels, level};
use crate::error::{Error, Result};
use crate::request::{IpcMode, PidMode, Security};

/// What the policy gives to containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    pub(super) process: Context,
    pub(super) file: Context,
    /// What containers may only read, like layers.
    pub(super) read_only: Option<Context>,
}

/// What a container asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Processes without a label of their own, as for the privileged and for those that live among the host's.
    Disabled,
    /// Options like `type:container_net_t`, which change the policy's own.
    Options(Vec<String>),
    /// The labels of a container whose processes or memory are shared.
    Like(Labels),
}

impl Asked {
    /// Returns an option that only SELinux can fulfil.
    pub(super) fn first_option(&self) -> Option<&str> {
        if let Self::Options(options) = self { options.first().map(String::as_str) } else { None }
    }
}

/// Docker's order: privileged and host modes count as `disable`, a joined container's labels come before options.
pub(crate) fn asked(security: &Security, pid: &PidMode, ipc: &IpcMode, joined: Option<Labels>) -> Asked {
    let among_the_host = security.privileged || *pid == PidMode::Host || *ipc == IpcMode::Host;
    if among_the_host || security.labels.iter().any(|option| option == "disable") {
        return Asked::Disabled;
    }
    match joined {
        Some(labels) if security.labels.is_empty() => Asked::Like(labels),
        _ => Asked::Options(security.labels.clone()),
    }
}

/// Reads `process = "…"` and `file = "…"`.
pub(super) fn read_base(text: &str) -> Result<Base> {
    let context = |name: &str| {
        let value = super::setting(text, name).ok_or_else(|| {
            Error::not_found(format!("the SELinux policy has no context `{name}` for containers"))
        })?;
        Context::parse(value)
    };
    Ok(Base { process: context("process")?, file: context("file")?, read_only: context("ro_file").ok() })
}

/// Checks options without asking the policy.
pub(crate) fn check_options(options: &[String]) -> Result<()> {
    let good = |option: &String| {
        option == "disable"
            || option.split_once(':').is_some_and(|(key, value)| {
                ["user", "role", "type", "level", "filetype"].contains(&key) && !value.is_empty()
            })
    };
    match options.iter().find(|option| !good(option)) {
        Some(option) => Err(Error::invalid(format!("bad label option `{option}`"))
            .hint("it is `disable`, or one of user:, role:, type:, level:, filetype: and a value")),
        None => Ok(()),
    }
}

/// Decides; `own_level` claims a level where the policy has levels and none was asked for.
pub(super) fn labels(
    asked: &Asked,
    base: &Base,
    own_level: impl FnOnce() -> Result<String>,
) -> Result<Labels> {
    let (mut process, mut file) = (base.process.clone(), base.file.clone());
    let options = match asked {
        Asked::Disabled => {
            // Nobody confined has this pair: what it keeps is not for other containers.
            file.level = base.process.level.is_some().then(|| level::OF_UNCONFINED.to_owned());
            return Ok(Labels { mount: file.to_string(), ..Labels::default() });
        }
        Asked::Like(labels) => return Ok(Labels { claimed: None, ..labels.clone() }),
        Asked::Options(options) => options,
    };
    check_options(options)?;
    let mut level = None;
    for (key, value) in options.iter().filter_map(|option| option.split_once(':')) {
        let value = value.to_owned();
        match key {
            "user" => (process.user, file.user) = (value.clone(), value),
            "role" => process.role = value,
            "type" => process.kind = value,
            "level" => level = Some(value),
            // Of podman: the type of the files.
            _ => file.kind = value,
        }
    }
    if level.is_none() && base.process.level.is_some() {
        level = Some(level::of_categories(&own_level()?));
    }
    (process.level, file.level) = (level.clone(), level);
    Ok(Labels { process: process.to_string(), mount: file.to_string(), claimed: None })
}
