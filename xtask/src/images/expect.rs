//! What a container must see of a stack of layers, worked out from the recipe and independent of
//! the engine: path → type, mode, owner, size, hash, extended attributes, link.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::entry::{Entry, Kind, hex, sha256};

/// Returns the object `{path: facts}` for the merged layers, lowest first.
///
/// Paths start with a slash and are written as [`escape`] writes them. The facts are `type` (dir, file,
/// symlink, char, block, fifo), `mode` (octal, with set-id bits), `uid`, `gid`, `mtime`, and where they
/// apply `size`, `sha256`, `target`, `device`, `xattrs` (values in hexadecimal), and `same_as`: the other
/// names of the same file.
pub(super) fn merged(layers: &[Vec<Entry>]) -> Value {
    let mut tree = Tree::new();
    layers.iter().enumerate().for_each(|(number, layer)| apply(&mut tree, number, layer));
    let facts = tree.iter().map(|(path, node)| {
        let mut facts = facts(&node.entry);
        let others = tree.iter().filter(|(other, known)| *other != path && known.file == node.file);
        let others: Vec<_> = others.map(|(other, _)| format!("/{}", escape(other))).collect();
        if !others.is_empty() {
            facts["same_as"] = json!(others);
        }
        (format!("/{}", escape(path)), facts)
    });
    Value::Object(facts.collect::<Map<_, _>>())
}

type Tree = BTreeMap<Vec<u8>, Node>;

/// One name of a file; hard links have the same number and the same entry.
struct Node {
    file: (usize, usize),
    entry: Entry,
}

/// Writes bytes other than printable ASCII, and `%`, as `%XX`.
pub fn escape(path: &[u8]) -> String {
    let mut text = String::new();
    for &byte in path {
        match byte {
            b'%' => text.push_str("%25"),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Lays one layer over the tree: first what it hides of the layers below, then what it brings.
fn apply(tree: &mut Tree, number: usize, layer: &[Entry]) {
    for entry in layer {
        let (parent, name) = split(trim(&entry.path));
        if name == b".wh..wh..opq" {
            tree.retain(|path, _| !below(path, parent));
        } else if let Some(hidden) = name.strip_prefix(b".wh.") {
            let hidden = join(parent, hidden);
            tree.retain(|path, _| *path != hidden && !below(path, &hidden));
        }
    }
    for (position, entry) in layer.iter().enumerate() {
        let path = trim(&entry.path);
        if split(path).1.starts_with(b".wh.") {
            continue;
        }
        // A directory over a directory changes its attributes, also where the layer below had only
        // files in it and no entry for it; anything else replaces the whole tree.
        let old_is_tree = tree.get(path).is_none_or(|old| matches!(old.entry.kind, Kind::Directory));
        if !(matches!(entry.kind, Kind::Directory) && old_is_tree) {
            tree.retain(|known, _| !below(known, path));
        }
        let node = match &entry.kind {
            Kind::Hardlink(target) => {
                let original = tree.get(target).expect("recipes link to files of the same layer");
                Node { file: original.file, entry: original.entry.clone() }
            }
            _ => Node { file: (number, position), entry: entry.clone() },
        };
        tree.insert(path.to_vec(), node);
    }
}

fn facts(entry: &Entry) -> Value {
    let mut facts = json!({
        "mode": format!("{:04o}", entry.mode), "uid": entry.uid, "gid": entry.gid, "mtime": entry.mtime,
    });
    facts["type"] = json!(match &entry.kind {
        Kind::Directory => "dir",
        Kind::File(_) | Kind::Sparse(..) => "file",
        Kind::Symlink(_) => "symlink",
        Kind::Char(..) => "char",
        Kind::Block(..) => "block",
        Kind::Fifo => "fifo",
        Kind::Hardlink(_) => unreachable!("stored as the file it names"),
    });
    match &entry.kind {
        Kind::Symlink(target) => facts["target"] = json!(escape(target)),
        Kind::Char(major, minor) | Kind::Block(major, minor) => facts["device"] = json!([major, minor]),
        _ => {}
    }
    if let Some(content) = entry.content() {
        facts["size"] = json!(content.len());
        facts["sha256"] = json!(sha256(&content));
    }
    if !entry.xattrs.is_empty() {
        let xattrs = entry.xattrs.iter().map(|(name, value)| (name.clone(), json!(hex(value))));
        facts["xattrs"] = Value::Object(xattrs.collect());
    }
    facts
}

fn trim(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

fn below(path: &[u8], dir: &[u8]) -> bool {
    dir.is_empty() || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(layers: &[Vec<Entry>]) -> Vec<String> {
        merged(layers).as_object().expect("an object").keys().cloned().collect()
    }

    #[test]
    fn whiteouts_hide_what_is_below_and_not_what_comes_with_them() {
        let lower =
            vec![Entry::dir("d/"), Entry::file("d/a", "1"), Entry::file("d/b", "1"), Entry::file("e", "1")];
        let upper = vec![Entry::file("d/.wh.a", ""), Entry::file("d/c", "2"), Entry::file(".wh.e", "")];
        assert_eq!(paths(&[lower, upper]), ["/d", "/d/b", "/d/c"]);
    }

    #[test]
    fn an_opaque_directory_shows_only_its_own_files_wherever_the_mark_stands() {
        let lower = vec![Entry::dir("d/"), Entry::dir("d/sub/"), Entry::file("d/sub/a", "1")];
        let upper = vec![Entry::dir("d/"), Entry::file("d/new", "2"), Entry::file("d/.wh..wh..opq", "")];
        assert_eq!(paths(&[lower, upper]), ["/d", "/d/new"]);
    }

    #[test]
    fn a_hard_link_outlives_the_name_it_was_made_from() {
        let lower = vec![Entry::file("a", "x"), Entry::hardlink("b", "a"), Entry::hardlink("c", "a")];
        let seen = merged(&[lower, vec![Entry::file(".wh.a", "")]]);
        assert_eq!(seen["/b"]["size"], 1);
        assert_eq!(seen["/b"]["same_as"], json!(["/c"]));
    }

    #[test]
    fn a_file_over_a_directory_hides_the_tree_and_names_are_escaped() {
        let lower = vec![Entry::dir("d/"), Entry::file("d/a", "1")];
        let upper = vec![Entry::file("d", "2"), Entry::file(*b"n\nx\xff%", "")];
        assert_eq!(paths(&[lower, upper]), ["/d", "/n%0Ax%FF%25"]);
    }
}
