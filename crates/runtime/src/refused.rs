//! What a specification may ask and this runtime does not do: refused by name, never ignored.

use oci::runtime::{IdMapping, Linux, Process, Spec};

use crate::error::{Error, Result};

/// Refuses a specification that asks for something that is not built.
pub(crate) fn refuse(spec: &Spec, linux: &Linux) -> Result<()> {
    let named = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    first(&[
        (linux.intel_rdt.is_some(), "`linux.intelRdt`"),
        (!linux.net_devices.is_empty(), "`linux.netDevices`"),
        (named(&linux.mount_label), "`linux.mountLabel`"),
    ])?;
    spec.process.as_ref().map_or(Ok(()), refuse_process)
}

/// Refuses a process that asks for something that is not built; a container runs without it unnoticed otherwise.
pub(crate) fn refuse_process(process: &Process) -> Result<()> {
    let named = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    first(&[(named(&process.selinux_label), "`process.selinuxLabel`")])
}

fn first(asked: &[(bool, &str)]) -> Result<()> {
    match asked.iter().find(|(present, _)| *present) {
        Some((_, name)) => Err(Error::Unsupported(format!("{name} is not supported yet by this runtime"))),
        None => Ok(()),
    }
}

/// Refuses a line of an id map that runs past the last id: the sums of its ids are taken for granted.
pub(crate) fn refuse_map_line(line: &IdMapping) -> Result<()> {
    let IdMapping { container_id, host_id, size } = *line;
    if container_id.checked_add(size).is_none() || host_id.checked_add(size).is_none() {
        return Err(Error::Invalid(format!(
            "the id map `{container_id} {host_id} {size}` runs past the last id, {}",
            u32::MAX
        )));
    }
    Ok(())
}
