//! containerd with this runtime in place of its own, through its shim.

use tests::{Bundles, eventually};

use super::daemon::{Containerd, remove_group, runtime};

#[test]
fn containerd_runs_execs_pauses_kills_and_deletes_tasks() {
    let bundles = Bundles::new();
    let runtime = runtime(&bundles);
    let containerd = Containerd::start(&bundles);
    let archive = xtask::images::ensure("busybox").unwrap().join("busybox-docker.tar");
    containerd.run(&["images", "import", archive.to_str().unwrap()]).ok();
    let image = containerd.run(&["images", "list", "--quiet"]).ok().text().to_owned();
    let state = bundles.root();
    let run = ["run", "--runc-binary", &runtime, "--runc-root", state.to_str().unwrap()];
    let with = |flags: &[&str], id: &str, command: &[&str]| {
        [&run[..], flags, &[&image, id], command]
            .concat()
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let command = |words: Vec<String>| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        containerd.command(&words)
    };
    let script = "echo hello; id -u; grep -c . /proc/1/cgroup >/dev/null && exit 5";
    command(with(&["--rm"], "once", &["sh", "-c", script])).run().fails_with(5).prints("hello\n0");
    let terminal = command(with(&["--rm", "--tty"], "tty", &["tty"])).terminal(24, 80);
    terminal.wait().ok().stdout_has("/dev/pts/0");
    command(with(&["--rm"], "missing", &["nowhere"]))
        .run()
        .fails_with(1)
        .stderr_has("executable file not found");

    let trap = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let flags = ["--detach", "--memory-limit", "67108864", "--env", "X=y", "--cap-drop", "CAP_NET_RAW"];
    command(with(&flags, "box", &["sh", "-c", trap])).run().ok();
    let status = || {
        let tasks = containerd.run(&["tasks", "list"]).ok().stdout;
        let line = tasks.lines().find(|line| line.starts_with("box ")).map(str::to_owned);
        line.and_then(|line| line.split_whitespace().last().map(str::to_owned)).unwrap_or_default()
    };
    assert_eq!(status(), "RUNNING");
    let exec = |id: &str, words: &[&str]| {
        containerd.run(&[&["tasks", "exec", "--exec-id", id, "box"], words].concat())
    };
    exec("env", &["sh", "-c", "echo $X; exit 6"]).fails_with(6).prints("y");
    let terminal =
        containerd.command(&["tasks", "exec", "--tty", "--exec-id", "tty", "box", "tty"]).terminal(24, 80);
    terminal.wait().stdout_has("/dev/pts/0");
    containerd.run(&["tasks", "metrics", "box"]).ok().stdout_has("67108864");
    containerd.run(&["tasks", "ps", "box"]).ok().stdout_has("PID");
    containerd.run(&["tasks", "pause", "box"]).ok();
    assert_eq!(status(), "PAUSED");
    containerd.run(&["tasks", "resume", "box"]).ok();
    assert_eq!(status(), "RUNNING");
    containerd.run(&["tasks", "kill", "box"]).ok();
    eventually("it has stopped", || status() == "STOPPED");
    // Its own exit code is the task's.
    containerd.run(&["tasks", "delete", "box"]).stderr_has("exit code 9");
    containerd.run(&["containers", "delete", "box"]).ok();
    containerd.run(&["containers", "list", "--quiet"]).ok().prints("");
    assert_eq!(bundles.ids(), Vec::<String>::new());
    remove_group(&containerd.name_space());
}
