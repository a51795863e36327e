//! Manifests: verified, of bounded size, and what they say they are.

use std::time::Instant;

use oci::digest::Digest;
use registry::{Error, Selector};

use crate::fake::{Fake, Manner, Reply};
use crate::talk::{digest, index, manifest, pull, settings};

fn error(fake: &Fake, selector: Selector<'_>) -> Error {
    pull(&settings(), &fake.host).manifest(selector).unwrap_err()
}

#[test]
fn a_manifest_by_tag_is_named_by_its_own_bytes_and_not_by_a_header() {
    let fake = Fake::serve(|_| {
        Reply::new(200, manifest()).with("docker-content-digest", format!("sha256:{}", "0".repeat(64)))
    });
    let fetched = pull(&settings(), &fake.host).manifest(Selector::Tag("t")).unwrap();
    assert_eq!(fetched.digest, digest(&manifest()));
    assert_eq!(fetched.bytes, manifest());
    // What HEAD says is never asked for, so it cannot differ from what GET says.
    assert!(fake.lines().iter().all(|line| !line.starts_with("HEAD")), "{:?}", fake.lines());
}

#[test]
fn a_manifest_by_digest_is_that_one() {
    let fake = Fake::serve(|_| Reply::new(200, manifest()));
    let (right, wrong) = (digest(&manifest()), Digest::from_bytes([7; 32]));
    let repository = pull(&settings(), &fake.host);
    assert!(repository.manifest(Selector::Digest(&right)).is_ok());
    assert!(matches!(repository.manifest(Selector::Digest(&wrong)), Err(Error::DigestMismatch { .. })));
}

#[test]
fn a_manifest_of_ten_gigabytes_is_refused_before_it_is_read() {
    let fake =
        Fake::serve(|_| Reply::new(200, "").with("content-length", "10000000000").sent(Manner::Endless));
    let began = Instant::now();
    assert!(matches!(error(&fake, Selector::Tag("t")), Error::TooLarge { limit: 4_194_304, .. }));
    assert!(began.elapsed().as_secs() < 5);
}

#[test]
fn a_manifest_without_length_and_end_is_cut_off_at_the_limit() {
    let fake = Fake::serve(|asked| match &*asked.path {
        "/v2/a/b/manifests/t" => Reply::new(200, vec![b' '; 5 << 20]).sent(Manner::Chunked),
        _ => Reply::missing(),
    });
    assert!(matches!(error(&fake, Selector::Tag("t")), Error::TooLarge { .. }));
}

#[test]
fn an_index_sent_as_manifest_is_refused_and_the_other_way_round() {
    let oci = |kind: &str| format!("application/vnd.oci.image.{kind}.v1+json");
    let docker = |kind: &str| format!("application/vnd.docker.distribution.{kind}.v2+json; charset=utf-8");
    for (body, content_type, is_fine) in [
        (index(), oci("manifest"), false),
        (manifest(), oci("index"), false),
        (index(), docker("manifest"), false),
        (manifest(), docker("manifest.list"), false),
        (index(), oci("index"), true),
        (manifest(), "text/plain".to_owned(), true),
    ] {
        let sent = content_type.clone();
        let fake = Fake::serve(move |_| Reply::new(200, &*body).with("content-type", sent.clone()));
        let fetched = pull(&settings(), &fake.host).manifest(Selector::Tag("t"));
        match is_fine {
            true => assert!(fetched.is_ok(), "{content_type}: {fetched:?}"),
            false => assert!(matches!(fetched, Err(Error::MediaType { .. })), "{content_type}: {fetched:?}"),
        }
    }
}

#[test]
fn a_document_that_is_both_is_refused() {
    let body = r#"{"schemaVersion":2,"layers":[],"config":{},"manifests":[]}"#;
    let fake = Fake::serve(move |_| Reply::new(200, body));
    assert!(matches!(error(&fake, Selector::Tag("t")), Error::Document { .. }));
}

#[test]
fn what_is_not_there_says_so_in_the_registrys_words() {
    let fake = Fake::serve(|_| Reply::missing());
    let error = error(&fake, Selector::Tag("t"));
    assert!(
        error.to_string().ends_with("has no manifest `a/b:t`: manifest_unknown: manifest unknown"),
        "{error}"
    );
}

#[test]
fn tags_are_listed_page_by_page_and_never_from_elsewhere() {
    let fake = Fake::serve(|asked| match &*asked.path {
        "/v2/a/b/tags/list?n=1000" => Reply::new(200, r#"{"name":"a/b","tags":["one","two"]}"#)
            .with("link", r#"</v2/a/b/tags/list?last=two&n=1000>; rel="next""#),
        "/v2/a/b/tags/list?last=two&n=1000" => Reply::new(200, r#"{"tags":["three"]}"#),
        "/v2/c/d/tags/list?n=1000" => {
            Reply::new(200, r#"{"tags":null}"#).with("link", r#"<https://evil.example/>; rel="next""#)
        }
        _ => Reply::missing(),
    });
    assert_eq!(pull(&settings(), &fake.host).tags().unwrap(), ["one", "two", "three"]);
    let name = format!("{}/c/d", fake.host).parse().unwrap();
    let other = registry::Repository::open(&settings(), &name, &registry::Access::Pull).unwrap();
    assert!(matches!(other.tags(), Err(Error::Malformed { .. })));
}

#[test]
fn referrers_are_listed_and_a_tag_stands_in_where_the_list_is_not_known() {
    let subject = digest(b"subject");
    let list = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":3,"artifactType":"text/sbom"}}]}}"#,
        digest(b"sbom")
    );
    for known in [true, false] {
        let list = list.clone();
        let fake = Fake::serve(move |asked| {
            let by_tag = asked.path.ends_with(&format!("manifests/sha256-{}", subject.hex()));
            let by_list = asked.path.ends_with(&format!("referrers/{subject}"));
            if by_tag && !known || by_list && known { Reply::new(200, &*list) } else { Reply::missing() }
        });
        let found = pull(&settings(), &fake.host).referrers(&subject).unwrap();
        assert!(String::from_utf8(found).unwrap().contains("text/sbom"), "{known}");
    }
    let fake = Fake::serve(|_| Reply::missing());
    let found = pull(&settings(), &fake.host).referrers(&subject).unwrap();
    assert!(found.ends_with(br#""manifests":[]}"#));
}
