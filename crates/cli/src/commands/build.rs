//! `build`: an image of a Dockerfile.

use std::path::{Path, PathBuf};

use engine::registry::RegistryProxies;
use engine::request::{
    BuildNetwork, BuildOutput, BuildRequest, CacheSource, CacheTarget, ContainerRequest, ContextSource,
    DockerfileSource, Platform, PullPolicy,
};

use super::Command;
use super::commit::epoch;
use crate::caller::Caller;
use crate::grammar::build::{self, NetworkName, OutputSpec, ProgressKind, SecretSpec, SshSpec};
use crate::grammar::build_cache::{CacheFromSpec, CacheToSpec};
use crate::grammar::{Invalid, Read, build_cache, host, key_value, platform, size};
use crate::options::{Limits, Refusal, Refused, Table};
use crate::parse::{Arguments, Words};

/// Arguments of `build`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Add a custom host-to-IP mapping ("host:ip")
    #[arg(long, value_name = "HOST:IP", value_parser = host::parse_extra)]
    add_host: Vec<(String, Option<std::net::IpAddr>)>,
    /// Set build-time variables
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// Additional build contexts (e.g., name=path)
    #[arg(long, value_name = "NAME=SOURCE", value_parser = key_value::parse_pair)]
    build_context: Vec<(String, String)>,
    /// External cache sources (e.g., "user/app:cache", "type=local,src=path/to/dir")
    #[arg(long, value_name = "SOURCE", value_parser = build_cache::parse_from)]
    cache_from: Vec<CacheFromSpec>,
    /// Cache export destinations (e.g., "type=inline", "type=local,dest=path/to/dir")
    #[arg(long, value_name = "DESTINATION", value_parser = build_cache::parse_to)]
    cache_to: Vec<CacheToSpec>,
    /// Look for what is not advisable, and build nothing
    #[arg(long)]
    check: bool,
    /// Name of the Dockerfile (default: "PATH/Dockerfile")
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// Write the image ID to a file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// Set metadata for an image
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value::parse_label)]
    label: Vec<(String, String)>,
    /// Write build result metadata to a file
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
    /// Set the networking mode for the "RUN" instructions during build
    #[arg(long, value_name = "MODE", value_parser = build::parse_network)]
    network: Option<NetworkName>,
    /// Do not use cache when building the image
    #[arg(long)]
    no_cache: bool,
    /// Output destination (format: "type=local,dest=path")
    #[arg(short, long, value_name = "DESTINATION", value_parser = build::parse_output)]
    output: Option<OutputSpec>,
    /// Set target platform for build
    #[arg(long, value_parser = platform::parse)]
    platform: Option<Platform>,
    /// Set type of progress output ("auto", "none", "plain", "quiet", "rawjson", "tty")
    #[arg(long, value_name = "TYPE", value_parser = build::parse_progress)]
    progress: Option<ProgressKind>,
    /// Always attempt to pull all referenced images
    #[arg(long)]
    pull: bool,
    /// Suppress the build output and print image ID on success
    #[arg(short, long)]
    quiet: bool,
    /// Secret to expose to the build (format: "id=mysecret[,src=/local/secret]")
    #[arg(long, value_name = "SECRET", value_parser = build::parse_secret)]
    secret: Vec<SecretSpec>,
    /// Shared memory size for build containers
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    shm_size: Option<u64>,
    #[arg(
        short,
        long,
        value_name = "NAME",
        help = "Image identifier (format: \"[registry/]repository[:tag]\")"
    )]
    tag: Vec<String>,
    /// SSH agent socket to expose to the build (format: "default|ID" or "ID=SOCKET")
    #[arg(long, value_name = "AGENT", value_parser = build::parse_ssh)]
    ssh: Vec<SshSpec>,
    /// Set the target build stage to build
    #[arg(long, value_name = "STAGE", default_value = "", hide_default_value = true)]
    target: String,
    /// Build twice without the cache, and show the first difference
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    refused: Refused<OfBuild>,
}

/// How a build is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildView {
    pub progress: ProgressKind,
}

#[derive(Debug, Clone)]
struct OfBuild;

const NO_ATTESTATION: &str = "builds make no attestations yet";

