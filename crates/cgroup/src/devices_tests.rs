//! Device rules and the v1 writes they become.

use super::*;

/// Parses `allow c 1:3 rw`; `*` is any number, a dash is an absent type.
pub(crate) fn rules(text: &str) -> Vec<DeviceRule> {
    let parse = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (major, minor) = words[2].split_once(':').unwrap();
        let number = |text: &str| (text != "*").then(|| text.parse().unwrap());
        DeviceRule {
            allow: words[0] == "allow",
            kind: (words[1] != "-").then(|| words[1].to_owned()),
            major: number(major),
            minor: number(minor),
            access: words.get(3).map(|access| (*access).to_owned()),
        }
    };
    text.split(';').map(str::trim).filter(|line| !line.is_empty()).map(parse).collect()
}

/// Shows the writes: what holds for all, then the exceptions; or the error.
fn shown(text: &str) -> String {
    match parse_rules(&rules(text)).and_then(|rules| DeviceList::reduce(&rules)) {
        Ok(list) => {
            let lines: Vec<String> = list.lines().collect();
            format!("{} but [{}]", if list.allow_all { "all" } else { "none" }, lines.join(", "))
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn rules_reduce_to_the_form_of_v1() {
    let table = [
        ("", "none but []"),
        ("deny a *:*", "none but []"),
        ("allow - *:* rwm", "all but []"),
        ("deny a *:* rwm; allow c 1:3 rw; allow c 1:3 m; allow b *:* m", "none but [c 1:3 rwm, b *:* m]"),
        ("allow c 1:3; deny a *:*; allow c 5:* r", "none but [c 5:* r]"),
        ("allow c 1:3 rwm; deny c 1:3 w", "none but [c 1:3 rm]"),
        ("allow c 1:3 rwm; deny c 1:* rwm", "none but []"),
        ("allow c *:* m; deny b *:* m", "none but [c *:* m]"),
        ("allow a *:*; deny c 1:3 w; deny b 8:* rwm", "all but [c 1:3 w, b 8:* rwm]"),
        ("allow a *:*; deny c 1:3 rwm; allow c 1:3 r", "all but [c 1:3 wm]"),
        // Type `a` with numbers means both kinds; the kernel would take it for everything.
        ("allow a 8:1 r", "none but [b 8:1 r, c 8:1 r]"),
        ("deny a *:* m", "none but []"),
        ("allow u 4:64 rw", "none but [c 4:64 rw]"),
        (
            "allow c 1:* rwm; deny c 1:3 w",
            "invalid device rule `c 1:3 w`: cgroup v1 cannot take it out of the earlier rule `c 1:* rwm`",
        ),
        (
            "allow c *:3 rwm; deny c 1:* w",
            "invalid device rule `c 1:* w`: cgroup v1 cannot take it out of the earlier rule `c *:3 rwm`",
        ),
        (
            "allow c 1:3 rx",
            "invalid device rule `allow c 1:3 rx`: the access has a letter other than `r`, `w` and `m`",
        ),
        ("allow p 1:3 r", "invalid device rule `allow p 1:3 r`: the type is none of `a`, `b` and `c`"),
        ("allow c 1:-2 r", "invalid device rule `allow c 1:-2 r`: a device number is out of range"),
        (
            "allow c 4294967296:1 r",
            "invalid device rule `allow c 4294967296:1 r`: a device number is out of range",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(shown(text), expected, "{text}");
    }
    assert_eq!(number(&DeviceRule::default(), Some(-1)).unwrap(), None, "Docker writes -1 for any");
}

#[test]
fn default_devices_are_opened_and_any_node_is_made() {
    let rules = parse_rules(&default_devices()).unwrap();
    let list = DeviceList::reduce(&rules).unwrap();
    let lines: Vec<String> = list.lines().collect();
    assert_eq!(lines[..3], ["c *:* m", "b *:* m", "c 1:3 rwm"]);
    assert!(!list.allow_all);
    assert!(
        lines.iter().all(|line| line.ends_with(" m") || line.starts_with("c ")),
        "no block device is opened"
    );
}
