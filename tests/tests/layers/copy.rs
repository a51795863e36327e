//! `cp`: where files go, whose they are, and what they are seen through.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use tests::{Engine, Invocation};

use super::listing;

/// A directory of the host with some files, and a container.
fn scene(engine: &Engine) -> PathBuf {
    let image = engine.image("busybox");
    engine.run(&["run", "-d", "--name", "box", "--user", "1000", &image, "sleep", "1000"]).ok();
    let source = engine.base().join("source");
    fs::create_dir_all(source.join("sub")).unwrap();
    fs::write(source.join("file"), "file\n").unwrap();
    fs::write(source.join("sub/deep"), "deep\n").unwrap();
    symlink("file", source.join("link")).unwrap();
    symlink("source", engine.base().join("dirlink")).unwrap();
    chown(source.join("file"), Some(1234), Some(1235)).unwrap();
    fs::set_permissions(source.join("file"), fs::Permissions::from_mode(0o4750)).unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o711)).unwrap();
    source
}

fn cp(engine: &Engine, words: &[&str]) -> tests::Output {
    engine.command(&[&["cp"], words].concat()).current_dir(engine.base()).run()
}

#[track_caller]
fn inside(engine: &Engine, script: &str) -> String {
    engine.run(&["exec", "--user", "0", "box", "sh", "-c", script]).ok().text().to_owned()
}

/// The table of `docker cp`, run beside Docker 20.10 and 28 when it was written.
#[test]
fn files_go_where_docker_puts_them() {
    let engine = Engine::new();
    scene(&engine);
    for (from, to, expected) in [
        ("source/file", "box:/tmp/named", "/tmp/named"),
        ("source/file", "box:/tmp", "/tmp/file"),
        ("source/file", "box:/tmp/", "/tmp/file"),
        ("source/file", "box:tmp/relative", "/tmp/relative"),
        ("source", "box:/tmp", "/tmp/source/sub/deep"),
        ("source", "box:/tmp/new", "/tmp/new/sub/deep"),
        ("source/", "box:/tmp/slash/", "/tmp/slash/sub/deep"),
        ("source/.", "box:/tmp/content", "/tmp/content/sub/deep"),
        ("source/.", "box:/tmp", "/tmp/sub/deep"),
        ("dirlink/", "box:/tmp/through", "/tmp/through/sub/deep"),
        ("-L=dirlink", "box:/tmp/followed", "/tmp/followed/sub/deep"),
    ] {
        match from.strip_prefix("-L=") {
            Some(from) => cp(&engine, &["-L", from, to]).ok().quiet(),
            None => cp(&engine, &[from, to]).ok().quiet(),
        };
        inside(&engine, &format!("test -f {expected} && ! test -L {expected}"));
    }
    cp(&engine, &["dirlink", "box:/tmp/kept"]).ok();
    assert_eq!(
        inside(&engine, "readlink /tmp/kept; readlink /tmp/source/link; stat -c %a /tmp /tmp/source"),
        "source\nfile\n1777\n711"
    );
    // Links inside mean what they mean there.
    inside(&engine, "ln -s /home /homes; ln -s /tmp/named /names; ln -s /nowhere/x /dangling");
    cp(&engine, &["source/file", "box:/homes"]).ok();
    cp(&engine, &["source/sub/deep", "box:/names"]).ok();
    assert_eq!(inside(&engine, "cat /home/file /tmp/named; readlink /names"), "file\ndeep\n/tmp/named");
    for (from, to, told) in [
        ("source/file", "box:/tmp/nodir/", "there is no directory `/tmp/nodir/`"),
        ("source/file", "box:/nosuch/x", "Could not find the file /nosuch/x in container box"),
        ("source/file", "box:/dangling", "Could not find the file /dangling in container box"),
        ("nosuch", "box:/tmp", "there is no `"),
        ("source", "box:/etc/group", "cannot copy a directory over the file `/etc/group`"),
        ("source/file/", "box:/tmp", "is not a directory"),
        ("box:/nosuch", "out", "Could not find the file /nosuch in container box"),
        ("box:/etc/group/", "out", "`/etc/group/` is not a directory"),
        ("box:/etc/group", "no/such/place", "no/such/place"),
        ("source/sub", "box:/tmp/../bin/sh", "cannot copy a directory over the file"),
    ] {
        cp(&engine, &[from, to]).fails_with(1).error_names(&[told]);
    }
    cp(&engine, &["source/sub", "nobody:/tmp"]).fails_with(1).error_names(&["No such container: nobody"]);
    for (from, to) in [("box:/a", "box:/b"), ("a", "b"), ("-", "b"), ("box:", "b")] {
        cp(&engine, &[from, to]).fails_with(1).quiet_out();
    }
}

