//! Template text → literal text and actions, an action as a list of tokens.

use serde_json::Number;

use super::literal;
use super::{Error, Result};

/// A stretch of the template.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Action(Vec<Placed>),
}

/// A token, and where it stands in the template, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) at: usize,
}

/// A word of an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `.` alone.
    Dot,
    /// `.Name` after a blank or at the beginning of an operand.
    Field(String),
    /// `.Name` right behind an operand.
    Link(String),
    /// `$name`, without the dollar.
    Variable(String),
    Word(String),
    Text(String),
    Number(Number),
    Pipe,
    Comma,
    Open,
    Close,
    Declare,
    Assign,
}

/// Whether `\t` and `\n`, written out outside of actions, are a tab and a line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    Read,
    Kept,
}

/// Cuts a template into its pieces, beginning behind as many bytes as `from` says.
pub(super) fn pieces(source: &str, from: usize, escapes: Escapes) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = &source[from..];
    let mut trim_next = false;
    let push = |text: &str, pieces: &mut Vec<Piece>| match escapes {
        _ if text.is_empty() => {}
        Escapes::Kept => pieces.push(Piece::Text(text.to_owned())),
        Escapes::Read => pieces.push(Piece::Text(text.replace("\\t", "\t").replace("\\n", "\n"))),
    };
    loop {
        let (text, after) = match rest.find("{{") {
            Some(at) => (&rest[..at], Some(&rest[at + 2..])),
            None => (rest, None),
        };
        let text = if trim_next { text.trim_start() } else { text };
        let Some(after) = after else {
            push(text, &mut pieces);
            return Ok(pieces);
        };
        let inner = after.strip_prefix('-').filter(|rest| rest.starts_with(blank));
        push(if inner.is_some() { text.trim_end() } else { text }, &mut pieces);
        let opened = source.len() - after.len() - 2;
        let mut lexer = Lexer { source, opened, rest: inner.unwrap_or(after), trims: false };
        let tokens = lexer.action()?;
        // A comment leaves nothing.
        if !tokens.is_empty() {
            pieces.push(Piece::Action(tokens));
        }
        (rest, trim_next) = (lexer.rest, lexer.trims);
    }
}

fn blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

fn in_name(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

struct Lexer<'a> {
    source: &'a str,
    /// Where the action began.
    opened: usize,
    /// The end of the source that is still to be read.
    rest: &'a str,
    /// Whether the action ended with a mark that trims the text behind it.
    trims: bool,
}

impl<'a> Lexer<'a> {
    fn here(&self) -> usize {
        self.source.len() - self.rest.len()
    }

    fn not_closed(&self, what: &str, at: usize) -> Error {
        Error::new(format!("{what} is not closed")).at(at)
    }

    /// Reads to the end of the action, behind its braces.
    fn action(&mut self) -> Result<Vec<Placed>> {
        if let Some(comment) = self.rest.trim_start_matches(blank).strip_prefix("/*") {
            let end = comment.find("*/").ok_or_else(|| self.not_closed("a comment", self.opened))?;
            self.rest = &comment[end + 2..];
            return match self.at_end() {
                true => Ok(Vec::new()),
                false => Err(Error::new("a comment stands alone").at(self.opened)),
            };
        }
        let mut tokens: Vec<Placed> = Vec::new();
        loop {
            let before = self.rest.len();
            if self.at_end() {
                return match tokens.is_empty() {
                    true => Err(Error::new("`{{}}` holds nothing to print").at(self.opened)),
                    false => Ok(tokens),
                };
            }
            let glued = before == self.rest.len();
            let at = self.here();
            let last = tokens.last().map(|last| &last.token);
            let token = self.token(glued, last).map_err(|error| error.at(at))?;
            tokens.push(Placed { token, at });
        }
    }

    /// Skips blanks, and the closing braces where they follow.
    fn at_end(&mut self) -> bool {
        let trimmed = self.rest.trim_start_matches(blank);
        let marked = trimmed.strip_prefix("-}}").filter(|_| trimmed.len() < self.rest.len());
        self.trims = marked.is_some();
        match marked.or_else(|| trimmed.strip_prefix("}}")) {
            Some(behind) => self.rest = behind,
            None => {
                self.rest = trimmed;
                return false;
            }
        }
        true
    }

    fn token(&mut self, glued: bool, last: Option<&Token>) -> Result<Token> {
        for (text, token) in [
            (":=", Token::Declare),
            ("=", Token::Assign),
            ("|", Token::Pipe),
            (",", Token::Comma),
            ("(", Token::Open),
            (")", Token::Close),
        ] {
            if let Some(rest) = self.rest.strip_prefix(text) {
                self.rest = rest;
                return Ok(token);
            }
        }
        let Some(first) = self.rest.chars().next() else {
            return Err(self.not_closed("an action", self.opened).hint("every `{{` needs its `}}`"));
        };
        let after = &self.rest[first.len_utf8()..];
        match first {
            '.' if after.starts_with(in_name) && !after.starts_with(|next: char| next.is_ascii_digit()) => {
                self.rest = after;
                let name = self.name().to_owned();
                let links = glued
                    && last.is_some_and(|last| !matches!(last, Token::Open | Token::Pipe | Token::Comma));
                Ok(if links { Token::Link(name) } else { Token::Field(name) })
            }
            '.' => {
                self.rest = after;
                Ok(Token::Dot)
            }
            '$' => {
                self.rest = after;
                Ok(Token::Variable(self.name().to_owned()))
            }
            '"' => self.literal('"').map(Token::Text),
            '\'' => literal::character(&self.literal('\'')?).map(Token::Number),
            '`' => {
                let end = after.find('`').ok_or_else(|| Error::new("a string is not closed"))?;
                self.rest = &after[end + 1..];
                Ok(Token::Text(after[..end].to_owned()))
            }
            '0'..='9' | '-' | '+' => self.number(),
            letter if in_name(letter) => Ok(Token::Word(self.name().to_owned())),
            letter => Err(Error::new(format!("unexpected `{letter}` in an action"))),
        }
    }

    fn name(&mut self) -> &'a str {
        let end = self.rest.find(|letter| !in_name(letter)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name
    }

    fn number(&mut self) -> Result<Token> {
        let inside = |letter: char| in_name(letter) || matches!(letter, '.' | '+' | '-');
        let end = self.rest.find(|letter| !inside(letter)).unwrap_or(self.rest.len());
        // A trim mark behind a number needs a blank, so the sign here is the number's own.
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        literal::number(text).map(Token::Number)
    }

    /// Reads what stands between two of these marks.
    fn literal(&mut self, mark: char) -> Result<String> {
        let (text, rest) = literal::quoted(&self.rest[1..], mark)?;
        self.rest = rest;
        Ok(text)
    }
}
