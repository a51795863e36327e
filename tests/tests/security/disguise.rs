//! A container's process calls itself what it likes, and is looked at as what it is.

use tests::{Engine, eventually};

/// Becomes a program that is called by bytes that are no text, or by what ends the name in `/proc/PID/stat`.
fn script(name: &str) -> String {
    format!(
        "cd /tmp; name=$(printf '{name}'); printf '#!/bin/sh\nsleep 600; true\n' > \"./$name\"; chmod +x \"./$name\"; exec \"./$name\""
    )
}

/// A process whose name is no text was taken for dead: `ps` showed its container as exited, and nothing could end it.
#[test]
fn a_name_that_is_no_text_hides_no_container() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    for name in [r"\377", r"a) Z 1 1", r"a\n b\377"] {
        engine.run(&["run", "-d", "--name", "box", &image, "sh", "-c", &script(name)]).ok();
        eventually("it is called so", || engine.run(&["top", "box"]).ok().stdout.contains("sleep 600"));
        assert_eq!(engine.inspect("box", "{{.State.Status}}"), "running", "{name}");
        assert_eq!(engine.run(&["top", "box"]).ok().stdout.lines().count(), 3, "{name}");
        engine.run(&["exec", "box", "true"]).ok();
        engine.run(&["stop", "-t", "0", "box"]).ok();
        assert_eq!(engine.inspect("box", "{{.State.Status}} {{.State.ExitCode}}"), "exited 137", "{name}");
        engine.run(&["rm", "box"]).ok();
        engine.audit();
    }
}
