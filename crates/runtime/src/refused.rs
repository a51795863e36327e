//! What a specification may ask and this runtime does not do: refused by name, never ignored.

use oci::runtime::{IdMapping, Linux};

use crate::error::{Error, Result};

/// Refuses a specification that asks for something that is not built.
pub(crate) fn refuse(linux: &Linux) -> Result<()> {
    first(&[
        (linux.intel_rdt.is_some(), "`linux.intelRdt`"),
        (!linux.net_devices.is_empty(), "`linux.netDevices`"),
    ])
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
