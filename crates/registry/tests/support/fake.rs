//! A registry in the test's own process that does what a script says: also what no registry should.

#![allow(dead_code, unreachable_pub, reason = "several test programs use parts of it")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    /// How many requests with this method and path came before.
    pub before: usize,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns N of `Range: bytes=N-`.
    pub fn range(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub manner: Manner,
}

/// How the body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Whole,
    /// The connection breaks after so many bytes.
    Cut(usize),
    /// Nothing more comes after so many bytes, and the connection stays.
    Stall(usize),
    /// So many bytes at a time, with this many milliseconds between.
    Slow(usize, u64),
    /// Without a length.
    Chunked,
    /// Zeros without end, whatever the length says.
    Endless,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), manner: Manner::Whole }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn sent(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }

    /// A blob as registries serve it: whole, or from where the range begins.
    pub fn blob(asked: &Asked, bytes: &[u8]) -> Self {
        match asked.range() {
            Some(from) => Self::new(206, &bytes[from..])
                .with("content-range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
            None => Self::new(200, bytes),
        }
    }

    pub fn missing() -> Self {
        Self::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#)
    }
}

type Script = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A server on loopback that ends with the value.
pub struct Fake {
    pub host: String,
    log: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Fake {
    /// Serves plain HTTP.
    pub fn serve(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(script))
    }

    /// Serves TLS with the certificate below `tls/`, for `localhost` and 127.0.0.1.
    pub fn serve_tls(
        config: Arc<rustls::ServerConfig>,
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(config), Arc::new(script))
    }

    fn start(tls: Option<Arc<rustls::ServerConfig>>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (log, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log2, stop2) = (Arc::clone(&log), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop2.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (script, log, tls) = (Arc::clone(&script), Arc::clone(&log2), tls.clone());
                std::thread::spawn(move || {
                    let _ = match tls {
                        None => talk(&mut BufReader::new(stream), &*script, &log),
                        Some(config) => {
                            let connection = rustls::ServerConnection::new(config).unwrap();
                            let stream = rustls::StreamOwned::new(connection, stream);
                            talk(&mut BufReader::new(stream), &*script, &log)
                        }
                    };
                });
            }
        });
        Self { host, log, stop, thread: Some(thread) }
    }

    pub fn port(&self) -> &str {
        self.host.rsplit(':').next().unwrap()
    }

    /// Returns all requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    /// Returns `METHOD PATH` of all requests so far.
    pub fn lines(&self) -> Vec<String> {
        self.asked().iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.host);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

fn talk<S: Read + Write>(
    stream: &mut BufReader<S>,
    script: &Script,
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    loop {
        let Some(mut asked) = read_request(stream)? else { return Ok(()) };
        {
            let mut log = log.lock().unwrap();
            let same = |other: &&Asked| other.method == asked.method && other.path == asked.path;
            asked.before = log.iter().filter(same).count();
            log.push(asked.clone());
        }
        let reply = script(&asked);
        write_reply(stream.get_mut(), &asked, &reply)?;
        if reply.manner != Manner::Whole && reply.manner != Manner::Chunked {
            return Ok(());
        }
    }
}

fn read_request<S: Read>(stream: &mut BufReader<S>) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 || !line.contains(" HTTP/1.") {
        if !line.is_empty() {
            // What a web server says to a TLS hello: it is no TLS at all.
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        return Ok(None);
    }
    let mut words = line.split(' ');
    let (method, path) =
        (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers.get("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(Asked { method, path, headers, body, before: 0 }))
}

fn write_reply(stream: &mut impl Write, asked: &Asked, reply: &Reply) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} X\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let has_length = reply.headers.iter().any(|(name, _)| name == "content-length");
    match reply.manner {
        Manner::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
        _ if has_length || reply.status == 204 => {}
        _ => head.push_str(&format!("content-length: {}\r\n", reply.body.len())),
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if asked.method == "HEAD" {
        return stream.flush();
    }
    match reply.manner {
        Manner::Whole => stream.write_all(&reply.body)?,
        Manner::Cut(after) => stream.write_all(&reply.body[..after.min(reply.body.len())])?,
        Manner::Stall(after) => {
            stream.write_all(&reply.body[..after])?;
            stream.flush()?;
            std::thread::sleep(Duration::from_secs(5));
        }
        Manner::Slow(bytes, pause) => {
            for piece in reply.body.chunks(bytes) {
                stream.write_all(piece)?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(pause));
            }
        }
        Manner::Chunked => {
            for piece in reply.body.chunks(1000) {
                stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
                stream.write_all(piece)?;
                stream.write_all(b"\r\n")?;
            }
            stream.write_all(b"0\r\n\r\n")?;
        }
        Manner::Endless => loop {
            stream.write_all(&[0; 65536])?;
        },
    }
    stream.flush()
}
