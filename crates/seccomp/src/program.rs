//! The result of a compilation: instructions, flags and what was left out.

/// One instruction of classic BPF (`struct sock_filter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct SockFilter {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

impl SockFilter {
    /// Size of one instruction in bytes.
    pub const SIZE: usize = 8;

    /// Returns the instruction in the byte order of the machine.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let [c0, c1] = self.code.to_ne_bytes();
        let [k0, k1, k2, k3] = self.k.to_ne_bytes();
        [c0, c1, self.jt, self.jf, k0, k1, k2, k3]
    }

    /// Returns the instruction that `to_bytes` wrote.
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let [c0, c1, jt, jf, k0, k1, k2, k3] = bytes;
        Self { code: u16::from_ne_bytes([c0, c1]), jt, jf, k: u32::from_ne_bytes([k0, k1, k2, k3]) }
    }
}

/// Flags for `seccomp(SECCOMP_SET_MODE_FILTER)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FilterFlags(u32);

impl FilterFlags {
    /// Applies the filter to all threads.
    pub const TSYNC: Self = Self(1 << 0);
    /// Logs all answers but "allow".
    pub const LOG: Self = Self(1 << 1);
    /// Leaves speculative store bypass alone (kernels before 5.16 mitigate it in filtered tasks).
    pub const SPEC_ALLOW: Self = Self(1 << 2);
    /// Returns a listener for notifications.
    pub const NEW_LISTENER: Self = Self(1 << 3);
    /// Makes TSYNC fail with ESRCH, so that it can be used with a listener (5.7).
    pub const TSYNC_ESRCH: Self = Self(1 << 4);
    /// Only fatal signals interrupt a call that was handed to the listener (5.19).
    pub const WAIT_KILLABLE_RECV: Self = Self(1 << 5);

    const NAMED: [(&str, Self); 4] = [
        ("SECCOMP_FILTER_FLAG_TSYNC", Self::TSYNC),
        ("SECCOMP_FILTER_FLAG_LOG", Self::LOG),
        ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", Self::SPEC_ALLOW),
        ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", Self::WAIT_KILLABLE_RECV),
    ];

    /// Returns the flag that a filter of the runtime specification names.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(candidate, _)| *candidate == name).map(|(_, flag)| *flag)
    }

    /// Returns the flags as the kernel takes them.
    pub fn bits(self) -> u32 {
        self.0
    }

    pub(crate) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Returns both sets of flags together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all flags of the other set are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A compiled filter, ready for the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub instructions: Vec<SockFilter>,
    /// Holds `NEW_LISTENER` if some rule notifies.
    pub flags: FilterFlags,
    /// The names in rules that no table knows, sorted; the rules were ignored, as runc does.
    pub unknown_syscalls: Vec<String>,
}

impl Program {
    /// Returns the instructions as the array of `struct sock_filter` that the kernel reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.instructions.iter().flat_map(|instruction| instruction.to_bytes()).collect()
    }

    /// Whether loading the filter gives a listener that somebody must serve.
    pub fn needs_listener(&self) -> bool {
        self.flags.contains(FilterFlags::NEW_LISTENER)
    }
}
