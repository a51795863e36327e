//! The program that libFuzzer drives: the parser that `FUZZ_TARGET` names, see `fuzz::TARGETS`.
#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<fuzz::Target> =
    LazyLock::new(|| fuzz::target(&std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a parser")));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
