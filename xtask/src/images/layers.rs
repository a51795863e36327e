//! The image that holds every oddity a layer can hold, and an image of many layers.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::archive::{Compression, Image};
use super::busybox;
use super::entry::{Entry, Kind, LongNames, write_tar};
use super::expect;

/// Layers of the deep image: more than the 128 that older engines allow and more than fit the 4096
/// bytes of mount options of the old mount call.
const DEEP: usize = 130;

/// `security.capability`, version 2, effective: CAP_NET_RAW (13) permitted.
const CAP_NET_RAW: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Writes `layers.tar` (docker-archive), `layers-oci.tar`, `layers.json` (what a container must see
/// below `/t`), `deep.tar` and `deep-oci.tar`.
pub(super) fn make(dir: &Path) -> Result<()> {
    let base = busybox::layer(dir)?;
    let odd = [lower(), middle(), upper()];
    let mut layers = vec![base.clone()];
    for (layer, names) in odd.iter().zip([LongNames::Gnu, LongNames::Pax, LongNames::Gnu]) {
        layers.push(write_tar(layer, names)?);
    }
    let image = Image { tag: "layers:latest", layers, config: json!({"Cmd": ["sh"]}) };
    let deep = deep(base)?;
    let write = |name: &str, content: Vec<u8>| std::fs::write(dir.join(name), content);
    write("layers.tar", image.docker_archive()?)?;
    write("layers-oci.tar", image.oci_archive(Compression::Zstd)?)?;
    write("layers.json", serde_json::to_vec_pretty(&expect::merged(&odd))?)?;
    write("deep.tar", deep.docker_archive()?)?;
    write("deep-oci.tar", deep.oci_archive(Compression::None)?)?;
    Ok(())
}

/// Everything that a first layer can hold.
fn lower() -> Vec<Entry> {
    let mut entries = vec![
        Entry::dir("t/"),
        Entry::dir("t/plain/").mode(0o750).owner(7, 8).mtime(1_000_000_000),
        Entry::file("t/plain/file", "plain\n").mode(0o640).owner(1000, 100).mtime(1_234_567_890),
        Entry::file("t/plain/empty", ""),
        Entry::file("t/plain/before-1970-is-zero", "").mtime(0),
        Entry::file("t/plain/megabyte", vec![b'm'; 1 << 20]),
        // The highest id that the default range of a container holds.
        Entry::file("t/plain/id-65535", "").owner(65_535, 65_535),
        Entry::dir("t/setid/"),
        Entry::file("t/setid/setuid", "#!/bin/sh\n").mode(0o4755).owner(1000, 1000),
        Entry::file("t/setid/setgid", "#!/bin/sh\n").mode(0o2755).owner(0, 5),
        Entry::dir("t/setid/sticky/").mode(0o1777),
        Entry::dir("t/setid/setgid-dir/").mode(0o2775).owner(0, 100),
        Entry::file("t/setid/no-permission", "secret\n").mode(0),
        Entry::dir("t/links/"),
        Entry::file("t/links/original", "one inode\n"),
        Entry::hardlink("t/links/hard-1", "t/links/original"),
        Entry::hardlink("t/links/hard-2", "t/links/original"),
        Entry::symlink("t/links/relative", "../plain/file"),
        Entry::symlink("t/links/absolute", "/t/plain/file"),
        Entry::symlink("t/links/dangling", "nowhere/at all"),
        Entry::symlink("t/links/loop", "loop"),
        Entry::symlink("t/links/out", "../../../../../../etc/passwd"),
        Entry::symlink("t/links/to-dir", "../plain"),
        Entry::new("t/links/symlink-owner", Kind::Symlink("x".into())).owner(33, 33),
        Entry::dir("t/xattr/").xattr("user.on-directory", b"yes"),
        Entry::file("t/xattr/capable", "#!/bin/sh\n").mode(0o755).xattr("security.capability", &CAP_NET_RAW),
        Entry::file("t/xattr/user", "").xattr("user.empty", b"").xattr("user.binary", b"a\0=\n\xff"),
        Entry::dir("t/special/"),
        Entry::new("t/special/null", Kind::Char(1, 3)).mode(0o666),
        Entry::new("t/special/block", Kind::Block(7, 200)).mode(0o660).owner(0, 6),
        Entry::new("t/special/high-numbers", Kind::Char(240, 70_000)).mode(0o600),
        Entry::new("t/special/fifo", Kind::Fifo).mode(0o622).owner(1, 1),
        Entry::dir("t/sparse/"),
        Entry::new(
            "t/sparse/holes",
            Kind::Sparse(
                8 << 20,
                vec![
                    (1 << 20, vec![b'a'; 4096]),
                    (4 << 20, vec![b'b'; 512]),
                    ((8 << 20) - 512, vec![b'z'; 512]),
                ],
            ),
        ),
        Entry::new("t/sparse/one-hole", Kind::Sparse(1 << 20, vec![(1 << 20, Vec::new())])),
    ];
    entries.extend(odd_names("t/names/"));
    entries.extend(to_be_changed());
    // Stands before its parent, which comes with its own attributes in the next layer.
    entries.push(Entry::file("t/implied/parents/file", "no entry for my parents\n"));
    entries
}

/// Names that break programs which treat paths as lines, options or text.
fn odd_names(dir: &str) -> Vec<Entry> {
    let mut entries = vec![Entry::dir(dir)];
    let mut add = |name: &[u8]| entries.push(Entry::file([dir.as_bytes(), name].concat(), name));
    add(b"new\nline");
    add(b"bytes \xff\xfe\x80");
    add(b"-rf");
    add(b"--help");
    add(b" leading and trailing ");
    add(b"back\\slash");
    add(b"quote'\"`$(id)");
    add(b"percent%s%2F");
    add(b"tab\tand\x01control\x7f");
    add("ünïcödé-日本-🛶".as_bytes());
    add("e\u{301} is not \u{e9}".as_bytes());
    add(b"...");
    add(b"..almost-parent");
    add(b"CON.");
    add(b"colon:and,comma");
    add(b".whiteout-not");
    add(&[b'l'; 120]);
    add(&[b'L'; 255]);
    entries.extend(long_path(dir, 'g'));
    entries
}

/// A path of more than 255 bytes, one directory at a time.
fn long_path(dir: &str, letter: char) -> Vec<Entry> {
    let mut path = dir.to_owned();
    let mut entries = Vec::new();
    for depth in 0..6 {
        path.push_str(&format!("{}{depth}/", letter.to_string().repeat(80)));
        entries.push(Entry::dir(&path));
    }
    entries.push(Entry::file(format!("{path}file"), "far down\n"));
    entries
}

/// What later layers remove, replace and hide.
fn to_be_changed() -> Vec<Entry> {
    let mut entries = Vec::new();
    for dir in ["gone", "emptied", "opaque", "opaque/sub", "dir-to-file", "dir-to-link", "kept", "again"] {
        entries.push(Entry::dir(&format!("t/{dir}/")));
        entries.push(Entry::file(format!("t/{dir}/old"), "from the first layer\n"));
    }
    entries.extend([
        Entry::file("t/file-to-dir", "a file\n"),
        Entry::file("t/file-to-link", "a file\n"),
        Entry::file("t/removed", "removed\n"),
        Entry::file("t/rewritten", "first\n"),
        Entry::file("t/pair-a", "a pair\n"),
        Entry::hardlink("t/pair-b", "t/pair-a"),
        Entry::symlink("t/link-to-dir", "kept"),
    ]);
    entries
}

/// Whiteouts, opaque directories and changes of type. Like the archives of real builders, it names
/// the directories on the way to each change again.
fn middle() -> Vec<Entry> {
    let mut entries = vec![
        Entry::dir("t/"),
        Entry::dir("t/emptied/").mtime(1_500_000_000),
        Entry::file("t/.wh.removed", ""),
        Entry::file("t/.wh.gone", ""),
        Entry::file("t/.wh.never-was", ""),
        Entry::file("t/emptied/.wh.old", ""),
        Entry::dir("t/opaque/").mode(0o711),
        // The mark stands after a file of the same directory: order must not matter.
        Entry::file("t/opaque/new", "only me\n"),
        Entry::file("t/opaque/.wh..wh..opq", ""),
        Entry::file("t/dir-to-file", "now a file\n"),
        Entry::symlink("t/dir-to-link", "kept"),
        Entry::dir("t/file-to-dir/"),
        Entry::file("t/file-to-dir/inside", "inside\n"),
        Entry::symlink("t/file-to-link", "kept/old"),
        Entry::file("t/rewritten", "second, longer\n").mode(0o600),
        // Its other name keeps the content.
        Entry::file("t/.wh.pair-a", ""),
        Entry::dir("t/kept/").mode(0o700).owner(42, 42),
        Entry::dir("t/implied/").mode(0o755),
        Entry::dir("t/implied/parents/").mode(0o755),
        Entry::file("t/.wh.again", ""),
        // A link that was a way to a directory becomes a directory.
        Entry::dir("t/link-to-dir/"),
        Entry::file("t/link-to-dir/inside", "not in kept\n"),
    ];
    entries.push(Entry::dir("t/pax/"));
    entries.extend(long_path("t/pax/", 'p'));
    entries
}

/// A third layer over the second's marks: what was removed may return.
fn upper() -> Vec<Entry> {
    vec![
        Entry::dir("t/"),
        Entry::dir("t/opaque/").mode(0o711),
        Entry::dir("t/file-to-dir/"),
        Entry::file("t/removed", "back again\n"),
        Entry::dir("t/again/"),
        Entry::file("t/again/new", "the old one stays hidden\n"),
        Entry::file("t/opaque/third", "beside new\n"),
        Entry::file("t/rewritten", "third\n").mode(0o644),
        Entry::file("t/file-to-dir/.wh.inside", ""),
        Entry::new("t/became-fifo", Kind::Fifo),
        Entry::file("t/upper-xattr", "").xattr("user.layer", b"3"),
    ]
}

/// Many layers: each adds `/layers/N` and overwrites `/top`; each tenth removes the file before it.
fn deep(base: Vec<u8>) -> Result<Image> {
    let mut layers = vec![base];
    for n in 1..DEEP {
        let mut entries = vec![Entry::dir("layers/"), Entry::file(format!("layers/{n}"), format!("{n}\n"))];
        if n % 10 == 0 {
            entries.push(Entry::file(format!("layers/.wh.{}", n - 1), ""));
        }
        entries.push(Entry::file("top", format!("{n}\n")));
        layers.push(write_tar(&entries, LongNames::Gnu)?);
    }
    Ok(Image { tag: "deep:latest", layers, config: json!({"Cmd": ["sh"]}) })
}
