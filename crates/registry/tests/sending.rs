//! Blobs on their way to a registry.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex};

use registry::{Repository, Sent};

use crate::fake::{Asked, Fake, Reply};
use crate::talk::{digest, noise, push, settings};

struct Bytes(Vec<u8>);

impl registry::Source for Bytes {
    fn open(&self, position: u64) -> std::io::Result<Box<dyn Read>> {
        let mut cursor = Cursor::new(self.0.clone());
        cursor.seek(SeekFrom::Start(position))?;
        Ok(Box::new(cursor))
    }
}

fn send(repository: &Repository, bytes: &[u8], mount_from: &[&str]) -> registry::Result<Sent> {
    let mount_from: Vec<String> = mount_from.iter().map(|name| (*name).to_owned()).collect();
    let source = Bytes(bytes.to_vec());
    repository.push_blob(&digest(bytes), bytes.len() as u64, &source, &mount_from, &|_| (), &|_, _| ())
}

/// A registry that takes pieces in order; `spoil` may answer instead.
fn taking(
    taken: &Arc<Mutex<Vec<u8>>>,
    spoil: impl Fn(&Asked, &mut Vec<u8>) -> Option<Reply> + Send + Sync + 'static,
) -> Fake {
    let taken = Arc::clone(taken);
    Fake::serve(move |asked| {
        let mut taken = taken.lock().unwrap();
        if let Some(reply) = spoil(asked, &mut taken) {
            return reply;
        }
        let range = |taken: &Vec<u8>| format!("0-{}", taken.len().saturating_sub(1));
        match &*asked.method {
            "HEAD" => Reply::new(404, ""),
            "POST" => {
                taken.clear();
                Reply::new(202, "").with("location", "/v2/a/b/blobs/uploads/1?state=0")
            }
            "PATCH" => {
                let from: usize =
                    asked.header("content-range").unwrap().split('-').next().unwrap().parse().unwrap();
                if from != taken.len() {
                    return Reply::new(416, "");
                }
                taken.extend(&asked.body);
                Reply::new(202, "")
                    .with("location", "/v2/a/b/blobs/uploads/1?state=1")
                    .with("range", range(&taken))
            }
            "GET" => Reply::new(204, "").with("range", range(&taken)),
            _ => Reply::new(201, ""),
        }
    })
}

#[test]
fn what_is_there_is_not_sent() {
    let fake = Fake::serve(|_| Reply::new(200, ""));
    assert_eq!(send(&push(&settings(), &fake.host), b"x", &["other/one"]).unwrap(), Sent::Exists);
    assert_eq!(fake.lines(), [format!("HEAD /v2/a/b/blobs/{}", digest(b"x"))]);
}

#[test]
fn what_another_repository_has_is_mounted() {
    let fake = Fake::serve(|asked| Reply::new(if asked.method == "HEAD" { 404 } else { 201 }, ""));
    let sent = send(&push(&settings(), &fake.host), b"x", &["other/one"]).unwrap();
    assert_eq!(sent, Sent::Mounted("other/one".to_owned()));
    let mount = format!("POST /v2/a/b/blobs/uploads/?mount={}&from=other/one", digest(b"x"));
    assert_eq!(fake.lines()[1..], [mount]);
}

#[test]
fn a_blob_goes_in_pieces_and_its_digest_closes_it() {
    let (bytes, taken) = (noise(40 << 20), Arc::default());
    let fake = taking(&taken, |_, _| None);
    // A mount that is not possible begins an upload, which is used.
    assert_eq!(send(&push(&settings(), &fake.host), &bytes, &["other/one"]).unwrap(), Sent::Uploaded);
    assert!(*taken.lock().unwrap() == bytes);
    let methods: Vec<String> = fake.asked().iter().map(|asked| asked.method.clone()).collect();
    assert_eq!(methods, ["HEAD", "POST", "PATCH", "PATCH", "PATCH", "PUT"]);
    let last = fake.asked().pop().unwrap();
    assert_eq!(
        last.path,
        format!("/v2/a/b/blobs/uploads/1?state=1&digest={}", digest(&bytes)).replace("sha256:", "sha256%3A")
    );
}

#[test]
fn a_piece_that_was_lost_is_sent_again_from_where_the_registry_is() {
    let (bytes, taken) = (noise(40 << 20), Arc::default());
    let fake = taking(&taken, |asked, taken| {
        // Half of the second piece arrives, and then the registry falls over.
        let second = asked.method == "PATCH" && taken.len() == 16 << 20;
        second.then(|| {
            taken.extend(&asked.body[..5 << 20]);
            Reply::new(500, "")
        })
    });
    assert_eq!(send(&push(&settings(), &fake.host), &bytes, &[]).unwrap(), Sent::Uploaded);
    assert!(*taken.lock().unwrap() == bytes);
}

#[test]
fn a_session_that_is_gone_is_begun_anew() {
    let (bytes, taken) = (noise(20 << 20), Arc::default());
    let fake = taking(&taken, |asked, taken| match (&*asked.method, asked.before) {
        ("PATCH", 0) if !taken.is_empty() => Some(Reply::new(503, "")),
        ("GET", 0) => Some(Reply::new(404, "")),
        _ => None,
    });
    assert_eq!(send(&push(&settings(), &fake.host), &bytes, &[]).unwrap(), Sent::Uploaded);
    assert!(*taken.lock().unwrap() == bytes);
    assert_eq!(fake.lines().iter().filter(|line| line.starts_with("POST")).count(), 2);
}

#[test]
fn a_registry_that_takes_nothing_ends_it() {
    let taken = Arc::default();
    let fake = taking(&taken, |asked, _| (asked.method == "PATCH").then(|| Reply::new(500, "")));
    assert!(send(&push(&settings(), &fake.host), b"bytes", &[]).is_err());
    assert_eq!(fake.lines().iter().filter(|line| line.starts_with("PATCH")).count(), 3);
}

#[test]
fn an_empty_blob_is_a_blob() {
    let taken = Arc::default();
    let fake = taking(&taken, |_, _| None);
    assert_eq!(send(&push(&settings(), &fake.host), b"", &[]).unwrap(), Sent::Uploaded);
}
