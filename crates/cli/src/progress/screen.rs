//! The state of a build as a screenful: what runs with its last lines, and what has ended, as far as there is room.
//! Pure: events and times in, lines out.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use engine::build::BuildEvent;

/// Lines of a running step that are shown.
const TAIL: usize = 6;
/// Lines that are kept for the case that the step fails.
const KEPT: usize = 100;

/// What is known of a build.
#[derive(Debug, Default)]
pub(super) struct Screen {
    steps: BTreeMap<usize, Step>,
}

#[derive(Debug)]
struct Step {
    title: String,
    began: Duration,
    end: Option<End>,
    lines: VecDeque<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Cached,
    Done(Duration),
    Failed(Duration),
}

impl Screen {
    /// Takes an event in; `now` counts from the beginning of the build.
    pub(super) fn hear(&mut self, event: BuildEvent<'_>, now: Duration) {
        match event {
            BuildEvent::Begun { number, title } => {
                let title = printable(title);
                self.steps.insert(number, Step { title, began: now, end: None, lines: VecDeque::new() });
            }
            BuildEvent::Cached { number } => self.end(number, |_| End::Cached),
            BuildEvent::Done { number, took } => self.end(number, |_| End::Done(took)),
            BuildEvent::Failed { number, .. } => {
                self.end(number, |step| End::Failed(now.saturating_sub(step.began)));
            }
            BuildEvent::Output { number, line } => {
                if let Some(step) = self.steps.get_mut(&number) {
                    step.lines.truncate(KEPT - 1);
                    step.lines.push_front(printable(&String::from_utf8_lossy(line)));
                }
            }
            BuildEvent::Warning(_) | BuildEvent::Note(_) => {}
        }
    }

    fn end(&mut self, number: usize, how: impl FnOnce(&Step) -> End) {
        if let Some(step) = self.steps.get_mut(&number) {
            step.end = Some(how(step));
        }
    }

    /// Draws as much as has room. What runs comes before what has ended, and that by its lateness; all keep their order.
    pub(super) fn draw(&self, rows: usize, columns: usize, now: Duration) -> Vec<String> {
        let mut room = rows.saturating_sub(1);
        let mut shown: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let running = self.steps.iter().rev().filter(|(_, step)| step.end.is_none());
        for (number, step) in running.clone().take(room) {
            shown.insert(*number, vec![step.head(columns, now)]);
            room -= 1;
        }
        for (number, step) in running {
            let lines = step.lines.len().min(TAIL).min(room);
            let tail =
                step.lines.iter().take(lines).rev().map(|line| cut(&format!(" => => # {line}"), columns));
            if let Some(own) = shown.get_mut(number) {
                own.extend(tail);
                room -= lines;
            }
        }
        for (number, step) in self.steps.iter().rev().filter(|(_, step)| step.end.is_some()).take(room) {
            shown.insert(*number, vec![step.head(columns, now)]);
        }
        let mut lines = vec![cut(&self.head(now), columns)];
        lines.extend(shown.into_values().flatten());
        lines.truncate(rows);
        lines
    }

    /// Draws all steps: what stays when the build is over.
    pub(super) fn draw_all(&self, columns: usize, now: Duration) -> Vec<String> {
        let mut lines = vec![cut(&self.head(now), columns)];
        lines.extend(self.steps.values().map(|step| step.head(columns, now)));
        for step in self.steps.values().filter(|step| matches!(step.end, Some(End::Failed(_)))) {
            lines.push("------".to_owned());
            lines.push(format!(" > {}:", step.title));
            lines.extend(step.lines.iter().rev().cloned());
            lines.push("------".to_owned());
        }
        lines
    }

    fn head(&self, now: Duration) -> String {
        let ended = self.steps.values().filter(|step| step.end.is_some()).count();
        let is_over = ended == self.steps.len() && ended > 0;
        let finished = if is_over { " FINISHED" } else { "" };
        format!("[+] Building {:.1}s ({ended}/{}){finished}", now.as_secs_f64(), self.steps.len())
    }
}

