//! Tests of extraction: what a layer makes, and what hostile layers must not.

#![allow(clippy::disallowed_methods, reason = "results are looked at by plain paths")]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use oci::class::Class;
use sys::Dir;

use super::{Applied, apply};
use crate::fixture::{Archive, Header};
use crate::sha256;

/// A layer directory and, beside it, a canary that must never change.
struct Scene {
    _temp: tempfile::TempDir,
    root: PathBuf,
    canary: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (root, canary) = (temp.path().join("fs"), temp.path().join("canary"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&canary).unwrap();
        fs::write(canary.join("secret"), "secret").unwrap();
        Self { _temp: temp, root, canary }
    }

    fn apply(&self, bytes: &[u8]) -> crate::Result<Applied> {
        let result = apply(bytes, &Dir::open(&self.root).unwrap());
        self.assert_canary();
        result
    }

    fn fault(&self, archive: Archive) -> String {
        let error = self.apply(&archive.finish()).unwrap_err();
        match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        }
    }

    fn assert_canary(&self) {
        let names: Vec<_> = fs::read_dir(&self.canary).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"], "something was made or removed outside");
        let secret = fs::metadata(self.canary.join("secret")).unwrap();
        assert_eq!((secret.len(), secret.mode() & 0o7777, secret.nlink(), secret.uid()), (6, 0o644, 1, 0));
    }

    fn stat(&self, path: &str) -> fs::Metadata {
        fs::symlink_metadata(self.root.join(path)).unwrap()
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    fn xattr(&self, path: &str, name: &str) -> Option<Vec<u8>> {
        let root = Dir::open(&self.root).unwrap();
        if path.is_empty() {
            let parent = Dir::open(self.root.parent().unwrap()).unwrap();
            return parent.getxattr("fs", OsStr::new(name)).unwrap();
        }
        root.getxattr(path, OsStr::new(name)).unwrap()
    }

    fn is_whiteout(&self, path: &str) -> bool {
        let stat = self.stat(path);
        stat.file_type().is_char_device() && stat.rdev() == 0
    }
}

