//! A command with a terminal: what a person types, sees and resizes.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::command::{Process, spawn_within};
use crate::{Namespace, Output};

/// A command that runs on a terminal.
#[derive(Debug)]
pub struct Terminal {
    process: Process,
    master: Option<File>,
    seen: Arc<Mutex<Vec<u8>>>,
    reader: Option<thread::JoinHandle<()>>,
    text: String,
    timeout: Duration,
}

impl Terminal {
    #[track_caller]
    pub(crate) fn start(
        namespace: Option<&Namespace>,
        mut command: Command,
        text: String,
        (rows, columns): (u16, u16),
        timeout: Duration,
    ) -> Self {
        let (master, slave) = open_pair();
        tcsetwinsize(&master, size(rows, columns)).unwrap();
        command.stdin(Stdio::from(slave.try_clone().unwrap()));
        command.stdout(Stdio::from(slave.try_clone().unwrap())).stderr(Stdio::from(slave));
        let child = spawn_within(namespace, &mut command);
        let child = child.unwrap_or_else(|error| panic!("cannot run {text}: {error}"));
        // Holds our ends of the slave; while they are open the master does not hang up.
        drop(command);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let master = File::from(master);
        let (mut source, kept) = (master.try_clone().unwrap(), Arc::clone(&seen));
        let reader = thread::spawn(move || {
            let mut chunk = [0; 4096];
            // EIO when the last slave has been closed.
            while let Ok(count @ 1..) = source.read(&mut chunk) {
                kept.lock().unwrap().extend_from_slice(&chunk[..count]);
            }
        });
        Self { process: Process::new(child), master: Some(master), seen, reader: Some(reader), text, timeout }
    }

    /// Types text; a line ends with `\r`, as the return key sends it.
    #[track_caller]
    pub fn type_text(&mut self, text: &str) {
        self.master.as_mut().expect("a terminal that was not hung up").write_all(text.as_bytes()).unwrap();
    }

    /// Changes the size, as dragging the window's corner does.
    #[track_caller]
    pub fn resize(&self, rows: u16, columns: u16) {
        let master = self.master.as_ref().expect("a terminal that was not hung up");
        tcsetwinsize(master, size(rows, columns)).unwrap();
    }

    /// Waits until the screen has shown the text, and forgets everything up to its end.
    #[track_caller]
    pub fn expect(&self, part: &str) {
        let deadline = Instant::now() + self.timeout;
        loop {
            {
                let mut seen = self.seen.lock().unwrap();
                if let Some(at) = seen.windows(part.len()).position(|bytes| bytes == part.as_bytes()) {
                    seen.drain(..at + part.len());
                    return;
                }
            }
            assert!(
                Instant::now() < deadline,
                "no `{part}` on the terminal of $ {}\n--- seen\n{}",
                self.text,
                self.seen()
            );
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Returns what was shown since the last [`Terminal::expect`].
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Sends a signal to the command itself.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for the end; standard output is all that was shown since the last [`Terminal::expect`].
    #[track_caller]
    #[must_use = "say what it should have answered: `.ok()` or `.fails_with(…)`"]
    pub fn wait(mut self) -> Output {
        let deadline = Instant::now() + self.timeout;
        let Some(status) = self.process.wait_until(deadline) else {
            self.process.signal(Signal::KILL);
            panic!("killed after {:?}: $ {}\n--- seen\n{}", self.timeout, self.text, self.seen());
        };
        let reader = self.reader.take().expect("taken here only");
        while !reader.is_finished() {
            assert!(
                Instant::now() < deadline,
                "the command has ended, but something still holds its terminal open: $ {}",
                self.text
            );
            thread::sleep(Duration::from_millis(1));
        }
        let seen = self.seen.lock().unwrap().clone();
        Output::new(self.text.clone(), status, seen, b"", self.process.started().elapsed())
    }
}

fn open_pair() -> (OwnedFd, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    (master, slave)
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