impl Step {
    /// One line with the time at its right end.
    fn head(&self, columns: usize, now: Duration) -> String {
        let (mark, took) = match self.end {
            None => ("", now.saturating_sub(self.began)),
            Some(End::Cached) => ("CACHED ", Duration::ZERO),
            Some(End::Done(took)) => ("", took),
            Some(End::Failed(took)) => ("ERROR ", took),
        };
        let time = format!("{:.1}s", took.as_secs_f64());
        let width = columns.saturating_sub(time.len() + 1);
        let text = cut(&format!(" => {mark}{}", self.title), width);
        format!("{text}{} {time}", " ".repeat(width.saturating_sub(text.chars().count())))
    }
}

/// Cuts a line to the width of the screen.
fn cut(text: &str, columns: usize) -> String {
    match text.chars().count() > columns {
        true => text.chars().take(columns.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Leaves out what would move the cursor or change its colour (ECMA-48, section 5.4).
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' if letters.peek() == Some(&'[') => {
                letters.next();
                while letters.next().is_some_and(|letter| !('@'..='~').contains(&letter)) {}
            }
            '\t' => out.push_str("    "),
            // What a program draws over is not seen any more.
            '\r' => out.clear(),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use engine::build::BuildEvent;

    use super::{Screen, printable};

    const NOW: Duration = Duration::from_millis(12_340);

    fn screen() -> Screen {
        let mut screen = Screen::default();
        let mut hear = |event: BuildEvent<'_>, seconds| screen.hear(event, Duration::from_secs(seconds));
        hear(BuildEvent::Begun { number: 1, title: "[a 1/2] RUN make" }, 0);
        hear(BuildEvent::Cached { number: 1 }, 0);
        hear(BuildEvent::Begun { number: 2, title: "[a 2/2] RUN sleep a long while and more" }, 1);
        for line in 0..9 {
            let line = format!("line {line}");
            hear(BuildEvent::Output { number: 2, line: line.as_bytes() }, 2);
        }
        hear(BuildEvent::Begun { number: 3, title: "[b 1/1] COPY . ." }, 3);
        hear(BuildEvent::Done { number: 3, took: Duration::from_millis(250) }, 3);
        screen
    }

    #[test]
    fn what_runs_has_its_last_lines() {
        insta::assert_snapshot!(screen().draw(20, 40, NOW).join("\n"), @r"
        [+] Building 12.3s (2/3)
         => CACHED [a 1/2] RUN make         0.0s
         => [a 2/2] RUN sleep a long whil… 11.3s
         => => # line 3
         => => # line 4
         => => # line 5
         => => # line 6
         => => # line 7
         => => # line 8
         => [b 1/1] COPY . .                0.2s
        ");
    }

    #[test]
    fn a_small_screen_has_what_runs_first() {
        insta::assert_snapshot!(screen().draw(4, 40, NOW).join("\n"), @r"
        [+] Building 12.3s (2/3)
         => [a 2/2] RUN sleep a long whil… 11.3s
         => => # line 7
         => => # line 8
        ");
        for (rows, columns) in [(0, 0), (1, 1), (2, 5), (3, 200)] {
            let lines = screen().draw(rows, columns, NOW);
            assert!(lines.len() <= rows && lines.iter().all(|line| line.chars().count() <= columns.max(7)));
        }
    }

    #[test]
    fn the_end_has_all_steps_and_what_the_one_that_failed_has_printed() {
        let mut screen = screen();
        screen.hear(BuildEvent::Failed { number: 2, text: "no" }, NOW);
        let lines = screen.draw_all(40, NOW);
        assert_eq!(lines[0], "[+] Building 12.3s (3/3) FINISHED");
        assert_eq!(lines[2], " => ERROR [a 2/2] RUN sleep a lon… 11.3s");
        assert_eq!(lines[4..7], ["------", " > [a 2/2] RUN sleep a long while and more:", "line 0"]);
        assert_eq!(lines.last().map(String::as_str), Some("------"));
    }

    #[test]
    fn programs_do_not_draw_on_our_screen() {
        assert_eq!(printable("\u{1b}[1;31mred\u{1b}[0m\tx\u{7}"), "red    x");
        assert_eq!(printable("10%\r20%\rdone"), "done");
    }
}
