//! What is left to do when a container has ended: give back what it had, delete it if asked.

use std::path::Path;

use rustix::io::Errno;
use sys::Dir;

use crate::job::{Removal, Teardown};

/// Gives back leases and deletes what the job lists, in order. Things that are gone already are fine; the
/// first other failure is returned after all has been tried.
pub(crate) fn run(teardown: &Teardown) -> sys::Result<()> {
    let mut first = Ok(());
    for lease in &teardown.leases {
        keep_first(&mut first, remove_file(lease));
    }
    for removal in &teardown.removals {
        let outcome = match removal {
            Removal::Tree(path) => remove_tree(path),
            Removal::File(path) => remove_file(path),
        };
        keep_first(&mut first, outcome);
    }
    first
}

fn keep_first(first: &mut sys::Result<()>, outcome: sys::Result<()>) {
    if first.is_ok() {
        *first = outcome;
    }
}

fn remove_file(path: &Path) -> sys::Result<()> {
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(sys::Error::new(format!("cannot remove `{}`", path.display()), error)),
    }
}

fn remove_tree(path: &Path) -> sys::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    match Dir::open(parent)?.remove_tree(Path::new(name)) {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}
