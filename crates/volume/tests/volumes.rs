//! Volumes on a real file system: made once, filled once, gone as a whole. Needs root for owners and overlay.
#![allow(clippy::disallowed_methods, reason = "tests may make files")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::thread;

use oci::rootfs::Overlay;
use store::Durability::{Synced, Volatile};
use volume::{Error, NewVolume, View, Volumes};

struct Scene {
    temp: tempfile::TempDir,
    volumes: Volumes,
}

impl Scene {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let volumes = Volumes::open(temp.path()).unwrap();
        Self { temp, volumes }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.temp.path().join("volumes").join(below)
    }

    /// Makes a layer of an image: paths with their content, owner and mode of its directory `data`.
    fn layer(&self, name: &str, files: &[(&str, &str)]) {
        let layer = self.temp.path().join(name);
        fs::create_dir_all(layer.join("data")).unwrap();
        chown(layer.join("data"), Some(70), Some(71)).unwrap();
        fs::set_permissions(layer.join("data"), fs::Permissions::from_mode(0o2750)).unwrap();
        for (path, content) in files {
            fs::create_dir_all(layer.join(path).parent().unwrap()).unwrap();
            fs::write(layer.join(path), content).unwrap();
        }
    }

    fn view(&self, layers: &[&str]) -> View {
        let lowers = layers.iter().map(PathBuf::from).collect();
        View::open(&Overlay { store: self.temp.path().to_owned(), lowers, upper: None }).unwrap()
    }

    fn fill(&self, name: &str, view: &View, shared: bool) {
        let (mut hold, _) = self.volumes.hold_alone(&named(name), Synced).unwrap();
        let source = view.directory(Path::new("/data")).unwrap().unwrap();
        self.volumes.fill(&mut hold, &source, shared, Synced).unwrap();
    }

    fn content(&self, name: &str) -> BTreeMap<String, String> {
        let files = fs::read_dir(self.path(name).join("_data")).unwrap().flatten();
        let text = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
        files.map(|file| (file.file_name().into_string().unwrap(), text(file.path()))).collect()
    }
}

fn named(name: &str) -> NewVolume {
    NewVolume { name: name.to_owned(), ..NewVolume::default() }
}

fn pairs(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_volume_is_made_once_and_goes_as_a_whole() {
    let scene = Scene::new();
    let volumes = &scene.volumes;
    let labelled = NewVolume { labels: pairs(&[("a", "b")]), ..named("db") };
    let (record, made) = volumes.create(&labelled, Synced).unwrap();
    assert!(made && record.driver == "local" && record.labels == labelled.labels);
    let (again, made) = volumes.create(&named("db"), Synced).unwrap();
    assert!(!made && again == record);
    let data = fs::metadata(scene.path("db/_data")).unwrap();
    assert_eq!((data.mode() & 0o7777, data.uid()), (0o755, 0));
    assert_eq!(fs::metadata(scene.path("")).unwrap().mode() & 0o777, 0o700);
    for bad in ["a", "..", ".staging", "a/b"] {
        assert!(matches!(volumes.create(&named(bad), Synced), Err(Error::Name(_))), "{bad}");
        assert!(matches!(volumes.get(bad), Err(Error::NotFound(_))), "{bad}");
    }
    let foreign = NewVolume { driver: Some("flocker".into()), ..named("xx") };
    assert!(matches!(volumes.create(&foreign, Synced), Err(Error::Driver(_))));
    // What a killed creation leaves is no volume, and goes with the next work.
    let left = scene.path(".staging/dead");
    fs::create_dir_all(left.join("new/_data")).unwrap();
    fs::write(left.join("lock"), "").unwrap();
    fs::create_dir(scene.path("half")).unwrap();
    let names =
        |volumes: &Volumes| volumes.list().unwrap().into_iter().map(|volume| volume.name).collect::<Vec<_>>();
    assert_eq!(names(volumes), ["db"]);
    assert_eq!(volumes.abandoned().unwrap(), [left.as_path()]);
    volumes.create(&named("other"), Volatile).unwrap();
    assert!(!left.exists());

    // Who holds a volume keeps it; a reason keeps it too; hostile content does not.
    let content = scene.path("db/_data");
    symlink("/etc", content.join("link")).unwrap();
    let dir = sys::Dir::open(&content).unwrap();
    dir.mknod("fifo", rustix::fs::FileType::Fifo, 0o600, 0).unwrap();
    dir.mknod("disk", rustix::fs::FileType::BlockDevice, 0o600, rustix::fs::makedev(254, 0)).unwrap();
    let mut deep = dir.mkdir_all("deep", 0o000).unwrap();
    for _ in 0..1500 {
        deep = deep.mkdir_all("d", 0o000).unwrap();
    }
    let (hold, _) = volumes.hold(&named("db"), Synced).unwrap();
    thread::scope(|threads| {
        let removal = threads.spawn(|| {
            volumes.remove::<Error>("db", |_| Err(Error::InUse("web".into()))).unwrap_err().to_string()
        });
        assert!(scene.path("db/record.json").exists());
        drop(hold);
        assert_eq!(removal.join().unwrap(), "web");
    });
    volumes.remove::<Error>("db", |_| Ok(())).unwrap();
    assert!(matches!(volumes.remove::<Error>("db", |_| Ok(())), Err(Error::NotFound(_))));
    assert_eq!(names(volumes), ["other"]);
    assert_eq!(fs::read_dir(scene.path(".staging")).unwrap().count(), 0);
}

#[test]
fn an_empty_volume_is_filled_once() {
    let scene = Scene::new();
    scene.layer("lower", &[("data/a", "lower a"), ("data/b", "lower b"), ("data/deep/c", "c")]);
    scene.layer("upper", &[("data/a", "upper a")]);
    let view = scene.view(&["upper", "lower"]);
    let expected = pairs(&[("a", "upper a"), ("b", "lower b"), ("deep", "")]);
    for shared in [false, true] {
        let name = if shared { "shared" } else { "alone" };
        scene.volumes.create(&named(name), Synced).unwrap();
        let before = fs::metadata(scene.path(name).join("_data")).unwrap().ino();
        // The rests of a copy that was killed count for nothing.
        fs::create_dir_all(scene.path(name).join("fill.new/deep/half")).unwrap();
        scene.fill(name, &view, shared);
        assert_eq!(scene.content(name), expected);
        let data = fs::metadata(scene.path(name).join("_data")).unwrap();
        assert_eq!((data.uid(), data.gid(), data.mode() & 0o7777), (70, 71, 0o2750));
        // Whoever has it mounted sees what comes.
        assert_eq!(data.ino() == before, shared);
        assert!(scene.volumes.get(name).unwrap().filled);
        let names: Vec<_> = fs::read_dir(scene.path(name)).unwrap().flatten().collect();
        assert_eq!(names.len(), 2, "{names:?}");
        // No second time while there is something.
        fs::remove_file(scene.path(name).join("_data/a")).unwrap();
        scene.fill(name, &view, shared);
        assert_eq!(scene.content(name).len(), 2);
    }
    // Killed after the copy was complete: what waits is moved, and what has come meanwhile stays.
    scene.volumes.create(&named("moving"), Synced).unwrap();
    fs::create_dir_all(scene.path("moving/fill/dir")).unwrap();
    fs::write(scene.path("moving/fill/new"), "image").unwrap();
    fs::write(scene.path("moving/fill/old"), "image").unwrap();
    fs::write(scene.path("moving/_data/old"), "ours").unwrap();
    assert!(scene.volumes.wants_content(&scene.volumes.get("moving").unwrap()).unwrap());
    scene.fill("moving", &view, true);
    assert_eq!(scene.content("moving"), pairs(&[("dir", ""), ("new", "image"), ("old", "ours")]));
    assert!(!scene.path("moving/fill").exists());

    // Of an empty directory the owner and mode are taken, the first time only.
    scene.layer("bare", &[]);
    let bare = scene.view(&["bare"]);
    scene.fill("bare", &bare, false);
    let owner = || fs::metadata(scene.path("bare/_data")).unwrap().uid();
    assert_eq!(owner(), 70);
    chown(scene.path("bare/_data"), Some(5), Some(5)).unwrap();
    scene.fill("bare", &bare, false);
    assert_eq!(owner(), 5);
}

#[test]
fn of_many_that_fill_one_does() {
    let scene = Scene::new();
    let files: Vec<(String, String)> = (0..50).map(|n| (format!("data/{n}"), n.to_string())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    scene.layer("layer", &files);
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                scene.fill("busy", &scene.view(&["layer"]), false);
                assert_eq!(scene.content("busy").len(), 50);
            });
        }
    });
}

