//! Bind mounts: whose files they are, what they may cover, and that nothing of the host is harmed.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use tests::{Engine, Invocation, Output};

#[track_caller]
fn run(engine: &Engine, flags: &[&str], script: &str) -> Output {
    let image = engine.image("busybox");
    engine.run(&[&["run", "--rm"], flags, &[image.as_str(), "sh", "-c", script]].concat())
}

/// Makes a directory with one file in it.
fn directory(engine: &Engine, name: &str) -> PathBuf {
    let directory = engine.base().join(name);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("file"), "old").unwrap();
    directory
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A shell script in a mount namespace of its own, so that mounts of a test never appear on the host.
/// `$@` is the engine, `$base` its directory.
fn apart(engine: &Engine, script: &str) -> Invocation {
    engine.image("busybox");
    let (base, binary) = (text(engine.base()), text(engine.binary()));
    let script = format!("set -e; base={base}; {script}");
    let arguments = ["-m", "--propagation", "private", "sh", "-c", &script, "sh", binary];
    engine.command_as(Path::new("/usr/bin/unshare"), &arguments)
}

#[test]
fn directories_and_files_are_bound_writable_or_not() {
    let engine = Engine::new();
    let (dir, other) = (directory(&engine, "dir"), directory(&engine, "other"));
    let file = other.join("file");
    let volumes = [
        format!("{}:/dir", dir.display()),
        format!("{}:/rodir:ro", dir.display()),
        format!("{}:/file", file.display()),
        format!("{}:/rofile:ro", file.display()),
        format!("{}:/new/at/depth", dir.display()),
        format!("{}:/new/file:ro", file.display()),
    ];
    let flags: Vec<&str> = volumes.iter().flat_map(|volume| ["-v", volume]).collect();
    let script = "cat /dir/file /rodir/file /file /rofile /new/at/depth/file /new/file; echo;
        for at in /rodir/x /rofile /new/file; do { echo x > $at; } 2>/dev/null && echo wrote $at;
            mount -o remount,rw,bind ${at%/x} 2>/dev/null && echo remounted $at; done;
        echo made > /dir/made; echo new > /file; stat -c '%a %u' /new /new/at; cat /rodir/made";
    let expected = "oldoldoldoldoldold\n755 0\n755 0\nmade";
    run(&engine, &flags, script).ok().prints(expected).quiet();
    // The same where the root is read-only, and for a container that could mount.
    let strong = [&["--read-only", "--cap-add", "SYS_ADMIN"], flags.as_slice()].concat();
    fs::write(&file, "old").unwrap();
    run(&engine, &strong, script).ok().prints(expected);
    assert_eq!(fs::read_to_string(dir.join("made")).unwrap(), "made\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), "new\n");
    assert_eq!(fs::metadata(dir.join("made")).unwrap().uid(), 0);

    // Docker's other spelling, and its order: outer before inner, however they are written.
    let inner = format!("type=bind,src={},dst=/data/inner,readonly", other.display());
    let outer = format!("type=bind,source={},target=/data", dir.display());
    let flags = [
        "--mount",
        &inner,
        "--mount",
        &outer,
        "--mount",
        "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=0700",
    ];
    run(
        &engine,
        &flags,
        "cat /data/file /data/inner/file; touch /data/inner/x 2>/dev/null || stat -c ' %a' /t",
    )
    .ok()
    .prints("oldnew\n 700");
    // A relative source is looked for where the caller stands.
    let image = engine.image("busybox");
    let relative = ["run", "--rm", "-v", "./other:/data", &image, "cat", "/data/file"];
    engine.command(&relative).current_dir(engine.base()).run().ok().prints("new");
}

#[test]
fn what_cannot_be_bound_is_refused_and_leaves_nothing() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let dir = directory(&engine, "dir");
    let (dir, file) = (dir.display().to_string(), dir.join("file").display().to_string());
    let missing = format!("{}/missing", engine.base().display());
    let table: [(&str, String, &[&str]); 13] = [
        ("-v", format!("{missing}:/data"), &["missing"]),
        ("--mount", format!("type=bind,src={missing},dst=/data"), &["missing"]),
        ("-v", format!("{dir}:/"), &["/"]),
        ("-v", format!("{dir}:data"), &["data"]),
        ("-v", format!("{dir}:/data:fast"), &["fast"]),
        ("-v", format!("{dir}:/bin/busybox"), &["/bin/busybox"]),
        ("-v", format!("{file}:/etc"), &["/etc"]),
        ("-v", "n:/data".into(), &["\"n\""]),
        ("--mount", format!("type=bind,src={dir}"), &["target"]),
        ("--mount", format!("type=bind,src={dir},dst=/data,fast"), &["fast"]),
        ("--mount", format!("type=volume,src={dir},dst=/data"), &["volume"]),
        ("--mount", "type=ship,dst=/data".into(), &["ship"]),
        ("--tmpfs", "/t:size=much".into(), &["much"]),
    ];
    for (flag, value, names) in &table {
        engine.run(&["run", "--rm", flag, value, &image, "true"]).fails_with(125).error_names(names);
    }
    let twice = [format!("{dir}:/data"), format!("{file}:/data")];
    engine
        .run(&["run", "--rm", "-v", &twice[0], "-v", &twice[1], &image, "true"])
        .fails_with(125)
        .error_names(&["/data"]);
    assert!(engine.containers().is_empty());
    assert!(!Path::new(&missing).exists());
}

