//! The table of verbs: every spelling, what it is for, and where it stands in the help.

/// What the user may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Attach,
    Audit,
    Boot,
    Build,
    BuildCacheExport,
    BuildCacheImport,
    BuildCacheLs,
    BuildCachePrune,
    BuildHistoryInspect,
    BuildHistoryLogs,
    BuildHistoryLs,
    BuildHistoryRm,
    Check,
    Commit,
    Completion,
    ContainerInspect,
    ContainerPrune,
    Copy,
    Create,
    Diff,
    Df,
    Doctor,
    Events,
    Exec,
    Export,
    Fork,
    History,
    ImageInspect,
    ImageLayers,
    ImagePrune,
    ImageRollback,
    ImageTree,
    Images,
    Import,
    Info,
    Inspect,
    Kill,
    Load,
    Login,
    Logout,
    Logs,
    Manual,
    ManifestInspect,
    NetworkConnect,
    NetworkCreate,
    NetworkDisconnect,
    NetworkInspect,
    NetworkLs,
    NetworkPrune,
    NetworkRm,
    Pause,
    Port,
    Ps,
    Pull,
    Push,
    Rename,
    Restart,
    Rm,
    Rmi,
    Run,
    Save,
    Start,
    Stats,
    Stop,
    Tag,
    Top,
    Unpause,
    SystemPrune,
    Update,
    Version,
    VolumeCreate,
    VolumeInspect,
    VolumeLs,
    VolumePrune,
    VolumeRm,
    Wait,
}

/// One verb as help shows it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) verb: Verb,
    /// The short spelling first, then the long ones.
    pub(crate) spellings: &'static [&'static str],
    /// What follows the spelling in the usage line.
    pub(crate) usage: &'static str,
    pub(crate) about: &'static str,
    /// Listed among the common commands.
    pub(crate) common: bool,
}

const fn entry(
    verb: Verb,
    spellings: &'static [&'static str],
    usage: &'static str,
    about: &'static str,
) -> Entry {
    Entry { verb, spellings, usage, about, common: false }
}

const fn common(entry: Entry) -> Entry {
    Entry { common: true, ..entry }
}

