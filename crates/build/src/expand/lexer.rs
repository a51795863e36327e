//! The lexer of words: quotes, escapes and `$`.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

use super::pattern::Pattern;
use super::variables::Variables;

/// How deep `${a:-${b:-…}}` may go.
const DEPTH_MAX: usize = 64;

/// How words are read.
#[derive(Debug, Clone, Copy)]
pub struct Lexer {
    /// The character that takes the meaning from the next.
    pub escape: char,
    /// Quotes stay in the result.
    pub raw_quotes: bool,
    /// Escape characters stay in the result.
    pub raw_escapes: bool,
    /// Quotes mean nothing, as in the text of a heredoc.
    pub plain_quotes: bool,
    /// `$name` stays as it is where nothing is set.
    pub keep_unset: bool,
}

/// A word that was expanded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expanded {
    pub text: String,
    /// The variables in it that are set.
    pub used: BTreeSet<String>,
    /// The variables in it that are not.
    pub unset: BTreeSet<String>,
}

/// A word that cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    #[error("quote {0} is not closed")]
    OpenQuote(char),
    #[error("`${{` has no closing `}}`")]
    OpenBrace,
    #[error("`${{name/pattern/replacement}}` has no second `/`")]
    NoReplacement,
    #[error("bad substitution: there is no name after `${{`")]
    NoName,
    #[error("unsupported modifier `{0}` in substitution")]
    Modifier(String),
    #[error("invalid pattern `{pattern}` in substitution: {reason}")]
    Pattern { pattern: String, reason: String },
    /// `${name:?message}`
    #[error("{name}: {message}")]
    Required { name: String, message: String },
    #[error("substitutions are nested more than {DEPTH_MAX} deep")]
    TooDeep,
}

type Result<T, E = ExpandError> = std::result::Result<T, E>;

impl Lexer {
    pub fn new(escape: char) -> Self {
        Self { escape, raw_quotes: false, raw_escapes: false, plain_quotes: false, keep_unset: false }
    }

    /// Expands to one word, blanks and all.
    pub fn expand(&self, text: &str, variables: &dyn Variables) -> Result<Expanded> {
        let mut reader = Reader::new(*self, text, variables);
        let output = reader.read(None, self.raw_escapes)?;
        Ok(Expanded { text: output.text, used: reader.used, unset: reader.unset })
    }

    /// Expands, and splits at blanks that are neither quoted nor escaped.
    pub fn words(&self, text: &str, variables: &dyn Variables) -> Result<Vec<String>> {
        let mut output = Reader::new(*self, text, variables).read(None, self.raw_escapes)?;
        output.end_word();
        Ok(output.words)
    }
}

/// What was read so far, as one text and as words.
#[derive(Default)]
struct Output {
    text: String,
    words: Vec<String>,
    word: String,
}

impl Output {
    /// Adds what blanks do not split.
    fn push_solid(&mut self, text: &str) {
        self.text.push_str(text);
        self.word.push_str(text);
    }

    /// Adds what blanks split.
    fn push_loose(&mut self, text: &str) {
        self.text.push_str(text);
        for letter in text.chars() {
            if letter.is_whitespace() {
                self.end_word();
            } else {
                self.word.push(letter);
            }
        }
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }
}