#[test]
fn the_whole_host_can_be_shown_without_giving_it_away() {
    let engine = Engine::new();
    let pattern = fs::read("/proc/sys/kernel/core_pattern").unwrap();
    let script = format!(
        "stat -c '%u %g' /host/etc/passwd; cat /host/etc/shadow | head -c 4; echo; echo made > /host{base}/made;
        [ -d /host/proc/1 ] && echo sees processes; ls /host/proc/1/root/etc 2>/dev/null && echo entered pid 1;
        cat /host/proc/1/environ 2>/dev/null && echo environment;
        for at in /host/proc/sys/kernel/core_pattern /host/proc/sysrq-trigger /host/sys/kernel/uevent_helper; do
            {{ echo x > $at; }} 2>/dev/null && echo wrote $at; done;
        for at in /host/dev/kmsg /host/dev/mem /host/dev/vda /host/dev/sda; do
            {{ head -c 1 $at > /dev/null; }} 2>/dev/null && echo read $at; done; true",
        base = engine.base().display()
    );
    let output = run(&engine, &["-v", "/:/host"], &script).ok().prints("0 0\nroot\nsees processes");
    let warnings = output.stderr.lines().filter(|line| line.starts_with("warning:")).count();
    assert!(warnings == 1 && output.stderr.contains("`/proc`"), "one warning: {output}");
    assert_eq!(fs::metadata(engine.base().join("made")).unwrap().uid(), 0);
    assert_eq!(fs::read("/proc/sys/kernel/core_pattern").unwrap(), pattern);
    run(&engine, &["-v", "/:/host:ro"], &format!("touch /host{}/x", engine.base().display()))
        .fails_with(1)
        .stderr_has("Read-only");
}

