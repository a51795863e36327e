//! `exec`: a further process in a container.

use std::os::fd::{AsFd, BorrowedFd};

use oci::runtime::{Process, Status};

use super::config;
use super::console;
use super::foreground;
use super::group;
use super::home::Runtime;
use super::make::{set_size, write_pid};
use super::request::{ExecCommand, ExecProcess, ExecRequest};
use super::valid;
use crate::confinement::selinux;
use crate::container::{Terminal, pty_of};
use crate::error::{Doing, Error, Result};

/// Runs a process. Returns its exit code, or nothing where it was detached from.
pub fn exec(runtime: &Runtime, request: &ExecRequest, terminal: &Terminal<'_>) -> Result<Option<u8>> {
    let id = &request.id;
    let container = runtime.find(id)?;
    let status = container.status()?;
    match status {
        Status::Paused if !request.ignore_paused => {
            return Err(Error::conflict(
                "cannot exec in a paused container (use --ignore-paused to override)",
            ));
        }
        Status::Stopped | Status::Creating => {
            return Err(Error::conflict(format!("cannot exec in a container that is {status}: `{id}`")));
        }
        _ => {}
    }
    let gone = || Error::conflict(format!("cannot exec in a stopped container: `{id}`"));
    let pidfd = container.record.open_process().ok_or_else(gone)?;
    let mut spec = config::kept(&container.dir)?;
    let mut process = process(request, spec.process.take().unwrap_or_default())?;
    config::keep_grantable(&mut process, &spec)?.iter().for_each(|warning| (terminal.warn)(warning));
    console::check(process.terminal, request.detach, request.console_socket.as_deref())?;
    let preserve_fds = config::inherit(&mut process, request.inherited)?;
    let socket = request.console_socket.as_deref().map(console::reach).transpose()?;
    let pty = if process.terminal { Some(pty_of(container.record.pid)?) } else { None };
    if let Some(pty) = &pty {
        set_size(pty, terminal.size.filter(|_| !request.detach), process.console_size.as_ref())?;
    }
    let group = group::for_exec(&container.record.cgroup, &request.cgroups)?;
    let target =
        runtime::ExecTarget { pid: container.record.pid, pidfd: pidfd.as_fd(), group: group.as_ref() };
    let filter = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    let seccomp = config::filter(runtime, filter)?;
    let listener = runtime::plan_listener(filter, seccomp.as_ref())?;
    let input = runtime::ExecInput {
        process: &process,
        listener: listener.map(|listener| (listener, container.record.state(status))),
        linux: spec.linux.as_ref(),
        seccomp,
        stdio: [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()],
        terminal: pty.as_ref().map(|pty| pty.terminal.as_fd()),
        preserve_fds,
    };
    let executed = runtime::exec(&target, &input)
        .doing(|| format!("cannot run `{}` in container `{id}`", process.args.join(" ")))?;
    executed.warnings.iter().for_each(|warning| (terminal.warn)(warning));
    let master = pty.map(|pty| pty.master);
    let told = (|| {
        if let (Some(socket), Some(master)) = (&socket, &master) {
            console::send_master(socket, master)?;
        }
        request.pid_file.as_deref().map_or(Ok(()), |path| write_pid(path, executed.pid))
    })();
    if let Err(error) = told {
        let _ = sys::process::signal(executed.pidfd.as_fd(), libc::SIGKILL);
        sys::process::wait(executed.pid)?;
        return Err(error);
    }
    if request.detach {
        return Ok(None);
    }
    let master: Option<BorrowedFd<'_>> = master.as_ref().map(AsFd::as_fd);
    foreground::until_end(&executed.pidfd, master, terminal)?;
    Ok(Some(sys::process::wait(executed.pid)?.code()))
}

/// Returns the process of the file, or the container's own with what was asked for.
fn process(request: &ExecRequest, own: Process) -> Result<Process> {
    let mut process = match &request.process {
        ExecProcess::File(path) => {
            let process = config::process_file(path)?;
            Process { terminal: process.terminal || request.tty, ..process }
        }
        ExecProcess::Command(command) => change(own, command, request.tty)?,
    };
    if process.args.is_empty() {
        return Err(
            Error::invalid("process args cannot be empty").hint("name a command, or a file with --process")
        );
    }
    valid::check_process(&process)?;
    selinux::check_spec([process.selinux_label.as_ref()])?;
    process.env.retain(|entry| !entry.is_empty());
    Ok(process)
}

fn change(own: Process, command: &ExecCommand, tty: bool) -> Result<Process> {
    let mut process = Process { args: command.args.clone(), terminal: tty, console_size: None, ..own };
    if let Some(cwd) = &command.cwd {
        process.cwd.clone_from(cwd);
    }
    for entry in &command.env {
        let name = entry.split_once('=').map_or(entry.as_str(), |(name, _)| name);
        process.env.retain(|old| old.split_once('=').map_or(old.as_str(), |(name, _)| name) != name);
        process.env.push(entry.clone());
    }
    if let Some((uid, gid)) = command.user {
        process.user.uid = uid;
        if let Some(gid) = gid {
            process.user.gid = gid;
        }
    }
    process.user.additional_gids.extend(&command.additional_gids);
    process.no_new_privileges |= command.no_new_privileges;
    if command.process_label.is_some() {
        process.selinux_label.clone_from(&command.process_label);
    }
    if command.apparmor.is_some() {
        process.apparmor_profile.clone_from(&command.apparmor);
    }
    for name in &command.capabilities {
        if sys::credentials::capability_number(name).is_none() {
            return Err(Error::invalid(format!("--cap: unknown capability `{name}`")));
        }
        let sets = process.capabilities.get_or_insert_default();
        for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
            if !set.contains(name) {
                set.push(name.clone());
            }
        }
    }
    Ok(process)
}
