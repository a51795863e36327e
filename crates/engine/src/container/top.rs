//! `top`: the processes of a container, as the host sees them.
//!
//! Nothing inside is asked or run (CVE-2022-1227: a helper that looked from inside ran the image's own programs as root of
//! the host). Without options `/proc` is read; with options the host's `ps` is run, as Docker does.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{MemfdFlags, memfd_create};
use sys::Context;
use sys::process::{ExitStatus, Inherit};

use super::exec::open_group;
use super::find::{Container, find};
use super::pause::not_running;
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::processes;
use crate::request::TopRequest;
use crate::request::view::ProcessTable;

/// Where `ps` is, if the caller's own search path does not say.
const USUAL_PLACES: &str = "/usr/local/bin:/usr/bin:/bin";

/// Returns the processes of a running container.
pub fn top(engine: &Engine, request: &TopRequest) -> Result<ProcessTable> {
    let container = find(engine, &request.container)?;
    if !container.is_running() {
        return Err(not_running(&container));
    }
    let pids = pids(&container)?;
    if request.options.is_empty() {
        return Ok(ProcessTable::Own(pids.into_iter().filter_map(processes::row).collect()));
    }
    let program = find_ps(request.search_path.as_deref().unwrap_or(USUAL_PLACES))?;
    let list: Vec<String> = pids.iter().map(ToString::to_string).collect();
    let chosen = [request.options.as_slice(), &[format!("-q{}", list.join(","))]].concat();
    // Some options (like `f`) cannot be used together with -q: then those that they choose by themselves.
    let text = run_ps(&program, &chosen).or_else(|_| run_ps(&program, &request.options))?;
    parse_table(&text, &pids)
}

/// The processes in its cgroup, which are those that it has started and those of `exec`.
fn pids(container: &Container) -> Result<BTreeSet<i32>> {
    let status = container.running()?;
    match open_group(status.cgroup.as_deref()) {
        Some(group) => {
            let what = || format!("cannot list the processes of container `{}`", container.record.name);
            Ok(group.processes().doing(what)?.iter().map(|pid| pid.as_raw_nonzero().get()).collect())
        }
        None => Ok([status.pid].into()),
    }
}

fn find_ps(search_path: &str) -> Result<CString> {
    let places = search_path.split(':').filter(|place| place.starts_with('/'));
    let executable = |path: &std::path::PathBuf| {
        rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && !path.is_dir()
    };
    let found = places.map(|place| Path::new(place).join("ps")).find(executable);
    let path = found.and_then(|path| CString::new(path.into_os_string().into_encoded_bytes()).ok());
    path.ok_or_else(|| {
        Error::new(
            oci::class::Class::Unavailable,
            "this machine has no program `ps`, which the options are for",
        )
        .hint("install procps, or leave the options out")
    })
}

/// Runs a program of the host. Memory files and not pipes take its output: neither side can make the other wait.
fn run_ps(program: &CString, options: &[String]) -> Result<String> {
    let word =
        |word: &str| CString::new(word).map_err(|_| Error::invalid("an option of `ps` holds a NUL byte"));
    let mut argv = vec![word("ps")?];
    for option in options {
        argv.push(word(option)?);
    }
    let environment = [word("PATH=/usr/bin:/bin")?, word("LC_ALL=C.UTF-8")?];
    let (output, errors) = (memory_file()?, memory_file()?);
    let null = super::exec::null()?;
    let inherit = [(&null, 0), (&output, 1), (&errors, 2)];
    let inherit = inherit.map(|(fd, number)| Inherit { fd: fd.as_fd(), number });
    let pid = sys::process::spawn(program, &argv, &environment, &inherit)?;
    match sys::process::wait(pid)? {
        ExitStatus::Code(0) => Ok(read(&output)?),
        _ => {
            let said = read(&errors)?;
            let line = said.lines().find(|line| !line.is_empty()).unwrap_or("it failed").to_owned();
            Err(Error::invalid(format!("ps: {}", line.trim_start_matches("error: "))))
        }
    }
}

fn memory_file() -> sys::Result<OwnedFd> {
    memfd_create("ps", MemfdFlags::CLOEXEC).context(|| "cannot make a memory file".into())
}

fn read(file: &OwnedFd) -> sys::Result<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = rustix::io::pread(file, &mut buffer, bytes.len() as u64)
            .context(|| "cannot read what `ps` printed".into())?;
        match count {
            0 => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Takes the lines of these processes out of what `ps` printed. As many columns as there are heads: what is over
/// belongs to the last.
fn parse_table(text: &str, pids: &BTreeSet<i32>) -> Result<ProcessTable> {
    let mut lines = text.lines();
    let titles: Vec<String> =
        lines.next().unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
    let Some(place) = titles.iter().position(|title| title == "PID") else {
        return Err(Error::invalid("Couldn't find PID field in ps output")
            .hint("choose the column `pid`: it tells which processes are the container's"));
    };
    let mut rows = Vec::new();
    let mut is_ours = false;
    for line in lines {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some(pid) = fields.get(place) else { continue };
        // A thread has no number in this column and belongs to the process above.
        is_ours = if *pid == "-" { is_ours } else { pid.parse().is_ok_and(|pid| pids.contains(&pid)) };
        if !is_ours {
            continue;
        }
        let last = titles.len() - 1;
        let mut row: Vec<String> = fields.iter().take(last).map(|field| (*field).to_owned()).collect();
        row.push(fields.get(last..).unwrap_or_default().join(" "));
        rows.push(row);
    }
    Ok(ProcessTable::Listed { titles, rows })
}

#[cfg(test)]
#[test]
fn tables_of_ps() {
    let ours = BTreeSet::from([7, 8]);
    let table = |text: &str| match parse_table(text, &ours) {
        Ok(ProcessTable::Listed { titles, rows }) => {
            let rows = rows.iter().map(|row| row.join("|")).collect::<Vec<_>>();
            format!("{}: {}", titles.join(" "), rows.join("; "))
        }
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("!{error}"),
    };
    let rows = [
        ("  PID CMD\n    1 init\n    7 sh -c  x\n   70 no\n    8 y\n", "PID CMD: 7|sh -c x; 8|y"),
        ("USER PID\nroot 7\nroot 9\n", "USER PID: root|7"),
        // With -m: the threads follow their process.
        ("PID LWP CMD\n1 - init\n- 1 -\n7 - sh\n- 7 -\n", "PID LWP CMD: 7|-|sh; -|7|-"),
        ("PID TTY\n7\n", "PID TTY: 7|"),
        ("CMD\nsh\n", "!Couldn't find PID field in ps output"),
        ("", "!Couldn't find PID field in ps output"),
        ("PID CMD\nx y\n", "PID CMD: "),
    ];
    for (text, expected) in rows {
        assert_eq!(table(text), expected, "{text}");
    }
}
