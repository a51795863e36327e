//! Tables of honest and hostile messages.

use proptest::prelude::*;

use super::*;

/// A query as a client writes it.
fn query(name: &str, kind: u16, edns: Option<u16>) -> Vec<u8> {
    let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    if let Some(size) = edns {
        let [high, low] = size.to_be_bytes();
        message.extend_from_slice(&[0, 0, 41, high, low, 0, 0, 0x80, 0, 0, 0]);
    }
    message
}

fn code_of(malformed: Malformed) -> Option<u8> {
    match malformed {
        Malformed::Ignored => None,
        Malformed::Refused(answer) => {
            assert!(answer.len() == 12 && answer[..2] == [0xab, 0xcd] && answer[2] & 0x80 != 0);
            Some(answer[3] & 0xf)
        }
    }
}

#[test]
fn a_question_is_read_and_answered() {
    let message = query("Web.Front-End_1.", A, None);
    let read = Query::parse(&message).unwrap();
    assert_eq!((read.name().as_deref(), read.kind, read.is_internet()), (Some("web.front-end_1"), A, true));
    assert_eq!(read.udp_limit(), 512);
    let records = [Record::Address("10.0.0.2".parse().unwrap()), Record::Address("fd00::2".parse().unwrap())];
    let answer = read.reply(Code::NoError, &records, 512);
    // The question as it was spelt, then two records whose names point at it.
    assert_eq!(answer[..12], [0xab, 0xcd, 0x85, 0x80, 0, 1, 0, 2, 0, 0, 0, 0]);
    assert_eq!(answer[12..message.len()], message[12..]);
    let first = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 0, 0, 2];
    assert_eq!(answer[message.len()..message.len() + 16], first);
    assert_eq!(answer[message.len() + 16..][..12], [0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 5, 0, 16]);
    assert_eq!(judge(&message, read.question_end(), 0xabcd, &answer), Some(Worth::Positive));

    let reverse = query("2.0.0.10.in-addr.arpa", PTR, None);
    let read = Query::parse(&reverse).unwrap();
    let answer = read.reply(Code::NoError, &[Record::Pointer("web.front".into())], 512);
    assert!(answer.ends_with(b"\x00\x0b\x03web\x05front\x00"), "{answer:?}");
    // A name without a form on the wire is left out, not written wrongly.
    for name in ["a..b".to_owned(), "x".repeat(64), ["y".repeat(60).as_str(); 5].join(".")] {
        let answer = read.reply(Code::NoError, &[Record::Pointer(name)], 512);
        assert_eq!(answer[6..8], [0, 0]);
    }
}

#[test]
fn what_does_not_fit_is_left_out_and_said() {
    let many: Vec<Record> = (0..200).map(|host| Record::Address([10, 0, 0, host].into())).collect();
    for (edns, limit) in [(None, 512), (Some(100), 512), (Some(1232), 1232), (Some(65535), 4096)] {
        let message = query("all", A, edns);
        let read = Query::parse(&message).unwrap();
        assert_eq!(read.udp_limit(), limit);
        let answer = read.reply(Code::NoError, &many, read.udp_limit());
        let count = usize::from(u16::from_be_bytes([answer[6], answer[7]]));
        // EDNS is repeated, and has its place in any case.
        assert_eq!(answer.len(), message.len() + 16 * count);
        assert!(answer.len() <= limit && (count == 200 || answer.len() + 16 > limit));
        assert_eq!(answer[2] & 2 != 0, count < 200);
        assert_eq!(answer[11], u8::from(edns.is_some()));
        assert_eq!(read.reply(Code::NoError, &many, 65535).len(), message.len() + 16 * 200);
    }
}

#[test]
fn hostile_messages_are_refused_or_ignored() {
    let good = query("a.b", A, Some(1232));
    let with = |at: usize, byte: u8| {
        let mut message = good.clone();
        message[at] = byte;
        message
    };
    let long_name = query(&["x".repeat(63).as_str(); 4].join("."), A, None);
    let longest = query(&["x".repeat(63).as_str(); 3].join("."), A, None);
    assert!(Query::parse(&longest).is_ok());
    let mut second_opt = good.clone();
    second_opt[11] = 2;
    second_opt.extend_from_slice(&[0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0]);
    let table: [(&str, Vec<u8>, Option<u8>); 17] = [
        ("nothing", vec![], None),
        ("half a header", good[..11].to_vec(), None),
        ("an answer", with(2, 0x81), None),
        ("a header alone", good[..12].to_vec(), Some(1)),
        ("an update", with(2, 5 << 3), Some(4)),
        ("no question", with(5, 0), Some(1)),
        ("two questions", with(5, 2), Some(1)),
        ("a pointer to itself", [&good[..12], &[0xc0, 12, 0, 1, 0, 1]].concat(), Some(1)),
        ("a pointer ahead", [&good[..12], &[0xc0, 14, 0xc0, 12, 0, 1, 0, 1]].concat(), Some(1)),
        ("a label of a reserved kind", with(12, 0x41), Some(1)),
        ("a label beyond the end", with(12, 63), Some(1)),
        ("a name too long", long_name, Some(1)),
        ("a record that is not there", with(7, 1), Some(1)),
        (
            "65535 records",
            {
                let mut m = with(10, 255);
                m[11] = 255;
                m
            },
            Some(1),
        ),
        ("data beyond the end", with(good.len() - 1, 1), Some(1)),
        ("something behind the end", [&good[..], &[0]].concat(), Some(1)),
        ("EDNS twice", second_opt, Some(1)),
    ];
    for (what, message, expected) in table {
        let malformed = Query::parse(&message).expect_err(what);
        assert_eq!(code_of(malformed), expected, "{what}");
    }
    // A name that no container has is a question all the same.
    for label in ["a.b", "a/b", "..", "\0", "ü"] {
        let mut message = good[..12].to_vec();
        message[11] = 0;
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
        message.extend_from_slice(&[0, 0, 1, 0, 1]);
        assert_eq!(Query::parse(&message).expect(label).name(), None, "{label}");
    }
}

