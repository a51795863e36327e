//! Images: archives of every kind in and the same files out, their names, and what is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::{Engine, Invocation, rounds};

fn images(name: &str) -> PathBuf {
    xtask::images::ensure(name).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn ids(engine: &Engine) -> BTreeSet<String> {
    let listed = engine.run(&["images", "--no-trunc", "--quiet"]).ok();
    listed.stdout.lines().map(str::to_owned).collect()
}

/// All files and directories below the engine's root except its locks.
fn store(engine: &Engine) -> BTreeSet<PathBuf> {
    fn walk(dir: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            if entry.file_name() == "locks" {
                continue;
            }
            found.insert(entry.path());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), found);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&engine.root(), &mut found);
    found
}

#[test]
fn archives_of_every_form_are_loaded_from_files_and_from_standard_input() {
    let engine = Engine::new();
    let dir = images("busybox");
    for archive in ["busybox-docker.tar", "busybox-oci.tar.gz", "busybox-oci.tar.zst"] {
        let path = dir.join(archive);
        let loaded = engine.run(&["load", "--input", text(&path)]).ok().quiet();
        assert!(loaded.stdout.starts_with("Loaded image: busybox:"), "{archive}: {loaded}");
        let reference = loaded.text().trim_start_matches("Loaded image: ").to_owned();
        let loaded = engine.command(&["load"]).stdin(fs::read(&path).unwrap()).run().ok();
        loaded.prints(&format!("Loaded image: {reference}"));
        engine.run(&["run", "--rm", &reference, "sh", "-c", "echo $0 runs"]).ok().prints("sh runs");
        engine.run(&["rmi", &reference]).ok().stdout_has("Deleted: sha256:");
        assert_eq!(ids(&engine), BTreeSet::new());
    }
    let empty = engine.command(&["load"]).stdin("").run();
    empty.fails_with(1).error_names(&["standard input"]);
}

#[test]
fn what_other_programs_write_is_read() {
    let engine = Engine::new();
    let source = format!("docker-archive:{}", text(&images("layers").join("layers.tar")));
    let base = engine.base();
    let copies = [
        (format!("docker-archive:{}:layers:docker", text(&base.join("docker.tar"))), "docker.tar", vec![]),
        (format!("oci-archive:{}:layers:oci", text(&base.join("oci.tar"))), "oci.tar", vec![]),
        (
            format!("oci-archive:{}:layers:zstd", text(&base.join("zstd.tar"))),
            "zstd.tar",
            vec!["--dest-compress-format", "zstd"],
        ),
    ];
    let layers = "{{json .RootFS.Layers}}";
    let reference = engine.image("layers");
    let expected = engine.run(&["image", "inspect", "--format", layers, &reference]).ok();
    for (target, archive, flags) in copies {
        let words: Vec<&str> = ["copy", "--quiet", "--insecure-policy"]
            .into_iter()
            .chain(flags)
            .chain([source.as_str(), target.as_str()])
            .collect();
        Invocation::new("skopeo", &words).run().ok();
        let loaded = engine.run(&["load", "-i", text(&base.join(archive))]).ok();
        let name = loaded.text().rsplit(": ").next().unwrap().to_owned();
        engine.run(&["image", "inspect", "-f", layers, &name]).ok().prints(expected.text());
        engine.run(&["run", "--rm", &name, "true"]).ok();
    }
}

/// Prints facts, name, link target and checksum of every file below /t, divided by zero bytes.
const LIST: &str = r#"find /t -exec sh -c 'for f; do
    stat -c "%f %u %g %Y %s %t %T %i" "$f"; printf "\0%s\0" "$f"; readlink "$f"; printf "\0"
    [ -f "$f" ] && [ ! -L "$f" ] && sha256sum < "$f"; printf "\0"
done' sh {} +"#;

