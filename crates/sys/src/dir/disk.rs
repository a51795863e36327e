//! How much of the disk a tree takes.

use std::collections::HashSet;
use std::path::PathBuf;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::Dir;
use crate::Result;

impl Dir {
    /// Returns the bytes that this directory with all in it has on disk, as du(1) counts: blocks and not lengths,
    /// directories too, a file with several names once. What vanishes meanwhile is not counted.
    pub fn disk_usage(&self) -> Result<u64> {
        let root = self.try_clone()?.strict();
        let mut bytes = blocks(&root.stat_self()?);
        let mut linked = HashSet::new();
        let mut pending = vec![PathBuf::new()];
        while let Some(path) = pending.pop() {
            let Some(dir) = unless_gone(root.open_dir(&path))? else { continue };
            for entry in unless_gone(dir.list(""))?.unwrap_or_default() {
                let Some(stat) = unless_gone(dir.lstat(&entry.name))? else { continue };
                if FileType::from_raw_mode(stat.st_mode).is_dir() {
                    pending.push(path.join(&entry.name));
                } else if stat.st_nlink > 1 && !linked.insert((stat.st_dev, stat.st_ino)) {
                    continue;
                }
                bytes += blocks(&stat);
            }
        }
        Ok(bytes)
    }
}

fn blocks(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or_default() * 512
}

fn unless_gone<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[test]
#[allow(clippy::disallowed_methods, reason = "tests may make files and run programs")]
fn it_is_what_du_says() {
    let temp = tempfile::tempdir().unwrap();
    let root = Dir::open(temp.path()).unwrap();
    root.mkdir_all("a/b", 0o755).unwrap();
    std::fs::write(temp.path().join("a/b/file"), vec![1; 100_000]).unwrap();
    root.hardlink("a/b/file", "second").unwrap();
    std::fs::File::create(temp.path().join("hole")).unwrap().set_len(1 << 30).unwrap();
    std::os::unix::fs::symlink("x".repeat(200), temp.path().join("link")).unwrap();
    let du = std::process::Command::new("du").args(["-s", "-B1"]).arg(temp.path()).output().unwrap();
    let text = String::from_utf8(du.stdout).unwrap();
    assert_eq!(text.split('\t').next().unwrap(), root.disk_usage().unwrap().to_string());
}