#[test]
fn only_an_answer_to_what_was_asked_counts() {
    let asked = query("Example.org", A, None);
    let end = Query::parse(&asked).unwrap().question_end();
    let answer = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut answer = query("eXAMPLE.org", A, None);
        answer[..2].copy_from_slice(&[0x12, 0x34]);
        answer[2] = 0x81;
        answer[7] = 1;
        change(&mut answer);
        judge(&asked, end, 0x1234, &answer)
    };
    assert_eq!(answer(&|_| {}), Some(Worth::Positive));
    assert_eq!(answer(&|a| a[7] = 0), Some(Worth::Negative));
    assert_eq!(answer(&|a| a[3] = 3), Some(Worth::Negative));
    assert_eq!(answer(&|a| a[3] = 2), Some(Worth::Failure));
    assert_eq!(answer(&|a| a[3] = 5), Some(Worth::Failure));
    assert_eq!(answer(&|a| a[2] |= 2), Some(Worth::Truncated));
    assert_eq!(
        answer(&|a| {
            a.truncate(12);
            a[5] = 0;
            a[3] = 1
        }),
        Some(Worth::Failure)
    );
    // Another id, a question, another opcode, name, type or class; no question; too short.
    assert_eq!(answer(&|a| a[1] ^= 1), None);
    assert_eq!(answer(&|a| a[2] = 1), None);
    assert_eq!(answer(&|a| a[2] |= 8), None);
    assert_eq!(answer(&|a| a[13] = b'F'), None);
    assert_eq!(answer(&|a| a[end - 3] = 28), None);
    assert_eq!(answer(&|a| a[end - 3] ^= 0x20), None);
    assert_eq!(answer(&|a| a[end - 1] = 3), None);
    assert_eq!(answer(&|a| a[5] = 0), None);
    assert_eq!(answer(&|a| a.truncate(end - 1)), None);
    assert_eq!(answer(&|a| a.truncate(9)), None);
}

#[test]
fn an_answer_is_passed_on_under_the_clients_id_and_within_its_size() {
    let asked = query("Example.org", A, None);
    let end = Query::parse(&asked).unwrap().question_end();
    let mut answer = query("eXAMPLE.org", A, None);
    answer[..4].copy_from_slice(&[0x12, 0x34, 0x81, 0x80]);
    answer[7] = 40;
    answer.extend_from_slice(&[7; 600]);
    let whole = pass_on(&asked, end, answer.clone(), 4096);
    assert_eq!((&whole[..2], &whole[12..end], whole.len()), (&asked[..2], &asked[12..end], answer.len()));
    let part = pass_on(&asked, end, answer, 512);
    assert_eq!(part.len(), end);
    assert_eq!(part[2..12], [0x83, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
    let none = pass_on(&asked, end, vec![0x12, 0x34, 0x81, 0x85, 0, 0, 0, 0, 0, 0, 0, 0], 512);
    assert_eq!(none[2..12], [0x81, 0x82, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(none[12..], asked[12..end]);
}

proptest! {
    /// Whatever comes: no panic, no answer beyond the limit, and an honest question survives.
    #[test]
    fn any_message_is_read_within_bounds(
        mut message in proptest::collection::vec(any::<u8>(), 0..600),
        honest in any::<bool>(),
        other in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        if honest && message.len() >= 12 {
            // A header that leads into the records.
            message[2] &= 1;
            message[4..8].copy_from_slice(&[0, 1, 0, 0]);
        }
        match Query::parse(&message) {
            Ok(query) => {
                let end = query.question_end();
                prop_assert!(end <= message.len());
                if let Some(name) = query.name() {
                    prop_assert!(name.len() < NAME_MAX && !name.contains('/') && !name.starts_with('.'));
                }
                let reply = query.reply(Code::NoError, &[Record::Address([10, 0, 0, 1].into())], query.udp_limit());
                prop_assert!(reply.len() <= UDP_MAX);
                prop_assert!(Query::parse(&reply) == Err(Malformed::Ignored));
                let _ = judge(&message, end, 1, &other);
                prop_assert!(pass_on(&message, end, other, 512).len() <= 512.max(end));
            }
            Err(Malformed::Refused(answer)) => prop_assert_eq!(answer.len(), HEADER),
            Err(Malformed::Ignored) => {}
        }
    }

    #[test]
    fn any_question_is_read_as_it_was_written(
        labels in proptest::collection::vec("[a-z0-9_-]{1,63}", 0..4),
        kind in any::<u16>(),
        edns in proptest::option::of(any::<u16>()),
    ) {
        let name = labels.join(".");
        let message = query(&name, kind, edns);
        if let Ok(query) = Query::parse(&message) {
            prop_assert_eq!(query.name(), Some(name));
            prop_assert_eq!(query.kind, kind);
        } else {
            prop_assert!(name.len() > 252);
        }
    }
}
