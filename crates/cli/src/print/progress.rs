//! How far layers are: a bar each on a terminal, a line for each stage otherwise.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use engine::image::{Stage, Watch};
use oci::digest::Digest;

use super::human;

/// Bars are drawn again this often at most.
const FRAME: Duration = Duration::from_millis(100);

/// Where lines go, and how they look there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Silent,
    /// One line for each stage that a layer comes to.
    Lines,
    /// Lines that are drawn over, in a window of so many rows and columns.
    Bars {
        rows: usize,
        columns: usize,
    },
}

/// Which way layers go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Here,
    There,
}

/// Shows how far layers are.
pub(crate) struct Progress<'w> {
    look: Look,
    way: Way,
    write: &'w (dyn Fn(&str) + Sync),
    state: Mutex<State>,
}

impl std::fmt::Debug for Progress<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Progress({:?})", self.look)
    }
}

#[derive(Default)]
struct State {
    layers: Vec<Layer>,
    places: HashMap<Digest, usize>,
    /// Lines on the terminal that are ours to draw over.
    drawn: usize,
    last: Option<Instant>,
}

struct Layer {
    name: String,
    stage: Stage,
    /// When the first byte moved, and how many there were then: what was here before is no speed.
    began: Option<(Instant, u64)>,
}

impl<'w> Progress<'w> {
    pub(crate) fn new(look: Look, way: Way, write: &'w (dyn Fn(&str) + Sync)) -> Self {
        Self { look, way, write, state: Mutex::default() }
    }

    /// Leaves what is drawn and begins anew below it.
    pub(crate) fn finish(&self) {
        let mut state = self.state.lock().expect("no holder panics");
        if let Look::Bars { rows, columns } = self.look
            && !state.layers.is_empty()
        {
            let text = state.draw(rows, columns, self.way, Instant::now());
            (self.write)(&text);
        }
        *state = State::default();
    }
}

impl Watch for Progress<'_> {
    fn layer(&self, digest: &Digest, stage: Stage) {
        if self.look == Look::Silent {
            return;
        }
        let mut state = self.state.lock().expect("no holder panics");
        let now = Instant::now();
        let is_news = state.note(digest, stage, now);
        match self.look {
            Look::Lines if is_news => {
                (self.write)(&format!("{}: {}\n", digest.short(), words(stage, self.way)));
            }
            Look::Bars { rows, columns } => {
                let due = state.last.is_none_or(|last| now.duration_since(last) >= FRAME);
                if due || is_news {
                    let text = state.draw(rows, columns, self.way, now);
                    (self.write)(&text);
                    state.last = Some(now);
                }
            }
            _ => {}
        }
    }
}

impl State {
    /// Remembers a stage; returns whether it is another than before.
    fn note(&mut self, digest: &Digest, stage: Stage, now: Instant) -> bool {
        let place = *self.places.entry(*digest).or_insert_with(|| {
            self.layers.push(Layer { name: digest.short(), stage: Stage::Wanted, began: None });
            self.layers.len() - 1
        });
        let is_new = place + 1 == self.layers.len() && stage == Stage::Wanted;
        let layer = &mut self.layers[place];
        let changed = std::mem::discriminant(&layer.stage) != std::mem::discriminant(&stage);
        if let Stage::Fetched { bytes, .. } | Stage::Sent { bytes, .. } = stage {
            layer.began.get_or_insert((now, bytes));
        }
        layer.stage = stage;
        changed || is_new
    }

    /// Draws all lines over those drawn before. What does not fit the window is told as a number.
    fn draw(&mut self, rows: usize, columns: usize, way: Way, now: Instant) -> String {
        let room = rows.saturating_sub(2).max(1);
        let mut lines: Vec<String> = Vec::new();
        if self.layers.len() <= room {
            lines.extend(self.layers.iter().map(|layer| layer.line(columns, way, now)));
        } else {
            let open = self.layers.iter().filter(|layer| !layer.is_done());
            lines.extend(open.take(room - 1).map(|layer| layer.line(columns, way, now)));
            let done = self.layers.iter().filter(|layer| layer.is_done()).count();
            lines.push(format!("{done} of {} layers are done", self.layers.len()));
        }
        let mut text = String::new();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn));
        }
        for line in &lines {
            text.push_str(&format!("\r\x1b[K{line}\n"));
        }
        if lines.len() < self.drawn {
            text.push_str("\x1b[J");
        }
        self.drawn = lines.len();
        text
    }
}