/// What a container sees, in the form of xtask's expectation; extended attributes apart.
fn seen_by_container(engine: &Engine, image: &str) -> BTreeMap<String, Value> {
    let output = engine.run(&["run", "--rm", image, "sh", "-c", LIST]).ok().quiet();
    let fields: Vec<&[u8]> = output.stdout_bytes.split(|byte| *byte == 0).collect();
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut seen = BTreeMap::new();
    for file in fields.chunks_exact(4) {
        let facts = String::from_utf8_lossy(file[0]);
        let facts: Vec<&str> = facts.split_whitespace().collect();
        let [mode, uid, gid, mtime, size, major, minor, inode] = facts[..] else { panic!("{facts:?}") };
        let mode = u32::from_str_radix(mode, 16).unwrap();
        let (kind, number) = (mode & 0o170_000, |text: &str| text.parse::<i64>().unwrap());
        let mut facts = json!({
            "mode": format!("{:04o}", mode & 0o7777),
            "uid": number(uid), "gid": number(gid), "mtime": number(mtime),
            "type": match kind {
                0o040_000 => "dir", 0o100_000 => "file", 0o120_000 => "symlink",
                0o020_000 => "char", 0o060_000 => "block", _ => "fifo",
            },
        });
        let name = xtask::images::escape(file[1]);
        match kind {
            0o120_000 => facts["target"] = json!(xtask::images::escape(file[2].strip_suffix(b"\n").unwrap())),
            0o020_000 | 0o060_000 => {
                let number = |text: &str| u32::from_str_radix(text, 16).unwrap();
                facts["device"] = json!([number(major), number(minor)]);
            }
            0o100_000 => {
                facts["size"] = json!(number(size));
                facts["sha256"] = json!(String::from_utf8_lossy(file[3]).split(' ').next().unwrap());
                names.entry(inode.to_owned()).or_default().push(name.clone());
            }
            _ => {}
        }
        seen.insert(name, facts);
    }
    for same in names.values_mut().filter(|same| same.len() > 1) {
        same.sort();
        for name in same.iter() {
            let others: Vec<&String> = same.iter().filter(|other| *other != name).collect();
            seen.get_mut(name).unwrap()["same_as"] = json!(others);
        }
    }
    seen
}

