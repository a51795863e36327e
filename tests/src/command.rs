//! A command to be run: input, environment, and a time after which it is killed and shown.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::output::shortened;
use crate::{Namespace, Output, Terminal};

/// Longer than any command of a test takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A command before it is run.
#[derive(Debug)]
pub struct Invocation {
    command: Command,
    words: Vec<OsString>,
    stdin: Vec<u8>,
    /// What standard input is instead of a pipe with these bytes.
    source: Option<OwnedFd>,
    timeout: Duration,
    namespace: Option<Namespace>,
}

impl Invocation {
    /// Prepares a program with its arguments.
    pub fn new(program: impl AsRef<Path>, arguments: &[impl AsRef<str>]) -> Self {
        let program = program.as_ref();
        let mut words = vec![program.as_os_str().to_owned()];
        words.extend(arguments.iter().map(|word| word.as_ref().into()));
        let mut command = Command::new(program);
        command.args(&words[1..]);
        Self { command, words, stdin: Vec::new(), source: None, timeout: TIMEOUT, namespace: None }
    }

    /// Gives bytes on standard input; without them it is empty.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = bytes.as_ref().to_vec();
        self
    }

    /// Sets where standard input comes from, such as a pipe that the test goes on writing to.
    pub fn stdin_from(mut self, source: OwnedFd) -> Self {
        self.source = Some(source);
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the directory to run in.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Sets the time after which the command is killed and the test fails.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the namespace to run in; without one it is the test's.
    pub fn within(mut self, namespace: &Namespace) -> Self {
        self.namespace = Some(namespace.clone());
        self
    }

    /// Runs the command to its end.
    #[track_caller]
    #[must_use = "say what it should have answered: `.ok()` or `.fails_with(…)`"]
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Starts the command and leaves it running.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        self.command.stdin(self.source.take().map_or_else(Stdio::piped, Stdio::from));
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let text = self.text();
        let child = spawn_within(self.namespace.as_ref(), &mut self.command);
        let mut child = child.unwrap_or_else(|error| panic!("cannot run {text}: {error}"));
        // Our copy of a source would keep a pipe open.
        self.command.stdin(Stdio::null());
        if let Some(mut stdin) = child.stdin.take() {
            let bytes = self.stdin;
            // A program that ends without reading its input closes the pipe: no fault of the test.
            thread::spawn(move || stdin.write_all(&bytes).ok());
        }
        Running {
            stdout: Collected::start(child.stdout.take().unwrap()),
            stderr: Collected::start(child.stderr.take().unwrap()),
            process: Process::new(child),
            text,
            timeout: self.timeout,
        }
    }

    /// Starts the command with a terminal of this size on all three streams, in a session of its own.
    #[track_caller]
    pub fn terminal(self, rows: u16, columns: u16) -> Terminal {
        let text = self.text();
        // setsid(1) makes the terminal the controlling one; it does not fork, so the pid is the command's.
        let mut command = Command::new("setsid");
        command.arg("--ctty").args(&self.words);
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(dir) = self.command.get_current_dir() {
            command.current_dir(dir);
        }
        Terminal::start(self.namespace.as_ref(), command, text, (rows, columns), self.timeout)
    }

    fn text(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }
}

/// Starts a child in a namespace: it begins where the thread is that spawns it.
pub(crate) fn spawn_within(namespace: Option<&Namespace>, command: &mut Command) -> std::io::Result<Child> {
    match namespace {
        Some(namespace) => namespace.enter(|| command.spawn()),
        None => command.spawn(),
    }
}

/// A command that was started and has not been waited for.
#[derive(Debug)]
pub struct Running {
    process: Process,
    stdout: Collected,
    stderr: Collected,
    text: String,
    timeout: Duration,
}

impl Running {
    /// Waits for the end and for everything that was written.
    #[track_caller]
    #[must_use = "say what it should have answered: `.ok()` or `.fails_with(…)`"]
    pub fn wait(mut self) -> Output {
        let deadline = self.process.started + self.timeout;
        let status = self.process.wait_until(deadline);
        let complete = status.is_some() && self.stdout.ends_by(deadline) && self.stderr.ends_by(deadline);
        let (out, err) = (self.stdout.so_far(), self.stderr.so_far());
        let Some(status) = status else {
            self.process.signal(Signal::KILL);
            panic!(
                "killed after {:?}: $ {}\n--- standard output so far\n{}\n--- standard error so far\n{}",
                self.timeout,
                self.text,
                shortened(&String::from_utf8_lossy(&out)),
                shortened(&String::from_utf8_lossy(&err))
            );
        };
        let output = Output::new(self.text.clone(), status, out, &err, self.process.started.elapsed());
        assert!(complete, "the command has ended, but something still holds its output open\n{output}");
        output
    }

    /// Waits until standard output holds the text.
    #[track_caller]
    pub fn wait_for(&self, part: &str) {
        let deadline = self.process.started + self.timeout;
        while !String::from_utf8_lossy(&self.stdout.so_far()).contains(part) {
            assert!(Instant::now() < deadline, "no `{part}` on standard output of {}", self.text);
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal to the command.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Returns the process id of the command.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }
}

/// A child process that can be waited for with a time limit; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pidfd: OwnedFd,
    started: Instant,
}

impl Process {
    pub(crate) fn new(child: Child) -> Self {
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("a child that is not reaped has a pidfd");
        Self { child, pidfd, started: Instant::now() }
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // Already ended: nothing to signal.
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    /// Waits until the child has ended, or returns nothing at the deadline.
    pub(crate) fn wait_until(&mut self, deadline: Instant) -> Option<std::process::ExitStatus> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&left)) {
                Ok(0) => return None,
                Ok(_) => return Some(self.child.wait().expect("the child was not reaped before")),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("cannot poll a pidfd: {error}"),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail when the child has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a stream has given so far, read by a thread.
#[derive(Debug)]
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
}

impl Collected {
    fn start(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (tell_end, end) = channel();
        let kept = Arc::clone(&bytes);
        thread::spawn(move || {
            let mut chunk = [0; 65536];
            while let Ok(count @ 1..) = stream.read(&mut chunk) {
                kept.lock().unwrap().extend_from_slice(&chunk[..count]);
            }
            // Nobody listens when the test has ended before.
            let _ = tell_end.send(());
        });
        Self { bytes, end }
    }

    fn ends_by(&self, deadline: Instant) -> bool {
        self.end.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok()
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}
