//! What callers ask of the engine and what it answers, as plain data.
//!
//! The faces (command line, HTTP) parse and check their own words and fill these in; the engine
//! reads them as meant and never sees a flag. Sizes are bytes, times are seconds since 1970,
//! identifiers of containers and images are what the user typed unless said otherwise.

mod build;
mod container;
mod disk;
mod filter;
mod image;
mod layers;
mod lifecycle;
mod mount;
mod namespace;
mod network;
mod process;
mod registry;
mod resources;
mod security;
mod signal;
mod system;
pub mod view;
mod volume;

pub use build::{
    BuildNetwork, BuildOutput, BuildRequest, CacheSource, CacheTarget, ContextSource, DockerfileSource,
    NamedSource, SecretRequest, SecretValue,
};
pub use container::{
    ContainerRequest, Entrypoint, EnvVar, HealthRequest, Isolation, LogDriver, LogOptions, Platform,
    PullPolicy, RestartPolicy, RunRequest,
};
pub use disk::{
    ContainerUsage, DiskRow, DiskUsage, ImageLayersRequest, ImageUsage, PruneImagesRequest,
    PruneSystemRequest, PrunedImages, PrunedSystem, VolumeUsage,
};
pub use filter::{LabelFilter, PruneRequest};
pub use image::{
    Digest, HistoryRequest, ImageInspectRequest, ImagesRequest, ImportChange, ImportRequest, LoadRequest,
    RemoveImagesRequest, TagRequest,
};
pub use layers::{
    ArchiveFormat, CommitRequest, CopyRequest, CopySide, DiffRequest, ExportRequest, ForkRequest,
    RollbackRequest, SaveRequest,
};
pub use lifecycle::{
    AttachRequest, ExecRequest, ExitedFilter, HealthFilter, InspectKind, InspectRequest, KillRequest,
    LogsRequest, PauseRequest, PsRequest, RemoveRequest, RenameRequest, RestartRequest, StartRequest,
    StateFilter, StatsRequest, StopRequest, Tail, Timeout, TopRequest, UpdateRequest, WaitRequest,
};
pub use mount::{
    BindMount, IdMap, ImageMount, MountRequest, Propagation, Recursion, Relabel, Source, TmpfsMount,
    TmpfsSize, VolumeMount, VolumesFrom,
};
pub use namespace::{CgroupMode, IpcMode, Namespaces, NetworkMode, PidMode, UserMode, UtsMode};
pub use network::{
    Cidr, ConnectRequest, DEFAULT_NETWORK, DisconnectRequest, EndpointRequest, ExposedPorts, Mac,
    NetworkCreateRequest, NetworksRequest, PortRange, PortRequest, Protocol, PublishRequest,
    RemoveNetworksRequest, SubnetRequest,
};
pub use process::{ConsoleSize, DetachKeys, Streams};
pub use registry::{LoginRequest, ManifestRequest, PullRequest, PushRequest};
pub use resources::{
    BlockIo, Cpu, DeviceAccess, DeviceKind, DeviceMapping, DeviceRate, DeviceRule, DeviceWeight, Limit,
    Memory, Resources, Ulimit,
};
pub use security::{Capability, Seccomp, Security, Unmask};
pub use signal::{Signal, UnknownSignal};
pub use system::{AuditRequest, CheckRequest, EventsRequest, InfoRequest};
pub use volume::{PruneVolumesRequest, RemoveVolumesRequest, VolumeCreateRequest, VolumesRequest};
