//! On which memory nodes pages are taken (set_mempolicy(2)).

use oci::runtime::MemoryPolicy;

use crate::error::Result;
use crate::plan::invalid;
use crate::step::InitStep;

/// The modes, by the kernel's numbers.
pub const MODES: [&str; 7] = [
    "MPOL_DEFAULT",
    "MPOL_PREFERRED",
    "MPOL_BIND",
    "MPOL_INTERLEAVE",
    "MPOL_LOCAL",
    "MPOL_PREFERRED_MANY",
    "MPOL_WEIGHTED_INTERLEAVE",
];

/// The flags, by their bits from `FIRST_FLAG_BIT` on.
pub const FLAGS: [&str; 3] = ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"];
const FIRST_FLAG_BIT: u32 = 13;

/// More nodes than any kernel is built for (`CONFIG_NODES_SHIFT` is 10 at most).
const NODES_MAX: usize = 1024;

/// Parses the specification's words.
pub(crate) fn memory_policy_step(policy: &MemoryPolicy) -> Result<InitStep> {
    let number = |words: &[&str], word: &str| {
        words.iter().zip(0..).find(|(known, _)| **known == word).map(|(_, it)| it)
    };
    let mut mode = number(&MODES, &policy.mode)
        .ok_or_else(|| invalid(format!("unknown memoryPolicy mode `{}`", policy.mode)))?;
    for flag in &policy.flags {
        mode |= number(&FLAGS, flag)
            .map(|bit: u32| 1 << (FIRST_FLAG_BIT + bit))
            .ok_or_else(|| invalid(format!("unknown memoryPolicy flag `{flag}`")))?;
    }
    let mut nodes = Vec::new();
    for node in crate::lists::numbers(&policy.nodes, NODES_MAX)
        .ok_or_else(|| invalid(format!("memoryPolicy: `{}` is not a list of nodes", policy.nodes)))?
    {
        if nodes.len() <= node / 64 {
            nodes.resize(node / 64 + 1, 0);
        }
        nodes[node / 64] |= 1_u64 << (node % 64);
    }
    Ok(InitStep::MemoryPolicy { mode, nodes })
}
