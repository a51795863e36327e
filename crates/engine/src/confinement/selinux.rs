//! SELinux: the labels of a container's processes and files, by the policy's own types and a level of its own.
//!
//! ```text
//!   system_u:system_r:container_t:s0:c12,c507         processes
//!   system_u:object_r:container_file_t:s0:c12,c507    files
//!     user     role     type       level
//! ```
//! The type keeps containers from the host, the pair of categories from each other (Multi-Category Security). Both
//! labels are chosen when the container is made and stay: what it has written to volumes bears them.

mod context;
mod decide;
mod level;
mod relabel;

use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statfs};
use serde::{Deserialize, Serialize};
use store::Durability;

use crate::error::{Error, Result};
use crate::paths::Engine;

pub(crate) use decide::{Asked, asked, check_options};
pub(crate) use relabel::{check_source, relabel_file, relabel_tree, shared_label};

use context::Context;

/// The kernel's own file system for it.
const SELINUXFS: &str = "/sys/fs/selinux";

/// `SELINUX_MAGIC` of linux/magic.h.
const MAGIC: i64 = 0xf97c_ff8c;

/// Where policies for containers bring their contexts since they come with containers-common, and where before.
const CONTEXTS: &str = "/usr/share/containers/selinux/contexts";

const NO_CONTEXTS: &str = "install the policy for containers (container-selinux)";

/// The labels of one container; an empty one is not applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    pub process: String,
    pub mount: String,
    /// The pair of categories that was claimed for it.
    pub claimed: Option<String>,
}

/// Whether a policy is in force, or would be but for permissive mode.
pub(crate) fn is_enabled() -> bool {
    let is_mounted = || statfs(SELINUXFS).is_ok_and(|stat| stat.f_type == MAGIC);
    // Where a container shows it, it is read-only: there it is none of ours.
    let is_writable =
        || rustix::fs::statvfs(SELINUXFS).is_ok_and(|stat| !stat.f_flag.contains(StatVfsMountFlags::RDONLY));
    // Before a policy is loaded every process has this label.
    is_mounted() && is_writable() && own_label().is_some_and(|label| label != "kernel")
}

fn own_label() -> Option<String> {
    let text = sys::fs::read_to_string("/proc/self/attr/current").ok()?;
    Some(text.trim_end_matches(['\0', '\n']).to_owned())
}

/// Refuses labels of a specification that nobody would look at, or that the policy has not got.
pub(crate) fn check_spec<'t>(labels: impl IntoIterator<Item = Option<&'t String>>) -> Result<()> {
    for label in labels.into_iter().flatten().filter(|label| !label.is_empty()) {
        if !is_enabled() {
            return Err(Error::unsupported(format!(
                "cannot apply SELinux label `{label}`: SELinux is not in force on this machine"
            )));
        }
        check(label)?;
    }
    Ok(())
}

/// Chooses the labels of a new container; nothing where SELinux is off.
pub(crate) fn choose(
    engine: &Engine,
    asked: &Asked,
    id: &str,
    durability: Durability,
) -> Result<Option<Labels>> {
    if !is_enabled() {
        return match asked.first_option() {
            Some(option) => Err(Error::unsupported(format!(
                "cannot apply the label option `{option}`: SELinux is not in force on this machine"
            ))
            .hint("boot with SELinux, leave the option out, or say label=disable")),
            None => Ok(None),
        };
    }
    let base = base_contexts()?;
    let mut claimed = None;
    let labels = decide::labels(asked, &base, || {
        let level = level::claim(engine, id, durability)?;
        claimed = Some(level.clone());
        Ok(level)
    })?;
    let labels = Labels { claimed, ..labels };
    for label in [&labels.process, &labels.mount] {
        if let Err(error) = check(label) {
            release(engine, &labels, id);
            return Err(error);
        }
    }
    Ok(Some(labels))
}

/// Gives back what was claimed for a container that was not made after all.
pub(crate) fn release(engine: &Engine, labels: &Labels, id: &str) {
    if let (Some(level), Ok(levels)) = (&labels.claimed, sys::Dir::open(engine.levels())) {
        let _ = store::release(levels, level, id, Durability::Volatile);
    }
}

/// Asks the kernel whether the policy has such a label.
fn check(label: &str) -> Result<()> {
    if label.is_empty() {
        return Ok(());
    }
    sys::fs::write(format!("{SELINUXFS}/context"), label.as_bytes()).map_err(|error| {
        Error::invalid(format!("the SELinux policy has no label `{label}`"))
            .caused_by(error)
            .hint("`seinfo -t` lists the types; `--security-opt label=type:container_t` is the usual one")
    })
}

/// The contexts that the policy gives to containers.
fn base_contexts() -> Result<decide::Base> {
    let files = [PathBuf::from(CONTEXTS), policy_root().join("contexts/lxc_contexts")];
    let text = files
        .iter()
        .find_map(|file| sys::fs::read_to_string(file).ok())
        .ok_or_else(|| Error::not_found("the SELinux policy says nothing of containers").hint(NO_CONTEXTS))?;
    decide::read_base(&text)
}

fn policy_root() -> PathBuf {
    let config = sys::fs::read_to_string("/etc/selinux/config").unwrap_or_default();
    Path::new("/etc/selinux").join(setting(&config, "SELINUXTYPE").unwrap_or("targeted"))
}

/// Returns the value of a setting: `NAME=value`, with or without quotes, `#` and `;` before remarks.
fn setting<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])).find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

/// Tells how it stands, or what is in the way and what to do about it; for `doctor`.
pub(crate) fn examine(root: &Path) -> Result<&'static str, (&'static str, String)> {
    let known = sys::fs::read_to_string("/proc/filesystems")
        .is_ok_and(|text| text.lines().any(|line| line.ends_with("\tselinuxfs")));
    match (is_enabled(), known) {
        (false, false) => return Ok("not in force"),
        (false, true) => return Ok("in this kernel, and no policy is loaded"),
        (true, _) => {}
    }
    let Ok(base) = base_contexts() else {
        return Err(("the policy says nothing of containers: none can be made", NO_CONTEXTS.to_owned()));
    };
    let layers = root.join("layers");
    let kind = relabel::kind_of(&layers);
    if let (Some(wanted), true) = (base.read_only, kind.is_some())
        && kind.as_ref() != Some(&wanted.kind)
    {
        let root = root.display();
        let remedy = format!(
            "semanage fcontext -a -t {} '{root}/(layers|snapshots)(/.*)?' && restorecon -R {root}",
            wanted.kind
        );
        return Err(("containers may not read the layers, by their label", remedy));
    }
    let enforcing = sys::fs::read_to_string(format!("{SELINUXFS}/enforce")).is_ok_and(|text| text == "1");
    Ok(if enforcing { "enforcing" } else { "permissive" })
}

#[cfg(test)]
mod tests;
