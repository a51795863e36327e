//! A label taken apart: `user:role:type` and, where the policy has levels, `:level`.

use std::fmt;

use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) user: String,
    pub(super) role: String,
    pub(super) kind: String,
    /// May hold colons of its own: `s0:c1,c2`.
    pub(super) level: Option<String>,
}

impl Context {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut parts = text.splitn(4, ':').map(str::to_owned);
        let (user, role, kind, level) = (parts.next(), parts.next(), parts.next(), parts.next());
        match (user, role, kind) {
            (Some(user), Some(role), Some(kind))
                if ![&user, &role, &kind].iter().any(|part| part.is_empty()) =>
            {
                Ok(Self { user, role, kind, level })
            }
            _ => Err(Error::invalid(format!("`{text}` is no SELinux label like `user:role:type:level`"))),
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.user, self.role, self.kind)?;
        self.level.as_ref().map_or(Ok(()), |level| write!(f, ":{level}"))
    }
}
