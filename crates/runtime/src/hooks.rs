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

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use oci::runtime::{Hooks as SpecHooks, State};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use sys::Context;
use sys::process::{self, ExitStatus, Inherit};

use crate::error::{Error, Failure, Result};
use crate::plan::invalid;
use crate::step::{Hook, Hooks};

/// How much of a failed hook's output its error shows.
const SHOWN_BYTES: usize = 1024;

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
    // Memory files and not pipes: neither side can make the other wait.
    let stdin = memory_file()?;
    write_all(&stdin, document)?;
    seek(&stdin, SeekFrom::Start(0)).context(|| "cannot rewind a memory file".into())?;
    let output = memory_file()?;
    let text = |word: &[u8]| CString::new(word).map_err(|_| Failure::refused("a word holds a NUL byte"));
    let path = text(hook.path.as_os_str().as_encoded_bytes())?;
    let mut argv: Vec<CString> =
        hook.args.iter().map(|word| text(word.as_bytes())).collect::<Result<_, _>>()?;
    if argv.is_empty() {
        argv.push(path.clone());
    }
    let env: Vec<CString> = hook.env.iter().map(|word| text(word.as_bytes())).collect::<Result<_, _>>()?;
    let inherit = [(&stdin, 0), (&output, 1), (&output, 2)];
    let pid =
        process::spawn(&path, &argv, &env, &inherit.map(|(fd, number)| Inherit { fd: fd.as_fd(), number }))?;
    let pidfd = process::open_pidfd(pid)?;
    let in_time = wait_for_end(&pidfd, hook.timeout_seconds)?;
    if !in_time {
        process::signal(pidfd.as_fd(), libc::SIGKILL)?;
    }
    let status = process::wait(pid)?;
    let how = match status {
        _ if !in_time => format!("not done after {} s", hook.timeout_seconds.unwrap_or_default()),
        ExitStatus::Code(0) => return Ok(()),
        ExitStatus::Code(code) => format!("exit code {code}"),
        ExitStatus::Signal(signal) => format!("ended by signal {signal}"),
    };
    let said = last_words(&output);
    Err(Failure::refused(if said.is_empty() { how } else { format!("{how}: {said}") }))
}

fn memory_file() -> sys::Result<OwnedFd> {
    memfd_create("hook", MemfdFlags::CLOEXEC).context(|| "cannot make a memory file".into())
}

fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> sys::Result<()> {
    while !bytes.is_empty() {
        let count = rustix::io::retry_on_intr(|| rustix::io::write(fd, bytes))
            .context(|| "cannot write a memory file".into())?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Whether the process has ended within the time.
fn wait_for_end(pidfd: &OwnedFd, seconds: Option<u32>) -> sys::Result<bool> {
    let timeout = seconds.map(|seconds| Timespec { tv_sec: seconds.into(), tv_nsec: 0 });
    loop {
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], timeout.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(sys::Error::new("cannot wait for a hook", error)),
        }
    }
}

/// Returns the end of what was printed.
fn last_words(output: &OwnedFd) -> String {
    let length = rustix::fs::fstat(output).map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
    let mut buffer = [0; SHOWN_BYTES];
    let from = length.saturating_sub(SHOWN_BYTES as u64);
    let count = rustix::io::pread(output, &mut buffer, from).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..count]).trim().to_owned()
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
