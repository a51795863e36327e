//! Images from and to a registry that does what a script says: whole or not at all, once for all, and as they came.

#![allow(clippy::disallowed_methods, reason = "the store is looked at, and damaged, by plain paths")]

#[path = "../../registry/tests/support/fake.rs"]
mod fake;
mod support;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake::{Asked, Fake, Manner, Reply};
use image::{Error, Images, Pull, Pulled, Stage, Watch, sha256};
use oci::digest::Digest;
use oci::reference::Reference;
use registry::{Access, Patience, Repository, Settings};
use serde_json::{Value, json};
use support::{Store, TestImage, docker_archive, gzip, oci_members, zstd};

/// What a registry has: documents by tag or digest, blobs by digest.
#[derive(Clone, Default)]
struct Content {
    documents: BTreeMap<String, (String, Vec<u8>)>,
    blobs: HashMap<String, Vec<u8>>,
}

impl Content {
    /// An image under a tag.
    fn of(image: &TestImage, tag: &str, compress: fn(&[u8]) -> Vec<u8>) -> Self {
        let mut content = Self::default();
        content.add(image, tag, compress);
        content
    }

    fn add(&mut self, image: &TestImage, tag: &str, compress: fn(&[u8]) -> Vec<u8>) -> Value {
        let (members, descriptor) = oci_members(image, json!({}), compress);
        for (name, bytes) in members {
            let digest = format!("sha256:{}", name.rsplit('/').next().unwrap());
            if descriptor["digest"] == json!(digest) {
                let media = "application/vnd.oci.image.manifest.v1+json".to_owned();
                self.documents.insert(tag.to_owned(), (media.clone(), bytes.clone()));
                self.documents.insert(digest, (media, bytes));
            } else {
                self.blobs.insert(digest, bytes);
            }
        }
        descriptor
    }

    fn index(&mut self, tag: &str, manifests: &[Value]) -> Digest {
        let media = "application/vnd.oci.image.index.v1+json";
        let bytes =
            serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": media, "manifests": manifests}))
                .unwrap();
        let digest = sha256(&bytes);
        for name in [tag.to_owned(), digest.to_string()] {
            self.documents.insert(name, (media.to_owned(), bytes.clone()));
        }
        digest
    }

    fn answer(&self, asked: &Asked) -> Reply {
        let name = asked.path.rsplit('/').next().unwrap();
        let document = self.documents.get(name).filter(|_| asked.path.contains("/manifests/"));
        match (document, self.blobs.get(name)) {
            (Some((media, bytes)), _) => Reply::new(200, &**bytes).with("content-type", media),
            (None, Some(bytes)) => Reply::blob(asked, bytes),
            _ => Reply::missing(),
        }
    }

    fn serve(self) -> Fake {
        Fake::serve(move |asked| self.answer(asked))
    }

    /// The digest of the layer that is the largest.
    fn largest(&self) -> String {
        self.blobs.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap().0.clone()
    }
}

struct Nobody;

impl Watch for Nobody {
    fn layer(&self, _: &Digest, _: Stage) {}
}

fn settings() -> Settings {
    let patience = Patience {
        stall: Duration::from_millis(500),
        attempts: 2,
        pause: Duration::from_millis(1),
        ..Patience::default()
    };
    Settings { patience, ..Settings::default() }
}

fn reference(fake: &Fake, rest: &str) -> Reference {
    format!("{}/a/{rest}", fake.host).parse().unwrap()
}

fn pull(images: &Images, fake: &Fake, rest: &str) -> image::Result<Pulled> {
    pull_for(images, fake, rest, "linux/amd64")
}

fn pull_for(images: &Images, fake: &Fake, rest: &str, platform: &str) -> image::Result<Pulled> {
    let reference = reference(fake, rest);
    let repository = Repository::open(&settings(), &reference, &Access::Pull)?;
    let platform = platform.parse().unwrap();
    images.pull(&repository, &Pull { reference: &reference, platform: Some(&platform) }, &Nobody)
}

/// A layer that is larger than what a reader takes at once.
fn large(seed: u8) -> TestImage {
    let mut state = u32::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    let noise: Vec<u8> = (0..600_000).map(|_| next()).collect();
    let mut image = TestImage::with_layers(2, "small");
    image.layers.push(support::archive::Archive::new().file("large", noise).finish());
    TestImage::new(image.layers)
}

