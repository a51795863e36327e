//! Requests about volumes.

use std::collections::BTreeMap;

use super::LabelFilter;

/// `volume create`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeCreateRequest {
    /// Invented where it is absent.
    pub name: Option<String>,
    pub driver: Option<String>,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

/// `volume ls`
///
/// Filters of different kinds must all hold, of one kind any; labels must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumesRequest {
    /// Used by no container, or by one at least.
    pub dangling: Option<bool>,
    pub drivers: Vec<String>,
    /// Parts or patterns of names.
    pub names: Vec<String>,
    pub labels: Vec<LabelFilter>,
}

/// `volume rm`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoveVolumesRequest {
    pub volumes: Vec<String>,
    /// Do not complain of those that are missing. One in use is never removed.
    pub force: bool,
}

/// `volume prune`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneVolumesRequest {
    /// Named ones too, not anonymous ones alone.
    pub all: bool,
    pub labels: Vec<LabelFilter>,
    /// Those that have one of these stay.
    pub unlike: Vec<LabelFilter>,
}
