//! Requests about the engine itself.

use super::LabelFilter;

/// `info` and `doctor`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InfoRequest {
    /// Ask the machine again, whatever was remembered.
    pub fresh: bool,
}

/// `system audit`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditRequest {
    /// Free what is orphaned instead of only naming it.
    pub repair: bool,
}

/// `events`
///
/// Filters of different kinds must all hold, of one kind any; labels must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsRequest {
    /// Nanoseconds since 1970; without either only what is to come is told.
    pub since: Option<i128>,
    pub until: Option<i128>,
    /// Beginnings of ids or names.
    pub containers: Vec<String>,
    pub networks: Vec<String>,
    pub volumes: Vec<String>,
    /// Ids or names.
    pub images: Vec<String>,
    pub types: Vec<String>,
    pub actions: Vec<String>,
    pub labels: Vec<LabelFilter>,
    /// Those of a daemon, a swarm or a plugin are asked for, which tell none.
    pub foreign: bool,
}

/// `system check`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckRequest {
    /// Repair what can be.
    pub repair: bool,
}
