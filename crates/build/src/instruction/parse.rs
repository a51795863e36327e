//! Statement → instruction.

use super::copy::{self, CopyKind};
use super::flags::Flags;
use super::{Argument, Command, CommandLine, From, Instruction, Pair, Trigger, health, run, stage};
use crate::fault::Fault;
use crate::suggest::nearest;
use crate::syntax::{JsonList, Statement, Text, Word, is_blank, json_list, words_of};

/// Every instruction of the language.
const KEYWORDS: &[&str] = &[
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// What a statement turned out to be.
#[derive(Debug)]
pub(crate) enum Parsed {
    From(From),
    Instruction(Instruction),
}

/// Parses one statement.
pub(crate) fn parse_statement(statement: &Statement, escape: char) -> Result<Parsed, Fault> {
    if statement.name() == "FROM" {
        return stage::parse(statement).map(Parsed::From);
    }
    Ok(Parsed::Instruction(Instruction {
        keyword: statement.keyword.clone(),
        command: command(statement, escape)?,
        span: statement.span,
        original: statement.original.as_str().to_owned(),
        comments: statement.comments.clone(),
    }))
}

fn command(statement: &Statement, escape: char) -> Result<Command, Fault> {
    match &*statement.name() {
        "ADD" => copy::parse(statement, CopyKind::Add).map(Command::Copy),
        "COPY" => copy::parse(statement, CopyKind::Copy).map(Command::Copy),
        "RUN" => run::parse(statement).map(Command::Run),
        "HEALTHCHECK" => health::parse(statement).map(Command::Healthcheck),
        name => {
            if !KEYWORDS.contains(&name) {
                return Err(unknown(statement));
            }
            Flags::parse(statement, &[])?;
            plain(statement, name, escape)
        }
    }
}

/// The instructions without flags.
fn plain(statement: &Statement, name: &str, escape: char) -> Result<Command, Fault> {
    let arguments = some_arguments(statement)?;
    Ok(match name {
        "ARG" => Command::Arg(declarations(arguments, escape)?),
        "CMD" => Command::Cmd(command_line(arguments)?),
        "ENTRYPOINT" => Command::Entrypoint(command_line(arguments)?),
        "ENV" => Command::Env(pairs(arguments, "ENV", escape)?),
        "EXPOSE" => {
            let mut ports = arguments.split_blanks();
            ports.sort_by(|a, b| a.text.cmp(&b.text));
            Command::Expose(ports)
        }
        "LABEL" => Command::Label(pairs(arguments, "LABEL", escape)?),
        "MAINTAINER" => Command::Maintainer(arguments.word()),
        "ONBUILD" => Command::Onbuild(trigger(statement, escape)?),
        "SHELL" => match command_line(arguments)? {
            CommandLine::Exec(shell) if !shell.is_empty() => Command::Shell(shell),
            CommandLine::Exec(_) => return Err(at_least_one(statement)),
            CommandLine::Shell(_) => {
                return Err(Fault::new(arguments.span(), "SHELL requires a JSON list")
                    .hint("write `SHELL [\"/bin/sh\", \"-c\"]`"));
            }
        },
        "STOPSIGNAL" => Command::Stopsignal(arguments.word()),
        "USER" => Command::User(arguments.word()),
        "VOLUME" => Command::Volume(volumes(arguments)?),
        _ => Command::Workdir(arguments.word()),
    })
}

/// Returns the arguments, of which there must be some.
pub(super) fn some_arguments(statement: &Statement) -> Result<&Text, Fault> {
    if statement.arguments.is_empty() { Err(at_least_one(statement)) } else { Ok(&statement.arguments) }
}

fn at_least_one(statement: &Statement) -> Fault {
    Fault::new(statement.keyword.span, format!("{} requires at least one argument", statement.name()))
}

fn unknown(statement: &Statement) -> Fault {
    let written = &statement.keyword.text;
    let fault = Fault::new(statement.keyword.span, format!("unknown instruction `{written}`"));
    match nearest(written, KEYWORDS.iter().copied()) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => {
            fault.hint("a line that belongs to the one above needs an escape character at the end of that")
        }
    }
}

