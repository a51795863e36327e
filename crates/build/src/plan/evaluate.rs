//! Instructions → steps: variables in, configuration changed.

use oci::image::Healthcheck;

use super::expose;
use super::history::{HistoryEntry, plain_list, quoted_list};
use super::line::title;
use super::scope::Scope;
use super::signal::is_signal;
use super::stage::Planner;
use super::step::{Step, StepAction, WorkdirStep};
use crate::error::Result;
use crate::expand::{Expanded, Lexer};
use crate::fault::Fault;
use crate::instruction::{Argument, Command, CommandLine, Instruction, Pair};
use crate::rule::Rule;
use crate::source::Span;
use crate::suggest::nearest;
use crate::syntax::Word;

/// One stage while its instructions are gone through.
pub(super) struct Evaluator {
    pub(super) index: usize,
    pub(super) scope: Scope,
    steps: Vec<Step>,
}

/// What an instruction comes to.
pub(super) struct Outcome {
    pub(super) action: StepAction,
    pub(super) created_by: String,
}

impl Outcome {
    fn configure(created_by: String) -> Self {
        Self { action: StepAction::Configure, created_by }
    }
}

impl Evaluator {
    pub(super) fn new(index: usize, scope: Scope) -> Self {
        Self { index, scope, steps: Vec::new() }
    }

    pub(super) fn finish(self) -> (Vec<Step>, Scope) {
        (self.steps, self.scope)
    }

    /// Goes on by one instruction.
    pub(super) fn evaluate(
        &mut self,
        planner: &mut Planner<'_>,
        instruction: &Instruction,
        is_trigger: bool,
    ) -> Result<()> {
        let Some(Outcome { action, created_by }) = self.outcome(planner, instruction)? else { return Ok(()) };
        self.steps.push(Step {
            span: instruction.span,
            title: title(&instruction.original),
            is_trigger,
            action,
            history: HistoryEntry::new(created_by),
        });
        Ok(())
    }

    fn outcome(&mut self, planner: &mut Planner<'_>, instruction: &Instruction) -> Result<Option<Outcome>> {
        let span = instruction.span;
        Ok(Some(match &instruction.command {
            Command::Arg(arguments) => self.declare(planner, instruction, arguments)?,
            Command::Cmd(line) => {
                let words = self.command(planner, instruction, line, "CMD");
                let created_by = format!("CMD {}", quoted_list(&words));
                self.scope.config().cmd = Some(words);
                self.scope.cmd_is_set = true;
                Outcome::configure(created_by)
            }
            Command::Copy(copy) => self.copy(planner, instruction, copy)?,
            Command::Entrypoint(line) => self.entrypoint(planner, instruction, line),
            Command::Env(pairs) => {
                let pairs = self.pairs(planner, instruction, pairs)?;
                pairs.iter().for_each(|(name, value)| self.scope.set_env(name, value));
                Outcome::configure(format!("ENV {}", joined(&pairs)))
            }
            Command::Expose(ports) => self.expose(planner, instruction, ports)?,
            Command::Healthcheck(check) => self.healthcheck(check, &instruction.original),
            Command::Label(pairs) => {
                let pairs = self.pairs(planner, instruction, pairs)?;
                let created_by = format!("LABEL {}", joined(&pairs));
                self.scope.config().labels.extend(pairs);
                Outcome::configure(created_by)
            }
            Command::Maintainer(name) => {
                self.scope.image.author.clone_from(&name.text);
                Outcome::configure(format!("MAINTAINER {}", name.text))
            }
            Command::Onbuild(trigger) => {
                self.scope.config().on_build.push(trigger.text.clone());
                return Ok(None);
            }
            Command::Run(run) => self.run(planner, instruction, run)?,
            Command::Shell(shell) => {
                self.scope.config().shell = Some(shell.clone());
                Outcome::configure(format!("SHELL {}", plain_list(shell.iter().map(|word| &**word))))
            }
            Command::Stopsignal(word) => {
                let signal = self.expand(planner, instruction, word)?;
                if !is_signal(&signal) {
                    return Err(planner
                        .dockerfile
                        .fault(Fault::new(span, format!("invalid signal `{signal}`"))));
                }
                self.scope.config().stop_signal.clone_from(&signal);
                Outcome::configure(format!("STOPSIGNAL {signal}"))
            }
            Command::User(word) => {
                let user = self.expand(planner, instruction, word)?;
                self.scope.config().user.clone_from(&user);
                Outcome::configure(format!("USER {user}"))
            }
            Command::Volume(words) => {
                let volumes = words.iter().map(|word| self.expand(planner, instruction, word));
                let volumes = volumes.collect::<Result<Vec<_>>>()?;
                if volumes.iter().any(String::is_empty) {
                    let fault = Fault::new(span, "VOLUME specified can not be an empty string");
                    return Err(planner.dockerfile.fault(fault));
                }
                let created_by = format!("VOLUME {}", plain_list(volumes.iter().map(|volume| &**volume)));
                self.scope.config().volumes.extend(volumes);
                Outcome::configure(created_by)
            }
            Command::Workdir(word) => self.workdir(planner, instruction, word)?,
        }))
    }

