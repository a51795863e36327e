//! Paths inside a container, cleaned as text: the container's own links are followed later.

use std::path::PathBuf;

use super::{Invalid, Read};

/// Removes `.`, `..`, doubled and trailing slashes from an absolute path.
pub(crate) fn clean(path: &str) -> PathBuf {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    PathBuf::from(format!("/{}", parts.join("/")))
}

/// Reads the place of a mount: absolute and not the root itself.
pub(crate) fn parse_target(text: &str) -> Read<PathBuf> {
    if !text.starts_with('/') {
        return Err(Invalid::new(format!("invalid mount path: '{text}' mount path must be absolute")));
    }
    let path = clean(text);
    if path.as_os_str() == "/" {
        return Err(Invalid::new("destination can't be '/'"));
    }
    Ok(path)
}

/// Reads a working directory.
pub(crate) fn parse_workdir(text: &str) -> Read<PathBuf> {
    if !text.starts_with('/') {
        let text = format!("the working directory '{text}' is invalid, it needs to be an absolute path");
        return Err(Invalid::new(text));
    }
    Ok(clean(text))
}

#[cfg(test)]
#[test]
fn targets() {
    let rows = [
        ("/a", "\"/a\""),
        ("//a/./b/../c/", "\"/a/c\""),
        ("/", "!destination can't be '/'"),
        ("/a/..", "!destination can't be '/'"),
        ("a", "!invalid mount path: 'a' mount path must be absolute"),
        ("", "!invalid mount path: '' mount path must be absolute"),
    ];
    super::check::table(parse_target, &rows);
}
