//! Images through the whole store: load, import, names, removal, damage and interruption.

#![allow(clippy::disallowed_methods, reason = "the store is looked at, and damaged, by plain paths")]

mod support;

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use image::{Change, Error, Force, ImageUse, Images, Import, Removal, Snapshots, chain_ids, sha256};
use oci::class::Class;
use oci::digest::{DiffId, ImageId};
use oci::image::Platform;
use serde_json::json;
use store::Durability;
use support::archive::{Archive, Header};
use support::{Store, TestImage, docker_archive, gzip, oci_archive, oci_members, zstd};

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

fn load(images: &Images, bytes: &[u8]) -> image::Result<Vec<image::Loaded>> {
    images.load(bytes, Some(&amd64()))
}

fn names(loaded: &image::Loaded) -> Vec<String> {
    loaded.references.iter().map(oci::reference::Reference::familiar).collect()
}

/// A reader that gives a few bytes at a time, as a pipe may.
struct Pipe<'b>(&'b [u8]);

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.0.len().min(buffer.len()).min(977);
        buffer[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

#[test]
fn docker_archive_is_loaded_in_every_compression() {
    let image = TestImage::with_layers(3, "a");
    let plain = docker_archive(&[(&image, &["busybox:1", "me/app:x"])]);
    for bytes in [plain.clone(), gzip(&plain), zstd(&plain)] {
        let store = Store::new();
        let loaded = store.images.load(Pipe(&bytes), Some(&amd64())).unwrap();
        assert_eq!(names(&loaded[0]), ["busybox:1", "me/app:x"]);
        assert_eq!(*loaded[0].id.digest(), image.id());
        let record = store.images.resolve("busybox:1").unwrap();
        assert_eq!(record.layers.len(), 3);
        assert_eq!(record.config.cmd.as_deref(), Some(&["sh".to_owned()][..]));
        let diff_ids: Vec<DiffId> = image.layers.iter().map(|layer| DiffId::new(sha256(layer))).collect();
        let chain: Vec<_> = record.layers.iter().map(|layer| layer.chain_id).collect();
        assert_eq!(chain, chain_ids(&diff_ids));
        assert_eq!(record.stack(), chain.iter().rev().copied().collect::<Vec<_>>());
        let top = store.images.path().join("layers").join(chain[2].hex()).join("fs");
        assert_eq!(fs::read_to_string(top.join("top")).unwrap(), "2");
        store.assert_clean();
    }
}

#[test]
fn several_images_share_layers() {
    let store = Store::new();
    let base = TestImage::with_layers(2, "base");
    let mut layers = base.layers.clone();
    layers.push(Archive::new().file("extra", "x").finish());
    let derived = TestImage::new(layers);
    let bytes = docker_archive(&[(&base, &["base:1"]), (&derived, &["derived:1"]), (&base, &["again:1"])]);
    let loaded = load(&store.images, &bytes).unwrap();
    assert_eq!(loaded.len(), 3);
    assert_eq!(loaded[0].id, loaded[2].id);
    assert_eq!(fs::read_dir(store.images.path().join("layers")).unwrap().count(), 3);
    // What is there already is not made again.
    let marker = store
        .images
        .path()
        .join("layers")
        .join(store.images.resolve("base:1").unwrap().layers[0].chain_id.hex());
    let before = fs::metadata(&marker).unwrap().ino();
    load(&store.images, &bytes).unwrap();
    assert_eq!(fs::metadata(&marker).unwrap().ino(), before);
    store.assert_clean();
}

#[test]
fn layers_that_are_links_are_found() {
    let store = Store::new();
    let image = TestImage::with_layers(1, "a");
    let twice = TestImage::new(vec![image.layers[0].clone(), image.layers[0].clone()]);
    let manifest =
        json!([{"Config": "c.json", "RepoTags": null, "Layers": ["one/layer.tar", "two/layer.tar"]}]);
    let bytes = Archive::new()
        .file("one/layer.tar", &twice.layers[0])
        .symlink("two/layer.tar", "../one/layer.tar")
        .file("c.json", twice.config_bytes())
        .file("manifest.json", manifest.to_string())
        .finish();
    let loaded = load(&store.images, &bytes).unwrap();
    assert!(loaded[0].references.is_empty());
    assert_eq!(store.images.image(&loaded[0].id).unwrap().layers.len(), 2);
    let escape = Archive::new().symlink("two/layer.tar", "../../etc/passwd").finish();
    let error = load(&store.images, &escape).unwrap_err();
    assert_eq!(error.to_string(), "invalid image archive: link `two/layer.tar` leads out of the archive");
    store.assert_clean();
}

#[test]
fn oci_archive_is_loaded_with_its_manifest() {
    for compress in [gzip as fn(&[u8]) -> Vec<u8>, zstd, <[u8]>::to_vec] {
        let store = Store::new();
        let image = TestImage::with_layers(2, "a");
        let annotations =
            json!({"io.containerd.image.name": "quay.io/a/b:c", "org.opencontainers.image.ref.name": "c"});
        let (members, descriptor) = oci_members(&image, annotations, compress);
        let loaded = load(&store.images, &oci_archive(&members, std::slice::from_ref(&descriptor))).unwrap();
        assert_eq!(names(&loaded[0]), ["quay.io/a/b:c"]);
        let record = store.images.resolve("quay.io/a/b:c").unwrap();
        assert_eq!(record.manifest.to_string(), descriptor["digest"].as_str().unwrap());
        let by_digest = format!("quay.io/a/b@{}", record.manifest);
        assert_eq!(store.images.resolve(&by_digest).unwrap().id, record.id);
        store.assert_clean();
    }
}

#[test]
fn platforms_are_chosen_from_nested_indexes() {
    let store = Store::new();
    let (mine, mut other) = (TestImage::with_layers(1, "mine"), TestImage::with_layers(1, "other"));
    other.config["architecture"] = json!("arm64");
    let (mut members, mut amd) = oci_members(&mine, json!({}), gzip);
    let (more, mut arm) = oci_members(&other, json!({}), gzip);
    members.extend(more);
    amd["platform"] = json!({"architecture": "amd64", "os": "linux"});
    arm["platform"] = json!({"architecture": "arm64", "os": "linux", "variant": "v8"});
    let mut attestation = amd.clone();
    attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    attestation["platform"] = json!({"architecture": "unknown", "os": "unknown"});
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [attestation, arm, amd]})
    .to_string()
    .into_bytes();
    let outer = json!({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": sha256(&index).to_string(),
        "size": index.len(), "annotations": {"org.opencontainers.image.ref.name": "multi:1"}});
    members.push((format!("blobs/sha256/{}", sha256(&index).hex()), index));
    let bytes = oci_archive(&members, &[outer]);
    assert_eq!(*load(&store.images, &bytes).unwrap()[0].id.digest(), mine.id());
    let arm: Platform = "linux/arm64".parse().unwrap();
    assert_eq!(*store.images.load(&*bytes, Some(&arm)).unwrap()[0].id.digest(), other.id());
    let riscv: Platform = "linux/riscv64".parse().unwrap();
    let error = store.images.load(&*bytes, Some(&riscv)).unwrap_err();
    // One of the two tells what there is.
    assert!(
        matches!(&error, Error::Platform { available, .. } if available.iter().any(|p| p == "linux/amd64")),
        "{error}"
    );
    store.assert_clean();
}