impl Layer {
    fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Complete | Stage::Exists | Stage::Mounted)
    }

    fn line(&self, columns: usize, way: Way, now: Instant) -> String {
        let head = format!("{}: {}", self.name, words(self.stage, way));
        let (Stage::Fetched { bytes, size } | Stage::Sent { bytes, size }) = self.stage else { return head };
        let width = if columns >= 100 { 50 } else { 20 };
        let numbers = format!("{}/{}", human::size(bytes, 4), human::size(size, 4));
        let mut line = format!("{head} {} {numbers}", bar(bytes, size, width));
        if let Some(rest) = self.rest(bytes, size, now) {
            line.push_str(&format!(" {rest}"));
        }
        line.chars().take(columns.saturating_sub(1)).collect()
    }

    /// Speed and rest time, once there is something to tell them from.
    fn rest(&self, bytes: u64, size: u64, now: Instant) -> Option<String> {
        let (began, before) = self.began?;
        let elapsed = now.duration_since(began).as_secs_f64();
        let moved = bytes.saturating_sub(before);
        if elapsed < 0.5 || moved == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a speed for the eye")]
        let speed = moved as f64 / elapsed;
        #[expect(clippy::cast_precision_loss, reason = "a time for the eye")]
        let seconds = size.saturating_sub(bytes) as f64 / speed;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "both are positive and small"
        )]
        let (speed, seconds) = (speed as u64, seconds.ceil() as u64);
        let rest = match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, seconds) => format!("{seconds}s"),
            (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
            (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
        };
        Some(format!("{}/s {rest}", human::size(speed, 3)))
    }
}

fn bar(bytes: u64, size: u64, width: usize) -> String {
    let filled = match size {
        0 => width,
        _ => usize::try_from(bytes.min(size) * width as u64 / size).unwrap_or(width),
    };
    let head = if filled < width { ">" } else { "" };
    let empty = width - filled - head.len();
    format!("[{}{head}{}]", "=".repeat(filled), " ".repeat(empty))
}

/// Docker's words.
fn words(stage: Stage, way: Way) -> String {
    let text = match (stage, way) {
        (Stage::Wanted, Way::Here) => "Pulling fs layer",
        (Stage::Wanted, Way::There) => "Preparing",
        (Stage::Exists, Way::Here) => "Already exists",
        (Stage::Exists, Way::There) => "Layer already exists",
        (Stage::Waiting, _) => "Waiting",
        (Stage::Fetched { .. }, _) => "Downloading",
        (Stage::Verified, _) => "Download complete",
        (Stage::Complete, Way::Here) => "Pull complete",
        (Stage::Complete, Way::There) => "Pushed",
        (Stage::Sent { .. }, _) => "Pushing",
        (Stage::Mounted, _) => "Mounted from another repository",
        (Stage::Retrying { pause }, _) => {
            return format!("Retrying in {:.1} seconds", pause.as_secs_f64());
        }
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Digest, Instant, Layer, Look, Mutex, Progress, Stage, State, Watch, Way, bar};

    fn digest(byte: u8) -> Digest {
        Digest::from_bytes([byte; 32])
    }

    #[test]
    fn without_a_terminal_each_stage_is_a_line_and_each_byte_none() {
        let out = Mutex::new(String::new());
        let write = |text: &str| out.lock().unwrap().push_str(text);
        let progress = Progress::new(Look::Lines, Way::Here, &write);
        for stage in [
            Stage::Wanted,
            Stage::Fetched { bytes: 1, size: 9 },
            Stage::Fetched { bytes: 5, size: 9 },
            Stage::Retrying { pause: Duration::from_millis(1500) },
            Stage::Fetched { bytes: 9, size: 9 },
            Stage::Verified,
            Stage::Complete,
        ] {
            progress.layer(&digest(0xab), stage);
        }
        let expected = [
            "Pulling fs layer",
            "Downloading",
            "Retrying in 1.5 seconds",
            "Downloading",
            "Download complete",
            "Pull complete",
        ];
        let expected: String = expected.iter().map(|word| format!("abababababab: {word}\n")).collect();
        assert_eq!(*out.lock().unwrap(), expected);
    }

    #[test]
    fn bars_have_their_width_whatever_they_show() {
        for (bytes, size, expected) in [
            (0, 10, "[>    ]"),
            (5, 10, "[==>  ]"),
            (10, 10, "[=====]"),
            (0, 0, "[=====]"),
            (99, 10, "[=====]"),
        ] {
            assert_eq!(bar(bytes, size, 5), expected);
        }
    }

    #[test]
    fn speed_and_rest_count_from_what_was_here() {
        let began = Instant::now();
        let stage = Stage::Fetched { bytes: 60_000_000, size: 100_000_000 };
        let layer = Layer { name: "abc".to_owned(), stage, began: Some((began, 50_000_000)) };
        let line = layer.line(120, Way::Here, began + Duration::from_secs(5));
        assert!(line.ends_with("60MB/100MB 2MB/s 20s"), "{line}");
        assert!(layer.line(40, Way::Here, began + Duration::from_secs(5)).len() < 40);
    }

    #[test]
    fn more_layers_than_rows_are_told_as_a_number() {
        let mut state = State::default();
        let now = Instant::now();
        for byte in 0..30 {
            state.note(&digest(byte), Stage::Wanted, now);
        }
        state.note(&digest(0), Stage::Complete, now);
        let first = state.draw(10, 80, Way::Here, now);
        assert_eq!(first.lines().count(), 8);
        assert!(first.ends_with("1 of 30 layers are done\n"), "{first}");
        assert!(state.draw(10, 80, Way::Here, now).starts_with("\x1b[8A"));
    }
}
