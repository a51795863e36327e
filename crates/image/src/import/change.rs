//! `--change`: the instructions of a Dockerfile that alter no file.

use oci::image::{Config, Healthcheck};

use super::words::{expand, split};
use crate::{Error, Result};

/// One instruction with the rest of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    instruction: Instruction,
    arguments: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instruction {
    Cmd,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Label,
    Onbuild,
    Stopsignal,
    User,
    Volume,
    Workdir,
}

impl Instruction {
    fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "CMD" => Self::Cmd,
            "ENTRYPOINT" => Self::Entrypoint,
            "ENV" => Self::Env,
            "EXPOSE" => Self::Expose,
            "HEALTHCHECK" => Self::Healthcheck,
            "LABEL" => Self::Label,
            "ONBUILD" => Self::Onbuild,
            "STOPSIGNAL" => Self::Stopsignal,
            "USER" => Self::User,
            "VOLUME" => Self::Volume,
            "WORKDIR" => Self::Workdir,
            _ => return None,
        })
    }
}

impl Change {
    /// Parses a line: `CMD ["sh"]`.
    pub fn parse(line: &str) -> Result<Self> {
        let line = line.trim();
        let (instruction, arguments) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        Self::new(instruction, arguments)
    }

    /// Takes an instruction and the rest of its line.
    pub fn new(instruction: &str, arguments: &str) -> Result<Self> {
        let arguments = arguments.trim().to_owned();
        let error = |reason: String| Error::Change { line: format!("{instruction} {arguments}"), reason };
        match Instruction::parse(instruction) {
            _ if arguments.is_empty() => Err(error("it needs an argument".to_owned())),
            Some(instruction) => Ok(Self { instruction, arguments }),
            None => Err(error(format!("{} is not a valid change command", instruction.to_uppercase()))),
        }
    }
}

/// Applies instructions in order.
pub fn apply_changes(config: &mut Config, changes: &[Change]) -> Result<()> {
    let mut cmd_is_ours = false;
    for change in changes {
        // A command that came from below belongs to the entry point it came with.
        if change.instruction == Instruction::Entrypoint && !cmd_is_ours {
            config.cmd = None;
        }
        cmd_is_ours |= change.instruction == Instruction::Cmd;
        apply(config, change).map_err(|reason| {
            let instruction = format!("{:?}", change.instruction).to_uppercase();
            Error::Change { line: format!("{instruction} {}", change.arguments), reason }
        })?;
    }
    Ok(())
}

fn apply(config: &mut Config, change: &Change) -> Result<(), String> {
    let text = &*change.arguments;
    match change.instruction {
        Instruction::Cmd => config.cmd = Some(command(config, text)),
        Instruction::Entrypoint => config.entrypoint = Some(command(config, text)),
        Instruction::Env => {
            for (key, value) in pairs(text, &config.env, "ENV")? {
                let prefix = format!("{key}=");
                let entry = format!("{prefix}{value}");
                match config.env.iter_mut().find(|entry| entry.starts_with(&prefix)) {
                    Some(old) => *old = entry,
                    None => config.env.push(entry),
                }
            }
        }
        Instruction::Label => config.labels.extend(pairs(text, &config.env, "LABEL")?),
        Instruction::Expose => {
            for word in split(text) {
                config.exposed_ports.extend(ports(&expand(&word, &config.env)?)?);
            }
        }
        Instruction::Volume => {
            let volumes = match json(text) {
                Some(volumes) => volumes,
                None => split(text).iter().map(|word| expand(word, &config.env)).collect::<Result<_, _>>()?,
            };
            if volumes.is_empty() || volumes.iter().any(|volume| volume.trim().is_empty()) {
                return Err("VOLUME specified can not be an empty string".to_owned());
            }
            config.volumes.extend(volumes);
        }
        Instruction::User => config.user = expand(text, &config.env)?,
        Instruction::Workdir => {
            config.working_dir = workdir(&config.working_dir, &expand(text, &config.env)?)?
        }
        Instruction::Stopsignal => config.stop_signal = stop_signal(&expand(text, &config.env)?)?,
        Instruction::Healthcheck => config.healthcheck = Some(healthcheck(text)?),
        Instruction::Onbuild => config.on_build.push(on_build(text)?),
    }
    Ok(())
}

fn json(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok())?
}

/// A JSON list is the command itself, anything else a line for the shell.
fn command(config: &Config, text: &str) -> Vec<String> {
    let shell = || config.shell.clone().unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()]);
    json(text).unwrap_or_else(|| shell().into_iter().chain([text.to_owned()]).collect())
}