const OPAQUE: &str = "trusted.overlay.opaque";
/// cap_net_raw=ep, version 2.
const CAPABILITY: &[u8] = &[1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn all_kinds_get_their_attributes() {
    let scene = Scene::new();
    let tar = Archive::new()
        .entry(&Header::new(b'5', "./").mode(0o1755).owner(3, 4), b"")
        .entry(&Header { mtime: 1000, ..Header::new(b'5', "bin").mode(0o2750).owner(1, 2) }, b"")
        .entry(
            &Header::new(b'0', "bin/su")
                .mode(0o4755)
                .owner(1000, 2000)
                .pax("mtime", "1500000000.123456789")
                .xattr("security.capability", CAPABILITY),
            b"body",
        )
        .entry(&Header::new(b'2', "bin/link").link("/etc/passwd").owner(7, 8).pax("mtime", "5.5"), b"")
        .hardlink("bin/su2", "./bin/su")
        .entry(&Header { device: (1, 3), ..Header::new(b'3', "null").mode(0o666) }, b"")
        .entry(&Header { device: (7, 300), ..Header::new(b'4', "loop").mode(0o660) }, b"")
        .entry(&Header::new(b'6', "fifo").mode(0o600), b"")
        .entry(&Header::new(b'0', "implied/parents/f").xattr("user.note", b"n\0n"), b"x")
        .finish();
    let applied = scene.apply(&tar).unwrap();
    assert_eq!((applied.uid_max, applied.gid_max, applied.entries, applied.size), (1000, 2000, 9, 5));
    assert_eq!(*applied.diff_id.digest(), sha256(&tar));
    let root = fs::metadata(&scene.root).unwrap();
    assert_eq!((root.mode() & 0o7777, root.uid(), root.gid()), (0o1755, 3, 4));
    let bin = scene.stat("bin");
    assert_eq!((bin.mode() & 0o7777, bin.uid(), bin.gid(), bin.mtime()), (0o2750, 1, 2, 1000));
    let su = scene.stat("bin/su");
    assert_eq!((su.mode() & 0o7777, su.uid(), su.gid(), su.nlink()), (0o4755, 1000, 2000, 2));
    assert_eq!((su.mtime(), su.mtime_nsec()), (1_500_000_000, 123_456_789));
    assert_eq!(scene.xattr("bin/su", "security.capability").unwrap(), CAPABILITY);
    let link = scene.stat("bin/link");
    assert_eq!((link.uid(), link.gid(), link.mtime(), link.mtime_nsec()), (7, 8, 5, 500_000_000));
    assert_eq!(fs::read_link(scene.root.join("bin/link")).unwrap(), Path::new("/etc/passwd"));
    let (null, device) = (scene.stat("null"), rustix::fs::makedev(7, 300));
    assert!(null.file_type().is_char_device() && null.mode() & 0o777 == 0o666);
    assert!(scene.stat("loop").file_type().is_block_device() && scene.stat("loop").rdev() == device);
    assert!(scene.stat("fifo").file_type().is_fifo());
    assert_eq!(scene.stat("implied/parents").mode() & 0o7777, 0o755);
    assert_eq!(scene.xattr("implied/parents/f", "user.note").unwrap(), b"n\0n");
}

#[test]
fn times_of_directories_outlive_what_is_put_into_them() {
    let scene = Scene::new();
    let dir = |path: &str| Header { mtime: 77, ..Header::new(b'5', path) };
    let tar = Archive::new().entry(&dir("."), b"").entry(&dir("a"), b"").entry(&dir("a/b"), b"");
    scene.apply(&tar.file("a/b/f", "x").file("a/g", "x").finish()).unwrap();
    assert_eq!((scene.stat("a").mtime(), scene.stat("a/b").mtime()), (77, 77));
    assert_eq!(fs::metadata(&scene.root).unwrap().mtime(), 77);
}

#[test]
fn whiteouts_hide_and_opaque_directories_hide_all() {
    let scene = Scene::new();
    let tar = Archive::new()
        .dir("etc")
        .file("etc/.wh.passwd", "")
        .file("new/.wh.deep", "")
        .dir("opaque")
        .file("opaque/kept", "x")
        .file("opaque/.wh..wh..opq", "")
        .file(".wh..wh.plnk/1.2", "")
        .file(".wh..wh.aufs", "")
        .finish();
    let applied = scene.apply(&tar).unwrap();
    assert!(scene.is_whiteout("etc/passwd") && scene.is_whiteout("new/deep"));
    assert_eq!(scene.xattr("opaque", OPAQUE).unwrap(), b"y");
    assert_eq!(scene.read("opaque/kept"), "x");
    assert!(!applied.opaque);
    assert!(!scene.root.join(".wh..wh.aufs").exists());
}

#[test]
fn whiteout_and_the_thing_itself_in_one_layer() {
    let scene = Scene::new();
    let tar = Archive::new()
        .dir("before")
        .file("before/x", "x")
        .file(".wh.before", "")
        .file(".wh.after", "")
        .file("after/deep/x", "x")
        .file(".wh.dir", "")
        .dir("dir")
        .file("file", "x")
        .file(".wh.file", "")
        .file(".wh.late", "")
        .file("late", "y")
        .finish();
    scene.apply(&tar).unwrap();
    for path in ["before", "after", "dir"] {
        assert!(scene.stat(path).is_dir(), "{path}");
        assert_eq!(scene.xattr(path, OPAQUE).as_deref(), Some(&b"y"[..]), "{path} hides the directory below");
    }
    assert_eq!(
        (scene.read("file"), scene.read("late"), scene.read("before/x")),
        ("x".into(), "y".into(), "x".into())
    );
}

#[test]
fn opaque_root_cuts_the_stack() {
    let scene = Scene::new();
    let tar = Archive::new().file("a", "x").file(".wh..wh..opq", "").finish();
    assert!(scene.apply(&tar).unwrap().opaque);
    assert_eq!(scene.xattr("", OPAQUE).unwrap(), b"y");
}

#[test]
fn later_entries_replace_earlier_ones_of_any_kind() {
    let scene = Scene::new();
    let kinds = |path: &str| {
        [
            Header::new(b'0', path),
            Header::new(b'5', path),
            Header::new(b'2', path).link("elsewhere"),
            Header::new(b'6', path),
            Header::new(b'1', path).link("target"),
            Header { device: (1, 3), ..Header::new(b'3', path) },
        ]
    };
    let mut tar = Archive::new().file("target", "t");
    for (a, first) in kinds("x").iter().enumerate() {
        for (b, _) in kinds("x").iter().enumerate() {
            let path = format!("{a}{b}");
            tar = tar.entry(&Header { path: path.clone().into_bytes(), ..first.clone() }, b"");
            if first.kind == b'5' {
                tar = tar.file(&format!("{path}/inside"), "x");
            }
            tar = tar.entry(&kinds(&path)[b], b"");
        }
    }
    scene.apply(&tar.finish()).unwrap();
    for a in 0..6 {
        let stat = |b: usize| scene.stat(&format!("{a}{b}"));
        assert!(
            stat(0).is_file() && stat(1).is_dir() && stat(2).is_symlink() && stat(3).file_type().is_fifo()
        );
        assert!(stat(4).ino() == scene.stat("target").ino() && stat(5).file_type().is_char_device());
    }
    assert!(scene.root.join("11/inside").exists(), "a directory over a directory keeps what is in it");
}

#[test]
fn cve_2014_6407_symlinks_lead_nowhere_outside() {
    for target in ["CANARY", "/", "..", "../canary", "../../../../../../../../CANARY"] {
        let scene = Scene::new();
        let target = target.replace("CANARY", scene.canary.to_str().unwrap());
        let tar = Archive::new()
            .symlink("a", &target)
            .file("a/made", "x")
            .dir("a/made-dir")
            .entry(&Header { device: (1, 3), ..Header::new(b'3', "a/made-node") }, b"")
            .symlink("a/made-link", "x")
            .file("a/.wh.secret", "")
            .file("a/.wh..wh..opq", "")
            .hardlink("a/hard", "a/made");
        scene.apply(&tar.finish()).unwrap();
    }
}

#[test]
fn cve_2014_6407_hard_links_lead_nowhere_outside() {
    let scene = Scene::new();
    let secret = scene.canary.join("secret").display().to_string();
    for target in [&*secret, "a/secret"] {
        let fault =
            scene.fault(Archive::new().symlink("a", scene.canary.to_str().unwrap()).hardlink("h", target));
        assert_eq!(fault, "layer entry `h`: hard link to a file that is not in this layer");
    }
    for target in ["../canary/secret", "a/../../canary/secret"] {
        assert_eq!(scene.fault(Archive::new().hardlink("h", target)), "layer entry `h`: the name holds `..`");
    }
    let fault = scene.fault(Archive::new().dir("d").hardlink("h", "d"));
    assert_eq!(fault, "layer entry `h`: a hard link cannot lead to a directory");
    // A hard link to a symlink is one to the link, so that writing through it is replacing it.
    let tar = Archive::new().symlink("s", &secret).hardlink("h", "s").file("h", "mine").hardlink("s", "s");
    scene.apply(&tar.finish()).unwrap();
    assert_eq!(scene.read("h"), "mine");
    assert!(scene.stat("s").is_symlink());
}

#[test]
fn cve_2021_32760_mode_of_a_link_is_not_that_of_its_target() {
    let scene = Scene::new();
    let secret = scene.canary.join("secret").display().to_string();
    let tar = Archive::new()
        .entry(&Header::new(b'2', "a").link(&secret).mode(0o777).owner(5, 5), b"")
        .entry(&Header::new(b'1', "b").link("a").mode(0o4777).owner(6, 6), b"")
        .entry(&Header::new(b'2', "c").link(&secret).xattr("trusted.x", b"y"), b"");
    scene.apply(&tar.finish()).unwrap();
    assert_eq!(scene.xattr("c", "trusted.x").unwrap(), b"y");
}

#[test]
fn cve_2014_9356_names_that_climb_are_refused() {
    for path in ["../x", "a/../../x", "/../x", "..", "a/..", "./../x"] {
        let scene = Scene::new();
        for kind in [b'0', b'5', b'2', b'6'] {
            let fault = scene.fault(Archive::new().entry(&Header::new(kind, path).link("t"), b""));
            assert_eq!(fault, format!("layer entry `{path}`: the name holds `..`"));
        }
        assert!(scene.fault(Archive::new().file(&format!("{path}/.wh.x"), "")).contains("`..`"));
    }
    let scene = Scene::new();
    // An absolute name is one below the root, as everywhere.
    scene.apply(&Archive::new().file("/etc/x", "x").finish()).unwrap();
    assert_eq!(scene.read("etc/x"), "x");
    for name in [".wh.", "a/.wh..", "a/.wh..."] {
        assert!(
            scene.fault(Archive::new().file(name, "")).ends_with("a whiteout must name something"),
            "{name}"
        );
    }
    assert!(scene.fault(Archive::new().symlink(".", "/")).contains("must be a directory"));
    let long = Header::new(b'0', "x").pax("path", "n".repeat(256));
    assert!(scene.fault(Archive::new().entry(&long, b"")).contains("cannot extract layer entry `nnn"));
}

#[test]
fn overlay_attributes_and_labels_are_not_taken_from_layers() {
    let scene = Scene::new();
    let header = Header::new(b'5', "d")
        .xattr("trusted.overlay.opaque", b"y")
        .xattr("trusted.overlay.redirect", b"/etc")
        .xattr("user.overlay.opaque", b"y")
        .xattr("security.selinux", b"system_u:object_r:x:s0")
        .xattr("security.ima", b"x")
        .xattr("user.kept", b"1");
    scene.apply(&Archive::new().entry(&header, b"").finish()).unwrap();
    let names = Dir::open(&scene.root).unwrap().listxattr("d").unwrap();
    assert_eq!(names, [b"user.kept".to_vec()]);
}

#[test]
fn cve_2017_14992_sparse_bombs_cost_nothing() {
    let scene = Scene::new();
    let header = Header::new(b'0', "x")
        .pax("GNU.sparse.size", (100_u64 << 30).to_string())
        .pax("GNU.sparse.map", format!("{},3", (100_u64 << 30) - 3))
        .pax("GNU.sparse.name", "big");
    scene.apply(&Archive::new().entry(&header, b"end").finish()).unwrap();
    let stat = scene.stat("big");
    assert!(stat.len() == 100 << 30 && stat.blocks() < 64);
}

#[test]
fn compressed_layers_have_the_diff_id_of_the_plain_one() {
    let plain = Archive::new().file("f", vec![b'x'; 700_000]).dir("d").finish();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let (first, second) = plain.split_at(300_000);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"meta", &zstd(&plain)].concat();
    for bytes in [
        plain.clone(),
        gzip(&plain),
        [gzip(first), gzip(second)].concat(),
        zstd(&plain),
        [zstd(first), zstd(second)].concat(),
        skippable,
    ] {
        let scene = Scene::new();
        assert_eq!(*scene.apply(&bytes).unwrap().diff_id.digest(), sha256(&plain));
        assert_eq!(scene.read("f").len(), 700_000);
    }
    for broken in [&gzip(&plain)[..1000], &zstd(&plain)[..20], &[gzip(&plain), b"rubbish".to_vec()].concat()]
    {
        assert!(Scene::new().apply(broken).is_err());
    }
}