#[test]
fn cve_2021_41190_ambiguous_manifest_is_refused() {
    let store = Store::new();
    let image = TestImage::with_layers(1, "a");
    let (mut members, mut descriptor) = oci_members(&image, json!({}), gzip);
    let mut manifest: serde_json::Value = serde_json::from_slice(&members.last().unwrap().1).unwrap();
    manifest["manifests"] = json!([]);
    let bytes = manifest.to_string().into_bytes();
    descriptor["digest"] = json!(sha256(&bytes).to_string());
    descriptor["size"] = json!(bytes.len());
    members.push((format!("blobs/sha256/{}", sha256(&bytes).hex()), bytes));
    let error = load(&store.images, &oci_archive(&members, &[descriptor])).unwrap_err();
    assert!(
        matches!(&error, Error::Document { source: oci::image::InvalidDocument::Ambiguous, .. }),
        "{error}"
    );
    store.assert_clean();
}

#[test]
fn cve_2024_3727_digests_that_are_paths_are_refused() {
    let store = Store::new();
    let image = TestImage::with_layers(1, "a");
    let (members, descriptor) = oci_members(&image, json!({}), gzip);
    for digest in ["sha256:../../../../etc/passwd", "sha256:", "../x", "sha512:00"] {
        let mut descriptor = descriptor.clone();
        descriptor["digest"] = json!(digest);
        let error = load(&store.images, &oci_archive(&members, &[descriptor])).unwrap_err();
        assert_eq!(error.class(), Class::Invalid, "{error}");
    }
    store.assert_clean();
}

