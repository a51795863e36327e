//! COPY and ADD with variables in.

use super::evaluate::{Evaluator, Outcome};
use super::stage::Planner;
use super::step::{Content, CopyStep, InlineFile, Origin, SourcePath, StepAction};
use crate::error::Result;
use crate::expand::Lexer;
use crate::fault::Fault;
use crate::ignore::clean;
use crate::instruction::{Copy, CopyKind, CopySource, Instruction};
use crate::rule::Rule;
use crate::source::Span;
use crate::syntax::Word;

impl Evaluator {
    pub(super) fn copy(
        &mut self,
        planner: &mut Planner<'_>,
        instruction: &Instruction,
        copy: &Copy,
    ) -> Result<Outcome> {
        let optional = |planner: &mut Planner<'_>, word: &Option<Word>| match word {
            Some(word) => self.expand(planner, instruction, word).map(Some),
            None => Ok(None),
        };
        let owner = optional(planner, &copy.chown)?.filter(|owner| !owner.is_empty());
        let mode = optional(planner, &copy.chmod)?.filter(|mode| !mode.is_empty());
        let checksum = optional(planner, &copy.checksum)?.filter(|checksum| !checksum.is_empty());
        if let (Some(mode), Some(word)) = (&mode, &copy.chmod) {
            check_mode(mode, word.span).map_err(|fault| planner.dockerfile.fault(fault))?;
        }
        let origin = match &copy.from {
            None => Origin::Context,
            Some(word) => match planner.numbered(&word.text, word.span, self.index)? {
                Some(origin) => origin,
                None => planner.origin(&word.text, word.span, self.index)?,
            },
        };
        let mut contents = Vec::new();
        for source in &copy.sources {
            contents.push(self.content(planner, instruction, copy, source)?);
        }
        let destination = self.expand(planner, instruction, &copy.destination)?;
        let step = CopyStep {
            kind: copy.kind,
            origin,
            contents,
            destination: self.destination(&destination),
            owner,
            mode,
            parents: copy.parents,
            exclude: copy.exclude.iter().map(|word| word.text.clone()).collect(),
            unpack: copy.unpack.unwrap_or(copy.kind == CopyKind::Add),
            checksum,
            unpack_fetched: copy.unpack == Some(true),
        };
        check_step(&step, copy, instruction.span).map_err(|fault| planner.dockerfile.fault(fault))?;
        Ok(Outcome { created_by: created_by(&step, &destination), action: StepAction::Copy(step) })
    }

    fn content(
        &self,
        planner: &mut Planner<'_>,
        instruction: &Instruction,
        copy: &Copy,
        source: &CopySource,
    ) -> Result<Content> {
        let word = match source {
            CopySource::Inline(heredoc) => {
                let content = if heredoc.expand {
                    let lexer = Lexer { plain_quotes: true, ..Lexer::new('\\') };
                    let word = Word { text: heredoc.content.clone(), span: instruction.span };
                    self.expand_with(planner, instruction, &lexer, &word)?
                } else {
                    heredoc.content.clone()
                };
                return Ok(Content::Inline(InlineFile { name: heredoc.name.clone(), content }));
            }
            CopySource::Path(word) => word,
        };
        let text = self.expand(planner, instruction, word)?;
        let fault = |text: &str, hint: &str| {
            Err(planner.dockerfile.fault(Fault::new(word.span, text.to_owned()).hint(hint)))
        };
        if is_git(&text) {
            return fault(
                "sources from git are not supported",
                "clone it beforehand, or in a `RUN` of another stage",
            );
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return match copy.kind {
                CopyKind::Add => Ok(Content::Url(text)),
                CopyKind::Copy => fault("COPY does not fetch addresses", "use `ADD`"),
            };
        }
        if copy.from.is_none() {
            self.warn_of_ignored(planner, instruction, copy.kind, word.span, &text);
        }
        let (pivot, path) = match text.split_once("/./") {
            Some((pivot, path)) if copy.parents => (Some(clean(&format!("/{pivot}"))), path.to_owned()),
            _ => (None, text.clone()),
        };
        let below = pivot.clone().unwrap_or_default();
        let pattern = clean(&format!("/{below}/{path}"));
        Ok(Content::Path(SourcePath { pattern, written: text, pivot }))
    }

    /// The context never holds what the ignore file names; `!` patterns make that too hard to say beforehand.
    fn warn_of_ignored(
        &self,
        planner: &mut Planner<'_>,
        instruction: &Instruction,
        kind: CopyKind,
        span: Span,
        source: &str,
    ) {
        let ignore = &planner.request.ignore;
        if ignore.is_empty() || ignore.takes_back() {
            return;
        }
        let path = clean(source);
        let is_root = path == "." || path == "/";
        let ignored =
            if is_root { ignore.ignores_the_root() } else { ignore.ignores(path.trim_start_matches('/')) };
        if ignored {
            let name = if kind == CopyKind::Copy { "Copy" } else { "Add" };
            let text = format!("Attempting to {name} file \"{path}\" that is excluded by .dockerignore");
            planner.warn(Rule::CopyIgnoredFile, &instruction.comments, span, text);
        }
    }

    /// Absolute, and with a `/` at its end where the written one says that it is a directory.
    fn destination(&self, written: &str) -> String {
        let mut absolute = self.scope.absolute(written);
        let last = written.rsplit('/').next().unwrap_or_default();
        if matches!(last, "" | "." | "..") && !absolute.ends_with('/') {
            absolute.push('/');
        }
        absolute
    }
}

