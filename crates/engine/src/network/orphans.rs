//! What belongs to no network and no container, for `system audit`.

use std::collections::BTreeSet;

use network::{BridgeRules, Fabric, State};

use super::shelf;
use crate::container::is_held;
use crate::error::Result;
use crate::paths::Engine;

/// Something of networks that nobody owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NetworkOrphan {
    /// A claim of an address, name, port or endpoint.
    Claim {
        what: String,
        owner: String,
    },
    Bridge {
        name: String,
    },
}

/// Looks for claims of containers that do not run, and for bridges of networks that are not there.
pub(crate) fn orphans(engine: &Engine) -> Result<Vec<NetworkOrphan>> {
    let state = State::new(engine.run_root());
    let mut found = Vec::new();
    let mut held = std::collections::BTreeMap::new();
    for (what, owner) in state.held()? {
        let held = match held.get(&owner) {
            Some(known) => *known,
            None => {
                let answer = is_held(engine, &owner)?;
                held.insert(owner.clone(), answer);
                answer
            }
        };
        if !held {
            found.push(NetworkOrphan::Claim { what, owner });
        }
    }
    let bridges = Fabric::new(engine.run_root()).bridges()?;
    if bridges.is_empty() {
        return Ok(found);
    }
    let known: BTreeSet<String> =
        shelf::known(engine)?.iter().filter_map(|network| Some(network.bridge_rules()?.bridge)).collect();
    let strays = bridges.into_iter().filter(|bridge| !known.contains(bridge));
    found.extend(strays.map(|name| NetworkOrphan::Bridge { name }));
    Ok(found)
}

impl NetworkOrphan {
    /// Frees it; with a claim all else that its owner holds.
    pub(crate) fn free(&self, engine: &Engine) -> Result<()> {
        let fabric = Fabric::new(engine.run_root());
        match self {
            Self::Claim { owner, .. } => {
                let state = fabric.state();
                fabric.disconnect(&state.endpoints_of(owner)?, &state.ports_of(owner)?)?;
                state.release_all(owner)?;
                state.release_strays(owner)?;
            }
            Self::Bridge { name } => fabric.remove(&BridgeRules {
                bridge: name.clone(),
                internal: false,
                between: true,
                masquerade: false,
                subnets: Vec::new(),
            })?,
        }
        Ok(())
    }
}
