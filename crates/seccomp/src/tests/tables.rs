//! The table of call numbers: its order, and some numbers that everybody knows.

use crate::table::TABLE;
use crate::{Arch, number};

#[test]
fn rows_are_in_order_for_the_binary_search() {
    let names: Vec<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    assert!(names.is_sorted_by(|one, other| one < other));
}

#[test]
fn no_architecture_uses_a_number_twice() {
    for arch in Arch::ALL {
        let mut numbers: Vec<u32> = TABLE.iter().filter_map(|(name, _)| number(arch, name)).collect();
        assert!(numbers.len() > 300, "{arch:?} has {}", numbers.len());
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all, "{arch:?}");
    }
}

#[test]
fn known_numbers() {
    let numbers = |name| Arch::ALL.map(|arch| number(arch, name));
    assert_eq!(numbers("read"), [Some(0), Some(3), Some(1 << 30), Some(63), Some(3)]);
    assert_eq!(numbers("socket"), [Some(41), Some(359), Some(1 << 30 | 41), Some(198), Some(281)]);
    assert_eq!(numbers("rt_sigaction"), [Some(13), Some(174), Some(1 << 30 | 512), Some(134), Some(174)]);
    assert_eq!(numbers("socketcall"), [None, Some(102), None, None, None]);
    assert_eq!(numbers("set_tls"), [None, None, None, None, Some(0xf0005)]);
    assert_eq!(numbers("rseq_slice_yield"), [471, 471, 1 << 30 | 471, 471, 471].map(Some));
    assert_eq!(numbers("no_such_call"), [None; 5]);
}

/// The headers of the C library know the same numbers for x86_64, where both know a call.
#[test]
fn numbers_agree_with_the_constants_of_the_system() {
    let header = "/usr/include/x86_64-linux-gnu/asm/";
    for (arch, file) in
        [(Arch::X86_64, "unistd_64.h"), (Arch::X86, "unistd_32.h"), (Arch::X32, "unistd_x32.h")]
    {
        let text = std::fs::File::open(format!("{header}{file}")).and_then(std::io::read_to_string);
        let text = text.unwrap_or_else(|error| panic!("{file}: {error}: install linux-libc-dev"));
        let mut checked = 0;
        for line in text.lines() {
            let Some((name, value)) =
                line.strip_prefix("#define __NR_").and_then(|rest| rest.split_once(' '))
            else {
                continue;
            };
            let value = value.trim_start_matches("(__X32_SYSCALL_BIT + ").trim_end_matches(')');
            let value: u32 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            let expected = if arch == Arch::X32 { value | 1 << 30 } else { value };
            assert_eq!(number(arch, name), Some(expected), "{name} on {arch:?}");
            checked += 1;
        }
        assert!(checked > 300, "{file} has {checked} numbers");
    }
}
