//! Privileges and filters.

use std::path::PathBuf;

use engine::request::{Capability, ContainerRequest, Seccomp};

use super::identity::read;
use crate::caller::Caller;
use crate::grammar::key_value::Pair;
use crate::grammar::security::{self, SecurityOpt};
use crate::grammar::{Invalid, Read, capability, sysctl};

/// Options that widen or narrow what the container may do.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Confinement {
    /// Give extended privileges to this container
    #[arg(long)]
    privileged: bool,
    /// Add Linux capabilities
    #[arg(long, value_name = "CAPABILITY", value_parser = capability::parse)]
    cap_add: Vec<Capability>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "CAPABILITY", value_parser = capability::parse)]
    cap_drop: Vec<Capability>,
    /// Security Options
    #[arg(long, value_name = "KEY=VALUE", value_parser = security::parse)]
    security_opt: Vec<SecurityOpt>,
    /// Sysctl options
    #[arg(long, value_name = "KEY=VALUE", value_parser = sysctl::parse)]
    sysctl: Vec<Pair>,
}

impl Confinement {
    pub(super) fn fill(self, caller: &dyn Caller, request: &mut ContainerRequest) -> Read<()> {
        let security = &mut request.security;
        security.privileged = self.privileged;
        security.cap_add = self.cap_add;
        security.cap_drop = self.cap_drop;
        security::combine(self.security_opt, security, |path| load_profile(caller, path))?;
        request.sysctls.extend(self.sysctl);
        Ok(())
    }
}

/// Reads a seccomp profile and makes sure that it is JSON; what it says is judged when it is compiled.
fn load_profile(caller: &dyn Caller, path: PathBuf) -> Read<Seccomp> {
    let failed =
        |cause: String| Invalid::new(format!("opening seccomp profile ({}) failed: {cause}", path.display()));
    let bytes = read(caller, &path).map_err(|error| failed(error.to_string()))?;
    let json = String::from_utf8(bytes).map_err(|_| failed("it is not text".to_owned()))?;
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&json) {
        return Err(failed(format!("it is not JSON: {error}")));
    }
    Ok(Seccomp::Profile { path, json })
}