#[test]
fn the_hosts_dev_and_proc_can_be_shown_and_stay_as_they_are() {
    let engine = Engine::new();
    let identity = || {
        let meta = fs::symlink_metadata("/dev/console").unwrap();
        assert!(meta.file_type().is_char_device());
        (meta.ino(), meta.rdev(), meta.mode(), meta.uid(), fs::read_dir("/dev").unwrap().count())
    };
    let before = identity();
    let dev = "echo > /dev/null && head -c 2 /dev/zero | wc -c; [ -e /dev/kmsg ] && echo all of it; tty; stat -c %t /dev/console";
    let image = engine.image("busybox");
    let output = engine
        .command(&["run", "--rm", "-t", "-v", "/dev:/dev", &image, "sh", "-c", dev])
        .terminal(24, 80)
        .wait()
        .ok();
    // Our own terminal lies over the host's console, and is found under its name.
    for part in ["2", "all of it", "/dev/pts/0", "88"] {
        assert!(output.stdout.contains(part), "{part}: {output}");
    }
    assert_eq!(identity(), before, "the host's /dev was changed");
    // A /dev of the user's own, without any device: masks hold all the same.
    let empty = directory(&engine, "empty");
    run(&engine, &["-v", &format!("{}:/dev", empty.display())], "ls /dev; cat /proc/interrupts /proc/keys")
        .ok()
        .prints("file\npts");
    // What covers them is not to be changed through: with the host's ids it might be the host's own null device.
    let null = || fs::symlink_metadata("/dev/null").unwrap().mode();
    let mode = null();
    let flags = ["--userns", "host", "-v", &format!("{}:/dev", empty.display())];
    run(&engine, &flags, "chmod 600 /proc/interrupts /proc/keys; true").ok();
    assert_eq!(null(), mode);
    // What lies there is never replaced by a device.
    let dir = directory(&engine, "dir");
    let volume = format!("{}:/data", dir.display());
    engine
        .run(&["run", "--rm", "-v", &volume, "--device", "/dev/zero:/data/file", &image, "true"])
        .fails_with(125)
        .error_names(&["/data/file"]);
    assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "old");
    run(&engine, &["-v", &volume, "--device", "/dev/zero:/data/zero"], "head -c 3 /data/zero | wc -c")
        .ok()
        .prints("3");
    // Made by the host's root for the container's: visible there as what it is.
    assert!(fs::symlink_metadata(dir.join("zero")).unwrap().file_type().is_char_device());

    let proc = "test -d /host/self || test -L /host/self; { echo x > /host/sys/kernel/hostname; } 2>/dev/null && echo wrote; readlink /proc/self";
    run(&engine, &["-v", "/proc:/host"], proc).ok().stderr_has("`/proc`");
    run(&engine, &["-v", "/proc:/proc", "--pid", "host"], "grep -q . /proc/1/comm && echo ours")
        .ok()
        .prints("ours");
}

#[test]
fn nothing_fake_is_mounted_in_proc() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let dir = directory(&engine, "dir");
    let file = dir.join("file");
    for (source, target) in [
        (&dir, "/proc"),
        (&dir, "/proc/sys"),
        (&dir, "/proc/sys/kernel"),
        (&file, "/proc/sysrq-trigger"),
        (&file, "/proc/1/attr/exec"),
        (&dir, "/proc/1"),
    ] {
        let volume = format!("{}:{target}", source.display());
        engine.run(&["run", "--rm", "-v", &volume, &image, "true"]).fails_with(125).error_names(&[target]);
    }
    engine
        .run(&["run", "--rm", "--tmpfs", "/proc/sys", &image, "true"])
        .fails_with(125)
        .error_names(&["/proc/sys"]);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "something was made in the source");
    // What lxcfs covers may be covered.
    run(&engine, &["-v", &format!("{}:/proc/uptime", file.display())], "cat /proc/uptime").ok().prints("old");
}

#[test]
fn a_source_that_cannot_be_id_mapped_is_bound_plain_with_one_warning() {
    let engine = Engine::new();
    directory(&engine, "lower");
    for name in ["upper", "work", "a b"] {
        fs::create_dir(engine.base().join(name)).unwrap();
    }
    let dirs = "mount -t overlay overlay -o lowerdir=$base/lower,upperdir=$base/upper,workdir=$base/work";
    let alone = format!(
        r#"{dirs} $base/upper; "$@" run --rm -v $base/upper:/data busybox sh -c 'cat /data/file; stat -c " %u" /data/file; {{ echo x > /data/x; }} 2>/dev/null || echo no'"#
    );
    let output = apart(&engine, &alone).run().ok().prints("old 65534\nno");
    assert!(output.stderr.lines().count() == 1 && output.stderr.contains("cannot be id-mapped"), "{output}");
    // Where the host's user namespace is asked for, nothing needs mapping.
    let host = format!(
        r#"{dirs} $base/upper; "$@" run --rm --userns host -v $base/upper:/data busybox stat -c %u /data/file"#
    );
    apart(&engine, &host).run().ok().prints("0").quiet();
    // Below a recursive bind each mount is mapped for itself: only what cannot be is named. Names with a
    // space and links on the way are no hindrance.
    let mixed = format!(
        r#"mkdir "$base/a b/over" "$base/a b/tmp"; {dirs} "$base/a b/over"; mount -t tmpfs tmpfs "$base/a b/tmp"; touch "$base/a b/tmp/x";
        ln -s "a b" $base/link; "$@" run --rm -v $base/link:/data busybox stat -c %u /data/tmp/x /data/over/file /data"#
    );
    let output = apart(&engine, &mixed).run().ok().prints("0\n65534\n0");
    assert!(output.stderr.contains("over`") && !output.stderr.contains("tmp`"), "{output}");
}

