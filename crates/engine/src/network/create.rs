//! `network create`: a record; the kernel hears of it when the first container needs it.

use supervisor::status;

use super::record::{Driver, NetworkRecord};
use super::{options, shelf, subnets};
use crate::container::random_id;
use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::request::NetworkCreateRequest;

/// Creates a network and returns its id.
pub fn create(engine: &Engine, request: &NetworkCreateRequest) -> Result<String> {
    check_name(&request.name)?;
    let _alone = shelf::alone(engine)?;
    let networks = shelf::known(engine)?;
    if networks.iter().any(|network| network.name == request.name) {
        return Err(Error::new(
            oci::class::Class::AlreadyExists,
            format!("network with name {} already exists", request.name),
        )
        .hint("choose another name, or remove it with `coracle network rm`"));
    }
    let id = random_id()?;
    let driver = driver(request, &id, &networks)?;
    // A network beside an interface of the host has its addresses there, and its subnet may well be the same.
    let parent = if let Driver::Macvlan { parent, .. } = &driver { Some(parent.as_str()) } else { None };
    let occupied = subnets::occupied(&networks, None, parent)?;
    let mut chosen = Vec::new();
    for asked in &request.subnets {
        let ipv4 = asked.subnet.is_ipv4();
        if chosen.iter().any(|other: &crate::request::SubnetRequest| other.subnet.is_ipv4() == ipv4) {
            let family = if ipv4 { "IPv4" } else { "IPv6" };
            return Err(Error::invalid(format!("more than one {family} subnet: {}", asked.subnet))
                .hint("make a network for each"));
        }
        chosen.push(subnets::checked(asked, &occupied)?);
    }
    let has = |ipv4: bool| request.subnets.iter().any(|subnet| subnet.subnet.is_ipv4() == ipv4);
    if has(false) && !request.ipv6 {
        return Err(Error::invalid("an IPv6 subnet was given for a network without IPv6").hint("add --ipv6"));
    }
    if !has(true) {
        chosen.insert(0, subnets::choose_ipv4(engine, &occupied)?);
    }
    if request.ipv6 && !has(false) {
        chosen.push(subnets::choose_ipv6(&occupied)?);
    }
    let record = NetworkRecord {
        id,
        name: request.name.clone(),
        created: status::now(),
        driver,
        internal: request.internal,
        ipv6: request.ipv6,
        chosen: request.subnets.is_empty(),
        subnets: chosen,
        options: request.options.clone(),
        labels: request.labels.clone(),
    };
    shelf::save(engine, &record)?;
    record.tell(engine, "create");
    Ok(record.id)
}

fn check_name(name: &str) -> Result<()> {
    if shelf::BUILTIN.contains(&name) || name == "default" {
        return Err(Error::invalid(format!("operation is not permitted on predefined {name} network"))
            .hint("choose another name"));
    }
    if !shelf::is_name(name) {
        return Err(Error::invalid(format!("invalid network name \"{name}\""))
            .hint("letters, digits, `_`, `.` and `-` are allowed, the first a letter or digit, 200 in all"));
    }
    Ok(())
}

fn driver(request: &NetworkCreateRequest, id: &str, networks: &[NetworkRecord]) -> Result<Driver> {
    match request.driver.as_str() {
        "" | "bridge" => {
            let driver = options::bridge(&request.options, shelf::bridge_name(id))?;
            let Driver::Bridge { bridge, .. } = &driver else { return Ok(driver) };
            let ours = |network: &&NetworkRecord| {
                network.bridge_rules().is_some_and(|rules| rules.bridge == *bridge)
            };
            if let Some(other) = networks.iter().find(ours) {
                return Err(Error::conflict(format!(
                    "network {} has the bridge `{bridge}` already",
                    other.name
                )));
            }
            if network::has_interface(bridge) {
                return Err(Error::conflict(format!("the host has an interface `{bridge}` already"))
                    .hint("choose another name for the bridge"));
            }
            Ok(driver)
        }
        "macvlan" => {
            let driver = options::macvlan(&request.options)?;
            if let Driver::Macvlan { parent, .. } = &driver
                && !network::has_interface(parent)
            {
                return Err(Error::not_found(format!("the host has no interface `{parent}`"))
                    .hint("`ip link` lists its interfaces"));
            }
            Ok(driver)
        }
        other => Err(Error::unsupported(format!("network driver `{other}` is not supported"))
            .hint("there are `bridge` and `macvlan`")),
    }
}
