//! The classic escapes of builders, each tried on this one: names that are paths, links that are swapped, places that are
//! cleaned up, archives that lead out. What the host has stays as it is, and is not seen.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::Site;

/// A directory of the host that no build may touch or see.
struct Canary(PathBuf);

impl Canary {
    fn new(site: &Site) -> Self {
        let path = site.engine.base().join("canary");
        fs::create_dir_all(path.join("stub/deep")).unwrap();
        fs::write(path.join("file"), "untouched\n").unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    #[track_caller]
    fn is_untouched(&self) {
        let mut names: Vec<_> =
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["file", "stub"]);
        assert_eq!(fs::read_to_string(self.0.join("file")).unwrap(), "untouched\n");
        assert!(
            self.0.join("stub/deep").is_dir() && fs::read_dir(self.0.join("stub/deep")).unwrap().count() == 0
        );
    }
}

/// CVE-2024-23652: BuildKit removed what its mounts had made, by a path that the command had changed meanwhile.
#[test]
fn what_a_mount_has_made_is_not_removed_where_a_link_leads() {
    let site = Site::new();
    let canary = Canary::new(&site);
    let target = format!("{}/stub/deep", canary.path());
    let text = format!(
        "FROM busybox\nRUN mkdir -p /there{out} && true\n\
         RUN --mount=type=tmpfs,target=/a/stub/deep rm -rf /a2; mkdir /a2; mv /a /moved 2>/dev/null; rm -rf /a/x; ln -sfn {out} /a2/link; true\n\
         RUN --mount=type=tmpfs,target={target} true\n\
         RUN --mount=type=cache,target=/b/stub/deep --mount=type=bind,target=/b/other mv /b /c 2>/dev/null; ln -s {out} /b 2>/dev/null; true",
        out = canary.path()
    );
    site.build(&text, &[]).ok();
    canary.is_untouched();
}

/// CVE-2024-23651, CVE-2024-1753: the source of a mount is a link, or becomes one.
#[test]
fn the_source_of_a_mount_that_is_a_link_leads_nowhere_but_into_its_tree() {
    let site = Site::new();
    let canary = Canary::new(&site);
    symlink(canary.path(), site.context.join("out")).unwrap();
    symlink("/", site.context.join("root")).unwrap();
    let out = canary.path();
    let stage = format!(
        "FROM busybox AS evil\nRUN ln -s {out} /out && ln -s ../../../../../..{out} /up && ln -s / /slash\n"
    );
    for mount in [
        "type=bind,source=out,target=/m".to_owned(),
        format!("type=bind,source=root{out},target=/m"),
        format!("type=bind,source=../../../../..{out},target=/m"),
        "type=bind,from=evil,source=/out,target=/m".to_owned(),
        "type=bind,from=evil,source=/up,target=/m,rw".to_owned(),
        format!("type=bind,from=evil,source=/slash{out},target=/m,rw"),
        "type=cache,from=evil,source=/out,target=/m".to_owned(),
    ] {
        // Either there is no such thing, or it is another.
        let text =
            format!("{stage}FROM busybox\nRUN --mount={mount} ! test -e /m/file && touch /m/mine; true");
        let built = site.build(&text, &[]);
        if built.code != 0 {
            built.fails_with(1).error_names(&["is not there"]);
        }
        let text = format!("{stage}FROM busybox\nRUN --mount={mount} ! grep untouched /m/file");
        assert!(!site.build(&text, &[]).stdout.contains("untouched"));
        canary.is_untouched();
    }
}

/// CVE-2024-23651: two steps on one cache, of which one swaps a directory for a link all the time.
#[test]
fn a_cache_whose_parts_are_swapped_shows_nothing_of_the_host() {
    let site = Site::new();
    let canary = Canary::new(&site);
    let out = canary.path();
    let rounds = tests::rounds(100, 3000);
    let text = format!(
        "FROM busybox AS swap\nRUN --mount=type=cache,id=c,target=/c for i in $(seq {rounds}); do rm -rf /c/d; mkdir /c/d; rm -rf /c/d; ln -s {out} /c/d; done; touch /s\n\
         FROM busybox AS use\nRUN --mount=type=cache,id=c,target=/c for i in $(seq {rounds}); do cat /c/d/file 2>/dev/null; touch /c/d/mine 2>/dev/null; done > /seen; true\n\
         FROM busybox\nCOPY --from=swap /s /s\nCOPY --from=use /seen /seen"
    );
    site.build(&text, &[]).ok();
    assert_eq!(site.inside("cat /seen"), "");
    canary.is_untouched();
}

