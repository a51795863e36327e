//! The cache: hits, damage, and places that cannot be written.

use std::path::{Path, PathBuf};

use super::{CAPS, caps, conditions, filter, rule};
use crate::{Arch, Origin, Socketcall, compile, compile_cached, default_compiled};

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = dir.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

#[test]
fn the_second_time_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let seccomp = filter("ERRNO", &["X86"], [rule("NOTIFY", "mount zeta eta", &[])]);
    let first = compile_cached(dir.path(), &seccomp).unwrap();
    let second = compile_cached(dir.path(), &seccomp).unwrap();
    assert!(matches!((first.origin, second.origin), (Origin::Compiled, Origin::Cache)));
    assert_eq!(second.program, compile(&seccomp).unwrap());
    assert_eq!(first.program, second.program);
    assert_eq!(second.program.unknown_syscalls, ["eta", "zeta"]);
    assert_eq!(entries(dir.path()).len(), 1, "no temporary file is left");
    let other = filter("ERRNO", &["X86"], [rule("NOTIFY", "umount2", &[])]);
    assert!(matches!(compile_cached(dir.path(), &other).unwrap().origin, Origin::Compiled));
    assert_eq!(entries(dir.path()).len(), 2);
}

#[test]
fn the_default_profile_is_kept_by_its_conditions() {
    let dir = tempfile::tempdir().unwrap();
    let origin = |granted: &[&str], socketcall| {
        let caps = caps(granted);
        default_compiled(dir.path(), &conditions(Arch::X86_64, &caps), socketcall).unwrap().origin
    };
    assert!(matches!(origin(&CAPS, Socketcall::Allow), Origin::Compiled));
    let reversed: Vec<&str> = CAPS.iter().rev().copied().collect();
    assert!(matches!(origin(&reversed, Socketcall::Allow), Origin::Cache), "the order does not count");
    assert!(matches!(origin(&CAPS[1..], Socketcall::Allow), Origin::Compiled));
    assert!(matches!(origin(&CAPS, Socketcall::Deny), Origin::Compiled));
    assert_eq!(entries(dir.path()).len(), 3);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "damages a cache entry in a temporary directory")]
fn damaged_entries_are_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let seccomp = filter("ERRNO", &[], [rule("ALLOW", "read zeta", &[])]);
    let expected = compile_cached(dir.path(), &seccomp).unwrap().program;
    let entry = entries(dir.path()).remove(0);
    let good = std::fs::read(&entry).unwrap();
    let mut damages =
        vec![Vec::new(), good[..10].to_vec(), good[..good.len() - 1].to_vec(), [&good[..], b"x"].concat()];
    damages.push(vec![0xff; 1 << 17]);
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        damages.push(bytes);
    }
    for damage in damages {
        std::fs::write(&entry, damage).unwrap();
        let again = compile_cached(dir.path(), &seccomp).unwrap();
        assert!(matches!(again.origin, Origin::Compiled));
        assert_eq!(again.program, expected);
        assert_eq!(std::fs::read(&entry).unwrap(), good);
    }
}

#[test]
fn an_entry_of_another_filter_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let allow = filter("ALLOW", &[], []);
    compile_cached(dir.path(), &allow).unwrap();
    let theirs = entries(dir.path()).remove(0);
    let deny = filter("ERRNO", &[], []);
    let expected = compile_cached(dir.path(), &deny).unwrap().program;
    let ours = entries(dir.path()).into_iter().find(|entry| *entry != theirs).unwrap();
    std::fs::copy(&theirs, &ours).unwrap();
    let again = compile_cached(dir.path(), &deny).unwrap();
    assert!(matches!(again.origin, Origin::Compiled));
    assert_eq!(again.program, expected);
}

#[test]
fn a_missing_directory_costs_time_only() {
    let dir = tempfile::tempdir().unwrap();
    let seccomp = filter("ERRNO", &[], []);
    let cached = compile_cached(&dir.path().join("missing"), &seccomp).unwrap();
    assert!(
        matches!(cached.origin, Origin::NotStored(error) if error.kind() == std::io::ErrorKind::NotFound)
    );
    assert_eq!(cached.program, compile(&seccomp).unwrap());
}
