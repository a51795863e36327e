//! STOPSIGNAL: a number, or a name with or without `SIG`.

const NAMES: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

/// Whether the kernel has such a signal.
pub(super) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i64>() {
        return (1..=64).contains(&number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let real_time = |prefix: &str, max: u32| {
        let offset = name.strip_prefix(prefix).and_then(|offset| offset.parse::<u32>().ok());
        offset.is_some_and(|offset| (1..=max).contains(&offset))
    };
    NAMES.contains(&name) || real_time("RTMIN+", 15) || real_time("RTMAX-", 14)
}

#[cfg(test)]
mod tests {
    use super::is_signal;

    #[test]
    fn signals() {
        for good in ["9", "SIGTERM", "quit", "SIGRTMIN+3", "RTMAX-14", "64"] {
            assert!(is_signal(good), "{good}");
        }
        for bad in ["0", "65", "SIGNOTHING", "", "RTMIN+16", "-1"] {
            assert!(!is_signal(bad), "{bad}");
        }
    }
}
