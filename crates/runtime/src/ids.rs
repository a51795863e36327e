//! Id maps (user_namespaces(7)): read, and looked up in.

use oci::runtime::IdMapping;

/// Returns the id outside of one inside.
pub(crate) fn find(map: &[IdMapping], id: u32) -> Option<u32> {
    let line = map.iter().find(|line| id >= line.container_id && id - line.container_id < line.size)?;
    Some(line.host_id + (id - line.container_id))
}

/// Reads a map of a process.
pub(crate) fn read_map(path: &str) -> sys::Result<Vec<IdMapping>> {
    let line = |line: &str| {
        let numbers: Vec<u32> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [container_id, host_id, size] = numbers[..] else { return None };
        Some(IdMapping { container_id, host_id, size })
    };
    Ok(sys::fs::read_to_string(path)?.lines().filter_map(line).collect())
}