trait Quiet {
    fn quiet_out(self);
}

impl Quiet for tests::Output {
    fn quiet_out(self) {
        assert_eq!(self.stdout, "");
    }
}

#[test]
fn owners_modes_and_times_are_kept_or_given() {
    let engine = Engine::new();
    let source = scene(&engine);
    let file = fs::File::open(source.join("file")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000)).unwrap();
    cp(&engine, &["source/file", "box:/tmp/kept"]).ok();
    cp(&engine, &["-a", "source/file", "box:/tmp/given"]).ok();
    let look = "stat -c %u:%g:%a:%Y /tmp/kept /tmp/given";
    assert_eq!(inside(&engine, look), "1234:1235:4750:1000000\n1000:1000:4750:1000000");
    // On disk too: 0 is root, whatever range the container runs in.
    let upper = fs::read_dir(engine.root().join("snapshots"))
        .unwrap()
        .flatten()
        .next()
        .unwrap()
        .path()
        .join("upper/tmp/kept");
    assert_eq!(
        (fs::metadata(&upper).unwrap().uid(), fs::metadata(&upper).unwrap().mode() & 0o7777),
        (1234, 0o4750)
    );
    inside(
        &engine,
        "chown 33:44 /tmp/kept; chmod 4750 /tmp/kept; ln /tmp/kept /tmp/second; mkdir /tmp/dir; mv /tmp/kept /tmp/second /tmp/dir; mkfifo /tmp/dir/fifo",
    );
    cp(&engine, &["box:/tmp/dir", "out"]).ok();
    cp(&engine, &["--archive", "box:/tmp/dir", "archived"]).ok();
    let of = |path: &str| {
        let meta = fs::symlink_metadata(engine.base().join(path)).unwrap();
        (meta.uid(), meta.gid(), meta.mode() & 0o7777, meta.nlink(), meta.mtime())
    };
    assert_eq!(of("out/kept"), (0, 0, 0o4750, 2, 1_000_000));
    assert_eq!(of("archived/second"), (33, 44, 0o4750, 2, 1_000_000));
    assert_eq!(of("archived/fifo").0, 0);
    // Somebody whom the container does not know is nobody there.
    chown(source.join("sub/deep"), Some(4_000_000), Some(7)).unwrap();
    cp(&engine, &["source/sub", "box:/tmp/sub"]).ok();
    assert_eq!(inside(&engine, "stat -c %u:%g /tmp/sub/deep"), "65534:7");
    assert_eq!(inside(&engine, "cat /tmp/sub/deep"), "deep");
}

#[test]
fn what_is_there_is_replaced_and_directories_are_joined() {
    let engine = Engine::new();
    scene(&engine);
    inside(
        &engine,
        "mkdir -p /d/source/sub; echo old > /d/source/file; echo mine > /d/source/sub/mine; ln /d/source/file /d/other",
    );
    cp(&engine, &["source", "box:/d"]).ok();
    assert_eq!(
        inside(&engine, "cat /d/source/file /d/source/sub/mine /d/source/sub/deep /d/other"),
        "file\nmine\ndeep\nold"
    );
    inside(&engine, "rm -r /d/source/sub; ln -s /etc /d/source/sub");
    cp(&engine, &["source", "box:/d"])
        .fails_with(1)
        .error_names(&["source/sub", "cannot overwrite a non-directory"]);
    inside(
        &engine,
        "rm /d/source/sub /d/source/link; mkdir /d/source/sub /d/source/link; test ! -e /etc/deep",
    );
    cp(&engine, &["source", "box:/d"])
        .fails_with(1)
        .error_names(&["source/link", "cannot overwrite a directory"]);
    // What the engine has mounted gets new content.
    cp(&engine, &["source/file", "box:/etc/hosts"]).ok();
    assert_eq!(inside(&engine, "cat /etc/hosts"), "file");
}