/// A JSON list, or a line for the shell.
pub(super) fn command_line(arguments: &Text) -> Result<CommandLine, Fault> {
    match json_list(arguments.as_str()) {
        JsonList::Strings(words) => Ok(CommandLine::Exec(words)),
        JsonList::No => Ok(CommandLine::Shell(arguments.as_str().to_owned())),
        JsonList::NotStrings => Err(not_strings(arguments)),
    }
}

/// A JSON list, or words between blanks.
pub(super) fn list(arguments: &Text) -> Result<Vec<Word>, Fault> {
    match json_list(arguments.as_str()) {
        JsonList::Strings(words) => {
            let span = arguments.span();
            Ok(words.into_iter().map(|text| Word { text, span }).collect())
        }
        JsonList::No => Ok(arguments.split_blanks()),
        JsonList::NotStrings => Err(not_strings(arguments)),
    }
}

fn not_strings(arguments: &Text) -> Fault {
    Fault::new(arguments.span(), "a JSON list must hold strings only")
        .hint("put quotation marks around each element")
}

fn declarations(arguments: &Text, escape: char) -> Result<Vec<Argument>, Fault> {
    let declaration = |word: Word| match word.text.split_once('=') {
        Some(("", _)) => Err(Fault::new(word.span, "ARG names can not be blank")),
        Some((name, value)) => Ok(Argument {
            name: Word { text: name.to_owned(), span: word.span },
            default: Some(Word { text: value.to_owned(), span: word.span }),
        }),
        None => Ok(Argument { name: word, default: None }),
    };
    words_of(arguments, escape).into_iter().map(declaration).collect()
}

/// `a=1 b="2 3"`, or the old form `a the rest`.
fn pairs(arguments: &Text, instruction: &str, escape: char) -> Result<Vec<Pair>, Fault> {
    let words = words_of(arguments, escape);
    if !words.first().is_some_and(|first| first.text.contains('=')) {
        let text = arguments.as_str();
        let Some(end) = text.find(is_blank) else {
            return Err(Fault::new(arguments.span(), format!("{instruction} must have two arguments"))
                .hint(format!("write `{instruction} name=value`")));
        };
        let value = arguments.slice(end..text.len()).trim_start();
        return Ok(vec![Pair { name: arguments.slice(0..end).word(), value: value.word(), legacy: true }]);
    }
    let pair = |word: Word| {
        let span = word.span;
        match word.text.split_once('=') {
            None => Err(Fault::new(span, format!("there is no `=` in `{}`", word.text))
                .hint("every word must be of the form name=value; put quotation marks around blanks")),
            Some(("", _)) => Err(Fault::new(span, format!("{instruction} names can not be blank"))),
            Some((name, value)) => Ok(Pair {
                name: Word { text: name.to_owned(), span },
                value: Word { text: value.to_owned(), span },
                legacy: false,
            }),
        }
    };
    words.into_iter().map(pair).collect()
}

fn volumes(arguments: &Text) -> Result<Vec<Word>, Fault> {
    let mut volumes = list(arguments)?;
    for volume in &mut volumes {
        volume.text = volume.text.trim().to_owned();
    }
    if volumes.is_empty() || volumes.iter().any(|volume| volume.text.is_empty()) {
        return Err(Fault::new(arguments.span(), "VOLUME specified can not be an empty string"));
    }
    Ok(volumes)
}

fn trigger(statement: &Statement, escape: char) -> Result<Trigger, Fault> {
    let inner = statement.inner(escape);
    match &*inner.name() {
        "ONBUILD" => {
            return Err(Fault::new(
                inner.keyword.span,
                "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
            ));
        }
        name @ ("MAINTAINER" | "FROM") => {
            return Err(Fault::new(
                inner.keyword.span,
                format!("{name} isn't allowed as an ONBUILD trigger"),
            ));
        }
        _ => {}
    }
    command(&inner, escape)?;
    let mut text = statement.arguments.as_str().to_owned();
    for heredoc in &statement.heredocs {
        text.push('\n');
        text.push_str(&heredoc.content);
        text.push_str(&heredoc.name);
    }
    Ok(Trigger { text })
}
