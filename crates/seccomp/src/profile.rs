//! Docker's JSON format of seccomp profiles, resolved for one container.
//!
//! The format adds to the runtime specification: a map of architectures to their sub-architectures,
//! and conditions on each rule (capabilities, architectures, kernel version).

use std::path::PathBuf;
use std::str::FromStr;

use oci::runtime::{Seccomp, SyscallArg, SyscallRule};
use serde::{Deserialize, Deserializer};

use crate::{Arch, Error, Result};

/// Far above any real profile; Docker's has 15 KB.
const PROFILE_BYTES_MAX: usize = 1 << 20;

/// A version of the kernel as far as profiles look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion {
    pub major: u32,
    pub minor: u32,
}

impl KernelVersion {
    /// Parses the `release` of `uname`: `6.18.44-fc`, `7.0-rc1`.
    pub fn parse_release(release: &str) -> Result<Self> {
        let bad = || Error::KernelVersion(release.to_owned());
        let mut parts = release.split(['.', '-', '+']);
        let mut next = || parts.next().and_then(|part| part.parse().ok());
        Ok(Self { major: next().ok_or_else(bad)?, minor: next().ok_or_else(bad)? })
    }
}

impl FromStr for KernelVersion {
    type Err = Error;

    /// Parses exactly `major.minor`, as profiles write it.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::KernelVersion(text.to_owned());
        let (major, minor) = text.split_once('.').ok_or_else(bad)?;
        let version =
            Self { major: major.parse().map_err(|_| bad())?, minor: minor.parse().map_err(|_| bad())? };
        // Docker refuses it too: an empty version would match everywhere.
        if version == (Self { major: 0, minor: 0 }) { Err(bad()) } else { Ok(version) }
    }
}

impl<'de> Deserialize<'de> for KernelVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What the conditions of a profile are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Conditions<'a> {
    pub arch: Arch,
    /// The bounding set of the container: `CAP_SYS_ADMIN`, …
    pub capabilities: &'a [String],
    pub kernel: KernelVersion,
}

/// A profile in Docker's format.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    default_action: String,
    default_errno_ret: Option<u32>,
    #[serde(deserialize_with = "null_is_empty")]
    architectures: Vec<String>,
    #[serde(deserialize_with = "null_is_empty")]
    arch_map: Vec<ArchFamily>,
    #[serde(deserialize_with = "null_is_empty")]
    flags: Vec<String>,
    #[serde(deserialize_with = "null_is_empty")]
    listener_path: PathBuf,
    #[serde(deserialize_with = "null_is_empty")]
    listener_metadata: String,
    #[serde(deserialize_with = "null_is_empty")]
    syscalls: Vec<ProfileRule>,
}

/// An architecture with those that its processors also run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ArchFamily {
    architecture: String,
    #[serde(deserialize_with = "null_is_empty")]
    sub_architectures: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ProfileRule {
    /// The old format: one rule per call.
    #[serde(deserialize_with = "null_is_empty")]
    name: String,
    #[serde(deserialize_with = "null_is_empty")]
    names: Vec<String>,
    action: String,
    errno_ret: Option<u32>,
    #[serde(deserialize_with = "null_is_empty")]
    args: Vec<SyscallArg>,
    /// All kinds of conditions that are given must hold, and all of the capabilities.
    #[serde(deserialize_with = "null_is_empty")]
    includes: Filter,
    /// None of the conditions may hold.
    #[serde(deserialize_with = "null_is_empty")]
    excludes: Filter,
}

/// Conditions on a rule.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    #[serde(deserialize_with = "null_is_empty")]
    caps: Vec<String>,
    #[serde(deserialize_with = "null_is_empty")]
    arches: Vec<String>,
    min_kernel: Option<KernelVersion>,
}

/// Go writes `null` for what is empty.
fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Profile {
    /// Parses the JSON of a profile. Unknown fields (comments, podman's `errno` names) are ignored.
    pub fn parse(json: &[u8]) -> Result<Self> {
        if json.len() > PROFILE_BYTES_MAX {
            return Err(Error::ProfileSize { len: json.len(), max: PROFILE_BYTES_MAX });
        }
        let profile: Self = serde_json::from_slice(json).map_err(Error::Json)?;
        if profile.default_action.is_empty() {
            return Err(Error::NoDefaultAction);
        }
        if !profile.architectures.is_empty() && !profile.arch_map.is_empty() {
            return Err(Error::Both("architectures", "archMap"));
        }
        if profile.syscalls.iter().any(|rule| !rule.name.is_empty() && !rule.names.is_empty()) {
            return Err(Error::Both("name", "names"));
        }
        Ok(profile)
    }

    /// Returns the filter for one container: the rules whose conditions hold.
    pub fn resolve(&self, conditions: &Conditions<'_>) -> Seccomp {
        let family = self.arch_map.iter().find(|family| family.architecture == conditions.arch.name());
        let architectures = match family {
            Some(family) => {
                let subs = family.sub_architectures.iter().cloned();
                std::iter::once(family.architecture.clone()).chain(subs).collect()
            }
            None => self.architectures.clone(),
        };
        let rules = self.syscalls.iter().filter(|rule| rule.applies(conditions));
        Seccomp {
            default_action: self.default_action.clone(),
            default_errno_ret: self.default_errno_ret,
            architectures,
            flags: self.flags.clone(),
            listener_path: Some(self.listener_path.clone()).filter(|path| !path.as_os_str().is_empty()),
            listener_metadata: Some(self.listener_metadata.clone()).filter(|text| !text.is_empty()),
            syscalls: rules.map(ProfileRule::to_rule).collect(),
        }
    }
}

impl ProfileRule {
    fn applies(&self, conditions: &Conditions<'_>) -> bool {
        let arch = conditions.arch.profile_name();
        let granted = |cap: &String| conditions.capabilities.contains(cap);
        let reached = |version: KernelVersion| conditions.kernel >= version;
        let Filter { caps, arches, min_kernel } = &self.includes;
        let included = (arches.is_empty() || arches.iter().any(|name| name == arch))
            && caps.iter().all(granted)
            && min_kernel.is_none_or(reached);
        let Filter { caps, arches, min_kernel } = &self.excludes;
        let excluded = arches.iter().any(|name| name == arch)
            || caps.iter().any(granted)
            || min_kernel.is_some_and(reached);
        included && !excluded
    }

    fn to_rule(&self) -> SyscallRule {
        let names = if self.name.is_empty() { self.names.clone() } else { vec![self.name.clone()] };
        SyscallRule { names, action: self.action.clone(), errno_ret: self.errno_ret, args: self.args.clone() }
    }
}
