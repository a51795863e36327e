//! `network ls`: what networks there are.

use network::State;

use super::record::NetworkRecord;
use super::shelf;
use crate::error::Result;
use crate::paths::Engine;
use crate::pattern;
use crate::request::NetworksRequest;
use crate::request::view::NetworkRow;

/// Lists networks by name.
pub fn list(engine: &Engine, request: &NetworksRequest) -> Result<Vec<NetworkRow>> {
    let state = State::new(engine.run_root());
    let names = pattern::of_names(&request.names)?;
    let mut rows = Vec::new();
    for network in shelf::all(engine)? {
        let any = |list: &[String], test: &dyn Fn(&str) -> bool| {
            list.is_empty() || list.iter().any(|wanted| test(wanted))
        };
        let wanted = any(&request.ids, &|id| network.id.starts_with(id))
            && (names.is_empty() || names.iter().any(|pattern| pattern.is_in(&network.name)))
            && any(&request.drivers, &|driver| network.driver.word() == driver)
            && any(&request.scopes, &|scope| scope == "local")
            && request.labels.iter().all(|label| label.is_among(&network.labels))
            && request.builtin.is_none_or(|builtin| builtin == network.is_builtin())
            && is_dangling(&state, &network, request.dangling)?;
        if wanted {
            rows.push(NetworkRow {
                driver: network.driver.word().to_owned(),
                id: network.id,
                name: network.name,
                ipv6: network.ipv6,
                internal: network.internal,
                labels: network.labels,
                created: network.created,
            });
        }
    }
    Ok(rows)
}

/// Whether the network has containers, or none, as asked; those of the engine's own are never dangling.
fn is_dangling(state: &State, network: &NetworkRecord, wanted: Option<bool>) -> Result<bool> {
    let Some(wanted) = wanted else { return Ok(true) };
    let dangling = !network.is_builtin() && state.endpoints(&network.id)?.is_empty();
    Ok(dangling == wanted)
}
