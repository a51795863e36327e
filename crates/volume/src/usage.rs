//! How much a volume holds.

use std::collections::HashSet;
use std::path::PathBuf;

use rustix::fs::FileType;
use sys::Dir;

/// Adds up the sizes of all regular files; hard links count once. What vanishes meanwhile is not counted.
pub(crate) fn size_of(data: &Dir) -> sys::Result<u64> {
    let mut size = 0;
    let mut linked = HashSet::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(path) = pending.pop() {
        let Some(dir) = unless_gone(data.open_dir(&path))? else { continue };
        for entry in unless_gone(dir.list(""))?.unwrap_or_default() {
            let Some(stat) = unless_gone(dir.lstat(&entry.name))? else { continue };
            match entry.kind {
                FileType::Directory => pending.push(path.join(&entry.name)),
                FileType::RegularFile if stat.st_nlink < 2 || linked.insert(stat.st_ino) => {
                    size += u64::try_from(stat.st_size).unwrap_or_default();
                }
                _ => {}
            }
        }
    }
    Ok(size)
}

fn unless_gone<T>(outcome: sys::Result<T>) -> sys::Result<Option<T>> {
    use rustix::io::Errno;
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => Ok(None),
        Err(error) => Err(error),
    }
}
