//! One verb a file: its arguments, and what they mean.

use std::path::PathBuf;

use engine::request::{
    AttachRequest, AuditRequest, BuildRequest, CheckRequest, CommitRequest, ContainerRequest, CopyRequest,
    DiffRequest, EventsRequest, ExecRequest, ExportRequest, ForkRequest, HistoryRequest, ImageInspectRequest,
    ImagesRequest, ImportRequest, InfoRequest, InspectRequest, KillRequest, LoadRequest, LogsRequest,
    PauseRequest, PortRequest, PruneRequest, PruneSystemRequest, PsRequest, RemoveImagesRequest,
    RemoveRequest, RenameRequest, RestartRequest, RunRequest, SaveRequest, StartRequest, StatsRequest,
    StopRequest, TagRequest, TopRequest, UpdateRequest, WaitRequest,
};

use crate::grammar::format::Format;
use crate::print::{DiskView, HistoryView, ImagesView, PsView, StatsView};

pub(crate) mod attach;
pub(crate) mod build;
pub(crate) mod build_cache;
pub(crate) mod build_history;
pub(crate) mod commit;
pub(crate) mod completion;
pub(crate) mod container_prune;
pub(crate) mod cp;
pub(crate) mod create;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod export;
pub(crate) mod fork;
pub(crate) mod history;
pub(crate) mod image;
pub(crate) mod image_inspect;
pub(crate) mod images;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod inspect;
pub(crate) mod kill;
pub(crate) mod load;
pub(crate) mod logs;
pub(crate) mod network;
pub(crate) mod pause;
pub(crate) mod port;
pub(crate) mod ps;
pub(crate) mod registry;
pub(crate) mod removal;
pub(crate) mod rename;
pub(crate) mod restart;
pub(crate) mod rm;
pub(crate) mod rmi;
pub(crate) mod run;
pub(crate) mod save;
pub(crate) mod start;
pub(crate) mod stats;
pub(crate) mod stop;
pub(crate) mod system_audit;
pub(crate) mod system_boot;
pub(crate) mod system_check;
pub(crate) mod system_df;
pub(crate) mod system_manual;
pub(crate) mod system_prune;
pub(crate) mod tag;
pub(crate) mod top;
pub(crate) mod unpause;
pub(crate) mod update;
pub(crate) mod version;
pub(crate) mod volume;
pub(crate) mod wait;

pub(crate) use build::BuildView;
pub(crate) use build_cache::CacheCommand;
pub(crate) use build_history::HistoryCommand;
pub use image::ImageCommand;
pub use network::NetworkCommand;
pub use registry::RegistryCommand;
pub use volume::VolumeCommand;

/// What was asked for: a request of the engine, and how its answer is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Attach(AttachRequest),
    Audit(AuditRequest),
    Boot,
    Build(Box<BuildRequest>, BuildView),
    BuildCache(CacheCommand),
    BuildHistory(HistoryCommand),
    Check(CheckRequest),
    Commit(CommitRequest),
    Completion(clap_complete::Shell),
    Manual(PathBuf),
    Copy(CopyRequest),
    Create {
        request: ContainerRequest,
        quiet: bool,
    },
    Diff(DiffRequest),
    Disk(DiskView),
    Doctor(InfoRequest, Format),
    Events(EventsRequest, Format),
    Exec(ExecRequest),
    Export(ExportRequest),
    Fork(ForkRequest),
    History(HistoryRequest, HistoryView),
    Image(ImageCommand),
    ImageInspect(ImageInspectRequest, Format),
    Images(ImagesRequest, ImagesView),
    Import(ImportRequest),
    Info(InfoRequest, Format),
    Inspect(InspectRequest, Format),
    Kill(KillRequest),
    Load(LoadRequest),
    Logs(LogsRequest),
    Network(NetworkCommand),
    Pause(PauseRequest),
    Port {
        request: PortRequest,
        /// Tell by which rules packets get there.
        why: bool,
    },
    PruneContainers {
        request: PruneRequest,
        ask: bool,
    },
    PruneSystem {
        request: PruneSystemRequest,
        ask: bool,
    },
    Ps(PsRequest, PsView),
    Registry(RegistryCommand),
    Remove(RemoveRequest),
    RemoveImages(RemoveImagesRequest),
    Rename(RenameRequest),
    Restart(RestartRequest),
    Run(RunRequest),
    Save(SaveRequest),
    Start(StartRequest),
    Stats {
        request: StatsRequest,
        view: StatsView,
        /// Again each second.
        stream: bool,
    },
    Stop(StopRequest),
    Tag(TagRequest),
    Top(TopRequest),
    Unpause(PauseRequest),
    Update(UpdateRequest),
    Version(Format),
    Volume(VolumeCommand),
    Wait(WaitRequest),
}
