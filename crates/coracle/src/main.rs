//! The binary: picks a face by the first argument or by the name it was called by.

mod init;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use sys::failpoint;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    let args: Vec<OsString> = args.collect();
    if cfg!(any(debug_assertions, feature = "failpoints")) {
        failpoint::arm(std::env::var("CORACLE_FAILPOINT").ok().as_deref());
        failpoint::enter(failpoint::Role::Command);
    }
    if args.first().is_some_and(|first| first.as_bytes() == supervisor::GUARDIAN_ARGUMENT.to_bytes()) {
        sys::process::exit_now(supervisor::guardian_main());
    }
    if name.as_bytes().ends_with(b"docker-init") {
        sys::process::exit_now(init::main(&args));
    }
    if name.as_bytes().ends_with(b"coracle-runtime") {
        return cli::run_runtime(&args);
    }
    if args.first().is_some_and(|first| first.as_bytes() == b"runtime") {
        return cli::run_runtime(&args[1..]);
    }
    cli::run(&args, cli::execute)
}