struct Reader<'a> {
    lexer: Lexer,
    letters: Peekable<Chars<'a>>,
    variables: &'a dyn Variables,
    raw_escapes: bool,
    depth: usize,
    used: BTreeSet<String>,
    unset: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    fn new(lexer: Lexer, text: &'a str, variables: &'a dyn Variables) -> Self {
        Self {
            lexer,
            letters: text.chars().peekable(),
            variables,
            raw_escapes: lexer.raw_escapes,
            depth: 0,
            used: BTreeSet::new(),
            unset: BTreeSet::new(),
        }
    }

    /// Reads up to `stop`, which is taken too, or to the end.
    fn read(&mut self, stop: Option<char>, raw_escapes: bool) -> Result<Output> {
        if self.depth > DEPTH_MAX {
            return Err(ExpandError::TooDeep);
        }
        self.depth += 1;
        let before = std::mem::replace(&mut self.raw_escapes, raw_escapes);
        let output = self.read_to(stop);
        self.raw_escapes = before;
        self.depth -= 1;
        output
    }

    fn read_to(&mut self, stop: Option<char>) -> Result<Output> {
        let mut output = Output::default();
        while let Some(letter) = self.letters.next() {
            match letter {
                _ if Some(letter) == stop => return Ok(output),
                '\'' if !self.lexer.plain_quotes => output.push_solid(&self.single_quoted()?),
                '"' if !self.lexer.plain_quotes => output.push_solid(&self.double_quoted()?),
                '$' => output.push_loose(&self.dollar()?),
                '<' => output.push_solid(&self.after_less_than()),
                _ if letter == self.lexer.escape => {
                    if self.raw_escapes {
                        output.push_solid(letter.encode_utf8(&mut [0; 4]));
                    }
                    if let Some(escaped) = self.letters.next() {
                        output.push_solid(escaped.encode_utf8(&mut [0; 4]));
                    }
                }
                _ => output.push_loose(letter.encode_utf8(&mut [0; 4])),
            }
        }
        match stop {
            None => Ok(output),
            Some('/') => Err(ExpandError::NoReplacement),
            Some(_) => Err(ExpandError::OpenBrace),
        }
    }

    fn single_quoted(&mut self) -> Result<String> {
        let mut inside = String::new();
        loop {
            match self.letters.next().ok_or(ExpandError::OpenQuote('\''))? {
                '\'' => break,
                letter => inside.push(letter),
            }
        }
        Ok(if self.lexer.raw_quotes { format!("'{inside}'") } else { inside })
    }

    /// Inside double quotes, `$` means what it means outside, and the escape character keeps to itself but before
    /// `"`, `$` and itself.
    fn double_quoted(&mut self) -> Result<String> {
        let escape = self.lexer.escape;
        let mut inside = String::new();
        loop {
            match self.letters.next().ok_or(ExpandError::OpenQuote('"'))? {
                '"' => break,
                '$' => inside.push_str(&self.dollar()?),
                letter if letter == escape => {
                    let escaped = self.letters.next_if(|next| matches!(next, '"' | '$') || *next == escape);
                    match escaped {
                        Some(escaped) if self.raw_escapes => inside.extend([letter, escaped]),
                        Some(escaped) => inside.push(escaped),
                        None => inside.push(letter),
                    }
                }
                letter => inside.push(letter),
            }
        }
        Ok(if self.lexer.raw_quotes { format!("\"{inside}\"") } else { inside })
    }

    /// `<< EOF` is one word: blanks after the sign are no borders.
    fn after_less_than(&mut self) -> String {
        let mut sign = "<".to_owned();
        if self.letters.next_if_eq(&'<').is_some() {
            sign.push('<');
            while let Some(blank) = self.letters.next_if(|letter| matches!(letter, ' ' | '\t' | '\r')) {
                sign.push(blank);
            }
        }
        sign
    }

    fn dollar(&mut self) -> Result<String> {
        if self.letters.next_if_eq(&'{').is_none() {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok(self.value(&name).unwrap_or_else(|| self.unset_text(|| format!("${name}"))));
        }
        match self.letters.peek() {
            None => return Err(ExpandError::OpenBrace),
            Some('{' | '}' | ':') => return Err(ExpandError::NoName),
            Some(_) => {}
        }
        let name = self.name();
        match self.letters.next().ok_or(ExpandError::OpenBrace)? {
            '}' => Ok(self.value(&name).unwrap_or_else(|| self.unset_text(|| format!("${{{name}}}")))),
            ':' => match self.letters.next().ok_or(ExpandError::OpenBrace)? {
                modifier @ ('-' | '+' | '?') => self.default(&name, modifier, true),
                modifier => Err(ExpandError::Modifier(format!(":{modifier}"))),
            },
            modifier @ ('-' | '+' | '?') => self.default(&name, modifier, false),
            modifier @ ('#' | '%') => self.trimmed(&name, modifier),
            '/' => self.replaced(&name),
            modifier => Err(ExpandError::Modifier(modifier.to_string())),
        }
    }

    /// What stands for a variable that is not set.
    fn unset_text(&self, original: impl FnOnce() -> String) -> String {
        if self.lexer.keep_unset { original() } else { String::new() }
    }

    /// `${name:-word}`, `${name+word}`, `${name?message}`: with a colon, empty counts as unset.
    fn default(&mut self, name: &str, modifier: char, empty_is_unset: bool) -> Result<String> {
        let word = self.read(Some('}'), false)?.text;
        let value = self.value(name);
        if value.is_none() && self.lexer.keep_unset {
            let colon = if empty_is_unset { ":" } else { "" };
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let is_set = value.is_some();
        let value = value.filter(|value| !(empty_is_unset && value.is_empty()));
        match (modifier, value) {
            ('-', None) | ('+', Some(_)) => Ok(word),
            ('+', None) => Ok(String::new()),
            (_, Some(value)) => Ok(value),
            (_, None) => {
                let reason = if is_set { "is not allowed to be empty" } else { "is not allowed to be unset" };
                let message = if word.is_empty() { reason.to_owned() } else { word };
                Err(ExpandError::Required { name: name.to_owned(), message })
            }
        }
    }

    /// `${name#pattern}`, `##`, `%`, `%%`: a doubled sign takes as much as it can.
    fn trimmed(&mut self, name: &str, sign: char) -> Result<String> {
        let word = self.read(Some('}'), true)?.text;
        let Some(value) = self.value(name) else {
            return Ok(self.unset_text(|| format!("${{{name}{sign}{word}}}")));
        };
        let (greedy, pattern) = match word.strip_prefix(sign) {
            Some(pattern) => (true, pattern),
            None => (false, &*word),
        };
        let pattern = Pattern::parse(pattern)?;
        Ok(if sign == '#' {
            pattern.trim_start(&value, greedy).to_owned()
        } else {
            pattern.trim_end(&value, greedy).to_owned()
        })
    }

    /// `${name/pattern/replacement}`, and with `//` every match.
    fn replaced(&mut self, name: &str) -> Result<String> {
        let all = self.letters.next_if_eq(&'/').is_some();
        let pattern = self.read(Some('/'), true)?.text;
        let replacement = self.read(Some('}'), true)?.text;
        let Some(value) = self.value(name) else {
            return Ok(self.unset_text(|| format!("${{{name}/{pattern}/{replacement}}}")));
        };
        Ok(Pattern::parse(&pattern)?.replace(&value, &replacement, all))
    }

    /// A name, a number, or one of the shell's special parameters; empty if none follows.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.letters.peek() {
            Some(first) if first.is_numeric() => {
                while let Some(digit) = self.letters.next_if(|letter| letter.is_numeric()) {
                    name.push(digit);
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => name.extend(self.letters.next()),
            _ => {
                let belongs = |letter: &char| letter.is_alphanumeric() || *letter == '_';
                while let Some(letter) = self.letters.next_if(belongs) {
                    name.push(letter);
                }
            }
        }
        name
    }

    fn value(&mut self, name: &str) -> Option<String> {
        let value = self.variables.value(name).map(str::to_owned);
        let names = if value.is_some() { &mut self.used } else { &mut self.unset };
        names.insert(name.to_owned());
        value
    }
}
