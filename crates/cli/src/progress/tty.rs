//! A screenful on the terminal, drawn again ten times a second and once more for good at the end.

use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::build::{BuildEvent, Progress};

use super::Display;
use super::screen::Screen;
use crate::output;

const INTERVAL: Duration = Duration::from_millis(100);
/// Lines that are longer than the screen is wide do not wrap while we draw (DECAWM).
const NO_WRAP: &str = "\u{1b}[?7l";
const WRAP: &str = "\u{1b}[?7h";

/// Draws from a thread of its own, so that clocks move while nothing happens.
pub(crate) struct Tty {
    shared: Arc<Shared>,
    drawer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    began: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    screen: Screen,
    /// How many lines stand on the terminal that the next frame replaces.
    drawn: usize,
    is_over: bool,
}

impl Tty {
    pub(crate) fn start() -> Self {
        let shared = Shared { began: Instant::now(), state: Mutex::default(), changed: Condvar::new() };
        let shared = Arc::new(shared);
        let theirs = Arc::clone(&shared);
        let drawer = std::thread::spawn(move || theirs.draw_until_the_end());
        Self { shared, drawer: Mutex::new(Some(drawer)) }
    }
}

impl Shared {
    fn draw_until_the_end(&self) {
        let mut state = self.state.lock().expect("no holder panics");
        while !state.is_over {
            let (rows, columns) = size();
            // The cursor stands below the last line.
            let lines = state.screen.draw(rows.saturating_sub(1), columns, self.began.elapsed());
            state.replace(&lines);
            state = self.changed.wait_timeout(state, INTERVAL).expect("no holder panics").0;
        }
    }
}

impl State {
    /// Puts lines in place of those that were drawn before.
    fn replace(&mut self, lines: &[String]) {
        let mut text = String::from(NO_WRAP);
        if self.drawn > 0 {
            text.push_str(&format!("\u{1b}[{}A", self.drawn));
        }
        text.push_str("\r\u{1b}[J");
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(WRAP);
        self.drawn = lines.len();
        output::stderr(&text);
    }
}

impl Progress for Tty {
    fn tell(&self, event: BuildEvent<'_>) {
        let mut state = self.shared.state.lock().expect("no holder panics");
        if let BuildEvent::Warning(text) | BuildEvent::Note(text) = event {
            // It stays above what is drawn next.
            state.replace(&format!("warning: {text}").lines().map(str::to_owned).collect::<Vec<_>>());
            state.drawn = 0;
        }
        state.screen.hear(event, self.shared.began.elapsed());
    }
}

impl Display for Tty {
    fn end(&self, _failed: bool) {
        self.shared.state.lock().expect("no holder panics").is_over = true;
        self.shared.changed.notify_all();
        if let Some(drawer) = self.drawer.lock().expect("no holder panics").take() {
            let _ = drawer.join();
        }
        let mut state = self.shared.state.lock().expect("no holder panics");
        let lines = state.screen.draw_all(size().1, self.shared.began.elapsed());
        state.replace(&lines);
        state.drawn = 0;
    }
}

/// Rows and columns of the terminal; a usual size where it has none.
fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(rustix::stdio::stderr()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row.into(), size.ws_col.into()),
        _ => (24, 80),
    }
}
