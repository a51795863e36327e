//! The contract of snapshots, run against every implementation.

#![allow(clippy::disallowed_methods, reason = "mounted trees are looked at by descriptor and plain paths")]

mod support;

use std::os::fd::OwnedFd;
use std::path::Path;

use image::{Error, Images, Snapshots};
use oci::digest::ChainId;
use oci::rootfs::Overlay;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};
use store::Durability;
use support::archive::{Archive, Header};
use support::{Store, TestImage, docker_archive};
use sys::Dir;

/// Mounts an answer without attaching it anywhere: it is gone with the descriptor.
fn mount(overlay: &Overlay) -> Dir {
    let path = |part: &Path| overlay.store.join(part).display().to_string();
    let mount = || -> rustix::io::Result<OwnedFd> {
        let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for lower in &overlay.lowers {
            fsconfig_set_string(&fs, "lowerdir+", path(lower))?;
        }
        match &overlay.upper {
            Some(upper) => {
                fsconfig_set_string(&fs, "upperdir", path(&upper.upper))?;
                fsconfig_set_string(&fs, "workdir", path(&upper.work))?;
                if upper.volatile {
                    fsconfig_set_flag(&fs, "volatile")?;
                }
            }
            // Overlayfs wants two layers where there is no upper one.
            None if overlay.lowers.len() == 1 => {
                fsconfig_set_string(&fs, "lowerdir+", path(&overlay.lowers[0]))?
            }
            None => {}
        }
        fsconfig_create(&fs)?;
        fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
    };
    Dir::from_fd(mount().unwrap_or_else(|error| panic!("{error}: {overlay:?}")), "overlay")
}

fn text(dir: &Dir, path: &str) -> String {
    String::from_utf8(dir.read_regular(path, 1000).unwrap()).unwrap()
}

fn write(dir: &Dir, path: &str, bytes: &str) {
    if dir.exists(path).unwrap() {
        dir.unlink(path).unwrap();
    }
    rustix::io::write(dir.create_file(path, 0o644).unwrap(), bytes.as_bytes()).unwrap();
}

/// A place to make snapshots in, with two stacks that are known to it.
struct Ground<S> {
    snapshots: S,
    /// A root of mode 0711, owner 7:8; `etc/a` twice, `etc/gone` hidden, `opaque/` replaced.
    small: Vec<ChainId>,
    /// 120 layers; `top` tells the number of the topmost, `file-N` is in each.
    deep: Vec<ChainId>,
    _keep: Box<dyn std::any::Any>,
}

/// What every implementation must do.
fn snapshot_suite<S: Snapshots>(make: impl Fn() -> Ground<S>) {
    prepared_root_shows_the_image(&make());
    writes_stay_in_the_snapshot(&make());
    removal_leaves_nothing(&make());
    keys_are_taken_once(&make());
    deep_stacks_work(&make());
    views_are_read_only(&make());
    nothing_is_a_stack_too(&make());
}

fn prepared_root_shows_the_image<S: Snapshots>(ground: &Ground<S>) {
    let root = mount(&ground.snapshots.prepare("a", &ground.small, Durability::Synced).unwrap());
    let stat = root.stat_self().unwrap();
    assert_eq!((stat.st_mode & 0o7777, stat.st_uid, stat.st_gid), (0o711, 7, 8), "the root is the image's");
    assert_eq!(text(&root, "etc/a"), "upper");
    assert_eq!(text(&root, "etc/b"), "lower");
    assert!(!root.exists("etc/gone").unwrap());
    let names: Vec<_> = root.list("opaque").unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["new"]);
}

fn writes_stay_in_the_snapshot<S: Snapshots>(ground: &Ground<S>) {
    let prepare = |key| ground.snapshots.prepare(key, &ground.small, Durability::Volatile).unwrap();
    let (first, second) = (mount(&prepare("first")), mount(&prepare("second")));
    assert_eq!(ground.snapshots.usage("first").unwrap().inodes, 0);
    write(&first, "etc/a", "mine");
    write(&first, "new/deep/file", "12345");
    first.remove_tree("opaque").unwrap();
    assert_eq!(text(&first, "etc/a"), "mine");
    assert_eq!(text(&second, "etc/a"), "upper");
    assert!(second.exists("opaque/new").unwrap() && !second.exists("new").unwrap());
    let usage = ground.snapshots.usage("first").unwrap();
    assert!(usage.inodes >= 6 && usage.size == 9, "{usage:?}");
    drop(first);
    // The same answer again, and what was written is still there.
    let again = ground.snapshots.mounts("second", Durability::Volatile).unwrap();
    assert_eq!(again.lowers.len(), ground.small.len());
    drop(second);
    let view = mount(&ground.snapshots.view(&ground.small).unwrap());
    assert_eq!(text(&view, "etc/a"), "upper", "the layers are as they were");
}

