//! The steps between a finished root and the program, for init and further processes.

use oci::runtime::{Linux, Process};
use sys::credentials::capability_number;

use super::{guest_path, invalid};
use crate::error::Result;
use crate::step::{CapabilityWords, InitStep};

pub(super) fn init_steps(
    process: &Process,
    linux: &Linux,
    seccomp: Option<&(Vec<u8>, u32)>,
    create_cwd: bool,
    gate: bool,
    own_user_namespace: bool,
) -> Result<Vec<InitStep>> {
    let mut steps = Vec::new();
    if own_user_namespace {
        steps.push(InitStep::BecomeRoot);
        steps.push(InitStep::LockMounts);
    }
    shared_steps(linux, &mut steps)?;
    process_steps(process, seccomp, create_cwd, gate, &mut steps)?;
    Ok(steps)
}

/// The first steps of init and of further processes: a session and keyrings of their own.
pub(crate) fn session_steps(label: Option<&String>) -> Result<Vec<InitStep>> {
    let keyring = [InitStep::SessionKeyring];
    let Some(label) = named(label, "process.selinuxLabel")? else {
        return Ok([&[InitStep::NewSession][..], &keyring].concat());
    };
    let labelled = |label: &str| InitStep::KeyringLabel { label: label.to_owned() };
    Ok([&[InitStep::NewSession, labelled(label)][..], &keyring, &[labelled("")]].concat())
}

/// Returns a word for the kernel, if there is one. It stands in a line, or in quotes among mount options.
pub(super) fn named<'t>(text: Option<&'t String>, member: &str) -> Result<Option<&'t str>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.contains(['\n', '\0', '"']) {
        return Err(invalid(format!("{member} `{}`", text.escape_debug())));
    }
    Ok(Some(text))
}

/// What every process of the container has from it, and not from its own part of the specification.
pub(crate) fn shared_steps(linux: &Linux, steps: &mut Vec<InitStep>) -> Result<()> {
    if let Some(personality) = &linux.personality {
        if let Some(flag) = personality.flags.first() {
            return Err(invalid(format!("unknown personality flag `{flag}`")));
        }
        let domain = match personality.domain.as_str() {
            "LINUX" => 0,
            "LINUX32" => 8,
            other => return Err(invalid(format!("unknown personality `{other}`"))),
        };
        steps.push(InitStep::Personality { domain });
    }
    if let Some(policy) = &linux.memory_policy {
        steps.push(crate::memory_policy::memory_policy_step(policy)?);
    }
    Ok(())
}

/// The steps that turn a process into the one asked for; `exec` shares them.
///
/// Order (capabilities(7), seccomp(2)): bounding set while CAP_SETPCAP is there; the filter before the
/// ids only when it may not be loaded without privilege; the working directory as the user.
pub(crate) fn process_steps(
    process: &Process,
    seccomp: Option<&(Vec<u8>, u32)>,
    create_cwd: bool,
    gate: bool,
    steps: &mut Vec<InitStep>,
) -> Result<()> {
    if let Some(priority) = &process.io_priority {
        let class = match priority.class.as_str() {
            "IOPRIO_CLASS_RT" => 1,
            "IOPRIO_CLASS_BE" => 2,
            "IOPRIO_CLASS_IDLE" => 3,
            other => return Err(invalid(format!("unknown ioPriority class `{other}`"))),
        };
        let priority = u32::try_from(priority.priority)
            .ok()
            .filter(|p| *p < 8)
            .ok_or_else(|| invalid("ioPriority must be 0 to 7"))?;
        steps.push(InitStep::IoPriority { class, priority });
    }
    if let Some(scheduler) = &process.scheduler {
        steps.push(InitStep::Scheduler(crate::scheduler::scheduler_step(scheduler)?));
    }
    if create_cwd {
        // As root: the directory may be missing where the user could not make it.
        steps.push(InitStep::WorkingDirectory { path: guest_path(&process.cwd)?, create: true });
    }
    if let Some(profile) = named(process.apparmor_profile.as_ref(), "process.apparmorProfile")? {
        steps.push(InitStep::AppArmor { profile: profile.to_owned() });
    }
    if let Some(label) = named(process.selinux_label.as_ref(), "process.selinuxLabel")? {
        steps.push(InitStep::SelinuxLabel { label: label.to_owned() });
    }
    let sets = process.capabilities.clone().unwrap_or_default();
    let bounding = mask(&sets.bounding);
    let load = |steps: &mut Vec<InitStep>| {
        if let Some((program, flags)) = seccomp {
            steps.push(InitStep::Seccomp { program: program.clone(), flags: *flags });
        }
    };
    steps.push(InitStep::Bounding { keep: bounding });
    steps.push(InitStep::Umask { mask: process.user.umask.unwrap_or(0o022) });
    if !process.no_new_privileges {
        load(steps);
    }
    steps.push(InitStep::Identity {
        uid: process.user.uid,
        gid: process.user.gid,
        groups: process.user.additional_gids.clone(),
        capabilities: CapabilityWords {
            effective: mask(&sets.effective),
            permitted: mask(&sets.permitted),
            inheritable: mask(&sets.inheritable),
            // The kernel raises nothing else (capabilities(7)), and callers write specifications that ask for it.
            ambient: mask(&sets.ambient) & mask(&sets.permitted) & mask(&sets.inheritable),
        },
    });
    steps.push(InitStep::WorkingDirectory { path: guest_path(&process.cwd)?, create: false });
    if process.no_new_privileges {
        steps.push(InitStep::NoNewPrivileges);
        load(steps);
    }
    if gate {
        steps.push(InitStep::Gate);
    }
    Ok(())
}

/// Turns capability names into a mask; names this build does not know are dropped, as the
/// specification asks.
fn mask(names: &[String]) -> u64 {
    names.iter().filter_map(|name| capability_number(name)).fold(0, |mask, number| mask | 1 << number)
}