/// All verbs, in the order of the help.
pub(crate) const VERBS: &[Entry] = &[
    common(entry(
        Verb::Run,
        &["run", "container run"],
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        "Create and run a new container from an image",
    )),
    common(entry(
        Verb::Exec,
        &["exec", "container exec"],
        "[OPTIONS] CONTAINER COMMAND [ARG...]",
        "Execute a command in a running container",
    )),
    common(entry(
        Verb::Build,
        &["build", "image build", "buildx build", "builder build"],
        "[OPTIONS] PATH|-",
        "Build an image from a Dockerfile",
    )),
    entry(
        Verb::BuildCacheLs,
        &["build cache ls", "build cache list", "buildx du", "builder du"],
        "",
        "List what builds have kept for the next ones",
    ),
    entry(
        Verb::BuildCacheExport,
        &["build cache export"],
        "[OPTIONS] CACHE",
        "Write the files of a cache mount as a tar archive",
    ),
    entry(
        Verb::BuildCacheImport,
        &["build cache import"],
        "[OPTIONS] CACHE",
        "Replace the files of a cache mount by those of a tar archive",
    ),
    entry(
        Verb::BuildCachePrune,
        &["build cache prune", "builder prune", "buildx prune"],
        "[OPTIONS]",
        "Remove the build cache",
    ),
    entry(
        Verb::BuildHistoryLs,
        &["build history ls", "build history list", "buildx history ls"],
        "[OPTIONS]",
        "List builds",
    ),
    entry(
        Verb::BuildHistoryInspect,
        &["build history inspect", "buildx history inspect"],
        "[OPTIONS] [BUILD...]",
        "Display detailed information on builds",
    ),
    entry(
        Verb::BuildHistoryLogs,
        &["build history logs", "buildx history logs"],
        "[BUILD]",
        "Print what a build has printed",
    ),
    entry(
        Verb::BuildHistoryRm,
        &["build history rm", "buildx history rm"],
        "[OPTIONS] [BUILD...]",
        "Forget builds",
    ),
    common(entry(
        Verb::Ps,
        &["ps", "container ls", "container list", "container ps"],
        "[OPTIONS]",
        "List containers",
    )),
    common(entry(
        Verb::Pull,
        &["pull", "image pull"],
        "[OPTIONS] NAME[:TAG|@DIGEST]",
        "Download an image from a registry",
    )),
    common(entry(
        Verb::Push,
        &["push", "image push"],
        "[OPTIONS] NAME[:TAG]",
        "Upload an image to a registry",
    )),
    common(entry(
        Verb::Images,
        &["images", "image ls", "image list"],
        "[OPTIONS] [REPOSITORY[:TAG]]",
        "List images",
    )),
    common(entry(Verb::Version, &["version"], "[OPTIONS]", "Show the Coracle version information")),
    common(entry(Verb::Info, &["info", "system info"], "[OPTIONS]", "Display system-wide information")),
    common(entry(
        Verb::Doctor,
        &["doctor", "system doctor"],
        "[OPTIONS]",
        "Show what this machine lacks, and the remedy",
    )),
    entry(
        Verb::Attach,
        &["attach", "container attach"],
        "[OPTIONS] CONTAINER",
        "Attach local standard input, output, and error streams to a running container",
    ),
    entry(
        Verb::Commit,
        &["commit", "container commit"],
        "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
        "Create a new image from a container's changes",
    ),
    entry(
        Verb::Completion,
        &["completion"],
        "SHELL",
        "Generate the autocompletion script for the specified shell",
    ),
    entry(
        Verb::Copy,
        &["cp", "container cp"],
        "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|- or SRC_PATH|- CONTAINER:DEST_PATH",
        "Copy files/folders between a container and the local filesystem",
    ),
    entry(
        Verb::Create,
        &["create", "container create"],
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        "Create a new container",
    ),
    entry(
        Verb::Diff,
        &["diff", "container diff"],
        "CONTAINER",
        "Inspect changes to files or directories on a container's filesystem",
    ),
    entry(Verb::Events, &["events", "system events"], "[OPTIONS]", "Get real time events from the engine"),
    entry(
        Verb::Export,
        &["export", "container export"],
        "[OPTIONS] CONTAINER",
        "Export a container's filesystem as a tar archive",
    ),
    entry(
        Verb::Fork,
        &["fork", "container fork"],
        "[OPTIONS] CONTAINER",
        "Start containers that go on from what a container is now",
    ),
    entry(Verb::History, &["history", "image history"], "[OPTIONS] IMAGE", "Show the history of an image"),
    entry(
        Verb::Import,
        &["import", "image import"],
        "[OPTIONS] FILE|- [REPOSITORY[:TAG]]",
        "Import the contents from a tarball to create a filesystem image",
    ),
    entry(
        Verb::Inspect,
        &["inspect"],
        "[OPTIONS] NAME|ID [NAME|ID...]",
        "Return low-level information on containers, images, networks and volumes",
    ),
    entry(
        Verb::ContainerInspect,
        &["container inspect"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Display detailed information on one or more containers",
    ),
    entry(
        Verb::ImageInspect,
        &["image inspect"],
        "[OPTIONS] IMAGE [IMAGE...]",
        "Display detailed information on one or more images",
    ),
    entry(
        Verb::Kill,
        &["kill", "container kill"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Kill one or more running containers",
    ),
    entry(Verb::Load, &["load", "image load"], "[OPTIONS]", "Load an image from a tar archive or STDIN"),
    entry(Verb::Login, &["login"], "[OPTIONS] [SERVER]", "Authenticate to a registry"),
    entry(Verb::Logout, &["logout"], "[SERVER]", "Log out from a registry"),
    entry(Verb::Logs, &["logs", "container logs"], "[OPTIONS] CONTAINER", "Fetch the logs of a container"),
    entry(
        Verb::ManifestInspect,
        &["manifest inspect"],
        "[OPTIONS] NAME[:TAG|@DIGEST]",
        "Display a manifest, or an index, as the registry has it",
    ),
    entry(
        Verb::Pause,
        &["pause", "container pause"],
        "CONTAINER [CONTAINER...]",
        "Pause all processes within one or more containers",
    ),
    entry(
        Verb::Port,
        &["port", "container port"],
        "[OPTIONS] CONTAINER [PRIVATE_PORT[/PROTO]]",
        "List port mappings or a specific mapping for the container",
    ),
    entry(Verb::Rename, &["rename", "container rename"], "CONTAINER NEW_NAME", "Rename a container"),
    entry(
        Verb::Restart,
        &["restart", "container restart"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Restart one or more containers",
    ),
    entry(
        Verb::Rm,
        &["rm", "container rm", "container remove"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Remove one or more containers",
    ),
    entry(
        Verb::Rmi,
        &["rmi", "image rm", "image remove"],
        "[OPTIONS] IMAGE [IMAGE...]",
        "Remove one or more images",
    ),
    entry(
        Verb::Save,
        &["save", "image save"],
        "[OPTIONS] IMAGE [IMAGE...]",
        "Save one or more images to a tar archive (streamed to STDOUT by default)",
    ),
    entry(
        Verb::Start,
        &["start", "container start"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Start one or more stopped containers",
    ),
    entry(
        Verb::Stats,
        &["stats", "container stats"],
        "[OPTIONS] [CONTAINER...]",
        "Display a live stream of container(s) resource usage statistics",
    ),
    entry(
        Verb::Stop,
        &["stop", "container stop"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Stop one or more running containers",
    ),
    entry(
        Verb::Tag,
        &["tag", "image tag"],
        "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG] or --history IMAGE[:TAG]",
        "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    ),
    entry(
        Verb::Top,
        &["top", "container top"],
        "CONTAINER [ps OPTIONS]",
        "Display the running processes of a container",
    ),
    entry(
        Verb::Unpause,
        &["unpause", "container unpause"],
        "CONTAINER [CONTAINER...]",
        "Unpause all processes within one or more containers",
    ),
    entry(
        Verb::Update,
        &["update", "container update"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Update configuration of one or more containers",
    ),
    entry(
        Verb::Wait,
        &["wait", "container wait"],
        "CONTAINER [CONTAINER...]",
        "Block until one or more containers stop, then print their exit codes",
    ),
    entry(Verb::ContainerPrune, &["container prune"], "[OPTIONS]", "Remove all stopped containers"),
    entry(
        Verb::ImageLayers,
        &["image layers"],
        "[OPTIONS] IMAGE",
        "Show what each layer of an image did, and what of it is wasted",
    ),
    entry(Verb::ImagePrune, &["image prune"], "[OPTIONS]", "Remove unused images"),
    entry(
        Verb::ImageRollback,
        &["image rollback"],
        "[OPTIONS] NAME[:TAG]",
        "Lead a tag to the image that it led to before",
    ),
    entry(
        Verb::ImageTree,
        &["image tree"],
        "[OPTIONS]",
        "Show the layers that images share, and what each image costs on disk",
    ),
    entry(
        Verb::NetworkConnect,
        &["network connect"],
        "[OPTIONS] NETWORK CONTAINER",
        "Connect a container to a network",
    ),
    entry(Verb::NetworkCreate, &["network create"], "[OPTIONS] NETWORK", "Create a network"),
    entry(
        Verb::NetworkDisconnect,
        &["network disconnect"],
        "[OPTIONS] NETWORK CONTAINER",
        "Disconnect a container from a network",
    ),
    entry(
        Verb::NetworkInspect,
        &["network inspect"],
        "[OPTIONS] NETWORK [NETWORK...]",
        "Display detailed information on one or more networks",
    ),
    entry(Verb::NetworkLs, &["network ls", "network list"], "[OPTIONS]", "List networks"),
    entry(Verb::NetworkPrune, &["network prune"], "[OPTIONS]", "Remove all unused networks"),
    entry(
        Verb::NetworkRm,
        &["network rm", "network remove"],
        "[OPTIONS] NETWORK [NETWORK...]",
        "Remove one or more networks",
    ),
    entry(Verb::VolumeCreate, &["volume create"], "[OPTIONS] [VOLUME]", "Create a volume"),
    entry(
        Verb::VolumeInspect,
        &["volume inspect"],
        "[OPTIONS] VOLUME [VOLUME...]",
        "Display detailed information on one or more volumes",
    ),
    entry(Verb::VolumeLs, &["volume ls", "volume list"], "[OPTIONS]", "List volumes"),
    entry(Verb::VolumePrune, &["volume prune"], "[OPTIONS]", "Remove unused local volumes"),
    entry(
        Verb::VolumeRm,
        &["volume rm", "volume remove"],
        "[OPTIONS] VOLUME [VOLUME...]",
        "Remove one or more volumes",
    ),
    entry(
        Verb::Manual,
        &["system manual"],
        "DIRECTORY",
        "Write the manual pages into a directory, for man(1)",
    ),
    entry(
        Verb::Audit,
        &["system audit"],
        "[OPTIONS]",
        "Prove that no process, mount, cgroup, file or lock is orphaned",
    ),
    entry(Verb::Check, &["system check"], "[OPTIONS]", "Hold content against its digests"),
    entry(Verb::Df, &["system df"], "[OPTIONS]", "Show disk usage"),
    entry(Verb::SystemPrune, &["system prune"], "[OPTIONS]", "Remove unused data"),
    entry(Verb::Boot, &["system boot"], "", "Start what the restart policies say after a boot"),
];

/// Words that take a second word, with what they are about.
pub(crate) const GROUPS: &[(&str, &str)] = &[
    ("builder", "Manage builds"),
    ("buildx", "Manage builds, as Docker's plug-in"),
    ("container", "Manage containers"),
    ("image", "Manage images"),
    ("manifest", "Look at manifests of registries"),
    ("network", "Manage networks"),
    ("system", "Manage Coracle"),
    ("volume", "Manage volumes"),
];

/// Docker's verbs that are not there, and why.
pub(crate) const LATER: &[(&str, &str)] = &[
    ("checkpoint", "freezing a container to disk needs criu, which comes with a later release, if at all"),
    ("compose", "a project of several services comes with a later release"),
    ("config", NO_SWARM),
    ("context", NO_DAEMON),
    ("manifest annotate", NO_INDEX),
    ("manifest create", NO_INDEX),
    ("manifest push", NO_INDEX),
    ("manifest rm", NO_INDEX),
    ("node", NO_SWARM),
    ("plugin", "there are no plug-ins: nothing from elsewhere is loaded into the engine"),
    ("search", "registries have no common interface for it; look at the registry's own pages"),
    ("secret", NO_SWARM),
    ("service", NO_SWARM),
    ("stack", NO_SWARM),
    ("swarm", NO_SWARM),
    ("trust", "images are not signed yet"),
    ("volume update", NO_SWARM),
];

const NO_DAEMON: &str = "there is no daemon to be connected to";
const NO_INDEX: &str =
    "images of several platforms are not put together here yet; those of registries are pulled and pushed";
const NO_SWARM: &str = "it is for a swarm; the engine is of one host";

/// Finds the verb of a spelling of one or two words.
pub(crate) fn find(spelling: &str) -> Option<&'static Entry> {
    VERBS.iter().find(|entry| entry.spellings.contains(&spelling))
}

/// Tells why Docker has a verb that the engine has not; none for what Docker has not either.
pub(crate) fn later(spelling: &str) -> Option<&'static str> {
    LATER.iter().find(|(later, _)| *later == spelling).map(|(_, why)| *why)
}

/// Whether the word takes a second word.
pub(crate) fn is_group(word: &str) -> bool {
    GROUPS.iter().any(|(group, _)| *group == word)
}

/// Returns the spellings inside a group, or the short ones outside any.
pub(crate) fn spellings(group: Option<&str>) -> impl Iterator<Item = (&'static str, &'static Entry)> {
    let prefix = group.map(|group| format!("{group} ")).unwrap_or_default();
    VERBS.iter().filter_map(move |entry| {
        let inside = |spelling: &&&'static str| match prefix.is_empty() {
            true => !spelling.contains(' '),
            false => spelling.strip_prefix(&prefix).is_some_and(|word| !word.contains(' ')),
        };
        let spelling = entry.spellings.iter().find(inside)?;
        Some((&spelling[prefix.len()..], entry))
    })
}

#[cfg(test)]
#[test]
fn no_spelling_means_two_things() {
    let all: Vec<&str> = VERBS.iter().flat_map(|entry| entry.spellings).copied().collect();
    for (index, spelling) in all.iter().enumerate() {
        assert!(!all[..index].contains(spelling), "{spelling} twice");
        assert!(later(spelling).is_none(), "{spelling} is there");
    }
}
