//! What becomes of questions, with the names of a run root.

use super::super::names::tests::Root;
use super::*;

fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut message = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message
}

/// Code, number of records, and the last byte of the first address.
fn outcome(root: &Root, name: &str, kind: u16, turn: usize) -> Option<(u8, u8, u8)> {
    let message = question(name, kind);
    let query = Query::parse(&message).unwrap();
    match decide(&query, &root.names(), turn, 512) {
        Decision::Forward => None,
        Decision::Answer(answer) => {
            let size = if kind == message::AAAA { 28 } else { 16 };
            let first = answer.get(message.len() + size - 1).copied().unwrap_or(0);
            Some((answer[3] & 0xf, answer[7], first))
        }
    }
}

#[test]
fn what_is_ours_is_answered_and_never_sent_on() {
    let root = Root::new();
    root.join("n1", "names");
    root.name("n1", "v4", "c1", "10.0.0.2");
    root.name("n1", "both", "c2", "10.0.0.3 fd00::3");
    assert_eq!(outcome(&root, "v4", message::A, 0), Some((0, 1, 2)));
    assert_eq!(outcome(&root, "V4", message::A, 0), Some((0, 1, 2)));
    assert_eq!(outcome(&root, "v4", message::AAAA, 0), Some((0, 0, 0)));
    assert_eq!(outcome(&root, "both", message::AAAA, 0), Some((0, 1, 3)));
    assert_eq!(outcome(&root, "both", message::ANY, 0).map(|(_, count, _)| count), Some(2));
    // Mail, service and HTTPS records of a container: none, and nobody else is asked.
    for kind in [15, 16, 33, 65] {
        assert_eq!(outcome(&root, "v4", kind, 0), Some((0, 0, 0)));
    }
    for (name, kind) in
        [("example.org", message::A), ("single", message::A), ("1.1.1.1.in-addr.arpa", message::PTR)]
    {
        assert_eq!(outcome(&root, name, kind, 0), None, "{name}");
    }
}

#[test]
fn the_owners_of_a_name_take_turns() {
    let root = Root::new();
    root.join("n1", "names");
    for host in 2..6 {
        root.name("n1", "web", &format!("c{host}"), &format!("10.0.0.{host}"));
    }
    let firsts: Vec<u8> = (0..5).map(|turn| outcome(&root, "web", message::A, turn).unwrap().2).collect();
    assert_eq!(firsts, [2, 3, 4, 5, 2]);
}

#[test]
fn nothing_leaves_a_container_of_internal_networks() {
    let root = Root::new();
    root.join("n1", "names internal");
    root.name("n1", "db", "c1", "10.0.0.2");
    assert_eq!(outcome(&root, "db", message::A, 0), Some((0, 1, 2)));
    for kind in [message::A, message::AAAA, message::PTR, 16, 255] {
        assert_eq!(outcome(&root, "secret.attacker.example", kind, 0), Some((2, 0, 0)));
    }
    root.join("n2", "plain");
    assert_eq!(outcome(&root, "secret.attacker.example", message::A, 0), None);
    root.leave("n1");
    root.leave("n2");
    assert_eq!(outcome(&root, "db", message::A, 0), Some((2, 0, 0)));
}
