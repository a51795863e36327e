//! Template text → literal text and actions, an action as a list of tokens.

use serde_json::Number;

use super::{Error, Result};

/// A stretch of the template.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Action(Vec<Token>),
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

/// Cuts a template into its pieces.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = source;
    let mut trim_next = false;
    loop {
        let (text, after) = match rest.find("{{") {
            Some(at) => (&rest[..at], Some(&rest[at + 2..])),
            None => (rest, None),
        };
        let text = if trim_next { text.trim_start() } else { text };
        let Some(after) = after else {
            push_text(&mut pieces, text);
            return Ok(pieces);
        };
        let inner = after.strip_prefix('-').filter(|rest| rest.starts_with(blank));
        push_text(&mut pieces, if inner.is_some() { text.trim_end() } else { text });
        let mut lexer = Lexer { rest: inner.unwrap_or(after), trims: false };
        let tokens = lexer.action()?;
        // A comment leaves nothing.
        if !tokens.is_empty() {
            pieces.push(Piece::Action(tokens));
        }
        (rest, trim_next) = (lexer.rest, lexer.trims);
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

fn blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

fn in_name(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

struct Lexer<'a> {
    rest: &'a str,
    /// Whether the action ended with a mark that trims the text behind it.
    trims: bool,
}

impl<'a> Lexer<'a> {
    /// Reads to the end of the action, behind its braces.
    fn action(&mut self) -> Result<Vec<Token>> {
        if let Some(comment) = self.rest.trim_start_matches(blank).strip_prefix("/*") {
            let end = comment.find("*/").ok_or_else(|| Error::new("a comment is not closed"))?;
            self.rest = &comment[end + 2..];
            return if self.at_end() { Ok(Vec::new()) } else { Err(Error::new("a comment stands alone")) };
        }
        let mut tokens = Vec::new();
        loop {
            let before = self.rest.len();
            if self.at_end() {
                return match tokens.is_empty() {
                    true => Err(Error::new("`{{}}` holds nothing to print")),
                    false => Ok(tokens),
                };
            }
            let glued = before == self.rest.len();
            tokens.push(self.token(glued, tokens.last())?);
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
        let first = self
            .rest
            .chars()
            .next()
            .ok_or_else(|| Error::new("an action is not closed").hint("every `{{` needs its `}}`"))?;
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
            '"' => self.quoted(after),
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
        let whole = text.trim_start_matches('+').parse::<i64>().ok().map(Number::from);
        let number = whole.or_else(|| text.parse().ok().and_then(Number::from_f64));
        number.map(Token::Number).ok_or_else(|| Error::new(format!("`{text}` is not a number")))
    }

    fn quoted(&mut self, text: &'a str) -> Result<Token> {
        let mut value = String::new();
        let mut letters = text.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = &text[at + 1..];
                    return Ok(Token::Text(value));
                }
                '\\' => match letters.next().map(|(_, letter)| letter) {
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    Some('r') => value.push('\r'),
                    Some(letter @ ('"' | '\\' | '\'')) => value.push(letter),
                    Some(letter) => {
                        return Err(Error::new(format!("unknown escape `\\{letter}` in a string")));
                    }
                    None => break,
                },
                letter => value.push(letter),
            }
        }
        Err(Error::new("a string is not closed"))
    }
}
