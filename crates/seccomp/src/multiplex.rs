//! The i386 calls that carry other calls: `socketcall` and `ipc`.
//!
//! The first argument selects the call. `socketcall` takes the real arguments from memory, so a
//! filter cannot look at them; `ipc` rearranges them.

/// A detour by which i386 reaches a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Detour {
    /// `socketcall` or `ipc`.
    pub(crate) carrier: &'static str,
    /// The value of its first argument.
    pub(crate) selector: u64,
    /// The bits of the first argument that the kernel looks at: `ipc` keeps a version above.
    pub(crate) mask: u64,
}

/// `include/uapi/linux/net.h`, from 1 on.
const SOCKETCALL: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

/// `include/uapi/linux/ipc.h`.
const IPC: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

/// Returns the detour to a call on i386, if there is one.
pub(crate) fn detour(name: &str) -> Option<Detour> {
    if let Some(index) = SOCKETCALL.iter().position(|candidate| *candidate == name) {
        return Some(Detour { carrier: "socketcall", selector: index as u64 + 1, mask: 0xffff_ffff });
    }
    let (_, selector) = *IPC.iter().find(|(candidate, _)| *candidate == name)?;
    Some(Detour { carrier: "ipc", selector, mask: 0xffff })
}