/// Whether an address is a repository: `git@…`, `git://…`, `https://….git`.
fn is_git(text: &str) -> bool {
    let base = text.split('#').next().unwrap_or(text);
    text.starts_with("git@")
        || text.starts_with("git://")
        || text.starts_with("ssh://")
        || ((text.starts_with("http://") || text.starts_with("https://")) && base.ends_with(".git"))
}

fn check_step(step: &CopyStep, copy: &Copy, span: Span) -> Result<(), Fault> {
    let is_url = |content: &Content| matches!(content, Content::Url(_));
    if let Some(word) = &copy.checksum {
        if !matches!(&*step.contents, [content] if is_url(content)) {
            return Err(Fault::new(word.span, "`--checksum` needs one source, and that an http address"));
        }
        if step.checksum.as_ref().is_some_and(|checksum| checksum.parse::<oci::digest::Digest>().is_err()) {
            return Err(
                Fault::new(word.span, "invalid checksum").hint("write `sha256:` and 64 hexadecimal digits")
            );
        }
    }
    let several = step.contents.len() > 1;
    if several && !step.destination.ends_with('/') {
        let text = format!("{} of several sources needs a directory as its destination", step.kind.name());
        return Err(
            Fault::new(copy.destination.span, text).hint(format!("write `{}/`", copy.destination.text))
        );
    }
    if step.parents && step.contents.iter().any(|content| !matches!(content, Content::Path(_))) {
        return Err(Fault::new(span, "`--parents` needs paths as its sources"));
    }
    Ok(())
}

/// Octal digits up to 7777, or a symbolic mode.
fn check_mode(mode: &str, span: Span) -> Result<(), Fault> {
    let fault =
        |text: String| Fault::new(span, text).hint("write octal digits such as 755, or `u=rwX,go=rX`");
    if mode.chars().all(|c| c.is_ascii_digit()) {
        return match u32::from_str_radix(mode, 8) {
            Ok(bits) if bits <= 0o7777 => Ok(()),
            _ => Err(fault(format!("invalid mode `{mode}`"))),
        };
    }
    let clause = |clause: &str| {
        let actions = clause.trim_start_matches(['u', 'g', 'o', 'a']);
        actions.starts_with(['+', '-', '='])
            && actions
                .chars()
                .all(|c| matches!(c, '+' | '-' | '=' | 'r' | 'w' | 'x' | 'X' | 's' | 't' | 'u' | 'g' | 'o'))
    };
    if mode.split(',').all(clause) { Ok(()) } else { Err(fault(format!("invalid mode `{mode}`"))) }
}

fn created_by(step: &CopyStep, destination: &str) -> String {
    let mut words = vec![step.kind.name().to_owned()];
    if step.parents {
        words.push("--parents".to_owned());
    }
    words.extend(step.owner.iter().map(|owner| format!("--chown={owner}")));
    words.extend(step.mode.iter().map(|mode| format!("--chmod={mode}")));
    for content in &step.contents {
        words.push(match content {
            Content::Path(path) => path.written.clone(),
            Content::Inline(file) => format!("<<{}", file.name),
            Content::Url(url) => url.clone(),
        });
    }
    words.push(destination.to_owned());
    words.join(" ")
}
