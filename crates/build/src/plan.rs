//! Dockerfile + what the user asked for → the steps of each stage that the target needs, with every variable in.
//!
//! Pure, but for the configurations of base images, which [`BaseImages`] knows.

mod arguments;
mod copy;
mod evaluate;
mod expose;
mod history;
mod line;
mod origin;
mod run;
mod scope;
mod signal;
mod stage;
mod step;

use std::collections::BTreeMap;

use oci::class::Class;
use oci::image::{ImageConfig, Platform};

use crate::dockerfile::Dockerfile;
use crate::error::{Error, Result};
use crate::fault::{Fault, Warning};
use crate::ignore::Matcher;
use crate::rule::CheckOptions;
use crate::suggest::nearest;
use arguments::Globals;
use stage::Planner;

pub use history::HistoryEntry;
pub use step::{
    Content, CopyStep, InlineFile, Origin, Owned, PlannedMount, RunStep, SourcePath, Step, StepAction,
    WorkdirStep,
};

/// What the user asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The stage to build: a name or a number; without it, the last.
    pub target: Option<String>,
    pub build_arguments: BTreeMap<String, String>,
    /// The machine that is built for.
    pub platform: Platform,
    /// Labels that the image gets beside those of the Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// Contexts with a name, which come before stages and images of that name.
    pub contexts: BTreeMap<String, NamedContext>,
    /// What the main context does not hold.
    pub ignore: Matcher,
    /// Whether only warnings are wanted: every stage is looked at, and a base image may be missing.
    pub check_only: bool,
}

/// What stands behind a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// A directory of the host.
    Directory,
    /// An image: `docker-image://NAME`.
    Image(String),
}

/// An image that others build on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// The name by which it was asked for.
    pub name: String,
    /// Names it for whoever solves the plan: an image id.
    pub id: String,
    pub config: ImageConfig,
}

/// Knows the images that a build begins with.
pub trait BaseImages {
    /// Returns an image for the platform that is built for.
    fn base_image(&mut self, name: &str) -> Result<BaseImage, Unavailable>;
}

/// Why an image is not to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    pub class: Class,
    /// What happened, with its causes.
    pub text: String,
    pub hint: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The stages that the target needs, each after those that it needs itself; the target is the last.
    pub stages: Vec<PlannedStage>,
    /// Every warning, that of the text first.
    pub warnings: Vec<Warning>,
    /// Whether the Dockerfile wants warnings to fail the build.
    pub warnings_are_errors: bool,
}

/// One stage with every variable in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStage {
    /// Its number among all stages of the Dockerfile.
    pub index: usize,
    /// Its name, or `stage-N`.
    pub name: String,
    pub base: Base,
    pub steps: Vec<Step>,
    /// What becomes of the image's configuration; its layers and times come with the solution.
    pub config: ImageConfig,
}

/// Where a stage begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    Scratch,
    /// The number of an earlier stage.
    Stage(usize),
    Image(BaseImage),
}

impl Dockerfile {
    /// Decides what is to be done.
    pub fn plan(&self, request: &Request, images: &mut dyn BaseImages) -> Result<Plan> {
        let check = self.check_options(request)?;
        let target = self.target(request)?;
        let globals = Globals::new(self, request, &check)?;
        let mut planner = Planner::new(self, request, images, globals, check);
        if request.check_only {
            for index in 0..self.stages.len() {
                planner.stage(index)?;
            }
        }
        planner.stage(target)?;
        let warnings_are_errors = planner.check.error;
        let (stages, found) = planner.finish(target);
        let mut warnings = self.warnings.clone();
        warnings.retain(|warning| self.check_of_request(request).is_on(warning.rule));
        warnings.extend(found);
        Ok(Plan { stages, warnings, warnings_are_errors })
    }

    /// The options of the file with those of the build argument `BUILDKIT_DOCKERFILE_CHECK`.
    fn check_options(&self, request: &Request) -> Result<CheckOptions> {
        if let Some(text) = request.build_arguments.get("BUILDKIT_DOCKERFILE_CHECK") {
            CheckOptions::parse(text).map_err(Error::Check)?;
        }
        Ok(self.check.with(&self.check_of_request(request)))
    }

    fn check_of_request(&self, request: &Request) -> CheckOptions {
        let text = request.build_arguments.get("BUILDKIT_DOCKERFILE_CHECK");
        text.and_then(|text| CheckOptions::parse(text).ok()).unwrap_or_default()
    }

    fn target(&self, request: &Request) -> Result<usize> {
        let last = self.stages.len() - 1;
        let Some(wanted) = &request.target else { return Ok(last) };
        let name = wanted.to_lowercase();
        let named = self.stages.iter().rposition(|stage| stage.from.name().as_ref() == Some(&name));
        let numbered = wanted.parse().ok().filter(|index| *index <= last);
        named.or(numbered).ok_or_else(|| {
            let names: Vec<String> = self.stages.iter().filter_map(|stage| stage.from.name()).collect();
            let near = nearest(wanted, names.iter().map(|name| &**name)).map(str::to_owned);
            Error::Target { wanted: wanted.clone(), near, names }
        })
    }

    /// An error of one fault.
    pub(crate) fn fault(&self, fault: Fault) -> Error {
        Error::of_faults(vec![fault], &self.source)
    }
}

#[cfg(test)]
mod tests;
