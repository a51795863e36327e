//! Tests of packing: the same tree gives the same bytes, and what is unpacked again is the tree.

#![allow(clippy::disallowed_methods, reason = "trees are made by plain paths")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

use proptest::prelude::*;
use rustix::fs::{FileType, makedev};
use sys::Dir;

use super::{Packing, apply, apply_tree, write_packed, write_tree};

fn dir(path: &Path) -> Dir {
    fs::create_dir_all(path).unwrap();
    Dir::open(path).unwrap()
}

fn packed(tree: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let digest = write_packed(&Dir::open(tree).unwrap(), &Packing::layer(), &mut bytes).unwrap();
    assert_eq!(*digest.digest(), crate::sha256(&bytes));
    bytes
}

/// A tree with one of everything.
fn everything(path: &Path) {
    let root = dir(path);
    let long = "name-".repeat(40);
    fs::create_dir_all(path.join("etc/deep")).unwrap();
    fs::write(path.join("etc/deep/file"), vec![7; 300_001]).unwrap();
    fs::write(path.join(format!("etc/{long}")), "long").unwrap();
    symlink(format!("../{long}"), path.join("etc/long-link")).unwrap();
    symlink("/nowhere", path.join("dangling")).unwrap();
    root.hardlink("etc/deep/file", "zzz").unwrap();
    root.hardlink("dangling", "etc/second").unwrap();
    root.mknod("fifo", FileType::Fifo, 0o640, 0).unwrap();
    root.mknod("disk", FileType::BlockDevice, 0o660, makedev(259, 1_000_000)).unwrap();
    root.mknod("socket", FileType::Socket, 0o700, 0).unwrap();
    root.mknod("etc/gone", FileType::CharacterDevice, 0, 0).unwrap();
    let sparse = File::create(path.join("sparse")).unwrap();
    sparse.set_len((1 << 24) + 5).unwrap();
    sparse.write_all_at(b"data", 1 << 23).unwrap();
    root.chown("etc/deep/file", 3_000_000, 4_000_000_000).unwrap();
    root.chmod("etc/deep/file", 0o6755).unwrap();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    root.setxattr("etc/deep/file", OsStr::new("security.capability"), &capability).unwrap();
    root.setxattr("etc", OsStr::new("user.note"), b"a\0\n=b").unwrap();
    root.setxattr("etc", OsStr::new("trusted.overlay.opaque"), b"y").unwrap();
    root.setxattr("etc", OsStr::new("trusted.overlay.origin"), b"mine").unwrap();
    root.chmod_self(0o1751).unwrap();
}

#[test]
fn a_copy_packs_to_the_same_bytes() {
    let temp = tempfile::tempdir().unwrap();
    let (a, b, c) = (temp.path().join("a"), temp.path().join("b"), temp.path().join("c"));
    everything(&a);
    let (applied, size, left_out) = apply_tree(&Dir::open(&a).unwrap(), &Packing::layer(), &dir(&b)).unwrap();
    let bytes = packed(&a);
    assert_eq!((size, left_out), (bytes.len() as u64, vec![]));
    assert_eq!(*applied.diff_id.digest(), crate::sha256(&bytes));
    assert_eq!((applied.uid_max, applied.gid_max), (3_000_000, 4_000_000_000));
    assert!(bytes == packed(&b), "the copy packs to something else");
    // And so does what the archive is extracted to, which has no zeros where there was a hole.
    assert_eq!(apply(&*bytes, &dir(&c)).unwrap().diff_id, applied.diff_id);
    assert!(bytes == packed(&c), "what was extracted packs to something else");
    assert!(fs::metadata(c.join("sparse")).unwrap().blocks() * 512 < 1 << 20, "a hole was filled");
    assert!(c.join("socket").symlink_metadata().is_err());
}