fn downloads(store: &Store) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(store.images.path().join("downloads")).into_iter().flatten().flatten();
    entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())).collect()
}

#[test]
fn an_image_is_pulled_in_every_compression_and_then_up_to_date() {
    for compress in [gzip as fn(&[u8]) -> Vec<u8>, zstd, <[u8]>::to_vec] {
        let (store, image) = (Store::new(), TestImage::with_layers(5, "p"));
        let fake = Content::of(&image, "1", compress).serve();
        let pulled = pull(&store.images, &fake, "b:1").unwrap();
        assert_eq!((*pulled.image.digest(), pulled.is_up_to_date), (image.id(), false));
        let record = store.images.resolve(&reference(&fake, "b:1").to_string()).unwrap();
        assert_eq!(record.manifest, pulled.digest);
        assert!(downloads(&store).is_empty());
        store.assert_clean();
        let before = fake.asked().len();
        assert!(pull(&store.images, &fake, "b:1").unwrap().is_up_to_date);
        // The manifest alone tells that.
        assert!(fake.lines()[before..].iter().all(|line| !line.contains("/blobs/")));
    }
}

#[test]
fn the_manifest_for_the_platform_is_chosen_from_an_index_and_attestations_are_not() {
    let store = Store::new();
    let (amd, mut arm) = (TestImage::with_layers(1, "amd"), TestImage::with_layers(1, "arm"));
    arm.config["architecture"] = json!("arm64");
    let mut content = Content::default();
    let mut entries = [content.add(&arm, "arm", gzip), content.add(&amd, "amd", gzip)];
    entries[0]["platform"] = json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
    entries[1]["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let mut attestation = entries[1].clone();
    attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let index = content.index("1", &[attestation, entries[0].clone(), entries[1].clone()]);
    let fake = content.serve();
    let pulled = pull(&store.images, &fake, "b:1").unwrap();
    assert_eq!((pulled.digest, *pulled.image.digest()), (index, amd.id()));
    assert_eq!(*pull_for(&store.images, &fake, "b:1", "linux/arm64").unwrap().image.digest(), arm.id());
    match pull_for(&store.images, &fake, "b:1", "linux/s390x").unwrap_err() {
        Error::Platform { wanted, available } => {
            assert_eq!(
                (&*wanted, available.join(" ")),
                ("linux/s390x", "linux/arm64/v8 linux/amd64".to_owned())
            );
        }
        other => panic!("{other:?}"),
    }
    // By the digest of the index, and by that of the manifest.
    for digest in [index.to_string(), entries[1]["digest"].as_str().unwrap().to_owned()] {
        let by_digest = pull(&store.images, &fake, &format!("b@{digest}")).unwrap();
        assert_eq!(*by_digest.image.digest(), amd.id());
        let name = format!("{}/a/b@{digest}", fake.host);
        assert_eq!(*store.images.resolve(&name).unwrap().id.digest(), amd.id());
    }
    let inspected = store.images.inspect(&amd.id().to_string()).unwrap();
    assert!(inspected.repo_digests.contains(&format!("{}/a/b@{index}", fake.host)), "{inspected:?}");
    assert!(inspected.repo_tags.iter().all(|tag| !tag.contains('@')), "{inspected:?}");
    store.assert_clean();
}

#[test]
fn what_has_come_when_it_breaks_off_is_not_asked_for_again() {
    let (store, image) = (Store::new(), large(1));
    let content = Content::of(&image, "1", gzip);
    let (victim, is_broken) = (content.largest(), Arc::new(AtomicUsize::new(1)));
    let (path, broken) = (format!("/v2/a/b/blobs/{victim}"), Arc::clone(&is_broken));
    let fake = Fake::serve(move |asked| {
        let reply = content.answer(asked);
        match asked.path == path && broken.load(Ordering::SeqCst) == 1 {
            // A second time it brings nothing, which ends the patience.
            true if asked.before > 0 => reply.sent(Manner::Cut(0)),
            true => reply.sent(Manner::Cut(200_000)),
            false => reply,
        }
    });
    assert!(matches!(pull(&store.images, &fake, "b:1"), Err(Error::Registry(_))));
    // Nothing of it is visible, and nothing is orphaned.
    assert!(store.images.image_ids().unwrap().is_empty());
    assert!(store.images.audit().unwrap().is_clean());
    let kept: HashMap<String, u64> = downloads(&store).into_iter().collect();
    let came = kept[victim.trim_start_matches("sha256:")];
    assert!((100_000..=200_000).contains(&came), "{came}");
    is_broken.store(0, Ordering::SeqCst);
    pull(&store.images, &fake, "b:1").unwrap();
    let last = fake.asked().into_iter().rfind(|asked| asked.path.ends_with(&victim)).unwrap();
    assert_eq!(last.range(), usize::try_from(came).ok());
    store.assert_clean();
}

#[test]
fn kept_bytes_that_are_wrong_are_fetched_anew() {
    let (store, image) = (Store::new(), large(2));
    let content = Content::of(&image, "1", gzip);
    let victim = content.largest();
    let fake = content.serve();
    // As a power cut may leave them: zeros of the right and of too great a length.
    for len in [150_000, 5_000_000] {
        let dir = store.images.path().join("downloads");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(victim.trim_start_matches("sha256:")), vec![0; len]).unwrap();
        pull(&store.images, &fake, "b:1").unwrap();
        store.assert_clean();
        store.images.remove_image(&image.id().to_string(), image::Force::Yes, &[]).unwrap();
    }
}

