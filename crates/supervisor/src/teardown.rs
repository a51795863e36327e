//! What is left to do when a container has ended: give back what it had, delete it if asked.

use std::path::Path;

use rustix::io::Errno;
use sys::Dir;
use volume::Volumes;

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
            Removal::Volume { root, name, container } => remove_volume(root, name, container),
        };
        keep_first(&mut first, outcome);
    }
    first
}

fn remove_volume(root: &Path, name: &str, container: &str) -> sys::Result<()> {
    let removed = Volumes::open(root)
        .and_then(|volumes| volumes.remove_with(name, &root.join("containers"), container));
    removed.map_err(|error| {
        let what = format!("cannot remove volume `{name}`");
        sys::Error::new(what, std::io::Error::other(error.to_string()))
    })
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
    match Dir::open(parent).and_then(|parent| parent.remove_tree(Path::new(name))) {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may make files")]

    use std::fs;

    use super::*;

    #[test]
    fn what_is_gone_is_fine_and_a_failure_does_not_stop_the_rest() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path("tree/below")).unwrap();
        fs::create_dir_all(path("kept")).unwrap();
        for name in ["lease", "file", "tree/below/file", "kept/file"] {
            fs::write(path(name), "").unwrap();
        }
        std::os::unix::fs::symlink(path("kept"), path("tree/link")).unwrap();
        let teardown = Teardown {
            last_run: None,
            leases: vec![path("gone"), path("kept"), path("lease")],
            removals: vec![
                Removal::Tree(path("gone")),
                Removal::Tree(path("gone/tree")),
                Removal::File(path("gone/file")),
                Removal::File(path("file")),
                Removal::Tree(path("tree")),
            ],
        };
        // A directory is no lease: that is told, and all else is done.
        let error = run(&teardown).unwrap_err();
        assert_eq!(error.what(), format!("cannot remove `{}`", path("kept").display()));
        let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
        assert!(path("kept/file").exists());
        let again = Teardown { leases: vec![path("lease")], ..teardown };
        run(&again).unwrap();
    }
}
