//! What the kernel's security modules add to a container: an AppArmor profile.

pub(crate) mod apparmor;

use crate::error::Result;
use crate::paths::Engine;
use crate::request::Security;

/// What was decided for one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Confinement {
    /// The profile its processes start under; none where the kernel has no AppArmor.
    pub(crate) apparmor: Option<String>,
    /// What could not be given.
    pub(crate) warnings: Vec<String>,
}

/// Decides for a container, and loads what it needs into the kernel.
pub(crate) fn of(engine: &Engine, security: &Security) -> Result<Confinement> {
    let mut warnings = Vec::new();
    let apparmor = apparmor::prepare(engine, security, &mut warnings)?;
    Ok(Confinement { apparmor, warnings })
}
