//! RUN with variables in.

use super::evaluate::{Evaluator, Outcome};
use super::stage::Planner;
use super::step::{InlineFile, Origin, Owned, PlannedMount, RunStep, StepAction};
use crate::error::Result;
use crate::expand::Lexer;
use crate::fault::Fault;
use crate::ignore::clean;
use crate::instruction::{CommandLine, Instruction, Mount, MountKind, Run};
use crate::source::Span;
use crate::syntax::parse_marker;

/// Where a script of a heredoc lies while it runs.
const SCRIPT_DIRECTORY: &str = "/dev/pipes";

impl Evaluator {
    pub(super) fn run(
        &mut self,
        planner: &mut Planner<'_>,
        instruction: &Instruction,
        run: &Run,
    ) -> Result<Outcome> {
        let lexer = Lexer::new(planner.dockerfile.directives.escape);
        let dockerfile = planner.dockerfile;
        let mut unset = Vec::new();
        let mounts = run.mounts(|value, word| {
            let word = crate::Word { text: value.to_owned(), span: word.span };
            let expanded = self.scope.expand(&lexer, &word)?;
            unset.push((word.span, expanded.clone()));
            Ok(expanded.text)
        });
        let mounts = mounts.map_err(|fault| dockerfile.fault(fault))?;
        for (span, expanded) in unset {
            self.warn_of_unset(planner, &instruction.comments, span, &expanded);
        }
        let mut planned = Vec::new();
        for (mount, word) in mounts.into_iter().zip(&run.mounts) {
            planned.push(self.mount(planner, mount, word.span)?);
        }
        let (arguments, script) = self.words(run);
        let step = RunStep {
            environment: self.scope.environment.entries(),
            proxies: self.scope.proxies(&planner.request.build_arguments),
            working_directory: self.scope.absolute(""),
            user: self.scope.image.config.user.clone(),
            network: run.network,
            mounts: planned,
            arguments,
            script,
        };
        Ok(Outcome { created_by: self.created_by(&step), action: StepAction::Run(step) })
    }

    /// The words of the command, and the script among them.
    fn words(&self, run: &Run) -> (Vec<String>, Option<InlineFile>) {
        let line = match &run.command {
            CommandLine::Exec(words) => return (words.clone(), None),
            CommandLine::Shell(line) => line,
        };
        match (&*run.heredocs, parse_marker(line)) {
            ([], _) => (self.scope.with_shell(line), None),
            // One heredoc and nothing else: its text is the command, or a script with an interpreter of its own.
            ([heredoc, ..], Some(_)) if heredoc.content.starts_with("#!") => {
                let file = InlineFile { name: heredoc.name.clone(), content: heredoc.content.clone() };
                (vec![format!("{SCRIPT_DIRECTORY}/{}", file.name)], Some(file))
            }
            ([heredoc, ..], Some(_)) => (self.scope.with_shell(&heredoc.content), None),
            // Anything else is put together again for the shell.
            (heredocs, None) => {
                let mut whole = line.clone();
                for heredoc in heredocs {
                    whole.push('\n');
                    whole.push_str(&heredoc.content);
                    whole.push_str(&heredoc.name);
                }
                (self.scope.with_shell(&whole), None)
            }
        }
    }

    /// The declared arguments stand in front, as in every builder of Docker's.
    fn created_by(&self, step: &RunStep) -> String {
        let mut words = vec!["RUN".to_owned()];
        if !self.scope.declared.is_empty() {
            words.push(format!("|{}", self.scope.declared.len()));
            for (name, value) in &self.scope.declared {
                let now = crate::expand::Variables::value(&self.scope.environment, name);
                words.push(format!("{name}={}", now.or(value.as_deref()).unwrap_or_default()));
            }
        }
        words.extend(step.arguments.iter().cloned());
        words.join(" ")
    }

    fn mount(&mut self, planner: &mut Planner<'_>, mount: Mount, span: Span) -> Result<PlannedMount> {
        let origin = match (&mount.from, mount.kind) {
            (Some(name), MountKind::Bind | MountKind::Cache) if name == "scratch" => Some(Origin::Nothing),
            (Some(name), MountKind::Bind | MountKind::Cache) => Some(planner.origin(name, span, self.index)?),
            (None, MountKind::Bind) => Some(Origin::Context),
            (None, MountKind::Cache) => None,
            _ => None,
        };
        let source = clean(&format!("/{}", mount.source.as_deref().unwrap_or_default()));
        let id = name_of(&mount);
        let target = match (&mount.target, mount.kind) {
            (Some(target), _) => self.scope.absolute(target),
            (None, MountKind::Secret) if mount.env.is_some() => String::new(),
            (None, MountKind::Secret) => format!("/run/secrets/{}", base_name(&id)),
            (None, MountKind::Ssh) => "/run/buildkit/ssh_agent.0".to_owned(),
            (None, _) => String::new(),
        };
        if target == "/" {
            let fault =
                Fault::new(span, "a mount cannot lie at `/`").hint("choose a directory below it as `target`");
            return Err(planner.dockerfile.fault(fault));
        }
        let variable =
            mount.env.clone().map(|name| if name.is_empty() { base_name(&id).to_owned() } else { name });
        Ok(PlannedMount {
            kind: mount.kind,
            target,
            origin,
            source,
            read_only: mount.read_only,
            id,
            sharing: mount.sharing,
            required: mount.required,
            variable,
            size_bytes: mount.size_bytes,
            owned: Owned { mode: mount.mode, uid: mount.uid, gid: mount.gid },
        })
    }
}

/// What a cache, a secret or an agent is called where it was not named.
fn name_of(mount: &Mount) -> String {
    let given = mount.id.clone().filter(|id| !id.is_empty());
    match mount.kind {
        MountKind::Bind | MountKind::Tmpfs => String::new(),
        MountKind::Cache => given.unwrap_or_else(|| clean(mount.target.as_deref().unwrap_or_default())),
        MountKind::Ssh => given.unwrap_or_else(|| "default".to_owned()),
        MountKind::Secret => mount
            .source
            .clone()
            .or(given)
            .unwrap_or_else(|| base_name(mount.target.as_deref().unwrap_or_default()).to_owned()),
    }
}

fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}
