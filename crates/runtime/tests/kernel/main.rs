//! Containers on the real kernel, made by the runtime alone; needs root.
//!
//! Each test is a process of one thread, as the callers of the runtime are: the harness of the standard
//! library keeps a second one. This one speaks as much of its command line as `cargo test` and nextest use.
#![allow(clippy::disallowed_methods, reason = "tests may read files and run programs")]
#![allow(clippy::print_stdout, reason = "a test program lists its tests and tells their outcome")]

mod boxes;
mod failures;
mod network;
mod root;
mod sharing;

use std::process::{Command, ExitCode};

const TESTS: &[(&str, fn())] = &[
    ("root::a_container_over_a_directory", root::a_container_over_a_directory),
    ("root::mounts_have_the_options_asked_for", root::mounts_have_the_options_asked_for),
    ("root::a_container_over_many_layers_of_foreign_ids", root::a_container_over_many_layers_of_foreign_ids),
    ("root::a_console_is_the_controlling_terminal", root::a_console_is_the_controlling_terminal),
    (
        "root::ambient_capabilities_the_kernel_refuses_are_left_out",
        root::ambient_capabilities_the_kernel_refuses_are_left_out,
    ),
    ("failures::each_failure_is_told_and_leaves_nothing", failures::each_failure_is_told_and_leaves_nothing),
    (
        "failures::a_failure_with_much_to_tell_is_still_a_failure",
        failures::a_failure_with_much_to_tell_is_still_a_failure,
    ),
    (
        "failures::a_gated_container_waits_and_ends_with_its_creator",
        failures::a_gated_container_waits_and_ends_with_its_creator,
    ),
    (
        "network::it_is_set_up_before_the_program_runs_and_while_the_builder_mounts",
        network::it_is_set_up_before_the_program_runs_and_while_the_builder_mounts,
    ),
    (
        "network::a_failure_is_the_creations_and_leaves_nothing",
        network::a_failure_is_the_creations_and_leaves_nothing,
    ),
    ("sharing::namespaces_of_another_are_joined", sharing::namespaces_of_another_are_joined),
    ("sharing::further_processes_run_inside", sharing::further_processes_run_inside),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
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
