//! Hears the progress of a build for its history, and passes it on.

use std::fs::File;
use std::io::Write;
use std::sync::Mutex;

use super::lines::Lines;
use super::progress::{BuildEvent, Progress};
use crate::request::SecretRequest;

/// As much as is kept of what one build prints; BuildKit keeps as much of each step.
pub(super) const LOG_BYTES_MAX: usize = 2 << 20;
/// Shorter lines of a secret stand in too much that is none.
const SECRET_BYTES_MIN: usize = 4;

/// Writes a log and counts steps.
pub(super) struct Recorder<'p> {
    progress: &'p dyn Progress,
    lines: Lines,
    log: Mutex<Log>,
}

struct Log {
    file: File,
    room: usize,
    told: Told,
}

/// What was counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub(super) steps: usize,
    pub(super) cached: usize,
    /// Lines of secrets, which a command may print.
    secrets: Vec<String>,
}

impl Told {
    /// Returns a text with stars in place of values of secrets.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

impl<'p> Recorder<'p> {
    pub(super) fn new(progress: &'p dyn Progress, file: File, secrets: &[SecretRequest]) -> Self {
        let mut lines: Vec<String> = secrets
            .iter()
            .flat_map(|secret| secret.value.0.split(|byte| *byte == b'\n'))
            .map(|line| String::from_utf8_lossy(line).trim().to_owned())
            .filter(|line| line.len() >= SECRET_BYTES_MIN)
            .collect();
        // A line may stand in a longer one.
        lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
        let told = Told { secrets: lines, ..Told::default() };
        let log = Mutex::new(Log { file, room: LOG_BYTES_MAX, told });
        Self { progress, lines: Lines::default(), log }
    }

    pub(super) fn told(&self) -> Told {
        self.log.lock().expect("no holder panics").told.clone()
    }
}

impl Progress for Recorder<'_> {
    fn tell(&self, event: BuildEvent<'_>) {
        self.progress.tell(event);
        let line = self.lines.line(event);
        let mut log = self.log.lock().expect("no holder panics");
        match event {
            BuildEvent::Begun { .. } => log.told.steps += 1,
            BuildEvent::Cached { .. } => log.told.cached += 1,
            _ => {}
        }
        log.write(&line);
    }
}

impl Log {
    fn write(&mut self, line: &str) {
        if self.room == 0 {
            return;
        }
        let line = self.told.without_secrets(line);
        // Where the log cannot be written the build goes on: it is not what was asked for.
        if line.len() <= self.room {
            self.room -= line.len();
            let _ = self.file.write_all(line.as_bytes());
        } else {
            self.room = 0;
            let _ = self.file.write_all(b"[the rest is not kept]\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::{BuildEvent, LOG_BYTES_MAX, Progress, Recorder};
    use crate::request::{SecretRequest, SecretValue};

    struct Deaf;

    impl Progress for Deaf {
        fn tell(&self, _: BuildEvent<'_>) {}
    }

    #[test]
    fn a_log_is_bounded_and_holds_no_secret() {
        let directory = tempfile::tempdir().expect("it can be made");
        let path = directory.path().join("log");
        let value = SecretValue(b"hunter2\nlonger hunter2 line\nx\n".to_vec());
        let secrets = [SecretRequest { id: "s".to_owned(), value }];
        let recorder = Recorder::new(&Deaf, File::create(&path).expect("it can be made"), &secrets);
        recorder.tell(BuildEvent::Begun { number: 1, title: "RUN x" });
        recorder.tell(BuildEvent::Cached { number: 1 });
        recorder.tell(BuildEvent::Warning("see: longer hunter2 line, hunter2"));
        let line = vec![b'y'; 1 << 19];
        (0..8).for_each(|_| recorder.tell(BuildEvent::Output { number: 1, line: &line }));
        let log = sys::fs::read_to_string(&path).expect("it was written");
        assert!(log.starts_with("#1 RUN x\n#1 CACHED\nwarning: see: ***, ***\n"), "{}", &log[..80]);
        assert!(log.len() < LOG_BYTES_MAX + 100 && log.ends_with("[the rest is not kept]\n"));
        assert_eq!((recorder.told().steps, recorder.told().cached), (1, 1));
    }
}
