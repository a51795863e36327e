//! The place of a group in the hierarchies, checked once.

use std::fmt;

use crate::error::{Error, Result};

/// A cgroup path: absolute (below each mount point) or relative (below the engine's own group).
///
/// It has at least one component, no `..`, and no byte that the kernel refuses in a group's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupPath {
    absolute: bool,
    /// Components joined by `/`, with none at either end.
    below: String,
}

impl CgroupPath {
    /// Parses a path as `--cgroup-parent` or the runtime specification's `cgroupsPath` give it.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |reason| Err(Error::Path { path: text.to_owned(), reason });
        if text.matches(':').count() == 2 && !text.contains('/') {
            return refuse("it is a path for systemd");
        }
        if text.contains(['\n', '\0']) {
            return refuse("it has a line end or a zero byte");
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return refuse("it has `..`");
        }
        if parts.iter().any(|part| part.len() > 255) {
            return refuse("a component is longer than 255 bytes");
        }
        if parts.is_empty() {
            return refuse("it names the root");
        }
        Ok(Self { absolute: text.starts_with('/'), below: parts.join("/") })
    }

    /// Returns the path of a child, such as the container's group below its parent.
    pub fn join(&self, child: &str) -> Result<Self> {
        let child = Self::parse(child)?;
        Ok(Self { absolute: self.absolute, below: format!("{}/{}", self.below, child.below) })
    }

    /// Whether the path starts at the mount points.
    pub fn is_absolute(&self) -> bool {
        self.absolute
    }

    /// Returns the path without its leading slash.
    pub(crate) fn below(&self) -> &str {
        &self.below
    }
}

impl fmt::Display for CgroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.absolute { "/" } else { "" }, self.below)
    }
}

impl std::str::FromStr for CgroupPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_or_refused() {
        let table = [
            ("/coracle/web", Ok("/coracle/web")),
            ("coracle//./web/", Ok("coracle/web")),
            ("/machine.slice/x:y", Ok("/machine.slice/x:y")),
            ("system.slice:coracle:web", Err("it is a path for systemd")),
            ("::", Err("it is a path for systemd")),
            ("/a/../b", Err("it has `..`")),
            ("..", Err("it has `..`")),
            ("a\nb", Err("it has a line end or a zero byte")),
            ("/", Err("it names the root")),
            ("", Err("it names the root")),
        ];
        for (text, expected) in table {
            match (CgroupPath::parse(text), expected) {
                (Ok(path), Ok(shown)) => assert_eq!(path.to_string(), shown, "{text}"),
                (Err(Error::Path { reason, .. }), Err(why)) => assert_eq!(reason, why, "{text}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
        assert_eq!(CgroupPath::parse("/a").unwrap().join("b").unwrap().to_string(), "/a/b");
        let error = CgroupPath::parse("s:p:n").unwrap_err();
        assert!(error.hint().unwrap().contains("/my/parent"), "{error}");
    }
}
