//! Requests that talk to registries.

use super::Platform;

/// `pull`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    pub reference: String,
    /// All tags of the repository; the reference has none then.
    pub all_tags: bool,
    pub platform: Option<Platform>,
}

/// `push`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRequest {
    pub reference: String,
    pub all_tags: bool,
}

/// `login`
#[derive(Clone, PartialEq, Eq)]
pub struct LoginRequest {
    /// The domain as it stands in references.
    pub registry: String,
    pub user: String,
    pub password: String,
}

impl std::fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoginRequest({} as {})", self.registry, self.user)
    }
}

/// `manifest inspect`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRequest {
    pub reference: String,
    /// What refers to it, instead of itself.
    pub referrers: bool,
    /// Its certificate is not checked, and plain HTTP is allowed.
    pub insecure: bool,
}
