//! The rules of the house hold in this tree; `cargo xtask tidy` prints the same.

#[test]
fn the_tree_is_tidy() {
    let workspace = xtask::tidy::Workspace::load().expect("cargo and git describe the tree");
    let report = xtask::tidy::check(&workspace).expect("the checks run");
    assert!(report.faults.is_empty(), "{} faults:\n{}", report.faults.len(), report.faults.join("\n"));
}