#[test]
fn content_is_what_its_digest_says_or_refused() {
    let store = Store::new();
    let image = TestImage::with_layers(2, "a");
    let (members, descriptor) = oci_members(&image, json!({}), gzip);
    for index in 0..members.len() {
        let mut members = members.clone();
        let last = members[index].1.len() - 1;
        members[index].1[last] ^= 1;
        let error =
            load(&store.images, &oci_archive(&members, std::slice::from_ref(&descriptor))).unwrap_err();
        assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    }
    let mut wrong = descriptor.clone();
    wrong["size"] = json!(1);
    let error = load(&store.images, &oci_archive(&members, &[wrong])).unwrap_err();
    assert!(matches!(error, Error::SizeMismatch { .. }), "{error}");
    let mut image = image;
    image.layers[1] = Archive::new().file("other", "x").finish();
    let error = load(&store.images, &docker_archive(&[(&image, &["x:1"])])).unwrap_err();
    assert!(error.to_string().starts_with("uncompressed layer"), "{error}");
    image.layers.pop();
    let error = load(&store.images, &docker_archive(&[(&image, &["x:1"])])).unwrap_err();
    assert!(error.to_string().ends_with("has 1 layers but 2 diff ids"), "{error}");
    assert!(store.images.list_images().unwrap().is_empty());
    store.assert_clean();
}

#[test]
fn what_is_no_image_archive_is_told_plainly() {
    let store = Store::new();
    let rootfs = Archive::new().dir("bin/").file("bin/sh", "x").finish();
    let message = |bytes: &[u8]| load(&store.images, bytes).unwrap_err().to_string();
    assert!(message(&rootfs).ends_with("(a root file system is taken by `import`)"));
    assert!(message(&Archive::new().file("repositories", "{}").finish()).contains("before 1.10"));
    assert!(message(b"not a tar at all, but long enough to be looked at").starts_with("invalid tar archive"));
    assert!(message(&Archive::new().file("a", "1").file("a", "2").finish()).contains("appears twice"));
    assert!(
        message(&Archive::new().file("manifest.json", "{").finish())
            .contains("`manifest.json` cannot be read")
    );
    assert!(message(&Archive::new().file("../x", "").finish()).contains("bad name"));
    let image = TestImage::with_layers(1, "a");
    for tag in ["../../etc/passwd", "UPPER", "a b", "x@sha256:00"] {
        assert_eq!(
            load(&store.images, &docker_archive(&[(&image, &[tag])])).unwrap_err().class(),
            Class::Invalid
        );
    }
    let deep = Header { size: 9 << 20, ..Header::new(b'0', "manifest.json") };
    let big = Archive::new().entry(&deep, &vec![b' '; 9 << 20]).finish();
    assert!(message(&big).contains("more than 8 MiB"));
    store.assert_clean();
}