    /// Puts variables into a word, and warns of those that nobody has set.
    pub(super) fn expand(
        &self,
        planner: &mut Planner<'_>,
        instruction: &Instruction,
        word: &Word,
    ) -> Result<String> {
        let lexer = Lexer::new(planner.dockerfile.directives.escape);
        self.expand_with(planner, instruction, &lexer, word)
    }

    pub(super) fn expand_with(
        &self,
        planner: &mut Planner<'_>,
        instruction: &Instruction,
        lexer: &Lexer,
        word: &Word,
    ) -> Result<String> {
        let expanded = self.scope.expand(lexer, word).map_err(|fault| planner.dockerfile.fault(fault))?;
        self.warn_of_unset(planner, &instruction.comments, word.span, &expanded);
        Ok(expanded.text)
    }

    pub(super) fn warn_of_unset(
        &self,
        planner: &mut Planner<'_>,
        comments: &[String],
        span: Span,
        expanded: &Expanded,
    ) {
        if self.scope.base_is_unknown {
            return;
        }
        for name in expanded.unset.iter().filter(|name| !self.scope.is_declared(name)) {
            let near = nearest(name, self.scope.environment.names());
            let near = near.map(|near| format!(" (did you mean ${near}?)")).unwrap_or_default();
            planner.warn(
                Rule::UndefinedVar,
                comments,
                span,
                format!("Usage of undefined variable '${name}'{near}"),
            );
        }
    }

    fn pairs(
        &self,
        planner: &mut Planner<'_>,
        instruction: &Instruction,
        pairs: &[Pair],
    ) -> Result<Vec<(String, String)>> {
        // All of one instruction see the values from before it.
        let pair = |pair: &Pair| {
            Ok((
                self.expand(planner, instruction, &pair.name)?,
                self.expand(planner, instruction, &pair.value)?,
            ))
        };
        pairs.iter().map(pair).collect()
    }

    /// A build argument comes before the default, and that before what the first FROM knows.
    fn declare(
        &mut self,
        planner: &mut Planner<'_>,
        instruction: &Instruction,
        arguments: &[Argument],
    ) -> Result<Outcome> {
        let mut words = Vec::new();
        for Argument { name, default } in arguments {
            let name = &name.text;
            let value = match (planner.request.build_arguments.get(name), default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => Some(self.expand(planner, instruction, default)?),
                (None, None) => {
                    crate::expand::Variables::value(&planner.globals.values, name).map(str::to_owned)
                }
            };
            self.scope.declare(name, value.as_deref());
            words.push(value.map_or_else(|| name.clone(), |value| format!("{name}={value}")));
        }
        Ok(Outcome::configure(format!("ARG {}", words.join(" "))))
    }

