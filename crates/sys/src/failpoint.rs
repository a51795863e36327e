//! Kills this process at one of its own steps, by number, so that tests find what a crash anywhere leaves behind.
//!
//! `CORACLE_FAILPOINT=ROLE:NUMBER:MARKER`: the process of this role (`command`, `guardian`, `supervisor` or
//! `builder`) gets SIGKILL before its NUMBERth step, and makes the file MARKER first. A step is a system call that changes
//! what others see. Where MARKER is there already nobody is killed: a successor must be able to clear away. Where it is
//! absent at the end there are fewer steps.
//!
//! Compiled into debug builds and with the feature `failpoints`; otherwise nothing is left of it.

/// Which of our processes this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Command,
    Guardian,
    Supervisor,
    Builder,
}

#[cfg(any(debug_assertions, feature = "failpoints"))]
mod armed {
    use std::ffi::{CStr, CString};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Role;

    const VARIABLE: &str = "CORACLE_FAILPOINT";

    #[derive(Debug)]
    struct Wish {
        role: Role,
        number: u32,
        marker: CString,
        /// The variable as a new process of ours gets it.
        variable: CString,
    }

    static WISH: OnceLock<Wish> = OnceLock::new();
    /// Steps that are left before the one in question, counted down; 0 where there is none.
    static LEFT: AtomicU32 = AtomicU32::new(0);

    fn parse(text: &str) -> Option<Wish> {
        let [role, number, marker] = text.splitn(3, ':').collect::<Vec<_>>().try_into().ok()?;
        let role = match role {
            "command" => Role::Command,
            "guardian" => Role::Guardian,
            "supervisor" => Role::Supervisor,
            "builder" => Role::Builder,
            _ => return None,
        };
        let (marker, variable) =
            (CString::new(marker).ok()?, CString::new(format!("{VARIABLE}={text}")).ok()?);
        Some(Wish { role, number: number.parse().ok()?, marker, variable })
    }

    /// Takes the variable's value, if it is set.
    pub fn arm(value: Option<&str>) {
        if let Some(wish) = value.and_then(parse) {
            let _ = WISH.set(wish);
        }
    }

    /// The environment of a process of ours that is started anew.
    pub fn environment() -> Vec<CString> {
        WISH.get().map(|wish| wish.variable.clone()).into_iter().collect()
    }

    /// Begins to count: this process has this role from now on.
    pub fn enter(role: Role) {
        let wished = WISH.get().filter(|wish| wish.role == role);
        LEFT.store(wished.map_or(0, |wish| wish.number), Ordering::Relaxed);
    }

    /// Comes before each step. Allocates nothing: it is called between fork and exec too.
    pub fn step() {
        let left = LEFT.load(Ordering::Relaxed);
        if left == 0 || LEFT.fetch_sub(1, Ordering::Relaxed) != 1 {
            return;
        }
        if let Some(wish) = WISH.get()
            && make(&wish.marker)
        {
            // SAFETY: only this process ends.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        }
    }

    /// Makes the marker; false where it is there already.
    fn make(marker: &CStr) -> bool {
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_CLOEXEC;
        // SAFETY: a valid C string; the descriptor is left to the end of the process.
        unsafe { libc::open(marker.as_ptr(), flags, 0o600) >= 0 }
    }
}

#[cfg(any(debug_assertions, feature = "failpoints"))]
pub use armed::{arm, enter, environment, step};

#[cfg(not(any(debug_assertions, feature = "failpoints")))]
mod absent {
    use super::Role;

    /// Does nothing in this build.
    #[inline(always)]
    pub fn arm(_: Option<&str>) {}

    /// Nothing in this build.
    #[inline(always)]
    pub fn environment() -> Vec<std::ffi::CString> {
        Vec::new()
    }

    /// Does nothing in this build.
    #[inline(always)]
    pub fn enter(_: Role) {}

    /// Does nothing in this build.
    #[inline(always)]
    pub fn step() {}
}

#[cfg(not(any(debug_assertions, feature = "failpoints")))]
pub use absent::{arm, enter, environment, step};