#[test]
fn directories_of_the_host_are_filled_and_never_removed() {
    let scene = Scene::new();
    scene.layer("layer", &[("data/a", "image")]);
    let device = scene.temp.path().join("host");
    fs::create_dir(&device).unwrap();
    let options = pairs(&[("type", "none"), ("o", "bind"), ("device", device.to_str().unwrap())]);
    scene.volumes.create(&NewVolume { options, ..named("bound") }, Synced).unwrap();
    fs::create_dir_all(device.join(".coracle-fill.new/half")).unwrap();
    scene.fill("bound", &scene.view(&["layer"]), false);
    assert_eq!(fs::read_to_string(device.join("a")).unwrap(), "image");
    assert_eq!(fs::read_dir(&device).unwrap().count(), 1);
    scene.volumes.remove::<Error>("bound", |_| Ok(())).unwrap();
    assert!(device.join("a").exists());
    // Links of an image lead nowhere but into the image.
    scene.layer("links", &[]);
    symlink("/../../../etc", scene.temp.path().join("links/out")).unwrap();
    symlink("data", scene.temp.path().join("links/in")).unwrap();
    let view = scene.view(&["links"]);
    assert!(view.directory(Path::new("/out")).unwrap().is_none());
    assert!(view.directory(Path::new("/../../etc")).unwrap().is_none());
    assert!(view.directory(Path::new("/in")).unwrap().is_some());
}

#[test]
fn an_anonymous_volume_stays_while_another_container_names_it() {
    let scene = Scene::new();
    let name = volume::random_name().unwrap();
    let anonymous = NewVolume { anonymous: true, ..named(&name) };
    scene.volumes.create(&anonymous, Volatile).unwrap();
    scene.volumes.create(&named("kept"), Volatile).unwrap();
    let containers = scene.temp.path().join("containers");
    for id in ["mine", "yours"] {
        fs::create_dir_all(containers.join(id)).unwrap();
        fs::write(containers.join(id).join("record.json"), format!("{{\"name\":\"{name}\"}}")).unwrap();
    }
    fs::create_dir(containers.join("being-made")).unwrap();
    scene.volumes.remove_with(&name, &containers, "mine").unwrap();
    scene.volumes.remove_with("kept", &containers, "mine").unwrap();
    scene.volumes.get(&name).unwrap();
    fs::remove_dir_all(containers.join("mine")).unwrap();
    scene.volumes.remove_with(&name, &containers, "yours").unwrap();
    assert!(matches!(scene.volumes.get(&name), Err(Error::NotFound(_))));
    scene.volumes.remove_with(&name, &containers, "yours").unwrap();
    scene.volumes.get("kept").unwrap();
}
