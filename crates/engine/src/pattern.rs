//! Patterns of names, as Docker's filters read them: the regular expressions that people write for names.
//!
//! `^ $ . * + ? [a-z] [^a-z] (a|b) \.` and nothing more; what else there is in regular expressions is refused. A crate for all
//! of them would be the largest part of a list of containers.

use crate::error::Error;

/// A pattern that was read: a machine that is in several places at once, so that no pattern takes longer than its length
/// times that of the text (Thompson, "Regular Expression Search Algorithm", 1968).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Takes one letter.
    Take(Letter),
    /// Goes on at the start, at the end.
    Start,
    End,
    /// Goes on in both places.
    Both(usize, usize),
    Found,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Letter {
    Any,
    One(char),
    Set { ranges: Vec<(char, char)>, inside: bool },
}

/// Any of several sequences.
type Choice = Vec<Vec<Piece>>;

/// Something, so many times.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    what: What,
    may_lack: bool,
    may_repeat: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Start,
    End,
    Letter(Letter),
    Group(Choice),
}

/// Reads what filters want of names.
pub(crate) fn of_names(names: &[String]) -> crate::error::Result<Vec<Pattern>> {
    let read = |name: &String| {
        Pattern::parse(name).map_err(|reason| {
            Error::invalid(format!("invalid filter 'name={name}': {reason}"))
                .hint("a part of the name, or a pattern of ^ $ . * + ? [a-z] and (a|b)")
        })
    };
    names.iter().map(read).collect()
}

impl Pattern {
    /// Reads a pattern; the error says what cannot be read.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut letters = text.chars().collect::<Vec<_>>().into_iter().peekable();
        let choice = choice(&mut letters)?;
        if let Some(letter) = letters.next() {
            return Err(format!("`{letter}` has no beginning"));
        }
        let mut steps = Vec::new();
        put_choice(&choice, &mut steps);
        steps.push(Step::Found);
        Ok(Self(steps))
    }

    /// Whether the pattern is found anywhere in the text.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let letters: Vec<char> = text.chars().collect();
        let mut places = vec![false; self.0.len()];
        for at in 0..=letters.len() {
            let edges = (at == 0, at == letters.len());
            // It may begin anywhere.
            self.go_on(0, edges, &mut places);
            if places.last() == Some(&true) {
                return true;
            }
            let Some(letter) = letters.get(at) else { break };
            let mut next = vec![false; self.0.len()];
            let edges = (false, at + 1 == letters.len());
            for (place, _) in places.iter().enumerate().filter(|(_, is_there)| **is_there) {
                if matches!(&self.0[place], Step::Take(wanted) if wanted.is(*letter)) {
                    self.go_on(place + 1, edges, &mut next);
                }
            }
            places = next;
        }
        places.last() == Some(&true)
    }

    /// Marks a step, and those that follow without a letter.
    fn go_on(&self, place: usize, edges: (bool, bool), places: &mut [bool]) {
        if std::mem::replace(&mut places[place], true) {
            return;
        }
        match self.0[place] {
            Step::Start if edges.0 => self.go_on(place + 1, edges, places),
            Step::End if edges.1 => self.go_on(place + 1, edges, places),
            Step::Both(one, other) => {
                self.go_on(one, edges, places);
                self.go_on(other, edges, places);
            }
            Step::Start | Step::End | Step::Take(_) | Step::Found => {}
        }
    }
}

impl Letter {
    fn is(&self, letter: char) -> bool {
        match self {
            Self::Any => true,
            Self::One(wanted) => *wanted == letter,
            Self::Set { ranges, inside } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter)) == *inside
            }
        }
    }
}

/// Puts down the alternatives, each with a way around those that follow.
fn put_choice(choice: &Choice, steps: &mut Vec<Step>) {
    let mut ends = Vec::new();
    for (index, sequence) in choice.iter().enumerate() {
        let fork = steps.len();
        let is_last = index + 1 == choice.len();
        if !is_last {
            steps.push(Step::Found);
        }
        sequence.iter().for_each(|piece| put_piece(piece, steps));
        if !is_last {
            ends.push(steps.len());
            steps.push(Step::Found);
            steps[fork] = Step::Both(fork + 1, steps.len());
        }
    }
    let after = steps.len();
    ends.into_iter().for_each(|end| steps[end] = Step::Both(after, after));
}

