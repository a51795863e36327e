//! One stage after the other, each once, and only those that are needed.

use std::collections::BTreeMap;

use oci::image::{Config, ImageConfig, Platform};
use oci::reference::Reference;

use super::arguments::Globals;
use super::evaluate::Evaluator;
use super::scope::Scope;
use super::{Base, BaseImage, BaseImages, NamedContext, PlannedStage, Request};
use crate::check::options_at;
use crate::dockerfile::Dockerfile;
use crate::error::Result;
use crate::expand::Expanded;
use crate::fault::{Fault, Warning};
use crate::instruction::{From, Instruction};
use crate::rule::{CheckOptions, Rule};
use crate::source::Span;

/// Where a stage begins: its base, what holds there, and the instructions that come with it.
struct Beginning {
    base: Base,
    scope: Scope,
    triggers: Vec<Instruction>,
}

/// A plan in the making.
pub(super) struct Planner<'a> {
    pub(super) dockerfile: &'a Dockerfile,
    pub(super) request: &'a Request,
    pub(super) base_images: &'a mut dyn BaseImages,
    pub(super) globals: Globals,
    pub(super) check: CheckOptions,
    pub(super) images: BTreeMap<String, BaseImage>,
    pub(super) warnings: Vec<Warning>,
    planned: BTreeMap<usize, (PlannedStage, Scope)>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        dockerfile: &'a Dockerfile,
        request: &'a Request,
        base_images: &'a mut dyn BaseImages,
        globals: Globals,
        check: CheckOptions,
    ) -> Self {
        Self {
            dockerfile,
            request,
            base_images,
            globals,
            check,
            images: BTreeMap::new(),
            warnings: Vec::new(),
            planned: BTreeMap::new(),
        }
    }

    /// Plans a stage and all that it needs.
    pub(super) fn stage(&mut self, index: usize) -> Result<()> {
        if self.planned.contains_key(&index) {
            return Ok(());
        }
        let dockerfile = self.dockerfile;
        let from = &dockerfile.stages[index].from;
        let Beginning { base, scope, triggers } = self.beginning(index, from)?;
        let mut evaluator = Evaluator::new(index, scope);
        for trigger in &triggers {
            evaluator.evaluate(self, trigger, true)?;
        }
        for instruction in &dockerfile.stages[index].instructions {
            evaluator.evaluate(self, instruction, false)?;
        }
        let (steps, scope) = evaluator.finish();
        let name = from.name().unwrap_or_else(|| format!("stage-{index}"));
        let stage = PlannedStage { index, name, base, steps, config: scope.image.clone() };
        self.planned.insert(index, (stage, scope));
        Ok(())
    }

    /// Returns the stages in order, of which the target is the last, and the warnings.
    pub(super) fn finish(mut self, target: usize) -> (Vec<PlannedStage>, Vec<Warning>) {
        let mut needed = vec![target];
        let mut at = 0;
        while let Some(index) = needed.get(at).copied() {
            at += 1;
            let (stage, _) = &self.planned[&index];
            let base = if let Base::Stage(base) = stage.base { Some(base) } else { None };
            for other in stage.steps.iter().flat_map(super::Step::needs).chain(base) {
                if !needed.contains(&other) {
                    needed.push(other);
                }
            }
        }
        // A stage needs only those before it.
        needed.sort_unstable();
        let mut stages: Vec<PlannedStage> =
            needed.iter().filter_map(|index| self.planned.remove(index)).map(|(stage, _)| stage).collect();
        if let Some(last) = stages.last_mut() {
            last.config.config.labels.extend(self.request.labels.clone());
        }
        (stages, self.warnings)
    }

    pub(super) fn warn(&mut self, rule: Rule, comments: &[String], span: Span, text: String) {
        if options_at(&self.check, comments).is_on(rule) {
            self.warnings.push(Warning { rule, span, text });
        }
    }

    fn beginning(&mut self, index: usize, from: &From) -> Result<Beginning> {
        let dockerfile = self.dockerfile;
        let escape = dockerfile.directives.escape;
        let expanded = self.globals.expand(&from.base, escape).map_err(|fault| dockerfile.fault(fault))?;
        self.warnings.extend(self.globals.undeclared(&from.base, &expanded, &self.check, &from.comments));
        self.check_default(from, escape);
        self.check_platform(from, escape)?;
        let name = expanded.text;
        if name.is_empty() {
            let fault =
                Fault::new(from.base.span, format!("`{}` is empty: the stage has no base", from.base.text));
            return Err(dockerfile.fault(fault.hint("give its argument a default with `ARG` above the first `FROM`, or a value with `--build-arg`")));
        }
        self.refuse_replacement(from)?;
        let lower = name.to_lowercase();
        let earlier =
            (0..index).rev().find(|index| dockerfile.stages[*index].from.name().as_ref() == Some(&lower));
        if let Some(earlier) = earlier {
            self.stage(earlier)?;
            let (_, scope) = &self.planned[&earlier];
            let triggers = self.triggers(&scope.image.config.on_build, from)?;
            return Ok(Beginning { base: Base::Stage(earlier), scope: Scope::after(scope), triggers });
        }
        if name == "scratch" {
            let platform = &self.request.platform;
            let image = ImageConfig {
                architecture: platform.architecture.clone(),
                variant: platform.variant.clone(),
                os: platform.os.clone(),
                // As BuildKit's empty image.
                config: Config { working_dir: "/".to_owned(), ..Config::default() },
                ..ImageConfig::default()
            };
            return Ok(Beginning { base: Base::Scratch, scope: Scope::on(image), triggers: Vec::new() });
        }
        match self.request.contexts.get(&name).cloned() {
            Some(NamedContext::Image(image)) => self.on_image(&image, from),
            Some(NamedContext::Directory) => Err(self.directory_as_base(from)),
            None => self.on_image(&name, from),
        }
    }

    /// A context of the stage's own name would take the place of all that the stage does.
    fn refuse_replacement(&self, from: &From) -> Result<()> {
        if !from.name().is_some_and(|name| self.request.contexts.contains_key(&name)) {
            return Ok(());
        }
        let fault = Fault::new(from.span, "a build context has the name of this stage");
        let hint = "give the context another name: replacing stages is not supported";
        Err(self.dockerfile.fault(fault.hint(hint)))
    }

    fn directory_as_base(&self, from: &From) -> crate::Error {
        let fault = Fault::new(from.base.span, "a stage cannot begin with a directory");
        self.dockerfile.fault(fault.hint("begin with `FROM scratch` and copy from it with `COPY --from`"))
    }

    fn on_image(&mut self, name: &str, from: &From) -> Result<Beginning> {
        let image = match self.image(name, from.base.span) {
            Err(crate::Error::Image { .. }) if self.request.check_only => {
                let scope = Scope { base_is_unknown: true, ..Scope::on(ImageConfig::default()) };
                return Ok(Beginning { base: Base::Scratch, scope, triggers: Vec::new() });
            }
            other => other?,
        };
        let mut config = image.config.clone();
        let on_build = std::mem::take(&mut config.config.on_build);
        let triggers = self.triggers(&on_build, from)?;
        Ok(Beginning { base: Base::Image(image), scope: Scope::on(config), triggers })
    }

    fn triggers(&self, on_build: &[String], from: &From) -> Result<Vec<Instruction>> {
        let parse = |text: &String| {
            let instruction = Dockerfile::parse_trigger(text, '\\')?;
            // Its own place is in another text.
            Ok(Instruction { span: from.span, ..instruction })
        };
        on_build.iter().map(parse).collect()
    }

    /// Whether the base has a name if no build argument is given.
    fn check_default(&mut self, from: &From, escape: char) {
        let Some(name) = self.globals.by_default(&from.base, escape) else { return };
        if name.parse::<Reference>().is_err() {
            let text = format!(
                "Default value for ARG {} results in empty or invalid base image name",
                from.base.text
            );
            self.warn(Rule::InvalidDefaultArgInFrom, &from.comments, from.base.span, text);
        }
    }

    fn check_platform(&mut self, from: &From, escape: char) -> Result<()> {
        let Some(word) = &from.platform else { return Ok(()) };
        let dockerfile = self.dockerfile;
        let expanded = self.globals.expand(word, escape).map_err(|fault| dockerfile.fault(fault))?;
        self.warnings.extend(self.globals.undeclared(word, &expanded, &self.check, &from.comments));
        let platform = expanded.text.parse::<Platform>().map_err(|_| {
            let text = format!("invalid platform `{}`", expanded.text);
            dockerfile.fault(Fault::new(word.span, text).hint("write `linux/amd64` or `linux/arm64`"))
        })?;
        self.platform_checks(from, word.span, &expanded, &platform);
        if !platform.satisfies(&self.request.platform) {
            let ours = &self.request.platform;
            let text = format!("cannot build for {platform}: this machine is {ours}");
            return Err(dockerfile
                .fault(Fault::new(word.span, text).hint("building for other machines is not supported")));
        }
        Ok(())
    }

    fn platform_checks(&mut self, from: &From, span: Span, expanded: &Expanded, platform: &Platform) {
        let written = from.platform.as_ref().map_or("", |word| &*word.text);
        let used: Vec<&str> = expanded.used.iter().map(|name| &**name).collect();
        if used == ["TARGETPLATFORM"]
            && expanded.unset.is_empty()
            && expanded.text == self.request.platform.to_string()
        {
            let text = format!(
                "Setting platform to predefined {written} in FROM is redundant as this is the default behavior"
            );
            self.warn(Rule::RedundantTargetPlatform, &from.comments, span, text);
        }
        let name = from.name().unwrap_or_default();
        let in_name = name.contains(&platform.os) || name.contains(&platform.architecture);
        if used.is_empty() && expanded.unset.is_empty() && !in_name {
            let text = format!("FROM --platform flag should not use constant value \"{}\"", expanded.text);
            self.warn(Rule::FromPlatformFlagConstDisallowed, &from.comments, span, text);
        }
    }
}
