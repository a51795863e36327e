//! What a step copies or mounts, as far as it can change a result: a tree of entries, and its digest.

use std::collections::BTreeMap;
use std::io::{self, Read};

use oci::digest::Digest;
use sha2::{Digest as _, Sha256};

use crate::key::KeyBuilder;

/// A file, directory or link. Times are no part of it: they differ between two checkouts of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub kind: EntryKind,
    /// The bits of `chmod`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    File { content: Digest },
    Directory,
    Link { target: Vec<u8> },
    Device { is_block: bool, major: u32, minor: u32 },
    Pipe,
}

/// Whether the owner of an entry gets into the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// As in the source: files of other stages and images.
    Kept,
    /// Somebody else in any case: files of the context, and `--chown`.
    Replaced,
}

/// Entries by their path, relative and with `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<Vec<u8>, Entry>);

impl Tree {
    /// Returns the digest of all that can change a result.
    pub fn digest(&self, owners: Owners) -> Digest {
        let mut builder = KeyBuilder::new("tree");
        for (path, entry) in &self.0 {
            builder.bytes(path);
            entry.write(&mut builder, owners);
        }
        builder.finish()
    }
}

impl Entry {
    fn write(&self, builder: &mut KeyBuilder, owners: Owners) {
        match &self.kind {
            EntryKind::File { content } => builder.text("file").bytes(content.as_bytes()),
            EntryKind::Directory => builder.text("directory"),
            EntryKind::Link { target } => builder.text("link").bytes(target),
            EntryKind::Device { is_block, major, minor } => {
                builder.flag(*is_block).number(u64::from(*major)).number(u64::from(*minor))
            }
            EntryKind::Pipe => builder.text("pipe"),
        };
        // A link has no mode that anybody could set.
        if !matches!(self.kind, EntryKind::Link { .. }) {
            builder.number(u64::from(self.mode));
        }
        if owners == Owners::Kept {
            builder.number(u64::from(self.uid)).number(u64::from(self.gid));
        }
        builder.number(self.xattrs.len() as u64);
        for (name, value) in &self.xattrs {
            builder.bytes(name).bytes(value);
        }
    }
}

/// Reads to the end; returns the digest of what was read.
pub fn digest_of(mut source: impl Read) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    // Small enough for the stack: most files are, and there are many.
    let mut buffer = [0; 32 << 10];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(Digest::from_bytes(hash.finalize().into())),
            Ok(length) => hash.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: u8) -> Entry {
        let content = Digest::from_bytes([content; 32]);
        Entry { kind: EntryKind::File { content }, mode: 0o644, uid: 1, gid: 2, xattrs: BTreeMap::new() }
    }

    fn digest(entries: &[(&str, Entry)], owners: Owners) -> Digest {
        let entries = entries.iter().map(|(path, entry)| (path.as_bytes().to_vec(), entry.clone()));
        Tree(entries.collect()).digest(owners)
    }

    #[test]
    fn all_that_can_change_a_result_is_in_the_digest() {
        let plain = digest(&[("a", file(1))], Owners::Kept);
        for (what, other) in [
            ("content", ("a", file(2))),
            ("path", ("b", file(1))),
            ("mode", ("a", Entry { mode: 0o755, ..file(1) })),
            ("owner", ("a", Entry { uid: 9, ..file(1) })),
            ("group", ("a", Entry { gid: 9, ..file(1) })),
            ("kind", ("a", Entry { kind: EntryKind::Directory, ..file(1) })),
            ("xattr", ("a", Entry { xattrs: [(b"user.x".to_vec(), b"1".to_vec())].into(), ..file(1) })),
        ] {
            assert_ne!(digest(&[other], Owners::Kept), plain, "{what}");
        }
        assert_eq!(digest(&[("a", file(1))], Owners::Kept), plain);
    }

    #[test]
    fn owners_that_are_replaced_are_not() {
        let other = Entry { uid: 9, gid: 9, ..file(1) };
        assert_eq!(digest(&[("a", file(1))], Owners::Replaced), digest(&[("a", other)], Owners::Replaced));
    }

    #[test]
    fn neighbours_do_not_run_into_each_other() {
        let link = |target: &str| Entry { kind: EntryKind::Link { target: target.into() }, ..file(0) };
        assert_ne!(
            digest(&[("a", link("bc")), ("d", link("e"))], Owners::Kept),
            digest(&[("a", link("b")), ("cd", link("e"))], Owners::Kept)
        );
    }
}
