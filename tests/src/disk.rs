//! A disk of its own below an engine, whose power can be cut: what a file system had not written is lost.
//!
//! The disk is a file behind a loop device. What the kernel still holds for it is not in the file: a copy of the file is
//! what a machine finds that lost its power at that moment.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::{Engine, Invocation};

/// Enough for the images of a test, and little to copy.
const BYTES: u64 = 48 << 20;
/// Long past any test: nothing is written but what somebody asks to be.
const OPTIONS: &str = "loop,commit=3000,noatime";

/// What the file system has managed to write when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Only what was asked for.
    Early,
    /// All names, as after a commit of the journal, and of files what was asked for: those that were not synced are empty.
    Late,
}

/// An ext4 where an engine has its root. Declare it after the engine: it has to go first.
#[derive(Debug)]
pub struct Disk {
    place: PathBuf,
    file: PathBuf,
    /// Files of before.
    worn: usize,
    mounted: bool,
}

impl Disk {
    /// Makes a disk and mounts it where the engine's root will be.
    #[track_caller]
    pub fn below(engine: &Engine) -> Self {
        let (place, file) = (engine.root(), engine.base().join("disk"));
        fs::create_dir(&place).unwrap();
        File::create(&file).unwrap().set_len(BYTES).unwrap();
        let words = ["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", file.to_str().unwrap()];
        Invocation::new("mkfs.ext4", &words).run().ok();
        let mut disk = Self { place, file, worn: 0, mounted: false };
        disk.mount();
        disk
    }

    /// Copies what is on the disk, after all of it was written.
    #[track_caller]
    pub fn save(&self, copy: &Path) {
        Invocation::new("sync", &["--file-system", self.place.to_str().unwrap()]).run().ok();
        copy_sparse(&self.file, copy);
    }

    /// Copies what a machine would find whose power went now.
    #[track_caller]
    pub fn cut(&self, cut: Cut, copy: &Path) {
        if cut == Cut::Late {
            // To sync one file commits the names of all.
            let unrelated = File::create(self.place.join("unrelated")).unwrap();
            unrelated.sync_all().unwrap();
            fs::remove_file(self.place.join("unrelated")).unwrap();
        }
        copy_sparse(&self.file, copy);
    }

    /// Goes on with what was copied, in a file of its own: a namespace that another test is just making may have the old
    /// one mounted for a moment longer, and would write to it.
    #[track_caller]
    pub fn restore(&mut self, copy: &Path) {
        self.unmount();
        fs::remove_file(&self.file).unwrap();
        self.worn += 1;
        self.file.set_extension(self.worn.to_string());
        copy_sparse(copy, &self.file);
        self.mount();
    }

    #[track_caller]
    fn mount(&mut self) {
        let words = ["-t", "ext4", "-o", OPTIONS, self.file.to_str().unwrap(), self.place.to_str().unwrap()];
        Invocation::new("mount", &words).run().ok();
        self.mounted = true;
    }

    #[track_caller]
    fn unmount(&mut self) {
        if std::mem::take(&mut self.mounted) {
            Invocation::new("umount", &[self.place.to_str().unwrap()]).run().ok();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.place).status();
        }
    }
}

#[track_caller]
fn copy_sparse(from: &Path, to: &Path) {
    let words = ["--sparse=always", from.to_str().unwrap(), to.to_str().unwrap()];
    Invocation::new("cp", &words).run().ok();
}
