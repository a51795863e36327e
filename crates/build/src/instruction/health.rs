//! HEALTHCHECK.

use oci::image::Healthcheck;

use super::CommandLine;
use super::duration::nanoseconds;
use super::flags::{Flags, Kind};
use super::parse::{command_line, some_arguments};
use crate::fault::Fault;
use crate::syntax::{Statement, Word, is_blank};

pub(super) fn parse(statement: &Statement) -> Result<Healthcheck, Fault> {
    let known = ["interval", "timeout", "start-period", "start-interval", "retries"];
    let flags = Flags::parse(statement, &known.map(|name| (name, Kind::Text)))?;
    let arguments = some_arguments(statement)?;
    let text = arguments.as_str();
    let end = text.find(is_blank).unwrap_or(text.len());
    let kind = arguments.slice(0..end).word();
    let rest = arguments.slice(end..text.len()).trim_start();
    let test = match &*kind.text.to_ascii_uppercase() {
        "NONE" if rest.is_empty() => {
            return Ok(Healthcheck { test: vec!["NONE".to_owned()], ..Default::default() });
        }
        "NONE" => return Err(Fault::new(rest.span(), "HEALTHCHECK NONE takes no arguments")),
        "CMD" => match command_line(&rest)? {
            CommandLine::Exec(words) if !words.is_empty() => [vec!["CMD".to_owned()], words].concat(),
            CommandLine::Shell(line) if !line.is_empty() => vec!["CMD-SHELL".to_owned(), line],
            _ => return Err(Fault::new(kind.span, "there is no command after HEALTHCHECK CMD")),
        },
        _ => {
            return Err(Fault::new(kind.span, format!("unknown type `{}` in HEALTHCHECK", kind.text))
                .hint("write `HEALTHCHECK CMD command` or `HEALTHCHECK NONE`"));
        }
    };
    let time = |name: &str| flags.text(name).map_or(Ok(0), |word| interval(name, &word));
    Ok(Healthcheck {
        test,
        interval: time("interval")?,
        timeout: time("timeout")?,
        start_period: time("start-period")?,
        start_interval: time("start-interval")?,
        retries: flags.text("retries").map_or(Ok(0), |word| retries(&word))?,
    })
}

/// 0 is the default, and anything else at least a millisecond.
fn interval(name: &str, word: &Word) -> Result<i64, Fault> {
    let nanoseconds = nanoseconds(&word.text).ok_or_else(|| {
        Fault::new(word.span, format!("invalid duration `{}`", word.text)).hint("write `30s` or `1m30s`")
    })?;
    if nanoseconds != 0 && nanoseconds < 1_000_000 {
        return Err(Fault::new(word.span, format!("`--{name}` cannot be less than 1ms")));
    }
    Ok(nanoseconds)
}

fn retries(word: &Word) -> Result<i64, Fault> {
    let retries = word.text.parse::<i32>().ok().filter(|retries| *retries >= 0);
    let fault = || Fault::new(word.span, format!("`--retries` cannot be `{}`", word.text));
    retries.map(i64::from).ok_or_else(fault)
}