/// `a=1 b="2 3"`, or the old form `a the rest`.
fn pairs(text: &str, env: &[String], instruction: &str) -> Result<Vec<(String, String)>, String> {
    let words = split(text);
    if !words.first().is_some_and(|first| first.contains('=')) {
        let (key, value) =
            text.split_once(char::is_whitespace).ok_or(format!("{instruction} must have two arguments"))?;
        return Ok(vec![(expand(key, env)?, expand(value.trim(), env)?)]);
    }
    let pair = |word: &String| {
        let (key, value) = word.split_once('=').ok_or_else(|| {
            format!("Syntax error - can't find = in \"{word}\". Must be of the form: name=value")
        })?;
        let key = expand(key, env)?;
        if key.is_empty() {
            Err(format!("{instruction} names can not be blank"))
        } else {
            Ok((key, expand(value, env)?))
        }
    };
    words.iter().map(pair).collect()
}

/// `80`, `80/udp`, `8000-8010/tcp`.
fn ports(text: &str) -> Result<Vec<String>, String> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_lowercase();
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let port = |text: &str| text.parse::<u16>().map_err(|_| format!("invalid containerPort: {range}"));
    let (first, last) = (port(first)?, port(last)?);
    if !matches!(&*protocol, "tcp" | "udp" | "sctp") {
        return Err(format!("invalid proto: {protocol}"));
    }
    if first > last {
        return Err(format!("invalid port range: {range}"));
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn workdir(before: &str, path: &str) -> Result<String, String> {
    if path.is_empty() {
        return Err("cannot normalize nothing".to_owned());
    }
    let base = if path.starts_with('/') { "" } else { before };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

fn stop_signal(text: &str) -> Result<String, String> {
    let name = |text: &str| {
        let mut bytes = text.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-'))
    };
    match text.parse::<u8>() {
        Ok(1..=64) => Ok(text.to_owned()),
        Err(_) if name(text) => Ok(text.to_owned()),
        _ => Err(format!("Invalid signal: {text}")),
    }
}

fn on_build(text: &str) -> Result<String, String> {
    let first = text.split_whitespace().next().unwrap_or_default().to_uppercase();
    match &*first {
        "ONBUILD" => Err("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".to_owned()),
        "MAINTAINER" | "FROM" => Err(format!("{first} isn't allowed as an ONBUILD trigger")),
        _ => Ok(text.to_owned()),
    }
}

/// `NONE`, or options and `CMD …`.
fn healthcheck(text: &str) -> Result<Healthcheck, String> {
    let mut health = Healthcheck::default();
    let mut rest = text;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
        rest = after.trim_start();
        let (name, value) = option.split_once('=').ok_or_else(|| format!("flag --{option} needs a value"))?;
        match name {
            "interval" => health.interval = nanoseconds(value)?,
            "timeout" => health.timeout = nanoseconds(value)?,
            "start-period" => health.start_period = nanoseconds(value)?,
            "start-interval" => health.start_interval = nanoseconds(value)?,
            "retries" => {
                let retries = value.parse().ok().filter(|retries| *retries >= 0);
                health.retries = retries.ok_or_else(|| format!("--retries cannot be `{value}`"))?;
            }
            _ => return Err(format!("unknown flag: {name}")),
        }
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    health.test = match &*kind.to_uppercase() {
        "NONE" if command.is_empty() => vec!["NONE".to_owned()],
        "NONE" => return Err("HEALTHCHECK NONE takes no arguments".to_owned()),
        "CMD" if command.is_empty() => return Err("missing command after HEALTHCHECK CMD".to_owned()),
        "CMD" => match json(command) {
            Some(list) => ["CMD".to_owned()].into_iter().chain(list).collect(),
            None => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        },
        _ => return Err(format!("unknown type {kind:?} in HEALTHCHECK (try CMD)")),
    };
    Ok(health)
}

/// Go's durations: `1h2m3.5s`, `300ms`; what Docker accepts here is 0 or at least a millisecond.
fn nanoseconds(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid duration `{text}`");
    let mut total = 0.0;
    let mut rest = text;
    if rest == "0" {
        return Ok(0);
    }
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').ok_or_else(invalid)?;
        let number: f64 = rest[..end].parse().map_err(|_| invalid())?;
        rest = &rest[end..];
        let units =
            [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12)];
        let (unit, factor) = units.iter().find(|(unit, _)| rest.starts_with(unit)).ok_or_else(invalid)?;
        rest = &rest[unit.len()..];
        total += number * factor;
    }
    // 290 years fit; more is nobody's health check.
    if text.is_empty() || total >= 9e18 {
        return Err(invalid());
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above and not negative")]
    let total = total.round() as i64;
    if total != 0 && total < 1_000_000 { Err("duration must be at least 1ms".to_owned()) } else { Ok(total) }
}

#[cfg(test)]
mod tests;
