//! Requests about the engine itself.

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