#[test]
fn a_whole_download_that_nobody_verified_is_not_trusted_for_a_layer_that_is_here() {
    let (store, image) = (Store::new(), large(3));
    store
        .images
        .load(&*docker_archive(&[(&image, &["other:1"])]), Some(&"linux/amd64".parse().unwrap()))
        .unwrap();
    let content = Content::of(&image, "1", gzip);
    let victim = content.largest();
    let dir = store.images.path().join("downloads");
    std::fs::create_dir_all(&dir).unwrap();
    let forged = vec![7; content.blobs[&victim].len()];
    std::fs::write(dir.join(victim.trim_start_matches("sha256:")), forged).unwrap();
    let fake = content.serve();
    pull(&store.images, &fake, "b:1").unwrap();
    // The image is kept as the registry has it now, and what it was before is gone.
    store.assert_clean();
}

#[test]
fn wrong_bytes_are_refused_and_not_kept() {
    let image = large(4);
    let content = Content::of(&image, "1", gzip);
    let victim = content.largest();
    let right = content.blobs[&victim].clone();
    let mut flipped = right.clone();
    flipped[300_000] ^= 1;
    let forged = gzip(&large(5).layers[2]);
    for (wrong, what) in [
        (flipped, "one bit"),
        ([&right[..right.len() - 5], b"12345"].concat(), "garbage behind the end"),
        (forged, "another layer"),
    ] {
        let store = Store::new();
        let mut content = content.clone();
        let is_longer = wrong.len() != right.len();
        content.blobs.insert(victim.clone(), wrong);
        let fake = content.serve();
        match pull(&store.images, &fake, "b:1").unwrap_err() {
            Error::DigestMismatch { expected, .. } => assert_eq!(expected.to_string(), victim, "{what}"),
            Error::Registry(registry::Error::SizeMismatch { .. }) if is_longer => {}
            other => panic!("{what}: {other:?}"),
        }
        assert!(store.images.image_ids().unwrap().is_empty(), "{what}");
        assert!(store.images.audit().unwrap().is_clean(), "{what}");
        let hex = victim.trim_start_matches("sha256:").to_owned();
        assert!(downloads(&store).iter().all(|(name, len)| *name != hex || *len == 0), "{what}: it was kept");
    }
}

#[test]
fn a_layer_with_another_diff_id_than_its_configuration_says_is_refused() {
    let mut image = TestImage::with_layers(2, "d");
    image.config["rootfs"]["diff_ids"][1] = json!(format!("sha256:{}", "0".repeat(64)));
    let store = Store::new();
    let fake = Content::of(&image, "1", gzip).serve();
    let error = pull(&store.images, &fake, "b:1").unwrap_err();
    assert!(
        matches!(error, Error::DigestMismatch { ref what, .. } if what.contains("uncompressed")),
        "{error:?}"
    );
    assert!(store.images.image_ids().unwrap().is_empty());
}