#[test]
fn read_only_holds_for_mounts_below_unless_told_otherwise() {
    let engine = Engine::new();
    directory(&engine, "dir");
    fs::create_dir(engine.base().join("dir/sub")).unwrap();
    let table = [
        ("-v $base/dir:/data:ro", "no no"),
        ("-v $base/dir:/data", "yes yes"),
        ("--mount type=bind,src=$base/dir,dst=/data,readonly", "no no"),
        ("--mount type=bind,src=$base/dir,dst=/data,readonly,bind-recursive=writable", "no yes"),
        ("--mount type=bind,src=$base/dir,dst=/data,bind-recursive=disabled", "yes hidden"),
    ];
    let probe = r#"{ touch /data/x && echo yes || echo no; test -e /data/sub/mark || { echo hidden; exit; }; touch /data/sub/x && echo yes || echo no; } 2>/dev/null | xargs"#;
    let mut script = String::from("mount -t tmpfs tmpfs $base/dir/sub; touch $base/dir/sub/mark;");
    for (flags, _) in table {
        script.push_str(&format!("\"$@\" run --rm {flags} busybox sh -c '{probe}';"));
    }
    let expected: Vec<&str> = table.iter().map(|(_, expected)| *expected).collect();
    apart(&engine, &script).run().ok().prints(&expected.join("\n"));
}

