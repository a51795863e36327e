//! Looks up system call numbers by name.

use crate::Arch;
use crate::table::TABLE;

/// The numbers of one call on all architectures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers(&'static [i32; 5]);

impl Numbers {
    /// Returns the number on an architecture, as it appears in `seccomp_data.nr`.
    pub(crate) fn on(self, arch: Arch) -> Option<u32> {
        u32::try_from(self.0[arch as usize]).ok().map(|number| number | arch.marker())
    }
}

/// Finds a call by name.
pub(crate) fn find(name: &str) -> Option<Numbers> {
    let row = TABLE.binary_search_by(|(candidate, _)| (*candidate).cmp(name)).ok()?;
    Some(Numbers(&TABLE[row].1))
}

/// Returns the number of a call as the kernel shows it to filters, x32's marker bit included.
pub fn number(arch: Arch, name: &str) -> Option<u32> {
    find(name)?.on(arch)
}