#[test]
fn zeros_are_holes_whether_the_disk_has_them_or_not() {
    let temp = tempfile::tempdir().unwrap();
    let (a, b) = (temp.path().join("a"), temp.path().join("b"));
    let (_, _) = (dir(&a), dir(&b));
    let mut content = vec![0; 1 << 20];
    content[700_000] = 1;
    fs::write(a.join("f"), &content).unwrap();
    let sparse = File::create(b.join("f")).unwrap();
    sparse.set_len(1 << 20).unwrap();
    sparse.write_all_at(&[1], 700_000).unwrap();
    for path in [&a, &b] {
        let early = File::open(path.join("f")).unwrap();
        early.set_modified(std::time::UNIX_EPOCH).unwrap();
        File::open(path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let bytes = packed(&a);
    assert!(bytes == packed(&b));
    assert!(bytes.len() < 100_000, "zeros are in the archive: {}", bytes.len());
}

#[test]
fn names_of_whiteouts_are_left_out_of_layers_and_kept_in_file_systems() {
    let temp = tempfile::tempdir().unwrap();
    let tree = temp.path().join("tree");
    let root = dir(&tree);
    fs::write(tree.join(".wh.etc"), "odd").unwrap();
    root.mknod("zero", FileType::CharacterDevice, 0o600, 0).unwrap();
    let (applied, _, left_out) =
        apply_tree(&root, &Packing::layer(), &dir(&temp.path().join("copy"))).unwrap();
    assert_eq!((applied.entries, left_out), (2, vec![".wh.etc".into()]));
    let mut bytes = Vec::new();
    write_tree(&root, &mut bytes).unwrap();
    let names = gnu_tar(&bytes, &["-t"]);
    assert_eq!(names, ".wh.etc\nzero\n");
}

#[test]
fn times_are_cut_at_an_epoch() {
    let temp = tempfile::tempdir().unwrap();
    let (tree, copy) = (temp.path().join("tree"), temp.path().join("copy"));
    everything(&tree);
    let packing = Packing { latest: Some(1_000_000_000), ..Packing::layer() };
    apply_tree(&Dir::open(&tree).unwrap(), &packing, &dir(&copy)).unwrap();
    for path in ["etc/deep/file", "etc", "dangling", "fifo"] {
        assert_eq!(copy.join(path).symlink_metadata().unwrap().mtime(), 1_000_000_000, "{path}");
    }
}

/// What GNU tar makes of an archive.
fn gnu_tar(bytes: &[u8], flags: &[&str]) -> String {
    let temp = tempfile::NamedTempFile::new().unwrap();
    fs::write(temp.path(), bytes).unwrap();
    let output = std::process::Command::new("tar").arg("-f").arg(temp.path()).args(flags).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn gnu_tar_reads_what_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let (tree, out) = (temp.path().join("tree"), temp.path().join("out"));
    everything(&tree);
    dir(&out);
    let mut bytes = Vec::new();
    write_tree(&Dir::open(&tree).unwrap(), &mut bytes).unwrap();
    gnu_tar(
        &bytes,
        &["-x", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-p", "-C", out.to_str().unwrap()],
    );
    let look = |root: &Path, path: &str| {
        let meta = root.join(path).symlink_metadata().unwrap();
        let size = if meta.is_dir() { 0 } else { meta.size() };
        (meta.mode(), meta.uid(), meta.gid(), meta.rdev(), size, meta.mtime(), meta.nlink())
    };
    for path in [
        "etc",
        "etc/deep",
        "etc/deep/file",
        "zzz",
        "dangling",
        "etc/second",
        "fifo",
        "disk",
        "sparse",
        "etc/gone",
    ] {
        assert_eq!(look(&tree, path), look(&out, path), "{path}");
    }
    let long = "name-".repeat(40);
    assert_eq!(fs::read(out.join("etc").join(&long)).unwrap(), b"long");
    assert_eq!(fs::read_link(out.join("etc/long-link")).unwrap(), Path::new(&format!("../{long}")));
    assert!(fs::read(tree.join("sparse")).unwrap() == fs::read(out.join("sparse")).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Files of any size and content, with runs of zeros of any length.
    #[test]
    fn files_of_any_content_come_back(pieces in prop::collection::vec((any::<u8>(), 0..200_000_usize), 0..6)) {
        let temp = tempfile::tempdir().unwrap();
        let (a, b) = (temp.path().join("a"), temp.path().join("b"));
        dir(&a);
        // One of three is zeros.
        let content: Vec<u8> = pieces.iter().flat_map(|(byte, len)| vec![if byte % 3 == 0 { 0 } else { *byte }; *len]).collect();
        fs::write(a.join("f"), &content).unwrap();
        let bytes = packed(&a);
        apply(&*bytes, &dir(&b)).unwrap();
        prop_assert!(fs::read(b.join("f")).unwrap() == content);
        prop_assert!(packed(&b) == bytes);
    }
}
