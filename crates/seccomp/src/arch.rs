//! The architectures that filters are compiled for, and their names in the three worlds.

use crate::{Error, Result};

/// The marker bit in the numbers of x32 calls (`__X32_SYSCALL_BIT`).
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// The first private call number of 32-bit ARM (`__ARM_NR_BASE`).
pub(crate) const ARM_PRIVATE: u32 = 0x000f_0000;

/// An architecture with a table of system calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    X86_64,
    X86,
    X32,
    Aarch64,
    Arm,
}

/// Names of the specification that have no table here: they never run on our machines.
const FOREIGN: &[&str] = &[
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
];

impl Arch {
    /// All architectures, in the order of the table's columns.
    pub const ALL: [Self; 5] = [Self::X86_64, Self::X86, Self::X32, Self::Aarch64, Self::Arm];

    /// The architecture of this program.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Self = Self::X86_64;
    /// The architecture of this program.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Self = Self::Aarch64;

    /// Returns the name in the runtime specification: `SCMP_ARCH_X86_64`.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "SCMP_ARCH_X86_64",
            Self::X86 => "SCMP_ARCH_X86",
            Self::X32 => "SCMP_ARCH_X32",
            Self::Aarch64 => "SCMP_ARCH_AARCH64",
            Self::Arm => "SCMP_ARCH_ARM",
        }
    }

    /// Returns the name in the `arches` lists of Docker's profiles: `amd64`.
    pub fn profile_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::X86 => "x86",
            Self::X32 => "x32",
            Self::Aarch64 => "arm64",
            Self::Arm => "arm",
        }
    }

    /// Returns the value of `seccomp_data.arch` (`AUDIT_ARCH_*`); x32 shares that of x86_64.
    pub fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// Parses a name of the runtime specification; a known one without a table gives `None`.
    pub(crate) fn parse(name: &str) -> Result<Option<Self>> {
        if FOREIGN.contains(&name) {
            return Ok(None);
        }
        let arch = Self::ALL.into_iter().find(|arch| arch.name() == name);
        arch.map(Some).ok_or_else(|| Error::UnknownArch(name.to_owned()))
    }

    /// Whether arguments are compared by their low 32 bits only, as libseccomp does for x32 too.
    pub(crate) fn has_narrow_args(self) -> bool {
        matches!(self, Self::X86 | Self::X32 | Self::Arm)
    }

    /// Returns the bits that mark this architecture's call numbers.
    pub(crate) fn marker(self) -> u32 {
        if self == Self::X32 { X32_BIT } else { 0 }
    }
}
