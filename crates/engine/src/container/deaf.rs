//! Whether a container's first process can hear a signal: the kernel gives the first process of a pid namespace none that it
//! has no handler for, except those that nobody can handle (pid_namespaces(7)).

/// Whether the process that this text of `/proc/PID/status` is about takes no notice of a signal. One that is blocked may
/// be waited for by `sigwait` or a descriptor (signalfd(2)): then it is heard.
pub(super) fn is_deaf(status: &str, signal: i32) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let has = |name: &str| {
        let mask = field(name).and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        // What is not told is not claimed.
        mask.is_none_or(|mask| mask & (1 << (signal - 1).clamp(0, 63)) != 0)
    };
    let is_first = field("NSpid").is_some_and(|pids| pids.split_whitespace().next_back() == Some("1"));
    let is_given = matches!(signal, libc::SIGKILL | libc::SIGSTOP) || signal < 1;
    is_first && !is_given && !has("SigCgt") && !has("SigBlk")
}

#[cfg(test)]
#[test]
fn who_hears_what() {
    let status = |pids: &str, blocked: &str, caught: &str| {
        format!(
            "Name:\tx\nNSpid:\t{pids}\nSigBlk:\t{blocked}\nSigIgn:\t0000000000000000\nSigCgt:\t{caught}\n"
        )
    };
    let (none, term, int) = ("0000000000000000", "0000000000004000", "0000000000000002");
    for (text, signal, deaf) in [
        (status("77\t1", none, none), libc::SIGTERM, true),
        (status("77\t1", none, term), libc::SIGTERM, false),
        (status("77\t1", none, term), libc::SIGINT, true),
        (status("77\t1", none, int), libc::SIGINT, false),
        (status("77\t1", term, none), libc::SIGTERM, false),
        (status("77\t1", none, none), libc::SIGKILL, false),
        (status("77\t1", none, "8000000000000000"), 64, false),
        // In somebody else's namespace its default action is taken.
        (status("77", none, none), libc::SIGTERM, false),
        (status("77\t5", none, none), libc::SIGTERM, false),
        ("NSpid:\t7\t1\n".to_owned(), libc::SIGTERM, false),
        (String::new(), libc::SIGTERM, false),
    ] {
        assert_eq!(is_deaf(&text, signal), deaf, "{signal} {text}");
    }
}
