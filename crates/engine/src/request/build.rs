//! The request of `build`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use super::{PullPolicy, Resources};

/// Asks to make an image of a Dockerfile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BuildRequest {
    pub context: ContextSource,
    pub dockerfile: DockerfileSource,
    pub target: Option<String>,
    pub build_arguments: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// Names that the image gets: `REPOSITORY[:TAG]`.
    pub tags: Vec<String>,
    pub secrets: Vec<SecretRequest>,
    /// Sockets of agents of ssh by the ids that steps ask for.
    pub agents: Vec<(String, PathBuf)>,
    /// Further contexts by their names.
    pub contexts: BTreeMap<String, NamedSource>,
    /// Run every step, whatever the cache has.
    pub no_cache: bool,
    /// Whom addresses are fetched through.
    pub proxies: registry::Proxies,
    pub cache_from: Vec<CacheSource>,
    pub cache_to: Vec<CacheTarget>,
    /// Write the keys of steps into the history of the image, for others to take its layers.
    pub inline_cache: bool,
    /// Build twice without the cache, and fail where the second time gives something else.
    pub verify: bool,
    /// Where images come from; `Never` for what is here alone.
    pub pull: PullPolicy,
    /// Only look for what is not advisable.
    pub check: bool,
    pub network: BuildNetwork,
    /// Lines for `/etc/hosts`; no address stands for `host-gateway`.
    pub hosts: Vec<(String, Option<IpAddr>)>,
    /// Of each step.
    pub resources: Resources,
    pub shm_bytes: Option<u64>,
    pub cgroup_parent: Option<String>,
    /// What counts as now, in seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub epoch: Option<i64>,
    /// File that receives the id of the image.
    pub iidfile: Option<PathBuf>,
    /// File that receives the digests of the image as JSON.
    pub metadata_file: Option<PathBuf>,
    pub output: BuildOutput,
}

/// Where the files of the build come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextSource {
    Directory(PathBuf),
    /// Standard input: an archive, or a Dockerfile without a context.
    Stdin,
}

impl Default for ContextSource {
    fn default() -> Self {
        Self::Directory(PathBuf::from("/"))
    }
}

/// Where the Dockerfile is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DockerfileSource {
    /// `Dockerfile` in the context.
    #[default]
    Default,
    /// A path; absolute, but for an archive, in which it is looked up.
    Path(PathBuf),
    Stdin,
}

/// What a further context is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedSource {
    Directory(PathBuf),
    Image(String),
}

/// What steps may be taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheSource {
    Directory(PathBuf),
    /// An image that was built with its steps' keys inline; it is pulled.
    Image(String),
}

/// A directory that steps are written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheTarget {
    pub directory: PathBuf,
    /// Those of other stages than the last too (`mode=max`).
    pub all_stages: bool,
}

/// A secret that steps may ask for by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRequest {
    pub id: String,
    pub value: SecretValue,
}

/// The bytes of a secret; they are shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(pub Vec<u8>);

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// What steps see of the network unless they say otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BuildNetwork {
    #[default]
    Default,
    None,
    Host,
}

/// What becomes of the result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BuildOutput {
    /// An image in the store.
    #[default]
    Image,
    /// The files of the image, as an archive; standard output without a path.
    Tar(Option<PathBuf>),
    /// The files of the image, in a directory.
    Local(PathBuf),
    /// The image as an archive in Docker's or OCI's form.
    Archive(super::ArchiveFormat, Option<PathBuf>),
}
