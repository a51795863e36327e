//! Volumes: what is in them, whose it is, how long they stay, and that no kill leaves half of one.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::thread;

use tests::{Engine, Invocation, Output};

/// Makes the image `app`: data of user 70 below `/data`, which it may declare a volume, and a link to it.
fn app(engine: &Engine, changes: &[&str]) {
    let tree = engine.base().join("tree");
    fs::create_dir_all(tree.join("bin")).unwrap();
    fs::copy(tests::busybox(), tree.join("bin/busybox")).unwrap();
    for applet in ["sh", "cat", "ls", "stat", "touch", "true", "sleep", "grep", "id", "chown", "mkfifo"] {
        symlink("busybox", tree.join("bin").join(applet)).unwrap();
    }
    fs::create_dir_all(tree.join("data/sub")).unwrap();
    fs::write(tree.join("data/file"), "image").unwrap();
    fs::write(tree.join("data/sub/own"), "own").unwrap();
    symlink("/data/file", tree.join("data/link")).unwrap();
    symlink("data", tree.join("linked")).unwrap();
    // `.own` of the tests' archive would make all files root's.
    let archive = engine.base().join("app.tar");
    let archive = archive.to_str().unwrap();
    for path in ["data", "data/file", "data/sub", "data/sub/own"] {
        chown(tree.join(path), Some(70), Some(71)).unwrap();
    }
    fs::set_permissions(tree.join("data"), fs::Permissions::from_mode(0o2770)).unwrap();
    let tar = ["--create", "--numeric-owner", "--file", archive, "--directory", tree.to_str().unwrap(), "."];
    Invocation::new("tar", &tar).run().ok();
    let changes: Vec<&str> = changes.iter().flat_map(|change| ["--change", change]).collect();
    engine.run(&[&["import"], changes.as_slice(), &[archive, "app"]].concat()).ok();
}

#[track_caller]
fn run(engine: &Engine, flags: &[&str], script: &str) -> Output {
    engine.run(&[&["run", "--rm"], flags, &["app", "sh", "-c", script]].concat())
}

fn data(engine: &Engine, volume: &str) -> PathBuf {
    engine.root().join("volumes").join(volume).join("_data")
}

fn names(engine: &Engine) -> Vec<String> {
    let listed = engine.run(&["volume", "ls", "--quiet"]).ok();
    listed.stdout.lines().map(str::to_owned).collect()
}

fn owner(path: &Path) -> (u32, u32) {
    let meta = path.symlink_metadata().unwrap();
    (meta.uid(), meta.gid())
}

