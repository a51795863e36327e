//! Patterns of `${name#pattern}` and its like: `*`, `?` and escaped characters, no brackets.

use super::lexer::ExpandError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Letter(char),
}

/// A parsed pattern.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Token>);

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, ExpandError> {
        let mut tokens = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            tokens.push(match letter {
                '*' => Token::Any,
                '?' => Token::One,
                // These two are escaped only because they end the pattern.
                '\\' if matches!(letters.peek(), Some('}' | '/')) => continue,
                '\\' => match letters.next() {
                    Some(escaped @ ('*' | '?' | '\\')) => Token::Letter(escaped),
                    other => {
                        let reason = match other {
                            Some(other) => format!("invalid escape `\\{other}`"),
                            None => "it ends in an escape character".to_owned(),
                        };
                        return Err(ExpandError::Pattern { pattern: text.to_owned(), reason });
                    }
                },
                letter => Token::Letter(letter),
            });
        }
        Ok(Self(tokens))
    }

    /// Returns the value without the shortest or longest start that matches.
    pub(super) fn trim_start<'a>(&self, value: &'a str, greedy: bool) -> &'a str {
        let end = pick(&self.ends(lengths(value)), greedy);
        end.map_or(value, |end| &value[end..])
    }

    /// Returns the value without the shortest or longest end that matches.
    pub(super) fn trim_end<'a>(&self, value: &'a str, greedy: bool) -> &'a str {
        let backwards = Self(self.0.iter().rev().copied().collect());
        let letters = value.char_indices().rev().map(|(at, letter)| (value.len() - at, letter));
        let length = pick(&backwards.ends(letters), greedy);
        length.map_or(value, |length| &value[..value.len() - length])
    }

    /// Replaces the first longest match, or all of them.
    pub(super) fn replace(&self, value: &str, replacement: &str, all: bool) -> String {
        // An empty match counts only where there is nothing else: `${empty/*/x}`.
        if value.is_empty() {
            let matches = !self.0.is_empty() && !self.ends(lengths("")).is_empty();
            return if matches { replacement.to_owned() } else { String::new() };
        }
        let mut replaced = String::new();
        let mut rest = value;
        while let Some(letter) = rest.chars().next() {
            match pick(&self.ends(lengths(rest)), true) {
                Some(length) if length > 0 => {
                    replaced.push_str(replacement);
                    rest = &rest[length..];
                    if !all {
                        break;
                    }
                }
                _ => {
                    replaced.push(letter);
                    rest = &rest[letter.len_utf8()..];
                }
            }
        }
        replaced + rest
    }

    /// Returns the lengths of every start that matches; `letters` come with the length up to and with them.
    fn ends(&self, letters: impl Iterator<Item = (usize, char)>) -> Vec<usize> {
        let last = self.0.len();
        let mut states = vec![false; last + 1];
        states[0] = true;
        self.let_any_match_nothing(&mut states);
        let mut ends = if states[last] { vec![0] } else { Vec::new() };
        for (length, letter) in letters {
            let mut next = vec![false; last + 1];
            for (state, token) in self.0.iter().enumerate().filter(|(state, _)| states[*state]) {
                // As in BuildKit's regular expressions, neither wildcard crosses a line.
                match token {
                    Token::Any if letter != '\n' => next[state] = true,
                    Token::One if letter != '\n' => next[state + 1] = true,
                    Token::Letter(wanted) if *wanted == letter => next[state + 1] = true,
                    _ => {}
                }
            }
            self.let_any_match_nothing(&mut next);
            if !next.contains(&true) {
                break;
            }
            if next[last] {
                ends.push(length);
            }
            states = next;
        }
        ends
    }

    fn let_any_match_nothing(&self, states: &mut [bool]) {
        for (state, token) in self.0.iter().enumerate() {
            if states[state] && *token == Token::Any {
                states[state + 1] = true;
            }
        }
    }
}

/// Letters with the length of the text up to and with them.
fn lengths(text: &str) -> impl Iterator<Item = (usize, char)> {
    text.char_indices().map(|(at, letter)| (at + letter.len_utf8(), letter))
}

fn pick(ends: &[usize], greedy: bool) -> Option<usize> {
    if greedy { ends.last().copied() } else { ends.first().copied() }
}
