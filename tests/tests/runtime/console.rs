//! Terminals: the master sent over a console socket, and one served by `run` itself.

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::json;
use tests::Bundles;

/// Takes the one descriptor that a runtime sends.
fn receive(listener: &UnixListener) -> File {
    let (stream, _) = listener.accept().unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut name = [0; 64];
    let received =
        recvmsg(&stream, &mut [IoSliceMut::new(&mut name)], &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
    assert!(received.bytes > 0, "the terminal comes with a name");
    let fd = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    fd.expect("a descriptor").into()
}

/// Reads until the text has come.
#[track_caller]
fn expect(master: &mut File, text: &str) {
    let mut seen = Vec::new();
    let mut chunk = [0; 256];
    while !String::from_utf8_lossy(&seen).contains(text) {
        let count = master.read(&mut chunk).unwrap();
        seen.extend_from_slice(&chunk[..count]);
    }
}

fn socket(bundles: &Bundles) -> (UnixListener, String) {
    let path = bundles.base().join("console");
    (UnixListener::bind(&path).unwrap(), path.to_str().unwrap().to_owned())
}

const ASKS: [&str; 3] = ["sh", "-c", "tty; stty size; read line; echo got $line; exec sleep 600"];

#[test]
fn the_master_of_the_terminal_goes_over_the_console_socket() {
    let bundles = Bundles::new();
    let bundle = bundles.bundle("tty", &ASKS, |spec| {
        spec["process"]["terminal"] = json!(true);
        spec["process"]["consoleSize"] = json!({ "height": 33, "width": 44 });
    });
    let bundle = bundle.to_str().unwrap();
    let (listener, path) = socket(&bundles);
    let id = bundles.id("tty");
    bundles.run(&["create", "-b", bundle, "--console-socket", &path, &id]).ok().quiet();
    let mut master = receive(&listener);
    bundles.run(&["start", &id]).ok();
    expect(&mut master, "/dev/pts/0\r\n33 44\r\n");
    master.write_all(b"line\n").unwrap();
    expect(&mut master, "got line\r\n");

    let file = bundles.base().join("process.json");
    let process = json!({ "terminal": true, "args": ASKS, "env": ["PATH=/bin"], "cwd": "/",
        "consoleSize": { "height": 11, "width": 22 } });
    std::fs::write(&file, process.to_string()).unwrap();
    let words = ["exec", "-d", "-p", file.to_str().unwrap(), "--console-socket", &path, &id];
    bundles.run(&words).ok().quiet();
    let mut master = receive(&listener);
    expect(&mut master, "/dev/pts/1\r\n11 22\r\n");
    bundles.run(&["delete", "--force", &id]).ok();
    bundles.run(&["run", "-d", "-b", bundle, "--console-socket", &path, &id]).ok().quiet();
    expect(&mut receive(&listener), "33 44");
}

#[test]
fn a_terminal_needs_somebody_to_serve_it() {
    let bundles = Bundles::new();
    let with = bundles.bundle("with", &["true"], |spec| spec["process"]["terminal"] = json!(true));
    let without = bundles.bundle("without", &["true"], |_| ());
    let (with, without) = (with.to_str().unwrap(), without.to_str().unwrap());
    let id = bundles.id("tty");
    let (listener, path) = socket(&bundles);
    let refused =
        |words: &[&str], named: &str| bundles.run(words).fails_with(1).error_names(&[named, "console"]);
    refused(&["create", "-b", with, &id], "without setting console socket");
    refused(&["run", "-d", "-b", with, &id], "without setting console socket");
    refused(&["create", "-b", without, "--console-socket", &path, &id], "cannot use console socket");
    refused(&["run", "-b", with, "--console-socket", &path, &id], "cannot use console socket");
    drop(listener);
    refused(&["create", "-b", with, "--console-socket", &path, &id], "refused");
    refused(&["create", "-b", with, "--console-socket", "/nowhere", &id], "/nowhere");
    assert!(Path::new(&path).exists());
    bundles.assert_empty();
}

#[test]
fn run_and_exec_serve_the_terminal_of_whom_stays() {
    let bundles = Bundles::new();
    let bundle =
        bundles.bundle("fg", &["sh", "-c", "stty size; read line; echo got $line; exit 6"], |spec| {
            spec["process"]["terminal"] = json!(true);
        });
    let id = bundles.id("fg");
    let mut terminal = bundles.command(&["run", "-b", bundle.to_str().unwrap(), &id]).terminal(30, 90);
    terminal.expect("30 90");
    terminal.type_text("line\r");
    terminal.expect("got line");
    terminal.wait().fails_with(6);
    bundles.assert_empty();
    let sleep = bundles.bundle("sleep", &["sleep", "600"], |_| ());
    let id = bundles.start("sleep", &sleep);
    let words = ["exec", "-t", &id, "sh", "-c", "tty; stty size; while :; do sleep 0.02; stty size; done"];
    let terminal = bundles.command(&words).terminal(31, 91);
    terminal.expect("/dev/pts/0");
    terminal.expect("31 91");
    terminal.resize(32, 92);
    terminal.expect("32 92");
    bundles.run(&["delete", "-f", &id]).ok();
    terminal.wait().fails_with(137);
}
