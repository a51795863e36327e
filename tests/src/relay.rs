//! Something between an engine and a registry that keeps what was asked, and stops when enough has come.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Its threads end with the process of the test.
#[derive(Debug)]
pub struct Relay {
    host: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Bytes of answers that it still lets through.
    left: AtomicU64,
    asked: Mutex<Vec<u8>>,
}

impl Relay {
    /// Stands before `target`, `HOST:PORT`, and lets all through.
    pub fn before(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared { left: AtomicU64::new(u64::MAX), asked: Mutex::default() });
        let (target, inside) = (target.to_owned(), Arc::clone(&shared));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&target).unwrap();
                let (mut from_client, mut to_server) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                let asking = Arc::clone(&inside);
                thread::spawn(move || asking.ask(&mut from_client, &mut to_server));
                let answering = Arc::clone(&inside);
                thread::spawn(move || answering.answer(server, client));
            }
        });
        Self { host, shared }
    }

    /// Returns `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Lets so many bytes of answers through from now on; what comes after them waits.
    pub fn let_through(&self, bytes: u64) {
        self.shared.left.store(bytes, Ordering::SeqCst);
    }

    /// Returns all requests, as they were sent.
    pub fn asked(&self) -> String {
        String::from_utf8_lossy(&self.shared.asked.lock().unwrap()).into_owned()
    }

    /// Forgets the requests.
    pub fn forget(&self) {
        self.shared.asked.lock().unwrap().clear();
    }
}

impl Shared {
    fn ask(&self, client: &mut TcpStream, server: &mut TcpStream) {
        let mut buffer = [0; 8192];
        while let Ok(len @ 1..) = client.read(&mut buffer) {
            self.asked.lock().unwrap().extend(&buffer[..len]);
            if server.write_all(&buffer[..len]).is_err() {
                return;
            }
        }
        let _ = server.shutdown(std::net::Shutdown::Write);
    }

    fn answer(&self, mut server: TcpStream, mut client: TcpStream) {
        let mut buffer = [0; 8192];
        while let Ok(len @ 1..) = server.read(&mut buffer) {
            while self.left.load(Ordering::SeqCst) < len as u64 {
                thread::sleep(Duration::from_millis(2));
            }
            self.left.fetch_sub(len as u64, Ordering::SeqCst);
            if client.write_all(&buffer[..len]).is_err() {
                return;
            }
        }
        let _ = client.shutdown(std::net::Shutdown::Write);
    }
}
