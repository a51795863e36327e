//! Tests of the pinned directory: what a hostile tree does must stay inside.
#![allow(clippy::disallowed_methods, reason = "the scene is set up by plain paths")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, Dev, FileType, OFlags, RenameFlags, Timespec, Timestamps, renameat_with};
use rustix::io::Errno;

use super::Dir;

/// A root to work in and, beside it, a canary directory that must never change.
struct Scene {
    _temp: tempfile::TempDir,
    root: PathBuf,
    canary: PathBuf,
}

fn scene() -> (Scene, Dir) {
    let temp = tempfile::tempdir().unwrap();
    let (root, canary) = (temp.path().join("root"), temp.path().join("canary"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&canary).unwrap();
    fs::write(canary.join("secret"), "secret").unwrap();
    let dir = Dir::open(&root).unwrap();
    (Scene { _temp: temp, root, canary }, dir)
}

impl Scene {
    fn assert_canary(&self) {
        let names: Vec<_> = fs::read_dir(&self.canary).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"], "something was made or removed outside");
        assert_eq!(fs::read_to_string(self.canary.join("secret")).unwrap(), "secret");
        assert_eq!(fs::metadata(&self.canary).unwrap().mode() & 0o7777, 0o755);
    }
}

#[test]
fn symlinks_mean_what_they_mean_inside_the_root() {
    let (scene, dir) = scene();
    fs::create_dir_all(scene.root.join("usr/lib")).unwrap();
    fs::write(scene.root.join("usr/lib/x"), "inside").unwrap();
    for (name, target) in
        [("abs", "/usr/lib"), ("rel", "usr/lib"), ("up", "../../../usr/lib"), ("self", "/abs")]
    {
        symlink(target, scene.root.join(name)).unwrap();
        assert_eq!(dir.read_regular(format!("{name}/x"), 100).unwrap(), b"inside", "{name}");
    }
    symlink("/", scene.root.join("slash")).unwrap();
    assert_eq!(dir.read_regular("slash/../../usr/lib/x", 100).unwrap(), b"inside");
}

#[test]
fn nothing_outside_can_be_named() {
    let (scene, dir) = scene();
    symlink(&scene.canary, scene.root.join("escape")).unwrap();
    for path in ["escape/secret", "../canary/secret", "/../canary/secret", "escape/../canary/secret"] {
        assert_eq!(dir.read_regular(path, 100).unwrap_err().errno(), Some(Errno::NOENT), "{path}");
        assert!(dir.unlink(path).is_err(), "{path}");
        assert!(dir.chmod(path, 0o777).is_err(), "{path}");
        assert!(dir.open_path(path).is_err(), "{path}");
    }
    // The link itself may be removed, its target stays.
    dir.remove_tree("escape").unwrap();
    scene.assert_canary();
}

#[test]
fn magic_links_are_refused() {
    let proc = Dir::open("/proc").unwrap();
    for path in ["self/root/etc/passwd", "self/cwd", "self/fd/0", "self/exe"] {
        assert_eq!(proc.open_path(path).unwrap_err().errno(), Some(Errno::LOOP), "{path}");
    }
    assert!(proc.mkdir_all("self/root/tmp/sys-dir-magic", 0o755).is_err());
    assert!(!Path::new("/tmp/sys-dir-magic").exists());
}

#[test]
fn strict_follows_no_symlink() {
    let (scene, dir) = scene();
    fs::create_dir_all(scene.root.join("a/b")).unwrap();
    symlink("a", scene.root.join("link")).unwrap();
    let dir = dir.strict();
    assert!(dir.open_dir("a/b").is_ok());
    assert_eq!(dir.open_dir("link/b").unwrap_err().errno(), Some(Errno::LOOP));
    assert_eq!(dir.mkdir_all("link/c", 0o755).unwrap_err().errno(), Some(Errno::LOOP));
    assert!(dir.mkdir_all("a/../../x", 0o755).is_err());
    assert!(dir.open_dir("../canary").is_err());
}

#[test]
fn last_component_must_be_a_name() {
    let (_scene, dir) = scene();
    for path in ["", "/", ".", "..", "a/.."] {
        assert_eq!(dir.mkdir(path, 0o755).unwrap_err().errno(), Some(Errno::INVAL), "{path:?}");
        assert!(dir.remove_tree(path).is_err(), "{path:?}");
    }
    assert_eq!(dir.mkdir("a\0b", 0o755).unwrap_err().errno(), Some(Errno::INVAL));
}

#[test]
fn mkdir_all_follows_links_inside_and_creates_dangling_targets() {
    let (scene, dir) = scene();
    symlink("/run", scene.root.join("var-run")).unwrap();
    dir.mkdir_all("var-run/lock/x", 0o755).unwrap();
    assert!(scene.root.join("run/lock/x").is_dir());
    symlink("../../../../canary", scene.root.join("up")).unwrap();
    dir.mkdir_all("up/made", 0o755).unwrap();
    assert!(scene.root.join("canary/made").is_dir(), "`..` stops at the root");
    dir.mkdir_all("n/../m", 0o755).unwrap();
    assert!(scene.root.join("n").is_dir() && scene.root.join("m").is_dir());
    symlink("loop", scene.root.join("loop")).unwrap();
    assert_eq!(dir.mkdir_all("loop/x", 0o755).unwrap_err().errno(), Some(Errno::LOOP));
    fs::write(scene.root.join("file"), "").unwrap();
    assert_eq!(dir.mkdir_all("file/x", 0o755).unwrap_err().errno(), Some(Errno::NOTDIR));
    scene.assert_canary();
}

/// Swaps `root/swap` (a directory) with `root/link` (a symlink to the canary) as fast as it can.
fn with_attacker(scene: &Scene, act: impl Fn(usize)) {
    fs::create_dir(scene.root.join("swap")).unwrap();
    symlink(&scene.canary, scene.root.join("link")).unwrap();
    symlink("../canary", scene.root.join("link2")).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let (a, b, c) = (scene.root.join("swap"), scene.root.join("link"), scene.root.join("link2"));
            while !stop.load(Ordering::Relaxed) {
                let _ = renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE);
                let _ = renameat_with(CWD, &a, CWD, &c, RenameFlags::EXCHANGE);
            }
        });
        for turn in 0..4000 {
            act(turn);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn cve_2024_45310_race_on_mkdir_all() {
    let (scene, dir) = scene();
    with_attacker(&scene, |turn| {
        let _ = dir.mkdir_all(format!("swap/made-{turn}/x"), 0o755);
        let _ = dir.create_file(format!("swap/file-{turn}/f"), 0o644);
    });
    scene.assert_canary();
}

#[test]
fn cve_2018_15664_race_on_reading_and_changing() {
    let (scene, dir) = scene();
    with_attacker(&scene, |_| {
        if let Ok(bytes) = dir.read_regular("swap/secret", 100) {
            panic!("read {bytes:?} from outside");
        }
        let _ = dir.chmod("swap/secret", 0o777);
        let _ = dir.unlink("swap/secret");
        let _ = dir.setxattr("swap/secret", OsStr::new("user.x"), b"y");
    });
    scene.assert_canary();
    assert_eq!(fs::metadata(scene.canary.join("secret")).unwrap().mode() & 0o777, 0o644);
}

#[test]
fn race_on_remove_tree() {
    let (scene, dir) = scene();
    with_attacker(&scene, |_| {
        let _ = dir.mkdir_all("victim/swap/deep", 0o755);
        let _ = renameat_with(
            CWD,
            scene.root.join("swap"),
            CWD,
            scene.root.join("victim/swap/deep"),
            RenameFlags::EXCHANGE,
        );
        let _ = dir.remove_tree("victim");
    });
    scene.assert_canary();
}

#[test]
fn cve_2024_9676_only_bounded_regular_files_are_read() {
    let (scene, dir) = scene();
    dir.mknod("fifo", FileType::Fifo, 0o644, Dev::from(0_u8)).unwrap();
    dir.mknod("zero", FileType::CharacterDevice, 0o644, rustix::fs::makedev(1, 5)).unwrap();
    symlink("zero", scene.root.join("passwd")).unwrap();
    fs::create_dir(scene.root.join("dir")).unwrap();
    assert_eq!(dir.read_regular("fifo", 10).unwrap_err().errno(), Some(Errno::NXIO));
    assert_eq!(dir.read_regular("zero", 10).unwrap_err().errno(), Some(Errno::NXIO));
    assert_eq!(dir.read_regular("passwd", 10).unwrap_err().errno(), Some(Errno::NXIO));
    assert_eq!(dir.read_regular("dir", 10).unwrap_err().errno(), Some(Errno::ISDIR));
    let sparse = fs::File::create(scene.root.join("sparse")).unwrap();
    sparse.set_len(20 << 30).unwrap();
    assert_eq!(dir.read_regular("sparse", 1 << 20).unwrap_err().errno(), Some(Errno::FBIG));
    fs::write(scene.root.join("ten"), "0123456789").unwrap();
    assert_eq!(dir.read_regular("ten", 10).unwrap().len(), 10);
    assert!(dir.read_regular("ten", 9).is_err());
}

#[test]
fn create_file_never_opens_what_is_there() {
    let (scene, dir) = scene();
    symlink(scene.canary.join("new"), scene.root.join("dangling")).unwrap();
    assert_eq!(dir.create_file("dangling", 0o644).unwrap_err().errno(), Some(Errno::EXIST));
    dir.create_file("a/b/c", 0o640).unwrap();
    assert_eq!(fs::metadata(scene.root.join("a/b/c")).unwrap().mode() & 0o777, 0o640);
    assert_eq!(dir.create_file("a/b/c", 0o640).unwrap_err().errno(), Some(Errno::EXIST));
    scene.assert_canary();
}

#[test]
fn remove_tree_takes_all_kinds_and_any_depth() {
    let (scene, dir) = scene();
    let mut deep = dir.mkdir_all("tree", 0o755).unwrap();
    for _ in 0..3000 {
        deep = deep.mkdir_all("d", 0o755).unwrap();
    }
    deep.create_file("bottom", 0o600).unwrap();
    dir.mknod("tree/fifo", FileType::Fifo, 0o600, Dev::from(0_u8)).unwrap();
    symlink(&scene.canary, scene.root.join("tree/link")).unwrap();
    for n in 0..2000 {
        dir.create_file(format!("tree/many/{n}"), 0o000).unwrap();
    }
    dir.remove_tree("tree").unwrap();
    assert!(dir.list("").unwrap().is_empty());
    dir.remove_tree("tree").unwrap();
    scene.assert_canary();
}

#[test]
fn remove_tree_survives_unwritable_modes_without_capabilities() {
    let (_scene, dir) = scene();
    dir.create_file("tree/a/b/file", 0o000).unwrap();
    for path in ["tree/a/b", "tree/a", "tree"] {
        dir.chmod(path, 0o000).unwrap();
    }
    std::thread::scope(|threads| {
        threads.spawn(|| {
            use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
            let mut caps = capabilities(None).unwrap();
            caps.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
            set_capabilities(None, caps).unwrap();
            dir.remove_tree("tree").unwrap();
        });
    });
}

#[test]
fn remove_tree_does_not_enter_mounts() {
    use rustix::mount::{UnmountFlags, mount_bind, unmount};
    let (scene, dir) = scene();
    dir.mkdir_all("tree/mnt", 0o755).unwrap();
    mount_bind(&scene.canary, scene.root.join("tree/mnt")).unwrap();
    let result = dir.remove_tree("tree");
    unmount(scene.root.join("tree/mnt"), UnmountFlags::DETACH).unwrap();
    assert_eq!(result.unwrap_err().errno(), Some(Errno::XDEV));
    scene.assert_canary();
    dir.remove_tree("tree").unwrap();
}

#[test]
fn attributes_are_set_on_the_name_itself() {
    let (scene, dir) = scene();
    dir.create_file("file", 0o600).unwrap();
    symlink("file", scene.root.join("link")).unwrap();
    dir.chown("link", 7, 8).unwrap();
    let times = Timestamps {
        last_access: Timespec { tv_sec: 1, tv_nsec: 2 },
        last_modification: Timespec { tv_sec: 3, tv_nsec: 4 },
    };
    dir.utimens("link", &times).unwrap();
    dir.setxattr("link", OsStr::new("trusted.of-link"), b"1").unwrap();
    assert_eq!(dir.chmod("link", 0o777).unwrap_err().errno(), Some(Errno::OPNOTSUPP));
    let link = dir.lstat("link").unwrap();
    assert_eq!((link.st_uid, link.st_gid, link.st_mtime, link.st_mtime_nsec), (7, 8, 3, 4));
    let file = dir.lstat("file").unwrap();
    assert_eq!((file.st_uid, file.st_mode & 0o777), (0, 0o600));
    assert!(dir.listxattr("file").unwrap().is_empty());
    assert_eq!(dir.listxattr("link").unwrap(), [b"trusted.of-link"]);
    assert_eq!(dir.getxattr("link", OsStr::new("trusted.of-link")).unwrap().unwrap(), b"1");
    assert_eq!(dir.getxattr("file", OsStr::new("trusted.of-link")).unwrap(), None);
    let big = vec![b'x'; 3000];
    dir.setxattr("file", OsStr::new("user.big"), &big).unwrap();
    assert_eq!(dir.getxattr("file", OsStr::new("user.big")).unwrap().unwrap(), big);
    dir.removexattr("file", OsStr::new("user.big")).unwrap();
    dir.removexattr("file", OsStr::new("user.big")).unwrap();
    dir.chmod("file", 0o4755).unwrap();
    assert_eq!(dir.stat("link").unwrap().st_mode & 0o7777, 0o4755);
}

#[test]
fn own_attributes_names_and_links() {
    let (scene, dir) = scene();
    dir.chmod_self(0o1777).unwrap();
    dir.chown_self(5, 6).unwrap();
    let times = Timestamps {
        last_access: Timespec { tv_sec: 9, tv_nsec: 0 },
        last_modification: Timespec { tv_sec: 10, tv_nsec: 11 },
    };
    dir.utimens_self(&times).unwrap();
    let stat = dir.stat_self().unwrap();
    assert_eq!((stat.st_mode & 0o7777, stat.st_uid, stat.st_gid, stat.st_mtime), (0o1777, 5, 6, 10));
    dir.create_file("a", 0o600).unwrap();
    dir.hardlink("a", "b").unwrap();
    dir.rename("b", "c", RenameFlags::NOREPLACE).unwrap();
    dir.symlink("/anywhere", "l").unwrap();
    assert_eq!(dir.read_link("l").unwrap(), Path::new("/anywhere"));
    assert_eq!(dir.read_link_if_any("l").unwrap().as_deref(), Some(Path::new("/anywhere")));
    assert_eq!(dir.read_link_if_any("a").unwrap(), None);
    assert!(dir.read_link_if_any("z").is_err());
    assert_eq!(dir.stat("c").unwrap().st_nlink, 2);
    let mut names: Vec<_> = dir.list("").unwrap().into_iter().map(|e| (e.name, e.kind)).collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [("a", FileType::RegularFile), ("c", FileType::RegularFile), ("l", FileType::Symlink)];
    assert_eq!(names, expected.map(|(name, kind)| (name.into(), kind)));
    assert!(dir.exists("l").unwrap() && !dir.exists("a/b").unwrap() && !dir.exists("z").unwrap());
    dir.sync().unwrap();
    dir.syncfs().unwrap();
    let fd = dir.open_file("a", OFlags::WRONLY, 0).unwrap();
    assert_eq!(rustix::io::write(fd, b"x").unwrap(), 1);
    dir.remove_contents().unwrap();
    assert!(dir.list("/").unwrap().is_empty());
    drop(scene);
}

#[test]
fn errors_name_the_path() {
    let (scene, dir) = scene();
    let error = dir.open_dir("/no/such").unwrap_err();
    assert_eq!(error.to_string(), format!("cannot open directory `{}/no/such`", scene.root.display()));
    assert!(error.is_not_found());
    assert_eq!(fs::metadata(&scene.root).unwrap().permissions().mode() & 0o777, 0o755);
}
