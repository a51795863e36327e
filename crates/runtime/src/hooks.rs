//! Hooks of the specification: programs of the host's administrator at points of a container's life.
//!
//! ```text
//!   creator                        builder                      init
//!      │ <───── Mounted ──────────────┤                           │
//!      │ prestart, createRuntime      │                           │
//!      ├────── one byte ─────────────>│ createContainer           │
//!      │                              ├── "go", init's pid ──────>│  waits at its gate
//!      │                                                          │  startContainer, exec
//!      │ poststart                                                │
//! ```
//!
//! Each gets the container's state on standard input. What it prints goes into the error if it fails.

use std::time::Duration;

use oci::runtime::{Hooks as SpecHooks, State};
use sys::program::{self, Program};

use crate::error::{Error, Failure, Result};
use crate::plan::invalid;
use crate::step::{Hook, Hooks};

/// Checks the hooks of a specification.
pub fn plan_hooks(hooks: Option<&SpecHooks>) -> Result<Hooks> {
    let Some(hooks) = hooks else { return Ok(Hooks::default()) };
    Ok(Hooks {
        prestart: plan_stage("prestart", &hooks.prestart)?,
        create_runtime: plan_stage("createRuntime", &hooks.create_runtime)?,
        create_container: plan_stage("createContainer", &hooks.create_container)?,
        start_container: plan_stage("startContainer", &hooks.start_container)?,
        poststart: plan_stage("poststart", &hooks.poststart)?,
        poststop: plan_stage("poststop", &hooks.poststop)?,
    })
}

fn plan_stage(stage: &str, hooks: &[oci::runtime::Hook]) -> Result<Vec<Hook>> {
    let check = |(index, hook): (usize, &oci::runtime::Hook)| {
        let refuse = |why: &str| invalid(format!("`hooks.{stage}[{index}]`: {why}"));
        if !hook.path.is_absolute() {
            return Err(refuse("the path is not absolute"));
        }
        let nul = |text: &String| text.contains('\0');
        if hook.args.iter().chain(&hook.env).any(nul) || hook.path.as_os_str().as_encoded_bytes().contains(&0)
        {
            return Err(refuse("a NUL byte in a path, argument or variable"));
        }
        let timeout_seconds = match hook.timeout {
            None => None,
            Some(seconds) => match u32::try_from(seconds) {
                Ok(seconds) if seconds > 0 => Some(seconds),
                _ => return Err(refuse("the timeout is not above zero")),
            },
        };
        Ok(Hook { path: hook.path.clone(), args: hook.args.clone(), env: hook.env.clone(), timeout_seconds })
    };
    hooks.iter().enumerate().map(check).collect()
}

/// Runs hooks one after the other with this state on their standard input, up to the first that fails.
pub fn run_hooks(stage: &'static str, hooks: &[Hook], state: &State) -> Result<()> {
    run_stage(stage, hooks, state).map_err(Error::from_failure)
}

pub(crate) fn run_stage(stage: &str, hooks: &[Hook], state: &State) -> Result<(), Failure> {
    if hooks.is_empty() {
        return Ok(());
    }
    let document = serde_json::to_vec(state)
        .map_err(|error| Failure::refused(format!("cannot write the state for hooks: {error}")))?;
    // The builder works without a mask.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let outcome = hooks.iter().try_for_each(|hook| {
        run_one(hook, &document)
            .map_err(|failure| failure.during(&format!("{stage} hook `{}`", hook.path.display())))
    });
    rustix::process::umask(before);
    outcome
}

fn run_one(hook: &Hook, document: &[u8]) -> Result<(), Failure> {
    let timeout = hook.timeout_seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let program = Program { path: &hook.path, args: &hook.args, env: &hook.env, document, timeout };
    match program::run(&program)?.failure() {
        Some(why) => Err(Failure::refused(why)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(path: &str) -> oci::runtime::Hook {
        oci::runtime::Hook { path: path.into(), ..Default::default() }
    }

    fn state() -> State {
        State {
            oci_version: "1.2.1".into(),
            id: "c".into(),
            status: oci::runtime::Status::Creating,
            pid: 7,
            bundle: "/b".into(),
            annotations: Default::default(),
        }
    }

    #[test]
    fn paths_and_timeouts_are_checked() {
        let plan = |hook: oci::runtime::Hook| {
            plan_hooks(Some(&SpecHooks { poststop: vec![hook], ..SpecHooks::default() }))
        };
        assert_eq!(plan(example("/bin/true")).unwrap().poststop.len(), 1);
        let relative = plan(example("true")).unwrap_err().to_string();
        assert!(relative.contains("hooks.poststop[0]") && relative.contains("not absolute"), "{relative}");
        for timeout in [0, -1, i64::MAX] {
            plan(oci::runtime::Hook { timeout: Some(timeout), ..example("/bin/true") }).unwrap_err();
        }
    }

    #[test]
    fn a_hook_reads_the_state_and_its_failure_tells_what_it_said() {
        let hook = |script: &str, timeout_seconds| Hook {
            path: "/bin/sh".into(),
            args: vec!["sh".into(), "-c".into(), script.into()],
            env: vec!["A=b".into()],
            timeout_seconds,
        };
        run_hooks("poststart", &[hook("grep -q '\"pid\":7' && test $A = b", None)], &state()).unwrap();
        let failed = run_hooks("poststart", &[hook("echo no; exit 3", Some(60))], &state()).unwrap_err();
        assert_eq!(failed.to_string(), "poststart hook `/bin/sh`: exit code 3: no");
        let late = run_hooks("poststart", &[hook("exec sleep 600", Some(1))], &state()).unwrap_err();
        assert_eq!(late.to_string(), "poststart hook `/bin/sh`: not done after 1 s");
        let missing = Hook { path: "/nowhere".into(), ..hook("", None) };
        let missing = run_hooks("poststart", &[missing], &state()).unwrap_err();
        assert!(missing.to_string().contains("/nowhere"), "{missing}");
    }
}