#[test]
fn more_than_a_hundred_layers_work() {
    let store = Store::new();
    let image = TestImage::with_layers(130, "deep");
    load(&store.images, &docker_archive(&[(&image, &["deep:1"])])).unwrap();
    assert_eq!(store.images.resolve("deep:1").unwrap().stack().len(), 130);
    let too_many = TestImage::new(vec![image.layers[0].clone(); 501]);
    let error = load(&store.images, &docker_archive(&[(&too_many, &["x:1"])])).unwrap_err();
    assert!(matches!(error, Error::TooManyLayers(501)), "{error}");
    store.assert_clean();
}

#[test]
fn parallel_loads_make_each_layer_once() {
    let store = Store::new();
    let shared = TestImage::with_layers(6, "shared");
    let mut layers = shared.layers.clone();
    layers.push(Archive::new().file("more", "x").finish());
    let other = TestImage::new(layers);
    std::thread::scope(|threads| {
        for n in 0..8 {
            let (store, image) = (&store, if n % 2 == 0 { &shared } else { &other });
            threads.spawn(move || {
                let tag = format!("image:{n}");
                load(&store.again(), &docker_archive(&[(image, &[&tag])])).unwrap();
            });
        }
    });
    assert_eq!(store.images.list_images().unwrap().len(), 2);
    assert_eq!(store.images.references().unwrap().len(), 8);
    store.assert_clean();
}

