//! ADD of addresses, from a web server of the test's own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use tests::{Invocation, Output};

use super::{Site, holds};

const DATE: &str = "Wed, 21 Oct 2015 07:28:00 GMT";

/// A web server that remembers what it was asked.
struct Web {
    address: String,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// Whole answers by path, with their heads.
    answers: BTreeMap<String, Vec<u8>>,
    asked: Vec<String>,
}

impl Web {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Mutex::new(Shared::default()));
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let mut lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
                let Some(first) = lines.next() else { continue };
                let path = first.split(' ').nth(1).unwrap().to_owned();
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let etag = head
                    .iter()
                    .find_map(|line| line.to_lowercase().strip_prefix("if-none-match: ").map(str::to_owned));
                let mut shared = theirs.lock().unwrap();
                shared.asked.push(format!("{path} {}", etag.clone().unwrap_or_default()).trim().to_owned());
                let found =
                    shared.answers.get(&path).cloned().unwrap_or_else(|| answer("404 Not Found", &[], b""));
                let is_same = etag.is_some_and(|etag| {
                    String::from_utf8_lossy(&found).to_lowercase().contains(&format!("etag: {etag}"))
                });
                let answer = if is_same { answer("304 Not Modified", &[], b"") } else { found };
                let _ = client.write_all(&answer);
            }
        });
        Self { address, shared }
    }

    /// Serves a file with these headers.
    fn file(&self, path: &str, headers: &[&str], body: &[u8]) -> String {
        self.put(path, answer("200 OK", headers, body))
    }

    fn put(&self, path: &str, answer: Vec<u8>) -> String {
        self.shared.lock().unwrap().answers.insert(path.to_owned(), answer);
        format!("{}{path}", self.address)
    }

    /// What was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().unwrap().asked)
    }
}

fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    headers.iter().for_each(|header| head.push_str(&format!("{header}\r\n")));
    [format!("{head}\r\n").as_bytes(), body].concat()
}

fn add(site: &Site, line: &str) -> Output {
    site.build(&format!("FROM busybox\nRUN mkdir /w\n{line}"), &[])
}

#[test]
fn a_file_is_fetched_once_and_asked_for_again_only_whether_it_has_changed() {
    let site = Site::new();
    let web = Web::new();
    let url = web.file(
        "/dir/file%20name?x=secret-query",
        &["ETag: \"one\"", &format!("Last-Modified: {DATE}")],
        b"first\n",
    );
    add(&site, &format!("ADD {url} /w/")).ok();
    assert_eq!(
        site.inside("cd /w; ls; stat -c '%a %u:%g %Y' *; cat *"),
        "file name\n600 0:0 1445412480\nfirst"
    );
    assert_eq!(web.asked(), ["/dir/file%20name?x=secret-query"]);
    add(&site, &format!("ADD {url} /w/")).ok().stderr_has("#2 CACHED");
    assert_eq!(web.asked(), ["/dir/file%20name?x=secret-query \"one\""]);
    web.file("/dir/file%20name?x=secret-query", &["ETag: \"two\""], b"second\n");
    add(&site, &format!("ADD {url} /w/")).ok();
    assert_eq!(site.inside("cd /w; stat -c '%Y' *; cat *"), "0\nsecond");
    site.engine.run(&["build", "cache", "ls"]).ok().stdout_has("file of http://127.0.0.1");
    site.engine.audit();
    site.engine.run(&["build", "cache", "prune", "--force"]).ok();
    assert_eq!(std::fs::read_dir(site.engine.root().join("build/fetched")).unwrap().count(), 0);
    // As every argument of a step, an address stands in the history; in what is kept of files it does not.
    assert_eq!(holds(&site.engine.root().join("build/fetched"), "secret-query"), "");
}

#[test]
fn owners_modes_names_and_archives() {
    let site = Site::new();
    let web = Web::new();
    let url = web.file("/x.txt", &[], b"x\n");
    site.file("tree/inside", "inside\n");
    let archive = site.engine.base().join("t.tar");
    let words = ["-cf", archive.to_str().unwrap(), "-C", site.context.to_str().unwrap(), "tree"];
    Invocation::new("tar", &words).run().ok();
    let packed = web.file("/t.tar", &[], &std::fs::read(&archive).unwrap());
    let text = format!(
        "ADD --chown=7:8 --chmod=0751 {url} /w/named\nADD {url} {packed} /w/d/\nADD --unpack=true {packed} /w/u/\nADD {}/ /w/n/",
        web.address
    );
    web.file("/", &[], b"root\n");
    add(&site, &text).ok();
    assert_eq!(
        site.inside("cd /w; stat -c '%a %u:%g %n' named d/* n/* u/tree/inside; cat u/tree/inside"),
        "751 7:8 named\n600 0:0 d/t.tar\n600 0:0 d/x.txt\n600 0:0 n/__unnamed__\n644 0:0 u/tree/inside\ninside"
    );
}

#[test]
fn a_checksum_is_held_and_saves_asking() {
    let site = Site::new();
    let web = Web::new();
    let url = web.file("/f", &["ETag: \"a\""], b"content\n");
    let sum =
        Invocation::new("sha256sum", &[] as &[&str]).stdin("content\n").run().ok().text()[..64].to_owned();
    let line = format!("ADD --checksum=sha256:{sum} {url} /w/");
    add(&site, &line).ok();
    assert_eq!((site.inside("cat /w/f"), web.asked().len()), ("content".to_owned(), 1));
    add(&site, &line).ok().stderr_has("#2 CACHED");
    site.build(&format!("FROM busybox\nRUN mkdir /other\n{line}"), &[]).ok();
    assert_eq!(web.asked(), Vec::<String>::new(), "what it must be is here");
    web.file("/f", &["ETag: \"b\""], b"evil\n");
    let other = Site::new();
    let failed = add(&other, &line).fails_with(1);
    failed.error_names(&["its digest is sha256:", &format!("and not sha256:{sum}")]);
    assert_eq!(other.engine.run(&["images", "--quiet", "it"]).ok().text(), "");
}

#[test]
fn what_cannot_be_fetched_says_why_and_leaves_nothing() {
    let site = Site::new();
    let web = Web::new();
    let cut = answer("200 OK", &[], &[b'x'; 1000]);
    let cut = web.put("/cut", cut[..cut.len() - 400].to_vec());
    let away = |to: &str| answer("302 Found", &[&format!("Location: {to}")], b"");
    let around = web.put("/around", away("/around"));
    let moved = web.put("/moved", away("/there"));
    let file = web.put("/file", away("file:///etc/passwd"));
    web.file("/there", &[], b"moved\n");
    for (url, named) in [
        (format!("{}/nothing", web.address), "127.0.0.1"),
        (cut, "broke off"),
        (around, "too often"),
        (file, "leads nowhere"),
        ("http://127.0.0.1:1/x".to_owned(), "cannot reach"),
        ("http://user:password@127.0.0.1/x".to_owned(), "holds a user"),
    ] {
        let failed = add(&site, &format!("ADD {url} /w/x")).fails_with(1);
        failed.error_names(&[named]);
    }
    add(&site, &format!("ADD {moved} /w/")).ok();
    assert_eq!(site.inside("ls /w; cat /w/moved"), "moved\nmoved");
    let fetched = std::fs::read_dir(site.engine.root().join("build/fetched")).unwrap().count();
    assert_eq!(fetched, 2, "a record and a file");
}
