//! Layers as differences: what containers change, what becomes of it, and what it costs.

mod archives;
mod check;
mod commit;
mod copy;
mod disk;
mod fork;
mod tags;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use tests::Engine;

/// Makes a container that runs from busybox and has changed something of every kind.
fn changed(engine: &Engine, name: &str) {
    let image = engine.image("busybox");
    engine.run(&["run", "-d", "--name", name, "--user", "0", &image, "sleep", "1000"]).ok();
    let script = "rm /etc/passwd; echo new > /usr/new; mv /home /home2; mkdir /home; ln -s nowhere /link; \
                  ln /usr/new /usr/hard; touch /etc/group; chmod 711 /root; mkfifo /fifo; \
                  mkdir -m 1777 /keep; chown 33:44 /keep";
    engine.run(&["exec", name, "sh", "-c", script]).ok();
}

/// Reads an archive with GNU tar: what each entry is, by its name.
fn listing(archive: &[u8]) -> BTreeMap<String, String> {
    let mut tar = Command::new("tar")
        .args(["-t", "-v", "--numeric-owner", "--full-time", "-f", "-"])
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = tar.stdin.take().unwrap();
    let bytes = archive.to_vec();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &bytes));
    let output = tar.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let what: Vec<&str> = words.by_ref().take(2).collect();
        let name = words.skip(3).collect::<Vec<_>>().join(" ");
        (name, what.join(" "))
    };
    text.lines().map(entry).collect()
}
