//! The container's own instance of devpts, with what its mount asks for.

use sys::mount::Parameter;
use sys::terminal::Devpts;

use crate::build::parameters;
use crate::error::Result;
use crate::ids::{find, read_map};
use crate::step::{BuildStep, Plan, Source};

/// The group `tty` of every distribution: it may write to terminals, and read from none.
const TTY: u32 = 5;

/// Makes the instance that the plan mounts.
pub(crate) fn planned(plan: &Plan) -> Result<Devpts> {
    let options = plan.build.iter().find_map(|step| match step {
        BuildStep::Mount(mount) => match &mount.source {
            Source::Devpts { options } => Some(options.as_slice()),
            _ => None,
        },
        _ => None,
    });
    Ok(instance(plan, options.unwrap_or_default())?)
}

/// Makes an instance. Ids are those inside; a group that is not there is root's.
pub(crate) fn instance(plan: &Plan, options: &[String]) -> sys::Result<Devpts> {
    let number = |name: &str| {
        let value = |option: &String| option.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
        options.iter().rev().find_map(value)
    };
    let group = number("gid").unwrap_or(TTY);
    let mut all = vec![Parameter::Text("ptmxmode", "0666".into()), Parameter::Text("mode", "0620".into())];
    // Each is an instance of its own anyway.
    let ours = |parameter: &Parameter<'_>| {
        matches!(parameter, Parameter::Text("gid" | "uid", _) | Parameter::Flag("newinstance"))
    };
    all.extend(parameters(options).into_iter().filter(|parameter| !ours(parameter)));
    all.push(Parameter::Text("gid", group_of(plan, group).to_string()));
    if let Some(uid) = number("uid") {
        let host = if plan.own_user_namespace { find(&plan.uid_map, uid) } else { Some(uid) };
        all.push(Parameter::Text("uid", host.unwrap_or(plan.root_uid).to_string()));
    }
    if let Some(label) = &plan.mount_label {
        all.push(Parameter::Text("context", label.clone()));
    }
    Devpts::new(plan.root_uid, plan.root_gid, &all)
}

/// Returns the host's id of a group inside, or of root's where there is no such group: inside, or where we are.
fn group_of(plan: &Plan, group: u32) -> u32 {
    if plan.own_user_namespace {
        return find(&plan.gid_map, group).unwrap_or(plan.root_gid);
    }
    let is_known = read_map("/proc/self/gid_map").is_ok_and(|map| find(&map, group).is_some());
    if is_known { group } else { plan.root_gid }
}