#[test]
fn pipes_carry_archives_both_ways() {
    let engine = Engine::new();
    scene(&engine);
    inside(&engine, "mkdir /d; echo x > /d/x; mkdir /d/sub; echo y > /d/sub/y");
    let archive = |path: &str| {
        let target = engine.base().join("piped.tar");
        let line = format!("{} cp box:{path} - > {}", engine.binary().display(), target.display());
        let shell = Invocation::new("sh", &["-c", &line]);
        shell.env("CORACLE_ROOT", engine.root()).env("CORACLE_RUN_ROOT", engine.run_root()).run().ok();
        fs::read(target).unwrap()
    };
    let names = |path: &str| listing(&archive(path)).into_keys().collect::<Vec<_>>();
    assert_eq!(names("/d"), ["d/", "d/sub/", "d/sub/y", "d/x"]);
    assert_eq!(names("/d/."), ["./", "./sub/", "./sub/y", "./x"]);
    assert_eq!(names("/d/x"), ["x"]);
    engine.command(&["cp", "-", "box:/home"]).stdin(archive("/d")).run().ok();
    assert_eq!(inside(&engine, "cat /home/d/x /home/d/sub/y"), "x\ny");
    for to in ["box:/home/d/x", "box:/home/nosuch"] {
        engine.command(&["cp", "-", to]).stdin(archive("/d")).run().fails_with(1);
    }
    engine.command(&["cp", "-", "box:/home"]).stdin("this is no archive").run().fails_with(1);
    // The kernel's own files are left out of what is copied as a whole, and read where they are named.
    let whole = names("/");
    assert!(
        whole.contains(&"./proc/".to_owned())
            && !whole.iter().any(|name| name.starts_with("./proc/1") || name.starts_with("./sys/k"))
    );
    cp(&engine, &["box:/proc/version", "version"]).ok();
    assert!(fs::read_to_string(engine.base().join("version")).unwrap().starts_with("Linux version"));
}

#[test]
fn volumes_and_binds_are_seen_whether_it_runs_or_not() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let bind = engine.base().join("bind");
    fs::create_dir(&bind).unwrap();
    fs::write(engine.base().join("new"), "new\n").unwrap();
    let host = bind.display();
    let mounts = [
        "-v",
        "data:/data",
        "-v",
        &format!("{host}:/bind"),
        "-v",
        &format!("{host}:/fixed:ro"),
        "--tmpfs",
        "/memory",
    ];
    engine.run(&[&["create", "--name", "box"], &mounts[..], &[&image, "sleep", "1000"]].concat()).ok();
    let data = engine.root().join("volumes/data/_data");
    for state in ["created", "running", "stopped"] {
        if state == "running" {
            engine.run(&["start", "box"]).ok();
        }
        if state == "stopped" {
            engine.run(&["stop", "-t", "0", "box"]).ok();
        }
        cp(&engine, &["new", &format!("box:/data/{state}")]).ok();
        cp(&engine, &["new", &format!("box:/bind/{state}")]).ok();
        cp(&engine, &["new", &format!("box:/{state}")]).ok();
        for path in [data.join(state), bind.join(state)] {
            assert_eq!(fs::read_to_string(&path).unwrap(), "new\n", "{}", path.display());
            assert_eq!(fs::metadata(&path).unwrap().uid(), 0, "{}", path.display());
        }
        cp(&engine, &["new", "box:/fixed/x"]).fails_with(1).error_names(&["read-only"]);
        let out = format!("out-{state}");
        cp(&engine, &[&format!("box:/data/{state}"), &out]).ok();
        assert_eq!(fs::read_to_string(engine.base().join(&out)).unwrap(), "new\n");
    }
    engine.run(&["start", "box"]).ok();
    engine
        .run(&["exec", "box", "sh", "-c", "cat /created /running /stopped; echo m > /memory/m"])
        .ok()
        .prints("new\nnew\nnew");
    cp(&engine, &["box:/memory/m", "m"]).ok();
    cp(&engine, &["new", "box:/memory/n"]).ok();
    engine.run(&["exec", "box", "stat", "-c", "%u", "/memory/n"]).ok().prints("0");
    assert!(Path::new(&engine.base().join("m")).exists());
    // Nothing of it is a mount on the host.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&engine.root().display().to_string()), "{mounts}");
}

#[test]
fn large_and_sparse_files_arrive_whole() {
    let engine = Engine::new();
    scene(&engine);
    let big: Vec<u8> = (0..5_000_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(engine.base().join("big"), &big).unwrap();
    cp(&engine, &["big", "box:/big"]).ok();
    inside(&engine, "truncate -s 200M /hole; echo end >> /hole");
    cp(&engine, &["box:/big", "big2"]).ok();
    cp(&engine, &["box:/hole", "hole"]).ok();
    assert!(fs::read(engine.base().join("big2")).unwrap() == big);
    let hole = fs::metadata(engine.base().join("hole")).unwrap();
    assert!(hole.len() == (200 << 20) + 4 && hole.blocks() < 1000, "{hole:?}");
}