#[test]
fn loads_and_removals_at_the_same_time_never_break_an_image() {
    let store = Store::new();
    let bytes = docker_archive(&[(&TestImage::with_layers(3, "a"), &["x:1"])]);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| (0..15).for_each(|_| drop(load(&store.again(), &bytes).unwrap())));
        }
        threads.spawn(|| {
            for _ in 0..60 {
                match store.again().remove_image("x:1", Force::No, &[]) {
                    Ok(_) | Err(Error::NotFound(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        threads.spawn(|| (0..30).for_each(|_| drop(store.again().collect().unwrap())));
    });
    let audit = store.images.audit().unwrap();
    assert!(audit.broken.is_empty(), "{audit:#?}");
}

#[test]
fn import_keeps_the_bytes_and_applies_changes() {
    let store = Store::new();
    let plain = Archive::new().dir("bin/").entry(&Header::new(b'0', "bin/sh").owner(5, 6), b"#!").finish();
    let compressed = zstd(&plain);
    let changes = [r#"CMD ["/bin/sh"]"#, "ENV A=1", "USER 5"].map(|line| Change::parse(line).unwrap());
    let import = Import {
        reference: Some("mine"),
        changes: &changes,
        message: Some("by hand"),
        platform: Some("linux/arm64/v8".parse().unwrap()),
    };
    let (id, reference) = store.images.import(Pipe(&compressed), &import).unwrap();
    assert_eq!(reference.unwrap().familiar(), "mine:latest");
    let record = store.images.resolve("mine").unwrap();
    assert_eq!((record.id, record.uid_max, record.gid_max, record.size), (id, 5, 6, 2));
    assert_eq!(record.layers[0].blob, sha256(&compressed));
    assert_eq!(*record.layers[0].diff_id.digest(), sha256(&plain));
    assert_eq!((&*record.config.user, &record.config.env[..]), ("5", &["A=1".to_owned()][..]));
    let history = store.images.history("mine").unwrap();
    assert_eq!((history.len(), &*history[0].comment, history[0].size), (1, "by hand", 2));
    assert_eq!(history[0].tags, ["mine:latest"]);
    let inspect = serde_json::to_value(store.images.inspect("mine").unwrap()).unwrap();
    assert_eq!(inspect["Architecture"], "arm64");
    assert_eq!(inspect["RootFS"]["Layers"][0], sha256(&plain).to_string());
    assert_eq!(inspect["Config"]["Cmd"], json!(["/bin/sh"]));
    assert_eq!(inspect["RepoTags"], json!(["mine:latest"]));
    store.assert_clean();
    let error = store.images.import(&b""[..], &Import::default()).unwrap_err();
    assert_eq!(error.to_string(), "invalid image archive: it is empty");
    let broken =
        store.images.import(&plain[..600], &Import { reference: Some("broken"), ..Import::default() });
    assert!(broken.is_err() && store.images.resolve("broken").is_err());
    store.assert_clean();
}

#[test]
fn images_are_found_by_name_digest_id_and_prefix() {
    let store = Store::new();
    let image = TestImage::with_layers(1, "a");
    load(&store.images, &docker_archive(&[(&image, &["busybox:latest", "host:5000/x:1"])])).unwrap();
    let hex = image.id().hex();
    for text in [
        "busybox",
        "busybox:latest",
        "docker.io/library/busybox",
        "host:5000/x:1",
        &hex,
        &hex[..12],
        &hex[..1],
    ] {
        assert_eq!(*store.images.resolve(text).unwrap().id.digest(), image.id(), "{text}");
    }
    assert_eq!(*store.images.resolve(&format!("sha256:{hex}")).unwrap().id.digest(), image.id());
    assert_eq!(*store.images.resolve(&format!("sha256:{}", &hex[..9])).unwrap().id.digest(), image.id());
    for (text, message) in [
        ("busybox:2", "No such image: busybox:2"),
        ("nothing", "No such image: nothing:latest"),
        ("Busybox", "invalid reference format: repository name (library/Busybox) must be lowercase"),
    ] {
        assert_eq!(store.images.resolve(text).unwrap_err().to_string(), message);
    }
    // A name wins over an id that begins so.
    let other = TestImage::with_layers(1, "b");
    load(&store.images, &docker_archive(&[(&other, &[&format!("{}:latest", &hex[..12])])])).unwrap();
    assert_eq!(*store.images.resolve(&hex[..12]).unwrap().id.digest(), other.id());
}

#[test]
fn ambiguous_prefixes_list_what_fits() {
    let store = Store::new();
    for n in 0..17 {
        let image = TestImage::with_layers(1, &format!("i{n}"));
        load(&store.images, &docker_archive(&[(&image, &[])])).unwrap();
    }
    let mut digits: Vec<char> =
        store.images.image_ids().unwrap().iter().map(|id| id.hex().remove(0)).collect();
    digits.sort_unstable();
    let twice = digits.windows(2).find(|pair| pair[0] == pair[1]).unwrap()[0].to_string();
    let error = store.images.resolve(&twice).unwrap_err();
    assert!(matches!(&error, Error::Ambiguous { matches, .. } if matches.len() > 1), "{error}");
    assert_eq!(error.class(), Class::Conflict);
}

#[test]
fn a_tag_moves_and_its_past_is_kept() {
    let store = Store::new();
    let (old, new) = (TestImage::with_layers(1, "old"), TestImage::with_layers(1, "new"));
    load(&store.images, &docker_archive(&[(&old, &["x:1"])])).unwrap();
    let loaded = load(&store.images, &docker_archive(&[(&new, &["x:1"])])).unwrap();
    assert_eq!(loaded[0].moved[0].1, ImageId::new(old.id()));
    let record = &store.images.references().unwrap()[0];
    assert_eq!(
        (record.target.image, record.history[0].image),
        (ImageId::new(new.id()), ImageId::new(old.id()))
    );
    // The old one is still there, without a name.
    let dangling: Vec<_> =
        store.images.list_images().unwrap().into_iter().filter(|i| i.references.is_empty()).collect();
    assert_eq!(*dangling[0].image.id.digest(), old.id());
    let tagged = store.images.tag("x:1", "other/name").unwrap();
    assert_eq!(tagged.familiar(), "other/name:latest");
    let long = format!("host.example:5000/{}:{}", "p/".repeat(100) + "q", "t".repeat(128));
    store.images.tag("x:1", &long).unwrap();
    assert_eq!(*store.images.resolve(&long).unwrap().id.digest(), new.id());
    let digest = format!("y@{}", new.id());
    assert!(matches!(store.images.tag("x:1", &digest), Err(Error::TagWithDigest(_))));
    assert!(matches!(store.images.tag("nothing", "y"), Err(Error::NotFound(_))));
    store.assert_clean();
}

#[test]
fn removal_follows_dockers_rules() {
    let store = Store::new();
    let base = TestImage::with_layers(2, "base");
    let mut layers = base.layers.clone();
    layers.push(Archive::new().file("extra", "x").finish());
    let derived = TestImage::new(layers);
    load(&store.images, &docker_archive(&[(&base, &["base:1", "base:2"]), (&derived, &["derived:1"])]))
        .unwrap();
    let images = &store.images;
    let untagged = images.remove_image("base:1", Force::No, &[]).unwrap();
    assert!(matches!(&untagged[..], [Removal::Untagged(name)] if name.familiar() == "base:1"));
    // The image goes with its last name, its layers stay for the derived one.
    let removed = images.remove_image("base:2", Force::No, &[]).unwrap();
    assert!(matches!(removed[..], [Removal::Untagged(_), Removal::Deleted(_)]), "{removed:?}");
    store.assert_clean();
    let top = images.resolve("derived:1").unwrap().top().unwrap();
    let removed = images.remove_image(&derived.id().hex()[..12], Force::No, &[]).unwrap();
    assert_eq!(removed.len(), 5);
    assert_eq!(removed[2], Removal::DeletedLayer(top));
    assert!(matches!(images.remove_image("derived:1", Force::No, &[]), Err(Error::NotFound(_))));
    for dir in ["layers", "blobs/sha256", "images", "references"] {
        assert_eq!(fs::read_dir(images.path().join(dir)).unwrap().count(), 0, "{dir}");
    }
    store.assert_clean();
}

#[test]
fn images_in_use_are_kept() {
    let store = Store::new();
    let image = TestImage::with_layers(1, "a");
    load(&store.images, &docker_archive(&[(&image, &["x:1"])])).unwrap();
    let id = ImageId::new(image.id());
    let uses = |running| [ImageUse { image: id, container: "c".repeat(64), running }];
    let short = id.short();
    let message = |text: &str, force, running| {
        store.images.remove_image(text, force, &uses(running)).unwrap_err().to_string()
    };
    assert_eq!(
        message("x:1", Force::No, false),
        format!(
            "conflict: unable to remove repository reference \"x:1\" (must force) - container cccccccccccc is using \
             its referenced image {short}"
        )
    );
    assert_eq!(
        message(&short, Force::No, false),
        format!(
            "conflict: unable to delete {short} (must be forced) - image is being used by stopped container cccccccccccc"
        )
    );
    assert_eq!(
        message(&short, Force::Yes, true),
        format!(
            "conflict: unable to delete {short} (cannot be forced) - image is being used by running container cccccccccccc"
        )
    );
    store.images.tag("x:1", "y:1").unwrap();
    assert_eq!(
        message(&short, Force::No, false),
        format!(
            "conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories"
        )
    );
    // The snapshot of a stopped container keeps the layers when the image is forced out.
    let record = store.images.resolve("x:1").unwrap();
    store.images.prepare("container", &record.stack(), Durability::Synced).unwrap();
    let removed = store.images.remove_image(&short, Force::Yes, &uses(false)).unwrap();
    assert_eq!(removed.len(), 3, "{removed:?}");
    assert!(store.images.mounts("container", Durability::Synced).is_ok());
    assert!(store.images.audit().unwrap().is_clean());
    Snapshots::remove(&store.images, "container").unwrap();
    assert_eq!(store.images.collect().unwrap().layers.len(), 1);
    store.assert_clean();
}

#[test]
fn forced_name_of_a_running_image_goes_and_the_image_stays() {
    let store = Store::new();
    let image = TestImage::with_layers(1, "a");
    load(&store.images, &docker_archive(&[(&image, &["x:1"])])).unwrap();
    let uses = [ImageUse { image: ImageId::new(image.id()), container: "c".to_owned(), running: true }];
    let removed = store.images.remove_image("x:1", Force::Yes, &uses).unwrap();
    assert!(matches!(removed[..], [Removal::Untagged(_)]));
    assert!(store.images.image(&ImageId::new(image.id())).is_ok());
    store.assert_clean();
}

#[test]
fn what_an_interrupted_load_leaves_is_found_and_collected() {
    let store = Store::new();
    load(&store.images, &docker_archive(&[(&TestImage::with_layers(2, "a"), &["x:1"])])).unwrap();
    let path = store.images.path();
    // A process died while it staged, after it renamed layers, after it renamed blobs, before the record.
    fs::create_dir_all(path.join("staging/load-1-aa/layer-x/fs")).unwrap();
    fs::write(path.join("staging/load-1-aa/lock"), "").unwrap();
    fs::create_dir_all(path.join("layers").join("12".repeat(32)).join("fs")).unwrap();
    fs::write(path.join("blobs/sha256").join(sha256(b"orphan").hex()), "orphan").unwrap();
    let audit = store.images.audit().unwrap();
    assert_eq!((audit.workspaces.len(), audit.layers.len(), audit.blobs.len()), (1, 1, 1));
    assert!(audit.broken.is_empty() && !audit.is_clean());
    store.images.collect().unwrap();
    store.assert_clean();
    store.images.resolve("x:1").unwrap();
}

#[test]
fn damage_is_named() {
    let store = Store::new();
    let image = TestImage::with_layers(2, "a");
    load(&store.images, &docker_archive(&[(&image, &["x:1"])])).unwrap();
    let record = store.images.resolve("x:1").unwrap();
    let path = store.images.path();
    let blob = path.join("blobs/sha256").join(record.layers[0].blob.hex());
    let mut bytes = fs::read(&blob).unwrap();
    bytes[600] ^= 1;
    fs::write(&blob, bytes).unwrap();
    assert_eq!(store.images.verify_blobs().unwrap(), [record.layers[0].blob]);
    fs::remove_file(&blob).unwrap();
    fs::remove_dir_all(path.join("layers").join(record.layers[1].chain_id.hex())).unwrap();
    let audit = store.images.audit().unwrap();
    assert_eq!(audit.broken.len(), 2, "{audit:#?}");
    assert!(matches!(
        store.images.prepare("k", &record.stack(), Durability::Synced),
        Err(Error::LayerMissing(_))
    ));
    // Loading again heals it.
    load(&store.images, &docker_archive(&[(&image, &["x:1"])])).unwrap();
    store.assert_clean();
    let file = path.join("images").join(format!("{}.json", record.id.hex()));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("linux", "Linux")).unwrap();
    let error = store.images.resolve("x:1").unwrap_err();
    assert!(error.to_string().contains("its checksum does not match"), "{error}");
    fs::write(&file, text.replace("\"version\":1", "\"version\":2")).unwrap();
    let error = store.images.resolve("x:1").unwrap_err();
    assert_eq!(error.class(), Class::Unsupported);
    assert!(store.images.collect().unwrap().layers.is_empty(), "what cannot be read is not swept away");
}

#[test]
fn directories_of_the_store_are_private() {
    let store = Store::new();
    load(&store.images, &docker_archive(&[(&TestImage::with_layers(1, "a"), &["x:1"])])).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(store.images.path()), 0o700);
    for dir in ["blobs", "layers", "images", "references", "snapshots", "staging", "locks"] {
        assert_eq!(mode(&store.images.path().join(dir)), 0o700, "{dir}");
    }
}

#[test]
fn ingest_checks_digest_and_size() {
    let store = Store::new();
    let digest = sha256(b"content");
    assert!(matches!(store.images.ingest(&b"other"[..], &digest, None), Err(Error::DigestMismatch { .. })));
    assert!(matches!(
        store.images.ingest(&b"content"[..], &digest, Some(3)),
        Err(Error::SizeMismatch { .. })
    ));
    assert!(store.images.open_blob(&digest).is_err());
    assert_eq!(store.images.ingest(&b"content"[..], &digest, Some(7)).unwrap(), 7);
    assert_eq!(
        store.images.ingest(&b""[..], &digest, Some(7)).unwrap(),
        7,
        "what is there is not read again"
    );
    assert_eq!(store.images.read_blob(&digest).unwrap(), b"content");
}