impl Table for OfBuild {
    const ROWS: &'static [Refusal] = &[
        Refusal::value("allow", "build steps get no entitlements"),
        Refusal::value("annotation", "manifests have no annotations yet"),
        Refusal::value("attest", NO_ATTESTATION),
        Refusal::value("builder", "the engine is its own builder").unless(&["default"]),
        Refusal::value("call", "only --check is there").unless(&["build"]),
        Refusal::value("no-cache-filter", "use --no-cache"),
        Refusal::value("provenance", NO_ATTESTATION).unless(&["false"]),
        Refusal::switch("push", "pushing while building is not supported yet"),
        Refusal::value("sbom", NO_ATTESTATION).unless(&["false"]),
        Refusal::switch("squash", "use a stage `FROM scratch` and `COPY --from`"),
        Refusal::value("security-opt", "build steps have the engine's own confinement"),
        Refusal::value("isolation", "it is for Windows containers").unless(&["default"]),
        // What asks for nothing that is not done anyway.
        Refusal::switch("disable-content-trust", "").unless(&["true", "false"]),
        Refusal::switch("load", "").unless(&["true", "false"]),
        Refusal::switch("rm", "").unless(&["true", "false"]),
        Refusal::switch("force-rm", "").unless(&["true", "false"]),
        Refusal::switch("compress", "").unless(&["true", "false"]),
    ];
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        let context = words.into_iter().next().unwrap_or_default();
        if let Some(platform) = self.platform.as_ref().filter(|platform| !is_ours(platform)) {
            let architecture = platform.architecture.as_deref().unwrap_or_default();
            return Err(Invalid::new(format!("cannot build for {}/{architecture}", platform.os))
                .hint("building for other machines is not supported"));
        }
        let progress = progress_of(self.progress, self.quiet, caller)?;
        let mut container = ContainerRequest::default();
        self.limits.fill(&mut container)?;
        let context = context_of(&context, caller)?;
        let request = BuildRequest {
            dockerfile: dockerfile_of(self.file, &context, caller)?,
            context,
            target: Some(self.target).filter(|target| !target.is_empty()),
            build_arguments: build_arguments(&self.build_arg, caller),
            labels: self.label.into_iter().collect(),
            secrets: self.secret.into_iter().map(|secret| secret.read(caller)).collect::<Read<_>>()?,
            agents: self.ssh.into_iter().map(|agent| found_agent(agent, caller)).collect::<Read<_>>()?,
            contexts: named_contexts(self.build_context, caller)?,
            proxies: proxies(caller),
            cache_from: self.cache_from.iter().map(|from| cache_source(from, caller)).collect::<Read<_>>()?,
            inline_cache: self.cache_to.contains(&CacheToSpec::Inline)
                || self.build_arg.iter().any(|argument| argument == "BUILDKIT_INLINE_CACHE=1"),
            cache_to: cache_targets(&self.cache_to, caller)?,
            no_cache: self.no_cache || self.verify,
            verify: self.verify,
            pull: if self.pull { PullPolicy::Always } else { PullPolicy::Missing },
            check: self.check,
            network: match self.network {
                None | Some(NetworkName::Default) => BuildNetwork::Default,
                Some(NetworkName::None) => BuildNetwork::None,
                Some(NetworkName::Host) => BuildNetwork::Host,
            },
            hosts: self.add_host,
            resources: container.resources,
            shm_bytes: self.shm_size.filter(|bytes| *bytes > 0),
            cgroup_parent: container.cgroup_parent,
            epoch: epoch(caller)?,
            iidfile: self.iidfile,
            metadata_file: self.metadata_file,
            output: self.output.as_ref().map_or(BuildOutput::Image, |output| output.meaning.clone()),
            tags: self.tag.into_iter().chain(self.output.and_then(|output| output.name)).collect(),
        };
        Ok(Command::Build(Box::new(request), BuildView { progress }))
    }
}

/// What was asked for, here or by Docker's variable.
fn progress_of(flag: Option<ProgressKind>, quiet: bool, caller: &dyn Caller) -> Read<ProgressKind> {
    match (flag, caller.var("BUILDKIT_PROGRESS").filter(|text| !text.is_empty())) {
        _ if quiet => Ok(ProgressKind::Quiet),
        (Some(kind), _) => Ok(kind),
        (None, Some(text)) => build::parse_progress(&text),
        (None, None) => Ok(ProgressKind::Auto),
    }
}

