//! Text → stages of typed instructions.

use crate::check;
use crate::error::{Error, Result};
use crate::fault::{Fault, Warning};
use crate::instruction::{Argument, Command, From, Instruction, Parsed, parse_statement};
use crate::rule::CheckOptions;
use crate::source::{Source, Span};
use crate::syntax::{Directives, Script, parse_script};

/// Images of the language that we speak ourselves.
const SYNTAXES: &[&str] = &["docker/dockerfile", "docker/dockerfile-upstream"];

/// A parsed Dockerfile.
#[derive(Debug, Clone)]
pub struct Dockerfile {
    pub source: Source,
    pub directives: Directives,
    /// What `# check=` says.
    pub check: CheckOptions,
    /// The ARG instructions before the first stage.
    pub arguments: Vec<GlobalArgument>,
    pub stages: Vec<Stage>,
    /// What the text alone gives reason for.
    pub warnings: Vec<Warning>,
}

/// An argument that every FROM knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalArgument {
    pub argument: Argument,
    pub span: Span,
    pub comments: Vec<String>,
}

/// FROM and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    pub from: From,
    pub instructions: Vec<Instruction>,
}

impl Dockerfile {
    /// Parses a Dockerfile; the error holds every fault.
    pub fn parse(source: Source) -> Result<Self> {
        let Script { directives, statements, mut faults, warnings } = parse_script(&source);
        let mut dockerfile = Self {
            source,
            check: CheckOptions::default(),
            arguments: Vec::new(),
            stages: Vec::new(),
            warnings,
            directives,
        };
        faults.extend(dockerfile.read_directives());
        for statement in &statements {
            match parse_statement(statement, dockerfile.directives.escape) {
                Ok(parsed) => faults.extend(dockerfile.add(parsed)),
                Err(fault) => faults.push(fault),
            }
        }
        if dockerfile.stages.is_empty() && faults.is_empty() {
            let span = statements.last().map_or(Span::default(), |statement| statement.span);
            faults.push(
                Fault::new(span, "the Dockerfile has no stages to build")
                    .hint("begin with `FROM` and the name of an image"),
            );
        }
        if !faults.is_empty() {
            return Err(Error::of_faults(faults, &dockerfile.source));
        }
        let found = check::of_text(&dockerfile);
        dockerfile.warnings.extend(found);
        Ok(dockerfile)
    }

    /// Parses one instruction of an image's ONBUILD list, which a stage begins with.
    pub fn parse_trigger(text: &str, escape: char) -> Result<Instruction> {
        let source = Source::new("ONBUILD", text);
        let Script { statements, faults, .. } = parse_script(&source);
        let fault = match (&*statements, faults.into_iter().next()) {
            (_, Some(fault)) => fault,
            ([statement], None) => match parse_statement(statement, escape) {
                Ok(Parsed::Instruction(instruction)) => return Ok(instruction),
                Ok(Parsed::From(from)) => Fault::new(from.span, "FROM isn't allowed as an ONBUILD trigger"),
                Err(fault) => fault,
            },
            _ => Fault::new(Span::default(), "an ONBUILD trigger must be one instruction"),
        };
        Err(Error::of_faults(vec![fault], &source))
    }

    fn read_directives(&mut self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(syntax) = &self.directives.syntax {
            let image = syntax.text.split_whitespace().next().unwrap_or_default();
            let name = image.split(['@']).next().unwrap_or_default();
            let name = name.strip_prefix("docker.io/").unwrap_or(name);
            let name = name.rsplit_once(':').map_or(name, |(name, _)| name);
            if !SYNTAXES.contains(&name) {
                faults.push(
                    Fault::new(syntax.span, format!("the language `{image}` is not supported"))
                        .hint("builds know `docker/dockerfile:1` and run no other front end"),
                );
            }
        }
        if let Some(check) = &self.directives.check {
            match CheckOptions::parse(&check.text) {
                Ok(options) => self.check = options,
                Err(reason) => faults.push(Fault::new(check.span, reason)),
            }
        }
        faults
    }

    fn add(&mut self, parsed: Parsed) -> Option<Fault> {
        match (parsed, self.stages.last_mut()) {
            (Parsed::From(from), _) => self.stages.push(Stage { from, instructions: Vec::new() }),
            (Parsed::Instruction(instruction), Some(stage)) => stage.instructions.push(instruction),
            (
                Parsed::Instruction(Instruction { command: Command::Arg(arguments), span, comments, .. }),
                None,
            ) => {
                let global = |argument| GlobalArgument { argument, span, comments: comments.clone() };
                self.arguments.extend(arguments.into_iter().map(global));
            }
            (Parsed::Instruction(instruction), None) => {
                let text = format!("`{}` stands before the first `FROM`", instruction.keyword.text);
                return Some(
                    Fault::new(instruction.keyword.span, text)
                        .hint("only `ARG` may; every other instruction belongs to a stage"),
                );
            }
        }
        None
    }
}
