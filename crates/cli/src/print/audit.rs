//! What belongs to nobody.

use engine::request::view::AuditRow;

use super::table::table;

/// Returns the text of `system audit`.
pub fn audit(rows: &[AuditRow]) -> String {
    if rows.is_empty() {
        return "nothing is orphaned\n".to_owned();
    }
    let cells = |row: &AuditRow| {
        let state = if row.repaired { "repaired" } else { "orphaned" };
        vec![row.kind.clone(), row.object.clone(), state.to_owned(), row.reason.clone()]
    };
    table(&["KIND", "OBJECT", "STATE", "REASON"], &rows.iter().map(cells).collect::<Vec<_>>())
}

#[cfg(test)]
#[test]
fn findings() {
    assert_eq!(audit(&[]), "nothing is orphaned\n");
    let row = AuditRow {
        kind: "cgroup".to_owned(),
        object: "/sys/fs/cgroup/pids/coracle/abc".to_owned(),
        reason: "no container abc".to_owned(),
        repaired: false,
    };
    insta::assert_snapshot!("audit", audit(&[row]));
}
