//! Processes on the real kernel: clone with and without clone3, spawn, pidfds.

use std::ffi::CString;
use std::io::{Read, pipe};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use sys::process::{self, CloneOptions, ExitStatus, Inherit};

/// A filter that hides clone3, number 435 everywhere, as seccomp profiles of containers do.
fn hide_clone3() {
    let line = |code: u16, jump_true: u8, jump_false: u8, k: u32| {
        [&code.to_ne_bytes()[..], &[jump_true, jump_false], &k.to_ne_bytes()].concat()
    };
    let program = [
        line(0x20, 0, 0, 0),
        line(0x15, 0, 1, 435),
        line(0x06, 0, 0, 0x0005_0000 | 38),
        line(0x06, 0, 0, 0x7fff_0000),
    ];
    sys::credentials::set_no_new_privileges().unwrap();
    sys::credentials::load_seccomp(&program.concat(), 0).unwrap();
}

#[test]
fn a_clone_works_without_clone3() {
    for hidden in [false, true] {
        // The filter is this thread's alone. The bodies neither allocate nor lock: there are other threads.
        let clones = move || {
            if hidden {
                hide_clone3();
            }
            let child = process::clone(CloneOptions::default(), || 42).unwrap();
            assert_eq!(process::wait(child.pid).unwrap(), ExitStatus::Code(42));

            let (reader, writer) = rustix::pipe::pipe().unwrap();
            let child = process::clone(CloneOptions::default(), || {
                let _ = rustix::io::read(&reader, &mut [0; 1]);
                7
            });
            let child = child.unwrap();
            process::signal(child.pidfd.as_fd(), 9).unwrap();
            assert_eq!(process::wait(child.pid).unwrap(), ExitStatus::Signal(9));
            // Reaped: the descriptor tells so, whoever has the number now.
            assert_eq!(process::signal(child.pidfd.as_fd(), 9).unwrap_err().errno(), Some(Errno::SRCH));
            drop(writer);

            let time = CloneOptions { namespaces: process::NEWTIME, ..CloneOptions::default() };
            if hidden {
                // clone(2) would take the bit for a part of the exit signal and make no namespace.
                assert_eq!(process::clone(time, || 0).unwrap_err().errno(), Some(Errno::NOSYS));
            }
        };
        std::thread::spawn(clones).join().unwrap();
    }
}

#[test]
fn a_spawned_program_gets_the_descriptors_it_was_given() {
    let text = |text: &str| CString::new(text).unwrap();
    let (mut reader, writer) = pipe().unwrap();
    let writer = OwnedFd::from(writer);
    let null = std::fs::File::open("/dev/null").unwrap();
    let arguments = ["sh", "-c", "echo $0 $A; echo seven >&7; exit 3", "name"].map(text);
    let inherit = [
        Inherit { fd: null.as_fd(), number: 0 },
        Inherit { fd: writer.as_fd(), number: 1 },
        Inherit { fd: writer.as_fd(), number: 7 },
    ];
    let pid = process::spawn(c"/bin/sh", &arguments, &[text("A=b")], &inherit).unwrap();
    drop(writer);
    let mut output = String::new();
    reader.read_to_string(&mut output).unwrap();
    assert_eq!(output, "name b\nseven\n");
    assert_eq!(process::wait(pid).unwrap(), ExitStatus::Code(3));

    let error = process::spawn(c"/no/such/program", &arguments, &[], &[]).unwrap_err();
    assert_eq!((error.what(), error.errno()), ("cannot start /no/such/program", Some(Errno::NOENT)));
}

#[test]
fn ends_are_told_as_the_shell_does() {
    assert_eq!(ExitStatus::from_wait(3 << 8), ExitStatus::Code(3));
    assert_eq!(ExitStatus::from_wait(9).code(), 137);
    assert_eq!(ExitStatus::from_wait(0x80 | 11), ExitStatus::Signal(11));
    assert_eq!(process::open_pidfd(i32::MAX).unwrap_err().what(), "cannot open process 2147483647");
    assert_eq!(process::namespace_names(process::NEWUSER | process::NEWTIME), "user,time");
}