/// CVE-2014-9357, CVE-2026-41567: a helper found in the container was run to decompress.
#[test]
fn cve_2014_9357_other_compressions_are_refused_and_nothing_is_run() {
    let scene = Scene::new();
    for (bytes, name) in
        [(&b"\xfd7zXZ\0rest"[..], "xz"), (b"BZh91AY", "bzip2"), (b"\x5d\0\0\x80\0\0", "lzma")]
    {
        let error = scene.apply(bytes).unwrap_err();
        assert_eq!(error.to_string(), format!("{name} compression is not supported: use gzip, zstd or none"));
        assert_eq!(error.class(), Class::Unsupported);
    }
}

#[test]
fn what_follows_the_archive_counts_in_the_diff_id() {
    let plain = [Archive::new().file("f", "x").finish(), vec![0; 1 << 20], b"tail".to_vec()].concat();
    let applied = Scene::new().apply(&plain).unwrap();
    assert_eq!(*applied.diff_id.digest(), sha256(&plain));
}

#[test]
fn device_nodes_without_the_capability_are_a_clear_error() {
    let scene = Scene::new();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
            let mut caps = capabilities(None).unwrap();
            caps.effective -= CapabilitySet::MKNOD;
            set_capabilities(None, caps).unwrap();
            let device = Header { device: (1, 3), ..Header::new(b'3', "dev/null") };
            let error = scene.apply(&Archive::new().entry(&device, b"").finish()).unwrap_err();
            assert_eq!(error.class(), Class::Denied);
            assert!(error.to_string().contains("`dev/null`") && error.to_string().contains("CAP_MKNOD"));
        });
    });
}

/// CVE-2025-47290 was a race that came with a faster unpack: the cache of parents must not go stale.
#[test]
fn cve_2025_47290_replaced_parents_are_looked_up_again() {
    let scene = Scene::new();
    let tar = Archive::new()
        .dir("a/b")
        .file("a/b/one", "1")
        .symlink("a/b", "/c")
        .file("a/b/two", "2")
        .dir("c2")
        .symlink("a/b", "../c2")
        .file("a/b/three", "3");
    scene.apply(&tar.finish()).unwrap();
    assert_eq!((scene.read("c/two"), scene.read("c2/three")), ("2".into(), "3".into()));
    let tar = Archive::new()
        .dir("p")
        .file("p/x", "1")
        .symlink("p", scene.canary.to_str().unwrap())
        .file("p/secret", "2");
    let scene = Scene::new();
    scene.apply(&tar.finish()).unwrap();
    symlink("x", scene.root.join("unused")).unwrap();
}
