//! The build checks that need nothing but the text. Those that need values stand where values are put in.

use std::collections::BTreeSet;

use crate::dockerfile::{Dockerfile, Stage};
use crate::fault::Warning;
use crate::instruction::{Command, From, Instruction, Pair};
use crate::rule::{CheckOptions, Rule};
use crate::source::Span;
use crate::syntax::Word;

/// Words of a name that make it look like a secret's, and those that take the suspicion away.
const SECRETS: &[&str] =
    &["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];
const NO_SECRETS: &[&str] = &["public", "file", "version"];

/// Returns the warnings of every check that is on.
pub(crate) fn of_text(dockerfile: &Dockerfile) -> Vec<Warning> {
    let mut checker = Checker { options: &dockerfile.check, warnings: Vec::new() };
    checker.stage_names(&dockerfile.stages);
    checker.keyword_casing(&dockerfile.stages);
    for global in &dockerfile.arguments {
        checker.description("ARG", &[&global.argument.name.text], &global.comments, global.span);
    }
    for stage in &dockerfile.stages {
        checker.from(&stage.from);
        for instruction in &stage.instructions {
            checker.instruction(instruction);
        }
        checker.used_once(stage);
    }
    checker.warnings
}

/// Returns the options that hold for an instruction: `# check=skip=…` in the comments above adds to those of the file.
pub(crate) fn options_at(options: &CheckOptions, comments: &[String]) -> CheckOptions {
    let in_comments = comments.iter().find_map(|comment| {
        let value = comment.strip_prefix("check")?.trim_start().strip_prefix('=')?;
        CheckOptions::parse(value.split_whitespace().next().unwrap_or_default()).ok()
    });
    in_comments.map_or_else(|| options.clone(), |local| options.with(&local))
}

struct Checker<'a> {
    options: &'a CheckOptions,
    warnings: Vec<Warning>,
}

