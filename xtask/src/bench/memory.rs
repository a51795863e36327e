//! What a container costs in memory: the engine's processes, and apart from them the kernel.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;

/// Bytes that would be free if the engine's processes were not there: everything private to them.
///
/// Counts the processes that run the given program, and how many they are.
pub(super) fn private_bytes(program: &Path) -> Result<(u64, usize)> {
    let program = fs::metadata(program)?;
    let mut bytes = 0;
    let mut processes = 0;
    for entry in fs::read_dir("/proc")?.flatten() {
        if !entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // A process may end meanwhile; the file it runs may be a copy in memory with another number.
        let Ok(executable) = fs::metadata(entry.path().join("exe")) else { continue };
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let same = (executable.dev(), executable.ino()) == (program.dev(), program.ino());
        if !same && !name.starts_with("coracle") {
            continue;
        }
        if let Ok(rollup) = fs::read_to_string(entry.path().join("smaps_rollup")) {
            bytes += sum(&rollup, &["Private_Clean", "Private_Dirty"]);
            processes += 1;
        }
    }
    Ok((bytes, processes))
}

/// Bytes of kernel memory on the whole machine that containers cause.
pub(super) fn kernel_bytes() -> Result<u64> {
    Ok(sum(&fs::read_to_string("/proc/meminfo")?, &["SUnreclaim", "KernelStack", "PageTables", "Percpu"]))
}

fn sum(text: &str, fields: &[&str]) -> u64 {
    let value = |line: &str| -> Option<u64> {
        let (name, rest) = line.split_once(':')?;
        fields.contains(&name).then(|| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).flatten()
    };
    text.lines().filter_map(value).sum::<u64>() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_summed_in_bytes() {
        let text =
            "Rss: 10 kB\nPrivate_Clean:         4 kB\nPrivate_Dirty:        16 kB\nPrivate_Hugetlb: 1 kB\n";
        assert_eq!(sum(text, &["Private_Clean", "Private_Dirty"]), 20 * 1024);
    }
}
