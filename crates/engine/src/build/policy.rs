//! What builds keep by themselves, and for how long: Docker's own bounds unless the administrator sets others.

use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

/// Bounds of what lasts after a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPolicy {
    /// Whether a build takes away what lies beyond the bounds of the cache.
    pub collects: bool,
    /// Bytes on disk that nothing but the cache needs.
    pub cache_bytes_max: u64,
    /// What nobody has used for so long goes, however small the cache is.
    pub unused_max: Duration,
    /// Builds that the history has.
    pub history_max: usize,
}

impl BuildPolicy {
    /// Caches of mounts are filled again most easily: beyond this many bytes of cache ...
    pub(super) const MOUNTS_BYTES_MAX: u64 = 2_764_000_000;
    /// ... they go when nobody has used them for so long.
    pub(super) const MOUNTS_UNUSED_MAX: Duration = HOUR.saturating_mul(48);
}

impl Default for BuildPolicy {
    fn default() -> Self {
        Self {
            collects: true,
            cache_bytes_max: 20_000_000_000,
            unused_max: HOUR.saturating_mul(24 * 60),
            history_max: 50,
        }
    }
}