/// CVE-2020-27534, CVE-2026-33747: names that the builder makes paths of.
#[test]
fn names_are_no_paths() {
    let site = Site::new();
    let canary = Canary::new(&site);
    let up = format!("../../../../../../../..{}", canary.path());
    let secret = format!("id={up}/file,src={}", canary.0.join("file").display());
    let named = format!("{up}={}", site.context.display());
    site.file("a", "a\n");
    let text = format!(
        "FROM busybox\nRUN --mount=type=secret,id={up}/file true\nRUN --mount=type=cache,id={up},target=/c touch /c/x\n\
         RUN --mount=type=cache,target=/../..{out} touch {out}/y\nCOPY --from={up} a /a\nCOPY <<../../../../..{out}/file /d/\nx\n../../../../..{out}/file\n",
        out = canary.path()
    );
    let built = site.build(&text, &["--secret", &secret, "--build-context", &named]);
    assert!(built.code <= 1, "{built}");
    canary.is_untouched();
    for (flag, value) in [("--target", &*up), ("--tag", &*up), ("--cgroup-parent", "../../../..")] {
        let refused = site.build("FROM busybox AS a\nRUN true", &[flag, value]);
        assert!(refused.code != 0, "{flag}: {refused}");
    }
    canary.is_untouched();
}

/// A Dockerfile and an ignore file that are links to files of the host show nothing of these.
#[test]
fn the_files_that_a_build_is_told_by_are_files_of_the_context() {
    let site = Site::new();
    let canary = Canary::new(&site);
    let context = site.context.to_str().unwrap();
    symlink(canary.0.join("file"), site.context.join("Dockerfile")).unwrap();
    let refused = site.engine.run(&["build", context]).fails_with(1);
    assert!(!refused.stderr.contains("untouched"), "{refused}");
    fs::remove_file(site.context.join("Dockerfile")).unwrap();
    symlink(canary.0.join("file"), site.context.join(".dockerignore")).unwrap();
    site.file("untouched", "it is copied\n");
    site.build("FROM busybox\nCOPY untouched /x", &[]).ok();
    assert_eq!(site.inside("cat /x"), "it is copied");
}

/// Archives that lead out, by ADD and as a context: `..`, absolute names, a link and then a file through it, a hard link.
#[test]
fn archives_do_not_lead_out() {
    let site = Site::new();
    let canary = Canary::new(&site);
    let out = canary.path();
    let script = format!(
        "import tarfile, io\n\
         def add(t, name, kind=tarfile.REGTYPE, link='', data=b'evil'):\n    \
             i = tarfile.TarInfo(name); i.type = kind; i.linkname = link; i.size = len(data) if kind == tarfile.REGTYPE else 0; t.addfile(i, io.BytesIO(data))\n\
         for n, entries in enumerate([\n    \
             [('../../../../../../..{out}/file',)], [('{out}/file',)],\n    \
             [('l', tarfile.SYMTYPE, '{out}'), ('l/file',)], [('l', tarfile.SYMTYPE, '../../../../../..{out}'), ('l/new',)],\n    \
             [('h', tarfile.LNKTYPE, '{out}/file'), ('h',)], [('h', tarfile.LNKTYPE, '../../../../..{out}/file')],\n    \
             [('stub', tarfile.SYMTYPE, '{out}/stub'), ('stub/deep', tarfile.SYMTYPE, '/')]]):\n    \
             t = tarfile.open('{context}/' + str(n) + '.tar', 'w')\n    \
             for e in entries: add(t, *e)\n    \
             add(t, 'Dockerfile', data=b'FROM busybox\\nCOPY . /all\\n')\n    \
             t.close()\n",
        context = site.context.display()
    );
    tests::Invocation::new("python3", &["-c", &script]).run().ok();
    for number in 0..7 {
        let built = site.build(&format!("FROM busybox\nADD {number}.tar /t/"), &[]);
        assert!(built.code <= 1 && !built.stderr.contains("untouched"), "{built}");
        if built.code == 0 {
            assert!(!site.inside("cat /t/* 2>/dev/null; true").contains("untouched"), "archive {number}");
        }
        let archive = fs::read(site.context.join(format!("{number}.tar"))).unwrap();
        let built = site.engine.command(&["build", "--tag", "it", "-"]).stdin(archive).run();
        assert!(built.code <= 1, "{built}");
        if built.code == 0 {
            assert!(!site.inside("cat /all/* 2>/dev/null; true").contains("untouched"), "context {number}");
        }
        canary.is_untouched();
    }
}

/// CVE-2024-23653, CVE-2026-33747: a Dockerfile names another front end, or asks for a step without walls.
#[test]
fn a_dockerfile_grants_itself_nothing() {
    let site = Site::new();
    let other = site.build("# syntax=example.org/evil/frontend:latest\nFROM busybox\nRUN true", &[]);
    other.fails_with(1).error_names(&["run no other front end"]);
    for line in ["RUN --security=insecure true", "RUN --device=all true", "RUN --privileged true"] {
        let refused = site.build(&format!("FROM busybox\n{line}"), &[]);
        assert!(refused.code == 1, "{line}: {refused}");
    }
    let caps = "FROM busybox\nRUN grep CapBnd /proc/self/status > /caps; ! mount -t tmpfs none /mnt && ! mknod /x b 8 0 && ! sh -c 'echo x > /proc/sys/kernel/core_pattern'";
    site.build(caps, &[]).ok();
    assert_eq!(site.inside("cat /caps"), "CapBnd:\t00000000a80425fb");
}
