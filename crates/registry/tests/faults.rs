//! A registry that breaks off, dawdles, lies and sends us elsewhere.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use registry::{Error, Repository, Selector};

use crate::fake::{Asked, Fake, Manner, Reply};
use crate::talk::{digest, manifest, noise, pull, settings};

const BLOB: &str = "/v2/a/b/blobs/sha256:";

/// Reads a blob to its end.
fn read(repository: &Repository, bytes: &[u8], from: usize) -> (Vec<u8>, Option<String>, usize) {
    let retries = AtomicUsize::new(0);
    let on_retry = |_: &Error, _| {
        retries.fetch_add(1, Ordering::Relaxed);
    };
    let mut found = Vec::new();
    let mut reader = repository.blob(&digest(bytes), bytes.len() as u64, from as u64, &on_retry);
    let failure = reader.read_to_end(&mut found).err().map(|error| error.to_string());
    (found, failure, retries.into_inner())
}

fn blobs(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Fake {
    Fake::serve(move |asked| if asked.path.starts_with(BLOB) { script(asked) } else { Reply::missing() })
}

#[test]
fn a_connection_that_breaks_goes_on_where_it_broke() {
    let bytes = noise(400_000);
    let served = bytes.clone();
    let fake = blobs(move |asked| match asked.before {
        3 => Reply::blob(asked, &served),
        _ => Reply::blob(asked, &served).sent(Manner::Cut(100_000)),
    });
    let (found, failure, retries) = read(&pull(&settings(), &fake.host), &bytes, 0);
    assert_eq!((failure, retries), (None, 3));
    assert!(found == bytes);
    let ranges: Vec<Option<usize>> =
        fake.asked().iter().filter(|asked| asked.path.starts_with(BLOB)).map(Asked::range).collect();
    assert_eq!(ranges, [None, Some(100_000), Some(200_000), Some(300_000)]);
}

#[test]
fn tries_are_counted_without_progress_alone() {
    let bytes = noise(1_000_000);
    let served = bytes.clone();
    // Ten breaks are more than the three tries there are, but each brings something.
    let fake = blobs(move |asked| Reply::blob(asked, &served).sent(Manner::Cut(100_000)));
    let (found, failure, retries) = read(&pull(&settings(), &fake.host), &bytes, 0);
    assert_eq!((failure, retries), (None, 9));
    assert!(found == bytes);
}

#[test]
fn a_host_that_nobody_knows_is_told_at_once() {
    let mut settings = settings();
    settings.patience.pause = std::time::Duration::from_secs(60);
    // A name that is never given to a host (RFC 6761).
    let error = pull(&settings, "registry.invalid").manifest(Selector::Tag("x")).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

#[test]
fn no_progress_ends_it() {
    let bytes = noise(100_000);
    let served = bytes.clone();
    let fake = blobs(move |asked| Reply::blob(asked, &served).sent(Manner::Cut(10)));
    let (found, failure, retries) = read(&pull(&settings(), &fake.host), &bytes, 0);
    assert_eq!((found.len(), retries), (30, 2));
    assert!(failure.unwrap().contains("broke off"));
}

#[test]
fn a_registry_that_knows_no_ranges_is_read_from_the_start_and_passed_over() {
    let bytes = noise(300_000);
    let served = bytes.clone();
    let fake = blobs(move |asked| match asked.before {
        0 => Reply::new(200, &*served).sent(Manner::Cut(200_000)),
        _ => Reply::new(200, &*served),
    });
    let (found, failure, _) = read(&pull(&settings(), &fake.host), &bytes, 0);
    assert_eq!(failure, None);
    assert!(found == bytes);
}

#[test]
fn another_range_than_asked_for_is_refused() {
    let bytes = noise(1000);
    let served = bytes.clone();
    let fake = blobs(move |_| Reply::new(206, &served[400..]).with("content-range", "bytes 400-999/1000"));
    let (found, failure, _) = read(&pull(&settings(), &fake.host), &bytes, 500);
    assert!(found.is_empty() && failure.unwrap().contains("another range"));
}

#[test]
fn a_blob_of_another_length_is_refused_before_it_is_read() {
    let bytes = noise(1000);
    let fake = blobs(|_| Reply::new(200, vec![0; 1001]));
    let (found, failure, _) = read(&pull(&settings(), &fake.host), &bytes, 0);
    assert!(found.is_empty());
    assert!(failure.unwrap().contains("has 1001 bytes, expected 1000"));
}

#[test]
fn a_blob_without_length_ends_where_its_descriptor_says() {
    let bytes = noise(50_000);
    let more = [&*bytes, &[1; 5000]].concat();
    let fake = blobs(move |_| Reply::new(200, &*more).sent(Manner::Chunked));
    let (found, failure, _) = read(&pull(&settings(), &fake.host), &bytes, 0);
    assert_eq!(failure, None);
    assert!(found == bytes);
}

#[test]
fn a_connection_that_stands_still_is_left_after_a_while_and_goes_on() {
    let bytes = noise(200_000);
    let served = bytes.clone();
    let fake = blobs(move |asked| match asked.before {
        0 => Reply::blob(asked, &served).sent(Manner::Stall(70_000)),
        _ => Reply::blob(asked, &served),
    });
    let (found, failure, retries) = read(&pull(&settings(), &fake.host), &bytes, 0);
    assert_eq!((failure, retries), (None, 1));
    assert!(found == bytes);
}

#[test]
fn a_trickle_is_no_download() {
    let bytes = noise(100_000);
    let served = bytes.clone();
    // 10 bytes every 20 ms never let a read time out.
    let fake = blobs(move |asked| Reply::blob(asked, &served).sent(Manner::Slow(10, 20)));
    let (found, failure, retries) = read(&pull(&settings(), &fake.host), &bytes, 0);
    assert_eq!(retries, 2);
    assert!(!found.is_empty() && found[..] == bytes[..found.len()], "what came is kept");
    assert!(failure.unwrap().contains("sent less than 2000 bytes"));
}

#[test]
fn a_busy_registry_is_asked_again_when_it_wants_to_be() {
    let fake = Fake::serve(|asked| match (asked.path.ends_with("/manifests/t"), asked.before) {
        (true, 0) => Reply::new(429, "").with("retry-after", "1"),
        (true, 1) => Reply::new(503, ""),
        (true, _) => Reply::new(200, manifest()),
        _ => Reply::missing(),
    });
    let began = std::time::Instant::now();
    assert!(pull(&settings(), &fake.host).manifest(Selector::Tag("t")).is_ok());
    assert!(began.elapsed().as_millis() >= 1000);
}

#[test]
fn a_registry_that_wants_to_be_left_alone_for_an_hour_is_not_waited_for() {
    let fake = Fake::serve(|_| Reply::new(429, "").with("retry-after", "3600"));
    let error = pull(&settings(), &fake.host).manifest(Selector::Tag("t")).unwrap_err();
    assert!(matches!(error, Error::Limited { seconds: 3600, .. }), "{error:?}");
    assert_eq!(fake.lines().iter().filter(|line| line.ends_with("manifests/t")).count(), 1);
}

#[test]
fn a_circle_of_redirects_ends() {
    let fake = Fake::serve(|asked| Reply::new(307, "").with("location", asked.path.clone()));
    let error = pull(&settings(), &fake.host).manifest(Selector::Tag("t")).unwrap_err();
    assert!(matches!(error, Error::Redirect { .. }), "{error:?}");
    assert!(fake.asked().len() < 20);
}

#[test]
fn plain_http_to_whom_nobody_allowed_it_is_refused_on_the_way_too() {
    let fake = Fake::serve(|_| Reply::new(302, "").with("location", "http://192.0.2.1/blob"));
    let error = pull(&settings(), &fake.host).manifest(Selector::Tag("t")).unwrap_err();
    assert!(matches!(error, Error::PlainHttp { .. }), "{error:?}");
}

#[test]
fn a_mirror_that_fails_is_passed_over() {
    let bytes = noise(100_000);
    let (served, asked_mirror) = (bytes.clone(), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&asked_mirror);
    let mirror = Fake::serve(move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
        Reply::new(500, "")
    });
    let origin = Fake::serve(move |asked| match asked.path.contains("/manifests/") {
        true => Reply::new(200, manifest()),
        false => Reply::blob(asked, &served),
    });
    let mut settings = settings();
    let mirrors = vec![registry::Mirror::parse(&format!("http://{}", mirror.host)).unwrap()];
    let configured = registry::RegistrySettings { mirrors, insecure: false };
    settings.registries.insert(origin.host.clone(), configured);
    let repository = pull(&settings, &origin.host);
    assert!(repository.manifest(Selector::Tag("t")).is_ok());
    assert_eq!(asked_mirror.load(Ordering::Relaxed), 3);
    // Whoever had the manifest is asked for the blobs first.
    assert!(read(&repository, &bytes, 0).0 == bytes);
    assert_eq!(asked_mirror.load(Ordering::Relaxed), 3);
}

#[test]
fn a_mirror_that_loses_its_blobs_is_replaced_in_the_middle_of_one() {
    let bytes = noise(200_000);
    let (at_mirror, at_origin) = (bytes.clone(), bytes.clone());
    let mirror = Fake::serve(move |asked| match (asked.path.contains("/manifests/"), asked.before) {
        (true, _) => Reply::new(200, manifest()),
        (_, 0) => Reply::blob(asked, &at_mirror).sent(Manner::Cut(100_000)),
        _ => Reply::missing(),
    });
    let origin = Fake::serve(move |asked| Reply::blob(asked, &at_origin));
    let mut settings = settings();
    let mirrors = vec![registry::Mirror::parse(&format!("http://{}", mirror.host)).unwrap()];
    settings.registries.insert(origin.host.clone(), registry::RegistrySettings { mirrors, insecure: false });
    let repository = pull(&settings, &origin.host);
    repository.manifest(Selector::Tag("t")).unwrap();
    let (found, failure, _) = read(&repository, &bytes, 0);
    assert_eq!(failure, None);
    assert!(found == bytes);
    assert_eq!(origin.asked().last().unwrap().range(), Some(100_000));
}
