//! Where a path of `cp` leads: on the host, or below the root of a container.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use rustix::fs::FileType;
use sys::Dir;

use crate::error::{Error, Result};

/// As many links as the kernel follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// A path as it was typed: `dir/` and `dir/.` say more than `dir`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) path: PathBuf,
    /// It ends with a slash, or `/.`: a directory is meant.
    pub(super) is_directory: bool,
    /// It ends with `/.`: what is in it is meant.
    pub(super) is_content: bool,
}

impl Typed {
    pub(super) fn new(text: &Path) -> Self {
        let bytes = text.as_os_str().as_encoded_bytes();
        let is_content = bytes == b"." || bytes.ends_with(b"/.");
        let is_directory = is_content || bytes.ends_with(b"/") || bytes == b".." || bytes.ends_with(b"/..");
        Self { path: text.to_owned(), is_directory, is_content }
    }
}

/// A name in a directory that is held open.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) parent: Dir,
    /// None for the root itself, and for `..`.
    pub(super) name: Option<OsString>,
    /// What is there.
    pub(super) kind: Option<FileType>,
}

/// Whether a link at the end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    Followed,
    Kept,
}

impl Place {
    /// Finds a place below a root; what the last name leads to need not exist, the directory it lies in must.
    pub(super) fn find(root: &Dir, path: &Path, links: Links) -> Result<Self> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            let Some(Component::Normal(name)) = path.components().next_back() else {
                let parent = root.open_dir(&path)?;
                return Ok(Self { parent, name: None, kind: Some(FileType::Directory) });
            };
            let name = name.to_owned();
            let above = path.parent().unwrap_or(Path::new("")).to_owned();
            let parent = root.open_dir(&above)?;
            let kind = match parent.lstat(&name) {
                Ok(stat) => Some(FileType::from_raw_mode(stat.st_mode)),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error.into()),
            };
            if links == Links::Followed && kind == Some(FileType::Symlink) {
                // An absolute target means the root that the handle has.
                path = above.join(parent.read_link(&name)?);
                continue;
            }
            return Ok(Self { parent, name: Some(name), kind });
        }
        Err(Error::invalid(format!("too many symbolic links at `{}`", path.display())))
    }

    pub(super) fn is_directory(&self) -> bool {
        self.kind == Some(FileType::Directory)
    }

    /// Opens the directory that it is. A name that has become a link is not followed.
    pub(super) fn open(&self) -> Result<Dir> {
        match &self.name {
            None => Ok(self.parent.try_clone()?),
            Some(name) => {
                let parent = self.parent.try_clone()?.strict();
                let dir = parent.open_dir(name)?;
                let label = dir.label().to_owned();
                Ok(Dir::from_fd(dir.into(), label))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may make files")]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_end_of_a_path_says_what_is_meant() {
        for (text, is_directory, is_content) in [
            ("a", false, false),
            ("a/", true, false),
            ("a/.", true, true),
            (".", true, true),
            ("..", true, false),
            ("/", true, false),
            ("/.", true, true),
            ("a.", false, false),
        ] {
            let typed = Typed::new(Path::new(text));
            assert_eq!((typed.is_directory, typed.is_content), (is_directory, is_content), "{text}");
        }
    }

    #[test]
    fn links_are_followed_below_the_root() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open(temp.path()).unwrap();
        root.mkdir_all("a/b", 0o755).unwrap();
        std::fs::write(temp.path().join("a/file"), "x").unwrap();
        symlink("/a/file", temp.path().join("absolute")).unwrap();
        symlink("../../../../a/b/../file", temp.path().join("a/b/relative")).unwrap();
        symlink("/etc/nothing/here", temp.path().join("dangling")).unwrap();
        symlink("loop", temp.path().join("loop")).unwrap();
        let find = |path: &str, links| Place::find(&root, Path::new(path), links);
        for path in ["/absolute", "a/b/relative", "/a/file", "a/b/../file", "/../../a/file"] {
            let place = find(path, Links::Followed).unwrap();
            assert_eq!(
                (place.name.as_deref(), place.kind),
                (Some("file".as_ref()), Some(FileType::RegularFile)),
                "{path}"
            );
        }
        assert_eq!(find("absolute", Links::Kept).unwrap().kind, Some(FileType::Symlink));
        assert_eq!(find("a/new", Links::Followed).unwrap().kind, None);
        assert!(find("dangling", Links::Followed).is_err() && find("loop", Links::Followed).is_err());
        for path in ["/", "", ".", "a/..", "/.."] {
            assert!(find(path, Links::Followed).unwrap().is_directory(), "{path}");
        }
    }
}