#[test]
fn verbs_on_volumes_answer_as_dockers() {
    let engine = Engine::new();
    app(&engine, &[]);
    engine.run(&["volume", "create", "--label", "a=b", "mydb"]).ok().prints("mydb");
    engine.run(&["volume", "create", "mydb"]).ok().prints("mydb");
    engine
        .run(&["volume", "create", "--opt", "type=tmpfs", "mydb"])
        .fails_with(1)
        .error_names(&["mydb", "options"]);
    let random = engine.run(&["volume", "create"]).ok().text().to_owned();
    assert_eq!(random.len(), 64);
    for (flags, part) in [
        (&["--opt", "type=nfs", "--opt", "device=:/x", "no"][..], "nfs"),
        (&["--driver", "flocker", "no"], "flocker"),
        (&["--opt", "foo=bar", "no"], "foo"),
        (&["n/o"], "n/o"),
    ] {
        engine.run(&[&["volume", "create"], flags].concat()).fails_with(1).error_names(&[part]);
    }
    let document = engine.run(&["volume", "inspect", "mydb"]).ok().json();
    assert_eq!(document[0]["Name"], "mydb");
    assert_eq!(document[0]["Driver"], "local");
    assert_eq!(document[0]["Scope"], "local");
    assert_eq!(document[0]["Labels"]["a"], "b");
    assert_eq!(document[0]["Mountpoint"], data(&engine, "mydb").to_str().unwrap());
    assert_eq!(engine.run(&["inspect", "mydb"]).ok().json(), document);
    assert_eq!(engine.run(&["inspect", "--type", "volume", "mydb"]).ok().json(), document);
    engine.run(&["volume", "inspect", "gone"]).fails_with(1).error_names(&["get gone: no such volume"]);

    engine.run(&["create", "--name", "web", "-v", "used:/srv:ro", "-v", "/anonymous", "app", "true"]).ok();
    let list = |flags: &[&str]| {
        let listed = engine.run(&[&["volume", "ls", "--quiet"], flags].concat()).ok();
        listed.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(list(&[]).len(), 4);
    assert_eq!(list(&["-f", "label=a=b"]), ["mydb"]);
    assert_eq!(list(&["-f", "name=us"]), ["used"]);
    assert_eq!(list(&["-f", "name=^use.$"]), ["used"]);
    assert!(list(&["-f", "name=^sed"]).is_empty());
    assert_eq!(list(&["-f", "dangling=true", "-f", "name=mydb"]), ["mydb"]);
    assert!(list(&["-f", "dangling=false"]).contains(&"used".to_owned()));
    assert!(list(&["-f", "driver=other"]).is_empty());
    engine
        .run(&["volume", "ls", "--format", "{{.Name}} {{.Driver}}", "-f", "name=mydb"])
        .ok()
        .prints("mydb local");
    for filter in ["volume=used", "volume=/srv"] {
        engine.run(&["ps", "-aq", "--no-trunc", "-f", filter]).ok().prints(&engine.containers()[0]);
    }
    engine.run(&["ps", "-aq", "-f", "volume=db"]).ok().prints("");

    // In use is what a container's record names, running or not.
    let id = &engine.containers()[0];
    engine.run(&["volume", "rm", "used", "gone"]).fails_with(1).stderr_has(id).stderr_has("gone");
    engine.run(&["volume", "rm", "--force", "gone"]).ok();
    let mounts = engine.run(&["inspect", "--format", "{{json .Mounts}}", "web"]).ok().json();
    let of =
        |place: &str| mounts.as_array().unwrap().iter().find(|m| m["Destination"] == place).unwrap().clone();
    let used = of("/srv");
    assert_eq!(
        (&used["Type"], &used["Name"], &used["RW"]),
        (&"volume".into(), &"used".into(), &false.into())
    );
    assert_eq!(used["Source"], data(&engine, "used").to_str().unwrap());
    assert_eq!((&used["Driver"], &used["Mode"]), (&"local".into(), &"ro".into()));
    let anonymous = of("/anonymous")["Name"].as_str().unwrap().to_owned();
    let format = "{{json .HostConfig.Binds}}";
    engine.run(&["inspect", "--format", format, "web"]).ok().prints(r#"["used:/srv:ro"]"#);

    // Pruning takes anonymous ones alone, and none that is used.
    fs::write(data(&engine, &random).join("file"), vec![0; 1500]).unwrap();
    engine.command(&["volume", "prune"]).stdin("n\n").run().fails_with(1).stderr_has("anonymous");
    let pruned = engine.command(&["volume", "prune"]).stdin("y\n").run().ok();
    pruned.prints(&format!("Deleted Volumes:\n{random}\n\nTotal reclaimed space: 1.5kB"));
    engine.run(&["volume", "prune", "--all", "--force", "--filter", "label!=a"]).ok().stdout_lacks("mydb");
    engine.run(&["volume", "prune", "--all", "--force"]).ok().stdout_has("mydb");
    let mut left = vec![anonymous, "used".to_owned()];
    left.sort();
    assert_eq!(names(&engine), left);
    engine.run(&["rm", "--volumes", "web"]).ok();
    assert_eq!(names(&engine), ["used"]);
    engine.run(&["volume", "rm", "used"]).ok().prints("used");
}

#[test]
fn an_empty_volume_takes_what_the_image_has_there() {
    let engine = Engine::new();
    app(&engine, &[]);
    let show = "cat /data/file /data/sub/own; stat -c ' %u %g %a' /data";
    run(&engine, &["-v", "one:/data"], show).ok().prints("imageown 70 71 2770").quiet();
    for (path, id) in [("", 70), ("file", 70), ("sub/own", 70), ("link", 0)] {
        assert_eq!(owner(&data(&engine, "one").join(path)).0, id, "{path}: ids on disk are the image's");
    }
    assert_eq!(fs::read_link(data(&engine, "one").join("link")).unwrap(), Path::new("/data/file"));
    for propagation in ["private", "rprivate", "slave", "rslave"] {
        run(&engine, &["-v", &format!("one:/data:{propagation},ro")], "touch /data/x")
            .fails_with(1)
            .stderr_has("Read-only");
    }
    // What is there stays; what was emptied by hand is filled again, as Docker does.
    run(&engine, &["-v", "one:/data"], "echo ours > /data/file; rm -r /data/sub").ok();
    run(&engine, &["-v", "one:/data"], "cat /data/file; ls /data").ok().prints("ours\nfile\nlink");
    run(&engine, &["-v", "one:/data"], "rm -r /data/*").ok();
    run(&engine, &["-v", "one:/data"], "ls /data").ok().prints("file\nlink\nsub");
    run(&engine, &["-v", "one:/elsewhere"], "ls /elsewhere; ls /data")
        .ok()
        .stdout_has("file\nlink\nsub\nfile");
    // Through a link of the image; not where nothing is to be copied; not where the image has no directory.
    run(&engine, &["-v", "linked:/linked"], "cat /data/file").ok().prints("image");
    for (flags, name) in [
        (["-v", "no1:/data:nocopy"], "no1"),
        (["--mount", "src=no2,dst=/data,volume-nocopy"], "no2"),
        (["-v", "no3:/new/place"], "no3"),
    ] {
        run(&engine, &flags, "ls /data /new/place 2>/dev/null; true").ok();
        assert_eq!(fs::read_dir(data(&engine, name)).unwrap().count(), 0, "{name}");
    }
    // Owner and mode come with an empty directory too, but only once.
    let tree = engine.base().join("bare");
    fs::create_dir_all(tree.join("bin")).unwrap();
    fs::copy(tests::busybox(), tree.join("bin/busybox")).unwrap();
    fs::create_dir(tree.join("empty")).unwrap();
    fs::set_permissions(tree.join("empty"), fs::Permissions::from_mode(0o1733)).unwrap();
    tests::import(&engine, &tree, "bare");
    let bare = ["run", "--rm", "-v", "empty:/empty", "bare", "/bin/busybox"];
    engine.run(&[&bare[..], &["stat", "-c", "%a", "/empty"]].concat()).ok().prints("1733");
    engine.run(&[&bare[..], &["chmod", "0700", "/empty"]].concat()).ok();
    engine.run(&[&bare[..], &["stat", "-c", "%a", "/empty"]].concat()).ok().prints("700");

    // A container that has it mounted sees what the next one brings.
    engine
        .run(&["run", "-d", "--name", "early", "-v", "late:/mnt", "bare", "/bin/busybox", "sleep", "1000"])
        .ok();
    run(&engine, &["-v", "late:/data"], "true").ok();
    engine.run(&["exec", "early", "/bin/busybox", "cat", "/mnt/file"]).ok().prints("image");
}

#[test]
fn volumes_go_with_their_container_or_stay() {
    let engine = Engine::new();
    app(&engine, &["VOLUME /data", "VOLUME /more"]);
    // `--rm` takes the anonymous ones, in the supervisor's teardown too, and none that has a name.
    run(&engine, &["-v", "kept:/more", "-v", "/third"], "touch /third/x; cat /data/file")
        .ok()
        .prints("image");
    assert_eq!(names(&engine), ["kept"]);
    engine.run(&["run", "--rm", "-d", "--name", "short", "app", "sleep", "1000"]).ok();
    assert_eq!(names(&engine).len(), 3);
    engine.run(&["run", "-d", "--name", "heir", "--volumes-from", "short:ro", "app", "sleep", "1000"]).ok();
    // Both places are taken by what was inherited.
    assert_eq!(names(&engine).len(), 3);
    engine.run(&["exec", "short", "sh", "-c", "echo new > /data/new"]).ok();
    engine.run(&["exec", "heir", "cat", "/data/new"]).ok().prints("new");
    engine.run(&["exec", "heir", "touch", "/data/x"]).fails_with(1).stderr_has("Read-only");
    engine.run(&["rm", "-f", "short"]).ok();
    assert_eq!(names(&engine).len(), 3, "the heir has them");
    engine.run(&["exec", "heir", "cat", "/data/new"]).ok().prints("new");
    // A creation that fails takes back what it has made.
    engine.run(&["create", "--cidfile", engine.root().to_str().unwrap(), "app", "true"]).fails_with(125);
    assert_eq!(names(&engine).len(), 3);
    engine.run(&["rm", "-f", "heir"]).ok();
    assert_eq!(names(&engine).len(), 3, "without -v they stay");
    engine
        .run(&["run", "--name", "own", "--volumes-from", "gone", "app", "true"])
        .fails_with(125)
        .error_names(&["gone"]);
    engine.run(&["volume", "prune", "-f"]).ok();
    assert_eq!(names(&engine), ["kept"]);

    // What is asked for comes before what is inherited, and that before what the image declares.
    engine.run(&["create", "--name", "aa", "-v", "one:/data", "-v", "two:/two", "app", "true"]).ok();
    let order = ["create", "--name", "bb", "--volumes-from", "aa", "-v", "mine:/two", "app", "true"];
    engine.run(&order).ok();
    let format = "{{range .Mounts}}{{.Destination}}={{.Name}} {{end}}";
    let mounts = engine.run(&["inspect", "--format", format, "bb"]).ok();
    assert!(mounts.stdout.contains("/data=one ") && mounts.stdout.contains("/two=mine "), "{mounts}");
    engine.run(&["rm", "-v", "aa", "bb"]).ok();
    assert_eq!(names(&engine), ["kept", "mine", "one", "two"]);
    engine.audit();
}

/// The table of docs/volumes.md: who owns what, seen inside and on disk.
#[test]
fn owners_inside_and_on_disk() {
    let engine = Engine::new();
    app(&engine, &[]);
    let host = engine.base().join("host");
    let make = || {
        fs::remove_dir_all(&host).ok();
        fs::create_dir(&host).unwrap();
        fs::write(host.join("file"), "").unwrap();
        chown(&host, Some(1000), Some(1001)).unwrap();
        chown(host.join("file"), Some(1000), Some(1001)).unwrap();
    };
    let bind = |options: &str| format!("{}:/x{options}", host.display());
    let script = "stat -c '%u:%g' /x/file 2>/dev/null || echo none; { touch /x/new && stat -c '%u:%g' /x/new; } 2>/dev/null || echo refused";
    // Flags, what is mounted, the file and a new file seen inside, the new file's owner on disk.
    type Row<'a> = (&'a [&'a str], &'a str, &'a str, &'a str, Option<(u32, u32)>);
    let table: [Row<'_>; 16] = [
        (&[], "bind", "1000:1001", "0:0", Some((0, 0))),
        (&["--userns", "host"], "bind", "1000:1001", "0:0", Some((0, 0))),
        (&["-u", "1000:1001"], "bind", "1000:1001", "1000:1001", Some((1000, 1001))),
        (&["-u", "2000"], "bind", "1000:1001", "refused", None),
        (&[], "bind,idmap=owner", "0:0", "0:0", Some((1000, 1001))),
        (&[], "bind,ro", "1000:1001", "refused", None),
        (&[], "bind,idmap=none", "65534:65534", "refused", None),
        (&[], "volume", "70:71", "0:71", Some((0, 71))),
        (&["--userns", "host"], "volume", "70:71", "0:71", Some((0, 71))),
        (&["-u", "70:71"], "volume", "70:71", "70:71", Some((70, 71))),
        (&["-u", "1000"], "volume", "none", "refused", None),
        (&[], "volume,ro", "70:71", "refused", None),
        (&[], "volume,idmap=owner", "0:0", "0:0", Some((70, 71))),
        (&[], "volume,nocopy", "none", "0:0", Some((0, 0))),
        (&["-u", "1000"], "tmpfs", "none", "1000:0", None),
        (&[], "tmpfs", "none", "0:0", None),
    ];
    for (number, (flags, mount, file, new, disk)) in table.into_iter().enumerate() {
        make();
        let (kind, options) = mount
            .split_once(',')
            .map_or((mount, String::new()), |(kind, options)| (kind, format!(":{options}")));
        let volume = format!("v{number}");
        let place = match kind {
            "bind" => ["-v".to_owned(), bind(&options)],
            "volume" => ["-v".to_owned(), format!("{volume}:/x{options}")],
            _ => ["--tmpfs".to_owned(), "/x:mode=1777".to_owned()],
        };
        // A volume comes where the image has something: copied up on the way.
        let script = if kind == "volume" { script.replace("/x/", "/data/") } else { script.to_owned() };
        let place = place.map(|word| if kind == "volume" { word.replace(":/x", ":/data") } else { word });
        let words = [&["run", "--rm"], flags, &[&place[0], &place[1], "app", "sh", "-c", &script]].concat();
        engine.run(&words).ok().prints(&format!("{file}\n{new}"));
        let on_disk = if kind == "bind" { host.join("new") } else { data(&engine, &volume).join("new") };
        let found = on_disk.exists().then(|| owner(&on_disk));
        assert_eq!(found, disk, "{flags:?} {mount}");
    }
}

#[test]
fn parts_of_volumes_and_images_are_mounted() {
    let engine = Engine::new();
    app(&engine, &[]);
    run(&engine, &["-v", "db:/data"], "true").ok();
    let content = data(&engine, "db");
    symlink("sub", content.join("in")).unwrap();
    symlink("/sub", content.join("absolute")).unwrap();
    symlink("../../../../../../../../etc", content.join("out")).unwrap();
    let part = |subpath: &str| format!("src=db,dst=/x,volume-subpath={subpath}");
    for subpath in ["sub", "in", "absolute", "./sub/"] {
        run(&engine, &["--mount", &part(subpath)], "ls /x").ok().prints("own");
    }
    run(&engine, &["--mount", &part("sub/own")], "cat /x").ok().prints("own");
    for subpath in ["out", "missing", "file/x"] {
        run(&engine, &["--mount", &part(subpath)], "ls /x").fails_with(125).error_names(&[subpath]);
    }
    for subpath in ["../x", "/etc", "a/../../b"] {
        run(&engine, &["--mount", &part(subpath)], "true").fails_with(125).stderr_has("subpath must be");
    }
    // Another image, as a whole and in part: read-only, with its own owners, and it stays while it is used.
    let image = engine.image("busybox");
    let flags = [
        "--mount",
        "type=image,src=busybox,dst=/box",
        "--mount",
        "type=image,src=busybox,dst=/b,image-subpath=bin",
    ];
    let script =
        "test -e /box/bin/busybox && test -e /b/busybox && stat -c %u /box; touch /box/x; touch /b/x";
    let output = run(&engine, &flags, script).fails_with(1).prints("0");
    assert_eq!(output.stderr.matches("Read-only").count(), 2, "{output}");
    for userns in ["host", "auto"] {
        run(&engine, &["--userns", userns, flags[0], flags[1]], "ls /box/bin/busybox").ok();
    }
    engine.run(&["create", "--name", "user", flags[0], flags[1], "app", "ls", "/box/bin/busybox"]).ok();
    let id = engine.run(&["images", "-q", "--no-trunc", &image]).ok().text().to_owned();
    engine.run(&["rmi", "--force", &id]).fails_with(1).error_names(&["being used"]);
    engine.run(&["rmi", "--force", &image]).ok();
    engine.run(&["start", "--attach", "user"]).ok().prints("/box/bin/busybox");
    engine.run(&["rm", "user"]).ok();
    engine.run(&["rmi", &id]).ok();
    run(&engine, &["--mount", "type=image,src=nosuch,dst=/x"], "true")
        .fails_with(125)
        .error_names(&["nosuch"]);
    run(&engine, &["--mount", "type=image,src=app,dst=/x,image-subpath=none"], "true")
        .fails_with(125)
        .error_names(&["none"]);
}

#[test]
fn volumes_that_lie_elsewhere() {
    let engine = Engine::new();
    app(&engine, &[]);
    let host = engine.base().join("host");
    fs::create_dir(&host).unwrap();
    let device = format!("device={}", host.display());
    engine.run(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "bound"]).ok();
    run(&engine, &["-v", "bound:/data"], "echo new > /data/new").ok();
    assert_eq!(fs::read_to_string(host.join("file")).unwrap(), "image");
    assert_eq!(fs::read_to_string(host.join("new")).unwrap(), "new\n");
    let read_only = ["-o", "type=none", "-o", "o=bind,ro", "-o", &device, "fixed"];
    engine.run(&[&["volume", "create"], &read_only[..]].concat()).ok();
    run(&engine, &["-v", "fixed:/x"], "cat /x/new; touch /x/y")
        .fails_with(1)
        .stdout_has("new")
        .stderr_has("Read-only");
    engine.run(&["volume", "rm", "bound", "fixed"]).ok();
    assert!(host.join("file").exists(), "what lies elsewhere stays");
    // Made in passing, with a tmpfs that begins with what the image has there.
    let mount =
        "src=mem,dst=/data,volume-opt=type=tmpfs,volume-opt=device=tmpfs,\"volume-opt=o=size=1m,mode=700\"";
    let script = "cat /data/file; stat -c ' %a' /data; grep -c '/data tmpfs.*size=1024k' /proc/mounts";
    run(&engine, &["--mount", mount], script).ok().prints("image 700\n1");
    engine.run(&["volume", "inspect", "--format", "{{.Options.o}}", "mem"]).ok().prints("size=1m,mode=700");
    // A file system of its own is mounted for the container alone, with the disk's owners, though the device
    // itself stays closed to it.
    let disk = engine.base().join("disk");
    fs::File::create(&disk).unwrap().set_len(8 << 20).unwrap();
    Invocation::new("mkfs.ext4", &["-q", disk.to_str().unwrap()]).run().ok();
    let attached = Invocation::new("losetup", &["--find", "--show", disk.to_str().unwrap()]).run().ok();
    let device = format!("device={}", attached.text());
    engine.run(&["volume", "create", "-o", "type=ext4", "-o", &device, "disk"]).ok();
    let written =
        run(&engine, &["-v", "disk:/data"], "cat /data/file; echo x > /data/new; stat -c ' %u' /data/new");
    let again = run(&engine, &["-v", "disk:/x:ro"], "cat /x/new; touch /x/y");
    let other = "src=kept,dst=/x,volume-opt=type=ext4,volume-opt=o=ro,\"volume-opt=device=";
    let mount = format!("{other}{}\"", attached.text());
    let fixed = run(&engine, &["--mount", &mount], "cat /x/new; touch /x/y");
    Invocation::new("losetup", &["--detach", attached.text()]).run().ok();
    fixed.fails_with(1).prints("x").stderr_has("Read-only");
    written.ok().prints("image 0").quiet();
    again.fails_with(1).prints("x").stderr_has("Read-only");
}

#[test]
fn a_kill_leaves_a_volume_whole_or_not_at_all() {
    let engine = Engine::new();
    app(&engine, &[]);
    // Big enough that a kill hits the copy.
    let tree = engine.base().join("big");
    fs::create_dir_all(tree.join("data")).unwrap();
    fs::create_dir_all(tree.join("bin")).unwrap();
    fs::copy(tests::busybox(), tree.join("bin/busybox")).unwrap();
    for number in 0..400 {
        fs::write(tree.join(format!("data/{number}")), vec![b'x'; 20_000]).unwrap();
    }
    tests::import(&engine, &tree, "big");
    let count = |volume: &str| fs::read_dir(data(&engine, volume)).map_or(0, Iterator::count);
    let create = ["create", "-v", "db:/data", "big", "/bin/busybox", "true"];
    let mut halves = 0;
    let rounds = tests::rounds(25, 400);
    for round in 0.. {
        // Until a kill has hit the copy: how long that takes differs from machine to machine.
        if round >= rounds && (halves > 0 || round > 20 * rounds) {
            break;
        }
        let delay = round % 25;
        let running = engine.command(&create).spawn();
        thread::sleep(std::time::Duration::from_micros(delay as u64 * 1500));
        running.signal(rustix::process::Signal::KILL);
        let _ = running.wait();
        let seen = count("db");
        assert!(seen == 0 || seen == 400, "{seen} of 400 files after a kill");
        halves += usize::from(data(&engine, "db").with_file_name("fill.new").exists());
        if seen == 400 {
            for id in engine.containers() {
                engine.run(&["rm", "-f", &id]).ok();
            }
            engine.run(&["volume", "rm", "--force", "db"]).ok();
        }
    }
    assert!(halves > 0, "no kill hit the copy");
    for delay in 0..tests::rounds(15, 200) {
        let running = engine.command(&["volume", "create", "new"]).spawn();
        thread::sleep(std::time::Duration::from_micros(delay as u64 * 300));
        running.signal(rustix::process::Signal::KILL);
        let _ = running.wait();
        if names(&engine).contains(&"new".to_owned()) {
            engine.run(&["volume", "inspect", "new"]).ok();
            engine.run(&["volume", "rm", "new"]).ok();
        }
    }
    // Tried again, it is complete; and nothing waits in the staging.
    engine.run(&create).ok();
    assert_eq!(count("db"), 400);
    engine.run(&["system", "audit", "--repair"]).stdout_has("repaired");
    engine.run(&["volume", "create", "last"]).ok();
    let staging = engine.root().join("volumes/.staging");
    assert_eq!(fs::read_dir(staging).unwrap().count(), 0);
}

#[test]
fn of_many_creations_at_once_one_fills() {
    let engine = Engine::new();
    app(&engine, &[]);
    let script = "cat /data/file /other/file; echo";
    let words = [
        "run",
        "--rm",
        "-v",
        "aa:/data",
        "-v",
        "bb:/other",
        "app",
        "sh",
        "-c",
        "cat /data/file; ls /other; echo",
    ];
    let swapped = ["run", "--rm", "-v", "bb:/data", "-v", "aa:/other", "app", "sh", "-c", script];
    let running: Vec<_> = (0..8)
        .map(|number| engine.command(if number % 2 == 0 { &words } else { &swapped }).spawn())
        .collect();
    for running in running {
        running.wait().stdout_has("image");
    }
    for volume in ["aa", "bb"] {
        assert_eq!(fs::read_to_string(data(&engine, volume).join("file")).unwrap(), "image");
    }
}