fn is_ours(platform: &Platform) -> bool {
    let host = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    platform.os == "linux" && platform.architecture.as_deref().is_none_or(|architecture| architecture == host)
}

fn absolute(path: &Path, caller: &dyn Caller) -> Read<PathBuf> {
    let cwd =
        || caller.cwd().map_err(|error| Invalid::new(format!("cannot find the working directory: {error}")));
    if path.is_absolute() { Ok(path.to_owned()) } else { Ok(cwd()?.join(path)) }
}

fn context_of(word: &str, caller: &dyn Caller) -> Read<ContextSource> {
    if word == "-" {
        return Ok(ContextSource::Stdin);
    }
    let is_git = word.starts_with("git@") || word.starts_with("git://") || word.starts_with("github.com/");
    if is_git || word.contains("://") {
        return Err(Invalid::new(format!("`{word}`: contexts from git and http are not supported yet"))
            .hint(
                "fetch it first, and name its directory, or pipe its archive in: curl URL | coracle build -",
            ));
    }
    absolute(Path::new(word), caller).map(ContextSource::Directory)
}

fn dockerfile_of(
    file: Option<String>,
    context: &ContextSource,
    caller: &dyn Caller,
) -> Read<DockerfileSource> {
    match file.filter(|file| !file.is_empty()) {
        None => Ok(DockerfileSource::Default),
        Some(file) if file == "-" => Ok(DockerfileSource::Stdin),
        Some(file) => match context {
            ContextSource::Stdin => Ok(DockerfileSource::Path(PathBuf::from(file))),
            ContextSource::Directory(_) => absolute(Path::new(&file), caller).map(DockerfileSource::Path),
        },
    }
}

/// A name alone takes its value from the caller's environment, if it has one there.
fn build_arguments(words: &[String], caller: &dyn Caller) -> std::collections::BTreeMap<String, String> {
    let pair = |word: &String| match word.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => caller.var(word).map(|value| (word.clone(), value)),
    };
    words.iter().filter_map(pair).collect()
}

/// Whom the caller goes through.
fn proxies(caller: &dyn Caller) -> RegistryProxies {
    let either = |lower: &str| {
        let set = |name: &str| caller.var(name).filter(|value| !value.is_empty());
        set(lower).or_else(|| set(&lower.to_ascii_uppercase()))
    };
    RegistryProxies { http: either("http_proxy"), https: either("https_proxy"), direct: either("no_proxy") }
}

fn cache_source(from: &CacheFromSpec, caller: &dyn Caller) -> Read<CacheSource> {
    Ok(match from {
        CacheFromSpec::Directory(directory) => {
            CacheSource::Directory(absolute(Path::new(directory), caller)?)
        }
        CacheFromSpec::Image(name) => CacheSource::Image(name.clone()),
    })
}

fn cache_targets(to: &[CacheToSpec], caller: &dyn Caller) -> Read<Vec<CacheTarget>> {
    let mut targets = Vec::new();
    for to in to {
        if let CacheToSpec::Directory { directory, all_stages } = to {
            let directory = absolute(Path::new(directory), caller)?;
            targets.push(CacheTarget { directory, all_stages: *all_stages });
        }
    }
    Ok(targets)
}

fn found_agent(agent: SshSpec, caller: &dyn Caller) -> Read<(String, PathBuf)> {
    let (id, socket) = agent.find(caller)?;
    Ok((id, absolute(&socket, caller)?))
}

fn named_contexts(
    pairs: Vec<(String, String)>,
    caller: &dyn Caller,
) -> Read<std::collections::BTreeMap<String, engine::request::NamedSource>> {
    use engine::request::NamedSource;
    let named = |(name, source): (String, String)| {
        let source = match source.strip_prefix("docker-image://") {
            Some(image) => NamedSource::Image(image.to_owned()),
            None if source.contains("://") || source.starts_with("git@") => {
                return Err(Invalid::new(format!("`{source}`: contexts of this kind are not supported yet"))
                    .hint("give a directory, or docker-image://NAME"));
            }
            None => NamedSource::Directory(absolute(Path::new(&source), caller)?),
        };
        Ok((name, source))
    };
    pairs.into_iter().map(named).collect()
}
