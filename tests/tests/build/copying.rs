//! COPY and ADD: where files go, whose they are, what is left out.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use tests::Invocation;

use super::Site;

fn scene() -> Site {
    let site = Site::new();
    site.file("a.txt", "a\n").file("b.txt", "b\n").file("d/sub/f", "f\n").file("d/g.log", "g\n");
    // The kernel takes the first bit away where the owner changes.
    chown(site.context.join("a.txt"), Some(1234), Some(1235)).unwrap();
    fs::set_permissions(site.context.join("a.txt"), fs::Permissions::from_mode(0o4750)).unwrap();
    fs::set_permissions(site.context.join("d/sub"), fs::Permissions::from_mode(0o711)).unwrap();
    symlink("a.txt", site.context.join("link")).unwrap();
    symlink("sub", site.context.join("d/inner")).unwrap();
    site
}

/// Builds one line after FROM and WORKDIR /w, and lists what came of it: mode, owner, path.
fn copied(site: &Site, line: &str) -> String {
    site.build(&format!("FROM busybox\nWORKDIR /w\n{line}"), &[]).ok();
    site.inside(
        "cd /w; find . -mindepth 1 | sort | while read f; do echo \"$(stat -c '%a %u:%g' $f) $f\"; done",
    )
}

/// The table of COPY; what BuildKit of Docker 20.10 knows of it was run beside it when it was written.
#[test]
fn files_go_where_docker_puts_them() {
    let site = scene();
    for (line, expected) in [
        ("COPY a.txt .", "4750 0:0 ./a.txt"),
        ("COPY a.txt named", "4750 0:0 ./named"),
        ("COPY a.txt new/", "755 0:0 ./new\n4750 0:0 ./new/a.txt"),
        ("COPY a.txt x/y/z", "755 0:0 ./x\n755 0:0 ./x/y\n4750 0:0 ./x/y/z"),
        ("COPY link .", "4750 0:0 ./link"),
        ("COPY *.txt ./", "4750 0:0 ./a.txt\n644 0:0 ./b.txt"),
        ("COPY [ab].txt none* ./", "4750 0:0 ./a.txt\n644 0:0 ./b.txt"),
        ("COPY d .", "644 0:0 ./g.log\n777 0:0 ./inner\n711 0:0 ./sub\n644 0:0 ./sub/f"),
        ("COPY d/sub b.txt ./", "644 0:0 ./b.txt\n644 0:0 ./f"),
        ("COPY d/sub x", "755 0:0 ./x\n644 0:0 ./x/f"),
        ("COPY --chmod=600 d/sub x", "755 0:0 ./x\n600 0:0 ./x/f"),
        (
            "RUN mkdir -p q/sub && chmod 700 q q/sub\nCOPY --exclude=inner --exclude=*.log d q",
            "700 0:0 ./q\n711 0:0 ./q/sub\n644 0:0 ./q/sub/f",
        ),
        (
            "RUN ln -s /w/real lnk && mkdir real\nCOPY a.txt lnk",
            "777 0:0 ./lnk\n755 0:0 ./real\n4750 0:0 ./real/a.txt",
        ),
        ("RUN ln -s /w/nowhere lnk\nCOPY a.txt lnk", "777 0:0 ./lnk\n4750 0:0 ./nowhere"),
        ("RUN mkdir b.txt\nCOPY b.txt ./b.txt", "755 0:0 ./b.txt\n644 0:0 ./b.txt/b.txt"),
        ("COPY --parents d/sub/f ./", "755 0:0 ./d\n711 0:0 ./d/sub\n644 0:0 ./d/sub/f"),
        ("COPY --parents d/./sub/f ./", "711 0:0 ./sub\n644 0:0 ./sub/f"),
        ("COPY --exclude=*.log --exclude=inner d ./", "711 0:0 ./sub\n644 0:0 ./sub/f"),
        ("COPY --chown=7:8 --chmod=600 a.txt n/", "755 7:8 ./n\n600 7:8 ./n/a.txt"),
        ("COPY --chown=9 b.txt .", "644 9:9 ./b.txt"),
        ("COPY --chmod=u=rwX,go= d ./", "600 0:0 ./g.log\n777 0:0 ./inner\n700 0:0 ./sub\n600 0:0 ./sub/f"),
        ("COPY --chown=root:root <<X ./inline\ntext\nX", "644 0:0 ./inline"),
    ] {
        assert_eq!(copied(&site, line), expected, "{line}");
    }
}