fn removal_leaves_nothing<S: Snapshots>(ground: &Ground<S>) {
    let overlay = ground.snapshots.prepare("a", &ground.small, Durability::Synced).unwrap();
    let root = mount(&overlay);
    write(&root, "etc/a", "mine");
    root.mkdir_all("unreadable/x", 0o000).unwrap();
    drop(root);
    assert_eq!(ground.snapshots.mounts("a", Durability::Synced).unwrap(), overlay);
    assert_eq!(ground.snapshots.list().unwrap(), ["a"]);
    ground.snapshots.remove("a").unwrap();
    ground.snapshots.remove("a").unwrap();
    assert!(ground.snapshots.list().unwrap().is_empty());
    assert!(matches!(ground.snapshots.usage("a"), Err(Error::SnapshotNotFound(_))));
    assert!(matches!(ground.snapshots.mounts("a", Durability::Synced), Err(Error::SnapshotNotFound(_))));
    assert!(!overlay.store.join(&overlay.upper.unwrap().upper).exists());
}

fn keys_are_taken_once<S: Snapshots>(ground: &Ground<S>) {
    let prepare = |key: &str| ground.snapshots.prepare(key, &ground.small, Durability::Synced);
    prepare("a").unwrap();
    assert!(matches!(prepare("a"), Err(Error::SnapshotExists(_))));
    for key in ["", ".", "..", "a/b", "/a", "a\0", "-a", "é", &"a".repeat(129)] {
        assert!(matches!(prepare(key), Err(Error::Key(_))), "{key:?}");
        assert!(ground.snapshots.remove(key).is_err(), "{key:?}");
    }
    let unknown = ChainId::new(image::sha256(b"unknown"));
    assert!(matches!(
        ground.snapshots.prepare("b", &[unknown], Durability::Synced),
        Err(Error::LayerMissing(_))
    ));
    assert_eq!(ground.snapshots.list().unwrap(), ["a"], "a failed prepare leaves nothing");
}

fn deep_stacks_work<S: Snapshots>(ground: &Ground<S>) {
    let root = mount(&ground.snapshots.prepare("deep", &ground.deep, Durability::Synced).unwrap());
    assert_eq!(text(&root, "top"), "119");
    assert_eq!(root.list("").unwrap().len(), 121);
}

fn views_are_read_only<S: Snapshots>(ground: &Ground<S>) {
    let root = mount(&ground.snapshots.view(&ground.small).unwrap());
    assert_eq!(root.mkdir("x", 0o755).unwrap_err().errno(), Some(rustix::io::Errno::ROFS));
    assert!(ground.snapshots.list().unwrap().is_empty());
}

fn nothing_is_a_stack_too<S: Snapshots>(ground: &Ground<S>) {
    let overlay = ground.snapshots.prepare("scratch", &[], Durability::Synced).unwrap();
    let root = mount(&overlay);
    assert!(root.list("").unwrap().is_empty());
    write(&root, "x", "y");
    assert_eq!(ground.snapshots.mounts("scratch", Durability::Synced).unwrap(), overlay);
}

fn small() -> TestImage {
    let lower = Archive::new()
        .file("etc/a", "lower")
        .file("etc/b", "lower")
        .file("etc/gone", "x")
        .file("opaque/old", "x")
        .finish();
    let upper = Archive::new()
        .entry(&Header::new(b'5', "./").mode(0o711).owner(7, 8), b"")
        .file("etc/a", "upper")
        .file("etc/.wh.gone", "")
        .file("opaque/.wh..wh..opq", "")
        .file("opaque/new", "x")
        .finish();
    TestImage::new(vec![lower, upper])
}

#[test]
fn overlay_snapshots_keep_the_contract() {
    snapshot_suite(|| {
        let store = Store::new();
        let (small, deep) = (small(), TestImage::with_layers(120, "file"));
        let bytes = docker_archive(&[(&small, &["small:1"]), (&deep, &["deep:1"])]);
        store.images.load(&*bytes, Some(&"linux/amd64".parse().unwrap())).unwrap();
        let stack = |name| store.images.resolve(name).unwrap().stack();
        Ground {
            snapshots: Images::open(store.images.path()).unwrap(),
            small: stack("small:1"),
            deep: stack("deep:1"),
            _keep: Box::new(store),
        }
    });
}

#[test]
fn opaque_root_hides_all_layers_below() {
    let store = Store::new();
    let lower = Archive::new().file("old", "x").finish();
    let upper = Archive::new().file(".wh..wh..opq", "").file("new", "x").finish();
    let image = TestImage::new(vec![lower, upper, Archive::new().file("top", "x").finish()]);
    store.images.load(&*docker_archive(&[(&image, &["x:1"])]), Some(&"amd64".parse().unwrap())).unwrap();
    let record = store.images.resolve("x:1").unwrap();
    assert_eq!(record.stack().len(), 2);
    let overlay = store.images.prepare("a", &record.stack(), Durability::Synced).unwrap();
    assert_eq!(store.images.mounts("a", Durability::Synced).unwrap(), overlay);
    let root = mount(&overlay);
    assert!(root.exists("new").unwrap() && root.exists("top").unwrap() && !root.exists("old").unwrap());
}
