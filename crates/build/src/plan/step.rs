//! Steps: what is done to the files of a stage, and what each leaves in the history.

use super::BaseImage;
use super::history::HistoryEntry;
use crate::instruction::{CopyKind, MountKind, RunNetwork, Sharing};
use crate::source::Span;

/// One instruction of a stage, ready to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where it stands, for messages.
    pub span: Span,
    /// What progress shows: the instruction as it was written, in one line.
    pub title: String,
    /// Whether it came with the base image: `ONBUILD`.
    pub is_trigger: bool,
    pub action: StepAction,
    pub history: HistoryEntry,
}

/// What is done to files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepAction {
    /// Only the configuration changes.
    Configure,
    Run(RunStep),
    Copy(CopyStep),
    Workdir(WorkdirStep),
}

/// A command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStep {
    pub arguments: Vec<String>,
    /// `NAME=value`, what the image sets and the arguments that were declared.
    pub environment: Vec<String>,
    /// Proxies that were given and not declared: seen by the command, and by nothing else.
    pub proxies: Vec<String>,
    pub working_directory: String,
    /// As USER says it; empty is root.
    pub user: String,
    pub network: RunNetwork,
    pub mounts: Vec<PlannedMount>,
    /// A script that a heredoc holds, with the name of its interpreter in its first line.
    pub script: Option<InlineFile>,
}

/// A file whose text stands in the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineFile {
    pub name: String,
    pub content: String,
}

/// Something mounted while one command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedMount {
    pub kind: MountKind,
    /// Absolute; empty for a secret that is a variable only.
    pub target: String,
    /// Where a bind mount or a cache's first content comes from.
    pub origin: Option<Origin>,
    /// A path in the origin, absolute.
    pub source: String,
    pub read_only: bool,
    /// The name of a cache, secret or agent.
    pub id: String,
    pub sharing: Sharing,
    pub required: bool,
    /// The variable that a secret becomes.
    pub variable: Option<String>,
    pub size_bytes: Option<u64>,
    pub owned: Owned,
}

/// Owner and mode, where they were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owned {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// Files to bring into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyStep {
    pub kind: CopyKind,
    pub origin: Origin,
    pub contents: Vec<Content>,
    /// Absolute; with a `/` at its end where it must be a directory.
    pub destination: String,
    /// `user:group`, names or numbers, of the image's own files.
    pub owner: Option<String>,
    /// Octal digits, or a symbolic mode.
    pub mode: Option<String>,
    pub parents: bool,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
    /// Whether local archives are unpacked.
    pub unpack: bool,
    /// What the file behind an address must be.
    pub checksum: Option<String>,
    /// Archives that are fetched are unpacked where that was asked for.
    pub unpack_fetched: bool,
}

/// One thing to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Path(SourcePath),
    Inline(InlineFile),
    /// An address.
    Url(String),
}

/// A path or pattern of paths in an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePath {
    /// Absolute, cleaned; `*`, `?` and classes are wildcards.
    pub pattern: String,
    /// As the Dockerfile has it, for people.
    pub written: String,
    /// With `--parents`: how much of the path stays behind.
    pub pivot: Option<String>,
}

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The build context.
    Context,
    /// A directory that was given a name.
    Named(String),
    /// The number of an earlier stage.
    Stage(usize),
    Image(BaseImage),
    /// Nothing at all: `from=scratch`.
    Nothing,
}

/// A directory that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkdirStep {
    pub path: String,
    /// Whom it belongs to if it is made: as USER says it.
    pub user: String,
}

impl Origin {
    /// The stage it is, if it is one.
    pub fn stage(&self) -> Option<usize> {
        match self {
            Self::Stage(index) => Some(*index),
            _ => None,
        }
    }
}

impl Step {
    /// The stages whose results it needs.
    pub fn needs(&self) -> Vec<usize> {
        match &self.action {
            StepAction::Configure | StepAction::Workdir(_) => Vec::new(),
            StepAction::Copy(copy) => copy.origin.stage().into_iter().collect(),
            StepAction::Run(run) => {
                run.mounts.iter().filter_map(|mount| mount.origin.as_ref()?.stage()).collect()
            }
        }
    }
}