#[test]
fn a_container_sees_exactly_what_the_layers_say() {
    let engine = Engine::new();
    let image = engine.image("layers");
    let expected = fs::read(images("layers").join("layers.json")).unwrap();
    let mut expected: BTreeMap<String, Value> = serde_json::from_slice(&expected).unwrap();
    expected.retain(|path, _| path == "/t" || path.starts_with("/t/"));
    let xattrs: BTreeMap<String, Value> = expected
        .iter_mut()
        .filter_map(|(path, facts)| Some((path.clone(), facts.as_object_mut()?.remove("xattrs")?)))
        .collect();
    let seen = seen_by_container(&engine, &image);
    assert_eq!(seen.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (path, facts) in &expected {
        assert_eq!(seen[path], *facts, "{path}");
    }

    // Attributes are read where the kernel shows the container's files to the host.
    engine.run(&["run", "-d", "--name", "box", &image, "sleep", "600"]).ok();
    let pid = engine.run(&["inspect", "-f", "{{.State.Pid}}", "box"]).ok();
    for (path, wanted) in &xattrs {
        for (name, value) in wanted.as_object().unwrap() {
            let file = format!("/proc/{}/root{path}", pid.text());
            let mut bytes = [0; 4096];
            let count = rustix::fs::lgetxattr(&file, name.as_str(), &mut bytes).unwrap_or_else(|error| {
                panic!("{name} of {path}: {error}");
            });
            let hex: String = bytes[..count].iter().map(|byte| format!("{byte:02x}")).collect();
            let value = value.as_str().unwrap();
            // A capability set is bound to the container's root as it is read from outside: its flags stay.
            let same = if name == "security.capability" { hex[8..40] == value[8..40] } else { hex == value };
            assert!(same, "{name} of {path}: {hex} and not {value}");
        }
    }
}

#[test]
fn an_image_of_130_layers_runs_and_is_written_to() {
    let engine = Engine::new();
    let image = engine.image("deep");
    let count = engine.run(&["inspect", "-f", "{{len .RootFS.Layers}}", &image]).ok();
    assert!(count.text().parse::<usize>().unwrap() >= 130, "{count}");
    for _ in 0..rounds(2, 20) {
        engine.run(&["run", "--rm", &image, "sh", "-c", "echo new > /new; cat /new"]).ok().prints("new");
    }
    engine.run(&["run", "--rm", "--userns", "host", &image, "true"]).ok();
}

#[test]
fn imports_apply_changes_and_names_are_moved_and_taken_away() {
    let engine = Engine::new();
    let tar = images("busybox").join("busybox.tar");
    let changes = [
        r#"CMD ["echo", "from cmd"]"#,
        "ENV A=1 B=two",
        "WORKDIR /work",
        "USER 1:2",
        "LABEL x=y",
        "EXPOSE 80",
        "STOPSIGNAL SIGQUIT",
    ];
    let mut words = vec!["import", "--message", "a message"];
    changes.iter().for_each(|change| words.extend(["--change", change]));
    words.extend(["-", "mine:1"]);
    let id = engine.command(&words).stdin(fs::read(&tar).unwrap()).run().ok();
    let id = id.text().to_owned();
    engine.run(&["run", "--rm", "mine:1"]).ok().prints("from cmd");
    let script = "echo $A $B $(pwd) $(id -u):$(id -g)";
    engine.run(&["run", "--rm", "mine:1", "sh", "-c", script]).ok().prints("1 two /work 1:2");
    let config = "{{.Config.User}} {{index .Config.Labels \"x\"}} {{json .Config.ExposedPorts}} {{.Config.StopSignal}} {{.Comment}} {{json .Config.Entrypoint}} {{len .Config.Volumes}}";
    let shown = engine.run(&["image", "inspect", "--format", config, "mine:1"]).ok();
    shown.prints(r#"1:2 y {"80/tcp":{}} SIGQUIT a message null 0"#);
    engine.run(&["history", "--format", "{{.Comment}}|{{.ID}}", "--no-trunc", "mine:1"]).ok().stdout_has(&id);

    engine.run(&["tag", "mine:1", "localhost:5000/a/b:x"]).ok().quiet();
    engine.run(&["tag", &id[7..19], "other"]).ok().quiet();
    engine.run(&["tag", "mine:1", "Bad Name"]).fails_with(1).error_names(&["Bad Name"]);
    engine.run(&["tag", "gone", "x"]).fails_with(1).error_names(&["No such image: gone"]);
    let listed = engine.run(&["images", "--format", "table {{.Repository}}\t{{.Tag}}\t{{.Size}}"]).ok();
    let mut lines: Vec<Vec<&str>> =
        listed.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    lines[1..].sort();
    let size = lines[1][2];
    let expected = [
        ["REPOSITORY", "TAG", "SIZE"],
        ["localhost:5000/a/b", "x", size],
        ["mine", "1", size],
        ["other", "latest", size],
    ];
    assert_eq!(lines, expected);
    let filtered = |flag: &str| engine.run(&["images", "-q", "-f", flag]).ok().stdout.lines().count();
    assert_eq!((filtered("reference=mine*"), filtered("label=x=y"), filtered("label=x=z")), (1, 3, 0));
    assert_eq!((filtered("dangling=true"), filtered("dangling=false")), (0, 3));

    // A name goes with its last use; an image with its last name.
    engine.run(&["rmi", &id]).fails_with(1).error_names(&["must be forced", "hint:"]);
    engine.run(&["rmi", "mine:1", "other"]).ok().prints("Untagged: mine:1\nUntagged: other:latest");
    engine.run(&["run", "-d", "--name", "box", "localhost:5000/a/b:x", "sleep", "600"]).ok();
    let refused = engine.run(&["rmi", "localhost:5000/a/b:x"]);
    refused.fails_with(1).error_names(&["localhost:5000/a/b:x", "container", "must force", "hint:"]);
    engine.run(&["run", "--rm", "localhost:5000/a/b:x", "true"]).ok();
    engine.run(&["rm", "-f", "box"]).ok();
    engine.run(&["rmi", "localhost:5000/a/b:x"]).ok().stdout_has(&format!("Deleted: {id}"));
    engine.run(&["rmi", "gone"]).fails_with(1).error_names(&["No such image: gone"]);
    assert_eq!(ids(&engine), BTreeSet::new());
}

#[test]
fn lists_and_history_have_dockers_columns() {
    let engine = Engine::new();
    let image = engine.image("layers");
    let head = |words: &[&str]| {
        let output = engine.run(words).ok();
        output
            .stdout
            .lines()
            .next()
            .unwrap()
            .split("  ")
            .map(str::trim)
            .filter(|c| !c.is_empty())
            .collect::<Vec<_>>()
            .join("|")
    };
    assert_eq!(head(&["images"]), "REPOSITORY|TAG|IMAGE ID|CREATED|SIZE");
    assert_eq!(head(&["images", "--digests"]), "REPOSITORY|TAG|DIGEST|IMAGE ID|CREATED|SIZE");
    assert_eq!(head(&["history", &image]), "IMAGE|CREATED|CREATED BY|SIZE|COMMENT");
    let history =
        engine.run(&["history", "--format", "{{.CreatedBy}} {{.Size}}", "--human=false", &image]).ok();
    let lines: Vec<&str> = history.stdout.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("test layer 4 ") && lines[3].starts_with("test layer 1 "), "{lines:?}");
    let row = engine.run(&["images", "--format", "json", "--no-trunc"]).ok().json();
    let inspected = engine.run(&["inspect", &image]).ok().json();
    assert_eq!((&row["Repository"], &row["Tag"]), (&json!("layers"), &json!("latest")));
    assert_eq!(row["ID"], inspected[0]["Id"]);
    assert_eq!(inspected[0]["RepoTags"], json!(["layers:latest"]));
    assert_eq!(inspected[0]["RootFS"]["Layers"].as_array().unwrap().len(), 4);
}

#[test]
fn broken_archives_are_refused_and_leave_nothing() {
    let engine = Engine::new();
    engine.run(&["images", "-q"]).ok().prints("");
    let before = store(&engine);
    let broken = engine.base().join("broken.tar");
    for archive in ["layers.tar", "layers-oci.tar"] {
        let whole = fs::read(images("layers").join(archive)).unwrap();
        let mut cases: Vec<Vec<u8>> =
            [100, 512, 40_000, whole.len() / 2, whole.len() * 9 / 10].map(|end| whole[..end].to_vec()).into();
        // One bit amid the largest layer.
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        cases.push(flipped);
        for (number, bytes) in cases.iter().enumerate() {
            fs::write(&broken, bytes).unwrap();
            let refused = engine.run(&["load", "--input", text(&broken)]);
            assert_eq!(refused.code, 1, "{archive} {number}: {refused}");
            refused.error_names(&[text(&broken)]);
            assert_eq!(store(&engine), before, "{archive} {number}");
            engine.audit();
        }
    }
    for (bytes, name) in
        [(&b"not a tar at all"[..], "words"), (&[0; 4096], "zeros"), (b"\x1f\x8b\x08broken", "gzip")]
    {
        fs::write(&broken, bytes).unwrap();
        for words in [&["load", "-i", text(&broken)][..], &["import", text(&broken), "x"]] {
            if name == "zeros" && words[0] == "import" {
                continue; // An archive without files is an image without files.
            }
            engine.run(words).fails_with(1).error_names(&[text(&broken)]);
        }
    }
    engine.run(&["load", "-i", "/no/such/file"]).fails_with(1).error_names(&["/no/such/file"]);
    assert_eq!(store(&engine), before);
    assert_eq!(fs::metadata(engine.root()).unwrap().mode() & 0o077, 0, "nobody else looks in");
}