impl Checker<'_> {
    fn warn(&mut self, rule: Rule, comments: &[String], span: Span, text: String) {
        if options_at(self.options, comments).is_on(rule) {
            self.warnings.push(Warning { rule, span, text });
        }
    }

    fn stage_names(&mut self, stages: &[Stage]) {
        let mut seen = BTreeSet::new();
        for from in stages.iter().map(|stage| &stage.from) {
            let Some((name, span)) = from.name().zip(from.written_name.as_ref().map(|name| name.span)) else {
                continue;
            };
            if name == "scratch" || name == "context" {
                let text = format!("Stage name should not use the same name as reserved stage \"{name}\"");
                self.warn(Rule::ReservedStageName, &from.comments, span, text);
            }
            if seen.contains(&name) {
                let text = format!("Duplicate stage name \"{name}\", stage names should be unique");
                self.warn(Rule::DuplicateStageName, &from.comments, span, text);
            }
            seen.insert(name);
        }
    }

    /// Every keyword should be written as most are.
    fn keyword_casing(&mut self, stages: &[Stage]) {
        let keywords: Vec<(&Word, &[String])> = stages
            .iter()
            .flat_map(|stage| {
                let own = stage.instructions.iter().map(|one| (&one.keyword, &*one.comments));
                std::iter::once((&stage.from.keyword, &*stage.from.comments)).chain(own)
            })
            .collect();
        let lower = keywords.iter().filter(|(keyword, _)| is_lower(&keyword.text)).count();
        let upper = keywords.iter().filter(|(keyword, _)| is_upper(&keyword.text)).count();
        for (keyword, comments) in keywords {
            let wanted = match lower > upper {
                true if !is_lower(&keyword.text) => "lowercase",
                false if !is_upper(&keyword.text) => "uppercase",
                _ => continue,
            };
            let text = format!(
                "Command '{}' should match the case of the command majority ({wanted})",
                keyword.text
            );
            self.warn(Rule::ConsistentInstructionCasing, comments, keyword.span, text);
        }
    }

    fn from(&mut self, from: &From) {
        if let Some(name) = from.written_name.as_ref().filter(|name| name.text != name.text.to_lowercase()) {
            let text = format!("Stage name '{}' should be lowercase", name.text);
            self.warn(Rule::StageNameCasing, &from.comments, name.span, text);
        }
        if let Some(keyword) = &from.as_keyword {
            let differs = (is_lower(&from.keyword.text) && !is_lower(&keyword.text))
                || (is_upper(&from.keyword.text) && !is_upper(&keyword.text));
            if differs {
                let text =
                    format!("'{}' and '{}' keywords' casing do not match", keyword.text, from.keyword.text);
                self.warn(Rule::FromAsCasing, &from.comments, keyword.span, text);
            }
        }
        if let Some(name) = from.name() {
            self.description("FROM", &[&name], &from.comments, from.span);
        }
    }

    fn instruction(&mut self, instruction: &Instruction) {
        let Instruction { span, comments, .. } = instruction;
        match &instruction.command {
            Command::Arg(arguments) => {
                let names: Vec<&str> = arguments.iter().map(|argument| &*argument.name.text).collect();
                self.description("ARG", &names, comments, *span);
                for argument in arguments {
                    self.secret("ARG", &argument.name, comments);
                }
            }
            Command::Env(pairs) => {
                self.legacy("ENV", pairs, comments);
                for pair in pairs {
                    self.secret("ENV", &pair.name, comments);
                }
            }
            Command::Label(pairs) => self.legacy("LABEL", pairs, comments),
            Command::Maintainer(_) => self.warn(
                Rule::MaintainerDeprecated,
                comments,
                *span,
                "Maintainer instruction is deprecated in favor of using label".to_owned(),
            ),
            _ => {}
        }
    }

    fn legacy(&mut self, name: &str, pairs: &[Pair], comments: &[String]) {
        for pair in pairs.iter().filter(|pair| pair.legacy) {
            let text =
                format!("\"{name} key=value\" should be used instead of legacy \"{name} key value\" format");
            self.warn(Rule::LegacyKeyValueFormat, comments, pair.name.span.to(pair.value.span), text);
        }
    }

    fn secret(&mut self, instruction: &str, name: &Word, comments: &[String]) {
        let lower = name.text.to_lowercase();
        let has = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
        if has(SECRETS) && !has(NO_SECRETS) {
            let text = format!(
                "Do not use ARG or ENV instructions for sensitive data ({instruction} \"{}\")",
                name.text
            );
            self.warn(Rule::SecretsUsedInArgOrEnv, comments, name.span, text);
        }
    }

    /// The comment right above a stage or an argument should describe it.
    fn description(&mut self, instruction: &str, names: &[&str], comments: &[String], span: Span) {
        let (Some(comment), Some(first)) = (comments.last(), names.first()) else { return };
        let word = comment.split(' ').next().unwrap_or_default();
        if names.contains(&word) || comment.trim_start().starts_with("check=") {
            return;
        }
        let example = if names.len() > 1 { "<arg_key>" } else { first };
        let text = format!("Comment for {instruction} should follow the format: `# {example} <description>`");
        self.warn(Rule::InvalidDefinitionDescription, comments, span, text);
    }

    /// Of several CMD, ENTRYPOINT or HEALTHCHECK only the last counts; the warning is about those before.
    fn used_once(&mut self, stage: &Stage) {
        for (name, is_it) in [
            ("CMD", (|command| matches!(command, Command::Cmd(_))) as fn(&Command) -> bool),
            ("ENTRYPOINT", |command| matches!(command, Command::Entrypoint(_))),
            ("HEALTHCHECK", |command| matches!(command, Command::Healthcheck(_))),
        ] {
            let of_kind: Vec<&Instruction> =
                stage.instructions.iter().filter(|instruction| is_it(&instruction.command)).collect();
            for pair in of_kind.windows(2) {
                let text = format!(
                    "Multiple {name} instructions should not be used in the same stage because only the last one will be used"
                );
                self.warn(Rule::MultipleInstructionsDisallowed, &pair[1].comments, pair[0].span, text);
            }
        }
    }
}

fn is_lower(word: &str) -> bool {
    word.to_lowercase() == word
}

fn is_upper(word: &str) -> bool {
    word.to_uppercase() == word
}
