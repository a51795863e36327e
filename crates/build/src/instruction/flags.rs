//! The flags that an instruction knows.

use crate::fault::Fault;
use crate::suggest::nearest;
use crate::syntax::{Statement, Word};

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `--chown=a`, once.
    Text,
    /// `--mount=…`, as often as wanted.
    Many,
    /// `--link`, `--link=false`, once.
    Switch,
}

/// The flags of one statement, all of them known.
#[derive(Debug)]
pub(super) struct Flags(Vec<(&'static str, Word)>);

impl Flags {
    /// Checks the flags of a statement against those that its instruction knows.
    pub(super) fn parse(statement: &Statement, known: &[(&'static str, Kind)]) -> Result<Self, Fault> {
        let mut flags = Vec::new();
        for flag in &statement.flags {
            let (name, value) = flag.parts();
            let span = flag.word.span;
            let Some(&(name, kind)) = known.iter().find(|(known, _)| *known == name) else {
                return Err(unknown(statement, name, &flag.word, known));
            };
            if kind != Kind::Many && flags.iter().any(|(given, _)| *given == name) {
                return Err(Fault::new(span, format!("flag `--{name}` is given twice")));
            }
            let text = match (kind, value) {
                (Kind::Switch, None) => "true".to_owned(),
                (Kind::Switch, Some(value)) => switch(value).ok_or_else(|| {
                    Fault::new(span, format!("flag `--{name}` must be true or false, not `{value}`"))
                })?,
                (_, None) => {
                    return Err(Fault::new(span, format!("flag `--{name}` needs a value"))
                        .hint(format!("write `--{name}=…`, without a blank")));
                }
                (_, Some(value)) => value.to_owned(),
            };
            flags.push((name, Word { text, span }));
        }
        Ok(Self(flags))
    }

    /// Returns the value of a flag that is given once.
    pub(super) fn text(&self, name: &str) -> Option<Word> {
        self.0.iter().find(|(given, _)| *given == name).map(|(_, word)| word.clone())
    }

    pub(super) fn many(&self, name: &str) -> Vec<Word> {
        self.0.iter().filter(|(given, _)| *given == name).map(|(_, word)| word.clone()).collect()
    }

    /// Returns what a switch says, if it is there.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.text(name).map(|word| word.text == "true")
    }

    /// Returns a fault if a flag that comes later in our life is used.
    pub(super) fn refuse(&self, name: &str, why: &str) -> Result<(), Fault> {
        match self.text(name) {
            Some(word) => Err(Fault::new(word.span, format!("flag `--{name}` is not supported: {why}"))),
            None => Ok(()),
        }
    }
}

fn switch(value: &str) -> Option<String> {
    let value = value.to_ascii_lowercase();
    matches!(&*value, "true" | "false").then_some(value)
}

fn unknown(statement: &Statement, name: &str, word: &Word, known: &[(&'static str, Kind)]) -> Fault {
    let fault = Fault::new(word.span, format!("unknown flag `--{name}` of {}", statement.name()));
    match nearest(name, known.iter().map(|(name, _)| *name)) {
        Some(near) => fault.hint(format!("did you mean `--{near}`?")),
        None if known.is_empty() => fault.hint(format!("{} has no flags", statement.name())),
        None => {
            let names: Vec<String> = known.iter().map(|(name, _)| format!("`--{name}`")).collect();
            fault.hint(format!("it knows {}", names.join(", ")))
        }
    }
}