#[test]
fn what_is_no_image_and_what_lies_elsewhere_is_refused() {
    for (field, media, said) in [
        (
            "config",
            "application/vnd.cncf.helm.config.v1+json",
            "its configuration is `application/vnd.cncf.helm",
        ),
        (
            "layers",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "is to be fetched from elsewhere",
        ),
        ("layers", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "a layer of it is"),
    ] {
        let image = TestImage::with_layers(1, "f");
        let mut content = Content::of(&image, "1", gzip);
        let mut manifest: Value = serde_json::from_slice(&content.documents["1"].1).unwrap();
        match field {
            "config" => manifest["config"]["mediaType"] = json!(media),
            _ => {
                manifest["layers"][0]["mediaType"] = json!(media);
                manifest["layers"][0]["urls"] = json!(["http://192.0.2.1/layer"]);
            }
        }
        content.documents.get_mut("1").unwrap().1 = serde_json::to_vec(&manifest).unwrap();
        let fake = content.serve();
        let error = pull(&Store::new().images, &fake, "b:1").unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(fake.lines().iter().all(|line| !line.contains("/blobs/")));
    }
}

#[test]
fn a_layer_that_several_want_is_fetched_once() {
    let (store, one) = (Store::new(), large(6));
    let mut layers = one.layers.clone();
    layers.push(support::archive::Archive::new().file("more", "more").finish());
    let two = TestImage::new(layers);
    let mut content = Content::of(&one, "one", gzip);
    content.add(&two, "two", gzip);
    let fake = Fake::serve(move |asked| {
        // Slow enough to be asked for by all at once.
        if asked.path.contains("/blobs/") {
            std::thread::sleep(Duration::from_millis(50));
        }
        content.answer(asked)
    });
    std::thread::scope(|threads| {
        for tag in ["one", "two", "one", "two", "one"] {
            let (images, fake) = (store.again(), &fake);
            threads.spawn(move || pull(&images, fake, &format!("b:{tag}")).unwrap());
        }
    });
    let mut seen: HashMap<String, usize> = HashMap::new();
    for asked in fake.asked().iter().filter(|asked| asked.path.contains("/blobs/")) {
        *seen.entry(asked.path.clone()).or_default() += 1;
    }
    // Configurations are small, and not worth a lock.
    let configurations = [&one, &two].map(|image| format!("/v2/a/b/blobs/{}", image.id()));
    seen.retain(|path, _| !configurations.contains(path));
    assert_eq!(seen.len(), 4);
    assert!(seen.values().all(|count| *count == 1), "{seen:?}");
    store.assert_clean();
}

#[test]
fn a_tag_that_moves_leads_to_the_new_image_and_the_old_one_stays() {
    let store = Store::new();
    let (old, new) = (TestImage::with_layers(2, "old"), TestImage::with_layers(2, "new"));
    let content = Arc::new(Mutex::new(Content::of(&old, "1", gzip)));
    let served = Arc::clone(&content);
    let fake = Fake::serve(move |asked| served.lock().unwrap().answer(asked));
    let first = pull(&store.images, &fake, "b:1").unwrap();
    *content.lock().unwrap() = Content::of(&new, "1", gzip);
    assert_eq!(*pull(&store.images, &fake, "b:1").unwrap().image.digest(), new.id());
    assert!(store.images.image(&first.image).is_ok());
    store.assert_clean();
}

#[test]
fn an_old_download_is_known_to_the_audit_and_removed_by_it_and_by_the_next_pull() {
    let store = Store::new();
    let fake = Content::of(&TestImage::with_layers(1, "x"), "1", gzip).serve();
    let dir = store.images.path().join("downloads");
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("a".repeat(64));
    let age = |days: u64| {
        let file = std::fs::File::create(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(days * 24 * 3600)).unwrap();
    };
    age(6);
    assert!(store.images.audit().unwrap().is_clean());
    age(8);
    assert_eq!(store.images.audit().unwrap().downloads.len(), 1);
    store.images.collect().unwrap();
    assert!(!path.exists());
    age(8);
    pull(&store.images, &fake, "b:1").unwrap();
    assert!(!path.exists());
    store.assert_clean();
}

