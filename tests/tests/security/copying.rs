//! A container swaps directories for links while its files are read and written from outside: CVE-2018-15664,
//! CVE-2019-14271, CVE-2021-41089, CVE-2023-0778.

use std::fs;

use tests::{Engine, rounds};

use super::Canary;

/// A container that exchanges a directory and a link to the canary as fast as the kernel can, for ever.
fn attacker(engine: &Engine, canary: &Canary) {
    let image = engine.image("debian");
    let script = format!(
        r#"mkdir -p /v/place; echo mine > /v/place/file; ln -s {} /v/link;
           exec perl -e 'my ($a, $b) = ("/v/place", "/v/link"); for (;;) {{ for (1..1000) {{ syscall(316, -100, $a, -100, $b, 2) }} }}'"#,
        canary.text()
    );
    engine.run(&["run", "-d", "--name", "swapper", &image, "sh", "-c", &script]).ok();
    tests::eventually("it swaps", || engine.run(&["exec", "swapper", "test", "-e", "/v/link"]).code == 0);
}

#[test]
fn the_place_of_a_copy_is_swapped_for_a_link() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    attacker(&engine, &canary);
    let source = engine.base().join("payload");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "payload").unwrap();
    fs::write(source.join("more"), "payload").unwrap();
    let (source, out) = (source.display().to_string(), engine.base().join("out"));
    let (mut written, mut read) = (0, 0);
    for _ in 0..rounds(60, 5000) {
        written += usize::from(engine.run(&["cp", &format!("{source}/."), "swapper:/v/place"]).code == 0);
        let _ = engine.run(&["cp", &format!("{source}/file"), "swapper:/v/place/file"]);
        let _ = fs::remove_dir_all(&out);
        let copied = engine.run(&["cp", "swapper:/v/place/.", out.to_str().unwrap()]);
        read += usize::from(copied.code == 0);
        for entry in fs::read_dir(&out).into_iter().flatten().flatten() {
            let content = fs::read_to_string(entry.path()).unwrap();
            assert!(content == "mine\n" || content == "payload", "from the host: {content}");
        }
    }
    canary.assert_unharmed();
    assert!(written > 0 && read > 0, "no copy came through: the race was not raced ({written}, {read})");
}

#[test]
fn what_is_committed_and_exported_is_swapped_for_a_link() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    attacker(&engine, &canary);
    let archive = engine.base().join("exported.tar");
    for round in 0..rounds(3, 500) {
        engine.run(&["export", "-o", archive.to_str().unwrap(), "swapper"]).ok();
        let bytes = fs::read(&archive).unwrap();
        let marks = b"content of file";
        assert!(!bytes.windows(marks.len()).any(|part| part == marks), "the host is in the export");
        // While it runs on: with a pause there is no race.
        let name = format!("made:{round}");
        engine.run(&["commit", "--pause=false", "swapper", &name]).ok();
        engine.run(&["diff", "swapper"]).ok();
        let script = "cat /v/place/file /v/link/file 2>/dev/null; true";
        let seen = engine.run(&["run", "--rm", &name, "sh", "-c", script]).ok();
        assert!(seen.stdout == "mine\n" || seen.stdout.is_empty(), "{seen}");
    }
    canary.assert_unharmed();
}

/// What hangs or misleads a careless reader: fault 24.
#[test]
fn hostile_names_and_kinds_are_carried_whole() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let script = r#"mkdir /h && cd /h && touch "$(printf 'new\nline')" "$(printf 'byte\377')" ./-rf "a b" && mkfifo fifo &&
        ln -s loop loop && ln -s / root && ln -s ../../../../../../etc/passwd up && mkdir -p deep/$(printf 'd/%.0s' $(seq 200)) &&
        head -c 100 /dev/zero > "$(printf 'x%.0s' $(seq 255))" && chmod 0 deep && truncate -s 1024G huge"#;
    engine.run(&["run", "--name", "odd", &image, "sh", "-c", script]).ok();
    engine.run(&["diff", "odd"]).ok().stdout_has("A /h/fifo").stdout_has("A /h/-rf");
    let archive = engine.base().join("odd.tar").display().to_string();
    engine.run(&["export", "-o", &archive, "odd"]).ok();
    assert!(fs::metadata(&archive).unwrap().len() < 20_000_000, "a hole was written out");
    engine.run(&["commit", "odd", "odd:1"]).ok();
    let out = engine.base().join("out");
    engine.run(&["cp", "odd:/h", out.to_str().unwrap()]).ok();
    engine.run(&["create", "--name", "back", &image, "true"]).ok();
    engine.run(&["cp", out.to_str().unwrap(), "back:/h"]).ok();
    engine.run(&["commit", "back", "back:1"]).ok();
    let look = "cd /h && ls -a | od -c && for l in loop root up; do readlink $l; done && stat -c '%n %F %a %s' fifo deep huge && find deep | wc -l";
    let [one, two] =
        ["odd:1", "back:1"].map(|name| engine.run(&["run", "--rm", name, "sh", "-c", look]).ok().stdout);
    assert_eq!(one, two);
    assert!(one.contains("huge regular file 644 1099511627776") && one.contains("\n201\n"), "{one}");
    engine.run(&["system", "check"]).ok();
}