#[test]
fn copies_of_stages_keep_owners_times_and_capabilities() {
    let site = Site::new();
    site.build(
        "FROM busybox AS from\nRUN mkdir /s && echo x > /s/f && chown 5:6 /s/f && chmod 640 /s/f && touch -d '2001-02-03 04:05:06' /s/f \
         && ln /s/f /s/hard && mkfifo /s/pipe && ln -s f /s/soft\n\
         FROM busybox\nCOPY --from=from /s /t\nCOPY --from=0 /s/f /by-number",
        &[],
    )
    .ok();
    assert_eq!(
        site.inside("stat -c '%a %u:%g %Y %h' /t/f; readlink /t/soft; test -p /t/pipe; cat /by-number"),
        "640 5:6 981173106 2\nf\nx"
    );
}

#[test]
fn archives_are_unpacked_by_add_and_copied_by_copy() {
    let site = Site::new();
    site.file("tree/etc/inside", "inside\n").file("not.tar.gz", "no archive\n");
    for (name, flags) in [("plain.tar", "cf"), ("packed.tgz", "czf")] {
        let archive = site.context.join(name);
        let tree = site.context.join("tree");
        Invocation::new("tar", &[flags, archive.to_str().unwrap(), "-C", tree.to_str().unwrap(), "etc"])
            .run()
            .ok();
    }
    site.build(
        "FROM busybox\nADD plain.tar /p/\nADD packed.tgz /z\nCOPY packed.tgz /c/\nADD not.tar.gz /n/\nADD --unpack=false plain.tar /u/",
        &[],
    )
    .ok();
    assert_eq!(
        site.inside("cat /p/etc/inside /z/etc/inside /n/not.tar.gz; ls /c /u"),
        "inside\ninside\nno archive\n/c:\npacked.tgz\n\n/u:\nplain.tar"
    );
}

#[test]
fn ignored_files_are_not_in_the_context() {
    let site = scene();
    site.file(".dockerignore", "*\n!d\nd/*.log\n!b.txt\n");
    assert_eq!(
        copied(&site, "COPY . ."),
        "644 0:0 ./b.txt\n755 0:0 ./d\n777 0:0 ./d/inner\n711 0:0 ./d/sub\n644 0:0 ./d/sub/f"
    );
    site.build("FROM busybox\nCOPY a.txt /", &[])
        .fails_with(1)
        .error_names(&["`/a.txt` is not there", "ignore file"]);
    // One of the Dockerfile's own comes first.
    site.file("Dockerfile.dockerignore", "d\n");
    assert_eq!(copied(&site, "COPY *.txt ."), "4750 0:0 ./a.txt\n644 0:0 ./b.txt");
}

/// CVE-2026-55686 and its like: links of an image lead nowhere but into the image.
#[test]
fn links_of_an_image_do_not_lead_out() {
    let site = Site::new();
    let canary = site.engine.base().join("canary");
    fs::create_dir_all(canary.join("sub")).unwrap();
    fs::write(canary.join("file"), "untouched").unwrap();
    let out = canary.to_str().unwrap();
    site.file("evil", "evil\n");
    site.build(
        &format!(
            "FROM busybox\nRUN ln -s {out} /link && ln -s ../../../../../..{out} /up && mkdir -p {out}\n\
             WORKDIR /link/sub\nCOPY evil /link/file\nCOPY evil /up/other\nCOPY --chown=3:3 evil /link/made/deep/er\n"
        ),
        &[],
    )
    .ok();
    assert_eq!(fs::read_to_string(canary.join("file")).unwrap(), "untouched");
    let mut names: Vec<_> = fs::read_dir(&canary).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["file", "sub"]);
    assert_eq!(
        site.inside(&format!("cat {out}/file {out}/other; ls -d {out}/sub")),
        format!("evil\nevil\n{out}/sub")
    );
}

/// A link of the context that leads out of it means what it would mean inside.
#[test]
fn links_of_a_context_do_not_lead_out() {
    let site = Site::new();
    let secret = site.engine.base().join("outside");
    fs::write(&secret, "outside\n").unwrap();
    symlink(&secret, site.context.join("absolute")).unwrap();
    symlink("../outside", site.context.join("relative")).unwrap();
    for name in ["absolute", "relative", "../outside", "sub/../../outside"] {
        site.build(&format!("FROM busybox\nCOPY {name} /x"), &[])
            .fails_with(1)
            .error_names(&["is not there"]);
    }
}
