//! A working directory that is a descriptor of the host: CVE-2024-21626; one behind a link: CVE-2026-55686.

use std::path::Path;

use tests::{Engine, Output};

use super::{Canary, tree};

/// Runs the engine with fifty descriptors of a directory of the host open.
fn leaking(engine: &Engine, canary: &Canary, arguments: &[&str]) -> Output {
    let script = format!("for n in {{10..60}}; do eval \"exec $n<{}\"; done; exec \"$@\"", canary.text());
    let words = [&["-c", &script, "bash", engine.binary().to_str().unwrap()], arguments].concat();
    engine.command_as(Path::new("/bin/bash"), &words).current_dir(&canary.path).run()
}

#[test]
fn no_descriptor_is_a_way_out() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let image = engine.image("busybox");
    leaking(&engine, &canary, &["run", "-d", "--name", "idle", &image, "sleep", "1000"]).ok();
    // What would be the host's: its entries, or the way up.
    let look = "ls . .. ../.. ; cat file ../etc/hostname ../../etc/hostname; pwd";
    let escaped = |output: &Output| {
        output.stdout.contains("content of")
            || output.stdout.contains("ptmx\n") && output.stdout.contains("canary")
    };
    let step = if std::env::var_os("CORACLE_SOAK").is_some() { 1 } else { 3 };
    for number in (3..40).step_by(step).chain([10, 60]) {
        for at in [
            format!("/proc/self/fd/{number}"),
            format!("/proc/1/fd/{number}"),
            format!("/proc/thread-self/fd/{number}/.."),
        ] {
            for (verb, name) in [("run", image.as_str()), ("exec", "idle")] {
                let flags: &[&str] = if verb == "run" { &["--rm"] } else { &[] };
                let words = [&[verb], flags, &["-w", &at, name, "sh", "-c", look]].concat();
                let output = leaking(&engine, &canary, &words);
                assert!(!escaped(&output), "{output}");
            }
        }
    }
    canary.assert_unharmed();
    // In the image's own words.
    let tree = tree(&engine, "evil");
    for number in [3, 8, 10] {
        let name = format!("evil{number}");
        tests::import_with(&engine, &tree, &name, &[&format!("WORKDIR /proc/self/fd/{number}")]);
        let output = leaking(&engine, &canary, &["run", "--rm", &name, "sh", "-c", look]);
        assert!(output.code != 0 && !escaped(&output), "{output}");
    }
    canary.assert_unharmed();
    assert_eq!(engine.containers().len(), 1);
    // The twin: directories of the container are entered, and made where they are missing.
    engine.run(&["run", "--rm", "-w", "/proc/self", &image, "pwd"]).ok();
    engine.run(&["run", "--rm", "-w", "/new/dir", &image, "pwd"]).ok().prints("/new/dir");
    engine.run(&["exec", "-w", "/etc", "idle", "pwd"]).ok().prints("/etc");
    engine.run(&["exec", "-w", "/missing", "idle", "pwd"]).error_names(&["/missing"]);
}