/// A registry that takes what it is sent.
fn taking() -> (Fake, Arc<Mutex<Content>>) {
    let content = Arc::new(Mutex::new(Content::default()));
    let served = Arc::clone(&content);
    let upload: Mutex<Vec<u8>> = Mutex::default();
    let uploads: Mutex<HashMap<String, Vec<u8>>> = Mutex::default();
    let fake = Fake::serve(move |asked| {
        let mut content = served.lock().unwrap();
        let session = asked.path.split(['?', '/']).find(|part| part.starts_with("up-")).unwrap_or_default();
        match &*asked.method {
            "POST" => {
                let mut count = upload.lock().unwrap();
                count.push(0);
                Reply::new(202, "").with("location", format!("/v2/a/b/blobs/uploads/up-{}", count.len()))
            }
            "PATCH" => {
                uploads.lock().unwrap().entry(session.to_owned()).or_default().extend(&asked.body);
                Reply::new(202, "").with("location", asked.path.clone())
            }
            "PUT" if !session.is_empty() => {
                let bytes = uploads.lock().unwrap().remove(session).unwrap_or_default();
                let digest = asked.path.rsplit('=').next().unwrap().replace("%3A", ":");
                assert_eq!(sha256(&bytes).to_string(), digest);
                content.blobs.insert(digest, bytes);
                Reply::new(201, "")
            }
            "PUT" => {
                let media = asked.header("content-type").unwrap().to_owned();
                let name = asked.path.rsplit('/').next().unwrap().to_owned();
                content.documents.insert(name, (media.clone(), asked.body.clone()));
                content.documents.insert(sha256(&asked.body).to_string(), (media, asked.body.clone()));
                Reply::new(201, "")
            }
            _ => content.answer(asked),
        }
    });
    (fake, content)
}

fn push(images: &Images, fake: &Fake, source: &str, rest: &str) -> image::Result<image::Pushed> {
    let target = reference(fake, rest);
    if source != target.to_string() {
        images.tag(source, &target.to_string())?;
    }
    let access = Access::Push { mount_from: Vec::new() };
    let repository = Repository::open(&settings(), &target, &access)?;
    images.push(&repository, &target, &[], &Nobody)
}

#[test]
fn what_was_pulled_goes_out_as_it_came_in() {
    for compress in [gzip as fn(&[u8]) -> Vec<u8>, zstd] {
        let (store, image) = (Store::new(), large(7));
        let content = Content::of(&image, "1", compress);
        let from = content.clone().serve();
        pull(&store.images, &from, "b:1").unwrap();
        let (to, taken) = taking();
        let pushed = push(&store.images, &to, &reference(&from, "b:1").to_string(), "b:2").unwrap();
        let taken = taken.lock().unwrap();
        assert_eq!(taken.documents["2"], content.documents["1"]);
        assert_eq!(pushed.digest, sha256(&content.documents["1"].1));
        assert!(taken.blobs == content.blobs);
        // The manifest comes last: whoever sees the name finds all of it.
        assert!(to.lines().last().unwrap().starts_with("PUT /v2/a/b/manifests/2"));
        drop(taken);
        let before = to.asked().len();
        push(&store.images, &to, &reference(&to, "b:2").to_string(), "b:2").unwrap();
        assert!(to.lines()[before..].iter().all(|line| !line.starts_with("POST")), "sent again");
        store.assert_clean();
    }
}

#[test]
fn an_index_goes_along_when_all_of_it_is_here_and_stays_behind_when_not() {
    let store = Store::new();
    let (amd, mut arm) = (TestImage::with_layers(1, "amd"), TestImage::with_layers(1, "arm"));
    arm.config["architecture"] = json!("arm64");
    let mut content = Content::default();
    let mut entries = vec![content.add(&arm, "arm", gzip), content.add(&amd, "amd", gzip)];
    entries[0]["platform"] = json!({"os": "linux", "architecture": "arm64"});
    entries[1]["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let index = content.index("1", &entries);
    let (fake, taken) = taking();
    *taken.lock().unwrap() = content.clone();
    pull(&store.images, &fake, "b:1").unwrap();
    *taken.lock().unwrap() = Content::default();
    let name = reference(&fake, "b:1").to_string();
    let pushed = push(&store.images, &fake, &name, "b:1").unwrap();
    assert!(pushed.without_index);
    assert_eq!(pushed.digest.to_string(), entries[1]["digest"].as_str().unwrap());

    *taken.lock().unwrap() = content.clone();
    pull_for(&store.images, &fake, "b:1", "linux/arm64").unwrap();
    *taken.lock().unwrap() = Content::default();
    let pushed = push(&store.images, &fake, &name, "b:1").unwrap();
    assert_eq!((pushed.digest, pushed.without_index), (index, false));
    let taken = taken.lock().unwrap();
    assert_eq!(taken.documents["1"], content.documents["1"]);
    assert!(taken.blobs == content.blobs);
    store.assert_clean();
}