#[test]
fn later_mounts_propagate_as_asked() {
    let engine = Engine::new();
    fs::create_dir_all(engine.base().join("p/sub")).unwrap();
    // A mount made on the host later, and one made inside by a container that may.
    let cycle = |flags: &str| {
        format!(
            r#""$@" run -d --name pod --cap-add SYS_ADMIN {flags} busybox sleep 1000 > /dev/null; mount -t tmpfs late $base/p/sub;
            "$@" exec pod sh -c 'grep -q " /p/sub " /proc/mounts && echo host to container; mkdir -p /p/in && mount -t tmpfs inner /p/in && echo mounted';
            grep -q " $base/p/in " /proc/mounts && echo container to host; umount $base/p/in 2>/dev/null || true; "$@" rm -f pod > /dev/null; umount $base/p/sub;"#
        )
    };
    let start = "mount -t tmpfs p $base/p; mkdir $base/p/sub; mount --make-shared $base/p;";
    let script = [
        start,
        &cycle("-v $base/p:/p"),
        "echo .;",
        &cycle("-v $base/p:/p:rslave"),
        "echo .;",
        &cycle("--userns host -v $base/p:/p:rshared"),
    ]
    .concat();
    apart(&engine, &script)
        .run()
        .ok()
        .prints("mounted\n.\nhost to container\nmounted\n.\nhost to container\nmounted\ncontainer to host");
    // Under a user namespace of its own the kernel lets nothing out of the container: said, not hidden.
    let own = [start, r#""$@" run --rm -v $base/p:/p:rshared busybox true"#].concat();
    apart(&engine, &own).run().ok().stderr_has("rshared");
}

#[test]
fn ids_are_those_of_the_disk_of_the_owner_or_not_mapped() {
    let engine = Engine::new();
    let dir = directory(&engine, "dir");
    for path in [dir.clone(), dir.join("file")] {
        chown(path, Some(1234), Some(1235)).unwrap();
    }
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    let volume = |options: &str| format!("{}:/data{options}", dir.display());
    let script = "stat -c '%u %g' /data/file; { touch /data/made && stat -c '%u %g' /data/made; } 2>&1 | sed 's/.*: //'; rm -f /data/made";
    run(&engine, &["-v", &volume("")], script).ok().prints("1234 1235\n0 0");
    run(&engine, &["-v", &volume(":idmap=owner")], script).ok().prints("0 0\n0 0");
    run(&engine, &["-v", &volume(":idmap=none")], "stat -c '%u %g' /data/file; touch /data/made")
        .ok()
        .prints("65534 65534");
    let made = fs::metadata(dir.join("made")).unwrap();
    assert!(made.uid() > 1_000_000, "without a map the disk gets the id of the range: {}", made.uid());
    run(&engine, &["-v", &volume(":idmap=owner")], "touch /data/owned && chown 5 /data/owned")
        .fails_with(1)
        .stderr_has("chown");
    let owned = fs::metadata(dir.join("owned")).unwrap();
    assert_eq!((owned.uid(), owned.gid()), (1234, 1235));
    // A user of the container writes as that user of the disk.
    run(&engine, &["-u", "1234", "-v", &volume("")], "echo mine > /data/file && touch /data/mine").ok();
    assert_eq!(fs::metadata(dir.join("mine")).unwrap().uid(), 1234);
    run(&engine, &["-u", "99", "-v", &volume("")], "echo x >> /data/file")
        .fails_with(1)
        .stderr_has("Permission denied");
}

#[test]
fn a_link_in_the_image_leads_nowhere_but_into_the_container() {
    let engine = Engine::new();
    let (dir, canary) = (directory(&engine, "dir"), directory(&engine, "canary"));
    let tree = engine.base().join("tree");
    fs::create_dir_all(tree.join("bin")).unwrap();
    let bin = tests::busybox();
    fs::copy(&bin, tree.join("bin/busybox")).unwrap();
    symlink("busybox", tree.join("bin/sh")).unwrap();
    symlink(&canary, tree.join("absolute")).unwrap();
    symlink(format!("../../../../../../../..{}", canary.display()), tree.join("relative")).unwrap();
    symlink("/bin", tree.join("inside")).unwrap();
    symlink("/proc/sys", tree.join("proc-sys")).unwrap();
    tests::import(&engine, &tree, "links");
    let busybox = |script: &str| format!("/bin/busybox {script}");
    for link in ["absolute", "relative"] {
        for below in ["", "/sub", "/sub/deep"] {
            let volume = format!("{}:/{link}{below}", dir.display());
            let cat = busybox(&format!("cat /{link}{below}/file"));
            engine.run(&["run", "--rm", "-v", &volume, "links", "sh", "-c", &cat]).ok().prints("old");
            let file = format!("{}/file:/{link}{below}/one/file", dir.display());
            engine
                .run(&[
                    "run",
                    "--rm",
                    "-v",
                    &file,
                    "links",
                    "sh",
                    "-c",
                    &busybox(&format!("cat /{link}{below}/one/file")),
                ])
                .ok()
                .prints("old");
        }
        engine
            .run(&[
                "run",
                "--rm",
                "-w",
                &format!("/{link}/work"),
                "--tmpfs",
                &format!("/{link}/t"),
                "links",
                "/bin/busybox",
                "touch",
                "x",
            ])
            .ok();
    }
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 1, "something was made on the host");
    assert_eq!(fs::read_to_string(canary.join("file")).unwrap(), "old");
    // The twin: a link that leads somewhere inside is followed, as a program inside would.
    let volume = format!("{}:/inside/data", dir.display());
    engine
        .run(&["run", "--rm", "-v", &volume, "links", "/bin/busybox", "cat", "/bin/data/file"])
        .ok()
        .prints("old");
    let volume = format!("{}:/proc-sys", dir.display());
    engine
        .run(&["run", "--rm", "-v", &volume, "links", "/bin/busybox", "true"])
        .fails_with(125)
        .error_names(&["/proc-sys"]);
}
