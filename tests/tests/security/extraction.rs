//! Layers that try to leave their root: CVE-2014-6407, CVE-2014-9356, CVE-2014-9358, CVE-2021-32760,
//! CVE-2024-3727, and what is called zip slip.

use std::fs;

use serde_json::json;
use tar::{Builder, EntryType, Header};
use tests::Engine;

use super::Canary;

/// An archive entry with a name that no careful writer would let pass.
struct Raw<'a> {
    kind: EntryType,
    path: String,
    link: String,
    mode: u32,
    data: &'a [u8],
}

fn raw<'a>(kind: EntryType, path: impl Into<String>, link: impl Into<String>) -> Raw<'a> {
    Raw { kind, path: path.into(), link: link.into(), mode: 0o755, data: b"" }
}

fn file(path: impl Into<String>) -> Raw<'static> {
    Raw { data: b"evil", ..raw(EntryType::Regular, path, "") }
}

fn archive(entries: &[Raw<'_>]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(entry.kind);
        let fields = header.as_old_mut();
        fields.name[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
        fields.linkname[..entry.link.len()].copy_from_slice(entry.link.as_bytes());
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(entry.data.len() as u64);
        header.set_cksum();
        tar.append(&header, entry.data).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn no_entry_of_a_layer_leaves_its_root() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let out = canary.text().to_owned();
    let up = format!("../../../../../../../../../../..{out}");
    let mut archives: Vec<(String, Vec<Raw<'_>>)> = vec![
        ("absolute name".into(), vec![file(format!("{out}/new"))]),
        ("name that climbs".into(), vec![file(format!("{up}/new"))]),
        (
            "hard link to an absolute name".into(),
            vec![raw(EntryType::Link, "a", format!("{out}/file")), file("a")],
        ),
        ("hard link that climbs".into(), vec![raw(EntryType::Link, "a", format!("{up}/file")), file("a")]),
        (
            "whiteout of what is above".into(),
            vec![file(format!("{up}/.wh.file")), file(".wh..."), file(".wh...wh..wh..opq")],
        ),
        ("root itself as link".into(), vec![raw(EntryType::Symlink, ".", &out), file("new")]),
    ];
    for target in [&out, &up] {
        let link = || raw(EntryType::Symlink, "a", target.as_str());
        let below: [(&str, Vec<Raw<'_>>); 10] = [
            ("file", vec![file("a/new")]),
            ("existing file", vec![file("a/file")]),
            ("directory", vec![raw(EntryType::Directory, "a/sub", "")]),
            ("mode", vec![Raw { mode: 0o777, ..raw(EntryType::Directory, "a/", "") }]),
            ("symlink", vec![raw(EntryType::Symlink, "a/new", "x")]),
            ("hard link", vec![file("x"), raw(EntryType::Link, "a/new", "x")]),
            ("hard link through it", vec![raw(EntryType::Link, "b", "a/file"), file("b")]),
            ("device", vec![raw(EntryType::Char, "a/new", "")]),
            ("whiteout", vec![file("a/.wh.file")]),
            ("opaque", vec![file("a/.wh..wh..opq")]),
        ];
        for (what, mut entries) in below {
            entries.insert(0, link());
            archives.push((format!("{what} below a link to {target}"), entries));
        }
    }
    for (what, entries) in &archives {
        let path = engine.base().join("layer.tar");
        fs::write(&path, archive(entries)).unwrap();
        let output = engine.run(&["import", path.to_str().unwrap(), "evil"]);
        // Refused or kept inside; in either case told clearly and with nothing outside.
        if output.code != 0 {
            output.error_names(&[]);
        }
        canary.assert_unharmed_by(what);
    }
    engine.audit();
}

#[test]
fn names_in_a_manifest_are_no_paths() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", "0".repeat(64))]}});
    let config = config.to_string();
    let climb = format!("../../../../../..{}/file", canary.text());
    let manifests = [
        json!([{"Config": climb, "RepoTags": ["evil:1"], "Layers": ["layer.tar"]}]),
        json!([{"Config": "config.json", "RepoTags": ["evil:1"], "Layers": [climb]}]),
        json!([{"Config": "config.json", "RepoTags": ["../../evil:1"], "Layers": []}]),
        json!([{"Config": "config.json", "RepoTags": ["evil:1"], "Layers": ["layer.tar"]}]),
        json!({"Config": "config.json"}),
    ];
    for manifest in manifests {
        let manifest = manifest.to_string();
        let entries = [
            Raw { data: config.as_bytes(), ..raw(EntryType::Regular, "config.json", "") },
            Raw { data: b"not the layer of the digest", ..raw(EntryType::Regular, "layer.tar", "") },
            Raw { data: manifest.as_bytes(), ..raw(EntryType::Regular, "manifest.json", "") },
        ];
        let output = engine.command(&["load"]).stdin(archive(&entries)).run();
        assert!(output.code != 0, "{manifest}\n{output}");
        output.error_names(&[]);
    }
    // A digest that is a path (CVE-2024-3727), in an OCI layout.
    let index = json!({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:../../../../canary/file", "size": 15}]}).to_string();
    let entries = [
        Raw { data: br#"{"imageLayoutVersion":"1.0.0"}"#, ..raw(EntryType::Regular, "oci-layout", "") },
        Raw { data: index.as_bytes(), ..raw(EntryType::Regular, "index.json", "") },
    ];
    let output = engine.command(&["load"]).stdin(archive(&entries)).run();
    assert_ne!(output.code, 0, "{output}");
    for word in ["../../canary", "/etc", "sha256:../x", "a/../../b"] {
        for verb in [&["rmi"][..], &["inspect"], &["run", "--rm"], &["rm"], &["tag", "x"], &["logs"]] {
            let output = engine.run(&[verb, &[word]].concat());
            assert_ne!(output.code, 0, "{output}");
        }
    }
    engine.run(&["images", "-q"]).ok().prints("");
    canary.assert_unharmed();
}
