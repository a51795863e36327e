//! `volume …`: one verb a file.

use engine::request::{PruneVolumesRequest, RemoveVolumesRequest, VolumeCreateRequest, VolumesRequest};

use crate::grammar::format::Format;
use crate::print::VolumesView;

pub(crate) mod create;
pub(crate) mod inspect;
pub(crate) mod ls;
pub(crate) mod prune;
pub(crate) mod rm;

/// What was asked of volumes.
#[derive(Debug, Clone, PartialEq)]
pub enum VolumeCommand {
    Create(VolumeCreateRequest),
    Inspect(Vec<String>, Format),
    List(VolumesRequest, VolumesView),
    /// Asks before it removes, unless told not to.
    Prune {
        request: PruneVolumesRequest,
        ask: bool,
    },
    Remove(RemoveVolumesRequest),
}
