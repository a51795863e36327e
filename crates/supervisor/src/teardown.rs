//! What is left to do when a container has ended: give back what it had, delete it if asked.

use std::path::Path;

use sys::Dir;
use volume::Volumes;

use crate::job::{Removal, Teardown};

/// Gives back a container's leases and deletes what the job lists, in order. Things that are gone already, or somebody
/// else's by now, are fine; the first other failure is returned after all has been tried.
pub(crate) fn run(teardown: &Teardown, container: &str) -> sys::Result<()> {
    let mut first = Ok(());
    for lease in &teardown.leases {
        keep_first(&mut first, release(lease, container));
    }
    for removal in &teardown.removals {
        let outcome = match removal {
            Removal::Tree(path) => remove_tree(path),
            Removal::Name { directory, name, container, renamed } => {
                release_names(directory, name, container, renamed)
            }
            Removal::Claim { directory, name, container } => release(&directory.join(name), container),
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

fn release_names(directory: &Path, name: &str, container: &str, renamed: &Path) -> sys::Result<()> {
    let names = Dir::open(directory)?;
    let later = sys::fs::read_to_string(renamed).ok();
    let mut first = Ok(());
    for name in [Some(name), later.as_deref()].into_iter().flatten() {
        let released = store::release(&names, name, container, store::Durability::Volatile);
        let what = || format!("cannot release the name `{name}`");
        let failed = |error: store::Error| sys::Error::new(what(), std::io::Error::other(error.to_string()));
        keep_first(&mut first, released.map(drop).map_err(failed));
    }
    first
}

fn keep_first(first: &mut sys::Result<()>, outcome: sys::Result<()>) {
    if first.is_ok() {
        *first = outcome;
    }
}

fn release(lease: &Path, container: &str) -> sys::Result<()> {
    let (Some(parent), Some(name)) = (lease.parent(), lease.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(());
    };
    let released = store::release(Dir::open(parent)?, name, container, store::Durability::Volatile);
    released.map(drop).map_err(|error| {
        sys::Error::new(
            format!("cannot release `{}`", lease.display()),
            std::io::Error::other(error.to_string()),
        )
    })
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
        for name in ["file", "tree/below/file", "kept/file"] {
            fs::write(path(name), "").unwrap();
        }
        for (name, owner) in [("lease", "me"), ("another", "you")] {
            std::os::unix::fs::symlink(owner, path(name)).unwrap();
        }
        std::os::unix::fs::symlink(path("kept"), path("tree/link")).unwrap();
        fs::create_dir(path("names")).unwrap();
        for (name, owner) in [("mine", "me"), ("later", "me"), ("others", "you")] {
            std::os::unix::fs::symlink(owner, path("names").join(name)).unwrap();
        }
        let name = |name: &str| Removal::Name {
            directory: path("names"),
            name: name.into(),
            container: "me".into(),
            renamed: path("file"),
        };
        fs::write(path("file"), "later").unwrap();
        let teardown = Teardown {
            last_run: None,
            leases: vec![path("gone"), path("kept"), path("lease"), path("another")],
            removals: vec![
                Removal::Tree(path("gone")),
                name("gone"),
                name("others"),
                Removal::Tree(path("gone/tree")),
                name("mine"),
                Removal::Tree(path("tree")),
            ],
        };
        // A directory is no lease: that is told, and all else is done.
        let error = run(&teardown, "me").unwrap_err();
        assert_eq!(error.what(), format!("cannot release `{}`", path("kept").display()));
        let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 4, "{left:?}");
        let names: Vec<_> = fs::read_dir(path("names")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["others"]);
        assert!(path("kept/file").exists());
        let again = Teardown { leases: vec![path("lease")], ..teardown };
        run(&again, "me").unwrap();
    }
}
