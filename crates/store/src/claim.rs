//! Claims: a name (of a container, an address, an id range, a port) that one owner holds.
//!
//! A claim is a symlink whose text is the owner: symlink(2) creates name and content in one step and
//! fails if the name exists, so a claim is never seen half made and needs no temporary file. Nothing
//! follows the link.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Dir, FileType, readlinkat, symlinkat, unlinkat};
use rustix::io::Errno;
use sys::Context;
use sys::failpoint::step;

use crate::write::{check_name, open_readable};
use crate::{Durability, Error, Result, sync_dir};

/// A name and who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The claimed name.
    pub name: String,
    /// The holder, as it was given.
    pub owner: String,
}

/// Claims a name; [`Error::Taken`] tells the holder. Claiming what one holds already succeeds.
pub fn claim(dir: impl AsFd, name: &str, owner: &str, durability: Durability) -> Result<()> {
    check_name(name)?;
    let dir = dir.as_fd();
    loop {
        step();
        match symlinkat(owner, dir, name) {
            Ok(()) => break,
            Err(Errno::EXIST) => match self::owner(dir, name)? {
                Some(holder) if holder == owner => break,
                Some(owner) => return Err(Error::Taken { name: name.to_owned(), owner }),
                // Released between the two calls.
                None => {}
            },
            Err(errno) => return Err(sys::Error::new(format!("cannot claim `{name}`"), errno).into()),
        }
    }
    if durability == Durability::Synced { sync_dir(dir) } else { Ok(()) }
}

/// Gives a name up; returns whether `owner` held it. A claim of somebody else is left alone.
pub fn release(dir: impl AsFd, name: &str, owner: &str, durability: Durability) -> Result<bool> {
    check_name(name)?;
    let dir = dir.as_fd();
    if self::owner(dir, name)?.as_deref() != Some(owner) {
        return Ok(false);
    }
    step();
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(sys::Error::new(format!("cannot release `{name}`"), errno).into()),
    }
    if durability == Durability::Synced {
        sync_dir(dir)?;
    }
    Ok(true)
}

/// Returns who holds a name.
pub fn owner(dir: impl AsFd, name: &str) -> Result<Option<String>> {
    check_name(name)?;
    match readlinkat(dir, name, Vec::new()) {
        Ok(owner) => Ok(Some(owner.to_string_lossy().into_owned())),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(sys::Error::new(format!("cannot read claim `{name}`"), errno).into()),
    }
}

/// Lists all claims of a directory, so that those of dead owners can be found.
pub fn claims(dir: impl AsFd) -> Result<Vec<Claim>> {
    let dir = dir.as_fd();
    let entries = open_readable(dir)
        .and_then(Dir::new)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .context(|| "cannot list claims".to_owned())?;
    let mut claims = Vec::new();
    for entry in entries {
        if !matches!(entry.file_type(), FileType::Symlink | FileType::Unknown) {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(owner) = owner(dir, &name)? {
            claims.push(Claim { name, owner });
        }
    }
    claims.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{Claim, claim, claims, owner, release};
    use crate::{Durability, Error};

    #[test]
    fn one_name_has_one_owner() {
        let temp = tempfile::tempdir().unwrap();
        let dir = sys::Dir::open(temp.path()).unwrap();
        claim(&dir, "web", "id-1", Durability::Synced).unwrap();
        claim(&dir, "web", "id-1", Durability::Volatile).unwrap();
        let taken = claim(&dir, "web", "id-2", Durability::Volatile).unwrap_err();
        assert!(matches!(&taken, Error::Taken { owner, .. } if owner == "id-1"), "{taken}");
        assert!(!release(&dir, "web", "id-2", Durability::Volatile).unwrap());
        assert_eq!(owner(&dir, "web").unwrap().as_deref(), Some("id-1"));
        assert_eq!(claims(&dir).unwrap(), [Claim { name: "web".into(), owner: "id-1".into() }]);
        assert!(release(&dir, "web", "id-1", Durability::Synced).unwrap());
        assert_eq!(owner(&dir, "web").unwrap(), None);
        assert!(matches!(claim(&dir, "a/b", "x", Durability::Volatile), Err(Error::Name(_))));
    }

    #[test]
    fn of_many_claimants_one_wins() {
        let temp = tempfile::tempdir().unwrap();
        let won = AtomicUsize::new(0);
        std::thread::scope(|threads| {
            for n in 0..16 {
                let (won, temp) = (&won, &temp);
                threads.spawn(move || {
                    let dir = sys::Dir::open(temp.path()).unwrap();
                    if claim(&dir, "name", &format!("owner-{n}"), Durability::Volatile).is_ok() {
                        won.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(won.load(Ordering::SeqCst), 1);
    }
}
