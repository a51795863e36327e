//! Guardians and supervisors as processes, on the real kernel; needs root.
//!
//! Each test is a process in a network namespace of its own, and this program is the guardian as well. It speaks as
//! much of a test's command line as `cargo test` and nextest use.
#![allow(clippy::disallowed_methods, reason = "tests may read files and run programs")]
#![allow(clippy::print_stdout, reason = "a test program lists its tests and tells their outcome")]

mod boxes;
mod networks;

use std::process::{Command, ExitCode};

const TESTS: &[(&str, fn())] = &[
    (
        "networks::a_port_outlives_its_supervisor_and_is_free_at_the_end",
        networks::a_port_outlives_its_supervisor_and_is_free_at_the_end,
    ),
    (
        "networks::a_kill_while_it_clears_away_is_made_good",
        networks::a_kill_while_it_clears_away_is_made_good,
    ),
    ("networks::a_failed_start_gives_ports_back", networks::a_failed_start_gives_ports_back),
    ("networks::many_ports_do_not_change_the_program", networks::many_ports_do_not_change_the_program),
    ("networks::the_next_supervisor_becomes_the_warden", networks::the_next_supervisor_becomes_the_warden),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().map(String::as_bytes) == Some(supervisor::GUARDIAN_ARGUMENT.to_bytes()) {
        return ExitCode::from(supervisor::guardian_main() as u8);
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let ignored = has("--ignored");
    let names: Vec<&String> =
        arguments.iter().filter(|word| !word.starts_with('-') && *word != "terse").collect();
    let chosen = TESTS.iter().filter(|(name, _)| {
        let fits = |wanted: &&String| if has("--exact") { name == *wanted } else { name.contains(*wanted) };
        !ignored && (names.is_empty() || names.iter().any(fits))
    });
    let chosen: Vec<_> = chosen.collect();
    if has("--list") {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if let ([(_, body)], true) = (chosen.as_slice(), has("--exact")) {
        sys::process::unshare(sys::process::NEWNET).unwrap();
        sys::loopback::bring_up().unwrap();
        body();
        return ExitCode::SUCCESS;
    }
    let failed = chosen.iter().filter(|(name, _)| {
        let program = std::env::current_exe().expect("this program has a path");
        let passed =
            Command::new(program).args(["--exact", name]).status().is_ok_and(|status| status.success());
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        !passed
    });
    ExitCode::from(u8::from(failed.count() > 0))
}