    fn command(
        &self,
        planner: &mut Planner<'_>,
        instruction: &Instruction,
        line: &CommandLine,
        name: &str,
    ) -> Vec<String> {
        match line {
            CommandLine::Exec(words) => words.clone(),
            CommandLine::Shell(line) => {
                if self.scope.image.config.shell.as_ref().is_none_or(Vec::is_empty) {
                    let text = format!(
                        "JSON arguments recommended for {name} to prevent unintended behavior related to OS signals"
                    );
                    planner.warn(Rule::JSONArgsRecommended, &instruction.comments, instruction.span, text);
                }
                self.scope.with_shell(line)
            }
        }
    }

    fn entrypoint(
        &mut self,
        planner: &mut Planner<'_>,
        instruction: &Instruction,
        line: &CommandLine,
    ) -> Outcome {
        let words = self.command(planner, instruction, line, "ENTRYPOINT");
        let created_by = format!("ENTRYPOINT {}", quoted_list(&words));
        // A command that came from below belongs to the entry point it came with.
        if !self.scope.cmd_is_set {
            self.scope.config().cmd = None;
        }
        self.scope.config().entrypoint = Some(words).filter(|words| !words.is_empty());
        Outcome::configure(created_by)
    }

    fn expose(
        &mut self,
        planner: &mut Planner<'_>,
        instruction: &Instruction,
        words: &[Word],
    ) -> Result<Outcome> {
        let lexer = Lexer::new(planner.dockerfile.directives.escape);
        let mut all = Vec::new();
        for word in words {
            let fault = |text: String| planner.dockerfile.fault(Fault::new(word.span, text));
            let texts =
                lexer.words(&word.text, &self.scope.environment).map_err(|error| fault(error.to_string()))?;
            self.expand(planner, instruction, word)?;
            for text in texts {
                let exposed = expose::parse(&text)
                    .map_err(|text| planner.dockerfile.fault(Fault::new(word.span, text)))?;
                if exposed.odd_case {
                    let text = format!("Defined protocol '{text}' in EXPOSE instruction should be lowercase");
                    planner.warn(Rule::ExposeProtoCasing, &instruction.comments, word.span, text);
                }
                if exposed.names_host {
                    let text = format!(
                        "EXPOSE instruction should not define an IP address or host-port mapping, found '{text}'"
                    );
                    planner.warn(Rule::ExposeInvalidFormat, &instruction.comments, word.span, text);
                }
                all.extend(exposed.ports);
            }
        }
        let created_by = format!("EXPOSE {}", plain_list(all.iter().map(|port| &**port)));
        self.scope.config().exposed_ports.extend(all);
        Ok(Outcome::configure(created_by))
    }

    fn healthcheck(&mut self, check: &Healthcheck, original: &str) -> Outcome {
        self.scope.config().healthcheck = Some(check.clone());
        Outcome::configure(title(original))
    }

    fn workdir(
        &mut self,
        planner: &mut Planner<'_>,
        instruction: &Instruction,
        word: &Word,
    ) -> Result<Outcome> {
        let path = self.expand(planner, instruction, word)?;
        if path.is_empty() {
            let fault = Fault::new(instruction.span, "WORKDIR is empty");
            return Err(planner.dockerfile.fault(fault));
        }
        if !self.scope.workdir_is_set && !path.starts_with('/') {
            let text =
                format!("Relative workdir \"{path}\" can have unexpected results if the base image changes");
            planner.warn(Rule::WorkdirRelativePath, &instruction.comments, instruction.span, text);
        }
        self.scope.workdir_is_set = true;
        let path = self.scope.absolute(&path);
        self.scope.config().working_dir.clone_from(&path);
        let created_by = format!("WORKDIR {path}");
        let user = self.scope.image.config.user.clone();
        Ok(Outcome { action: StepAction::Workdir(WorkdirStep { path, user }), created_by })
    }
}

fn joined(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(" ")
}
