//! The shape of the tables, as a person reads it: a change of a rule is seen here.

use super::{packet_table, sender_table};

#[test]
fn packets() {
    insta::assert_snapshot!(packet_table("T"));
}

#[test]
fn senders() {
    insta::assert_snapshot!(sender_table("T"));
}

/// What is looked for again is found by its comment: in one chain no two rules may be told apart by nothing.
#[test]
fn every_rule_has_a_comment_that_fits() {
    for table in [packet_table("T"), sender_table("T")] {
        for rule in table.chains.iter().flat_map(|chain| &chain.rules) {
            assert!((3..=128).contains(&rule.comment.len()), "{}", rule.comment);
            assert!(!rule.expressions.is_empty());
        }
    }
}
