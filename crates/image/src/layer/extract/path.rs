//! Names of entries: what an archive may call a file.

/// A name without its decoration.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::layer) enum Clean {
    /// `./` or `/`.
    Root,
    /// A name and the directory it lies in; the empty parent is the root.
    Below { parent: Vec<u8>, name: Vec<u8> },
}

/// Drops `/` in front and behind and `.` in between. A `..` is refused rather than resolved: whether
/// `a/../b` is `b` depends on what `a` is, and no builder writes it.
pub(in crate::layer) fn clean(path: &[u8]) -> Result<Clean, &'static str> {
    if path.is_empty() {
        return Err("the name is empty");
    }
    if path.contains(&0) {
        return Err("the name holds a NUL byte");
    }
    let mut parts = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err("the name holds `..`"),
            part => parts.push(part),
        }
    }
    match parts.pop() {
        None => Ok(Clean::Root),
        Some(name) => Ok(Clean::Below { parent: parts.join(&b'/'), name: name.to_vec() }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Clean, clean};

    #[test]
    fn names_are_cleaned_or_refused() {
        let below = |parent: &str, name: &str| Ok(Clean::Below { parent: parent.into(), name: name.into() });
        assert_eq!(clean(b"a"), below("", "a"));
        assert_eq!(clean(b"./a//b/./c/"), below("a/b", "c"));
        assert_eq!(clean(b"/etc/passwd"), below("etc", "passwd"));
        assert_eq!(clean(b"..."), below("", "..."));
        for root in ["/", ".", "./", "//", "/./"] {
            assert_eq!(clean(root.as_bytes()), Ok(Clean::Root));
        }
        for bad in ["", "..", "../a", "a/..", "a/../b", "/..", "a\0b"] {
            assert!(clean(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