fn put_piece(piece: &Piece, steps: &mut Vec<Step>) {
    let begin = steps.len();
    if piece.may_lack {
        steps.push(Step::Found);
    }
    match &piece.what {
        What::Start => steps.push(Step::Start),
        What::End => steps.push(Step::End),
        What::Letter(letter) => steps.push(Step::Take(letter.clone())),
        What::Group(choice) => put_choice(choice, steps),
    }
    if piece.may_repeat {
        steps.push(Step::Both(begin, steps.len() + 1));
    }
    if piece.may_lack {
        steps[begin] = Step::Both(begin + 1, steps.len());
    }
}

type Letters = std::iter::Peekable<std::vec::IntoIter<char>>;

fn choice(letters: &mut Letters) -> Result<Choice, String> {
    let mut all = vec![Vec::new()];
    while let Some(letter) = letters.next_if(|letter| *letter != ')') {
        if letter == '|' {
            all.push(Vec::new());
            continue;
        }
        let what = match letter {
            '^' => What::Start,
            '$' => What::End,
            '.' => What::Letter(Letter::Any),
            '[' => What::Letter(set(letters)?),
            '(' => {
                let inner = choice(letters)?;
                letters.next().ok_or("`(` has no end")?;
                What::Group(inner)
            }
            '\\' => match letters.next() {
                Some(letter) if !letter.is_ascii_alphanumeric() => What::Letter(Letter::One(letter)),
                letter => return Err(format!("`\\{}` is not supported", letter.unwrap_or(' '))),
            },
            '*' | '+' | '?' | '{' => return Err(format!("`{letter}` is not supported there")),
            letter => What::Letter(Letter::One(letter)),
        };
        let times = letters.next_if(|letter| matches!(letter, '*' | '+' | '?'));
        let (may_lack, may_repeat) = (matches!(times, Some('*' | '?')), matches!(times, Some('*' | '+')));
        all.last_mut().expect("begins with one").push(Piece { what, may_lack, may_repeat });
    }
    Ok(all)
}

fn set(letters: &mut Letters) -> Result<Letter, String> {
    let unfinished = || "`[` has no end".to_owned();
    let inside = letters.next_if_eq(&'^').is_none();
    let mut ranges = Vec::new();
    loop {
        let first = match letters.next().ok_or_else(unfinished)? {
            ']' if !ranges.is_empty() => return Ok(Letter::Set { ranges, inside }),
            '\\' => letters.next().ok_or_else(unfinished)?,
            letter => letter,
        };
        let mut last = first;
        if letters.peek() == Some(&'-') {
            letters.next();
            match letters.peek() {
                // A dash at the end is one.
                Some(']') => ranges.push(('-', '-')),
                _ => last = letters.next().ok_or_else(unfinished)?,
            }
        }
        ranges.push((first, last));
    }
}

#[cfg(test)]
#[test]
fn patterns_of_names() {
    let rows = [
        ("web", "my-web-1", true),
        ("web", "wed", false),
        ("", "web", true),
        ("^web$", "web", true),
        ("^web$", "web-1", false),
        ("^/?web$", "/web", true),
        ("^/web$", "web", false),
        ("^web-[0-9]+$", "web-17", true),
        ("^web-[0-9]+$", "web-", false),
        ("^web-[^0-9]$", "web-x", true),
        ("^(web|db)_.*_1$", "db_main_1", true),
        ("^(web|db)_.*_1$", "cache_main_1", false),
        ("a|b$", "xb", true),
        ("^(a*)*$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false),
        ("^(a*)*$", "aaaa", true),
        ("^(|a)+$", "aaa", true),
        ("x$y", "xy", false),
        ("^(a|b?)+c$", "abac", true),
        ("^a\\.b$", "a.b", true),
        ("^a\\.b$", "axb", false),
        ("^[a-]$", "-", true),
        ("[]x]", "]", true),
        ("ä.ü", "xäöü", true),
    ];
    for (pattern, text, expected) in rows {
        assert_eq!(Pattern::parse(pattern).unwrap().is_in(text), expected, "{pattern} {text}");
    }
    for pattern in ["a)", "(a", "[a", "[", "*", "a**", "\\d", "a{2}", "\\"] {
        Pattern::parse(pattern).unwrap_err();
    }
}
