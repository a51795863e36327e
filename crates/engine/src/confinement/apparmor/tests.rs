//! The decision as a table, and the profile's text.

use super::*;

fn machine(enabled: bool, loaded: bool, current: bool, parser: bool) -> Machine {
    let parser = parser.then(|| PathBuf::from("/sbin/apparmor_parser"));
    Machine { enabled, loaded: Some(loaded), current, parser }
}

#[test]
fn which_profile_a_container_has() {
    // Of the machine: in force, profile loaded, of this version, a parser.
    let (yes, no) = (true, false);
    let rows = [
        (Asked::Default, machine(no, no, no, yes), "nothing"),
        (Asked::Default, machine(yes, no, no, yes), "load"),
        (Asked::Default, machine(yes, yes, no, yes), "load"),
        (Asked::Default, machine(yes, yes, yes, yes), "coracle-default"),
        (Asked::Default, machine(yes, yes, yes, no), "coracle-default"),
        // Another version's is better than none.
        (Asked::Default, machine(yes, yes, no, no), "coracle-default"),
        (
            Asked::Default,
            machine(yes, no, no, no),
            "without: there is no apparmor_parser to load it with; install apparmor_parser (Debian: `apt install apparmor`)",
        ),
        // A stale note of what was loaded, as after `aa-remove-unknown`.
        (Asked::Default, machine(yes, no, yes, yes), "load"),
        (Asked::Unconfined, machine(no, no, no, no), "nothing"),
        (Asked::Unconfined, machine(yes, no, no, no), "unconfined"),
        (Asked::Profile("mine"), machine(yes, yes, no, no), "mine"),
        (Asked::Profile("mine"), machine(yes, no, no, yes), "error: AppArmor profile `mine` is not loaded"),
        (
            Asked::Profile("mine"),
            machine(no, no, no, yes),
            "error: cannot apply AppArmor profile `mine`: AppArmor is not in force on this machine",
        ),
        (Asked::Profile(DEFAULT), machine(yes, no, no, yes), "load, or fail"),
        (Asked::Profile(DEFAULT), machine(yes, yes, yes, yes), "coracle-default"),
        (
            Asked::Profile(DEFAULT),
            machine(yes, no, no, no),
            "error: AppArmor profile `coracle-default` is not loaded",
        ),
    ];
    for (asked, machine, expected) in rows {
        let decided = match decide(asked, &machine) {
            Ok(Decision::Nothing) => "nothing".to_owned(),
            Ok(Decision::Profile(name)) => name,
            Ok(Decision::Load { asked: false, .. }) => "load".to_owned(),
            Ok(Decision::Load { asked: true, .. }) => "load, or fail".to_owned(),
            Ok(Decision::Without { reason }) => format!("without: {reason}"),
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(decided, expected, "{asked:?} {machine:?}");
    }
    // Who may not list the profiles has the kernel decide.
    let blind = Machine { loaded: None, ..machine(yes, no, no, no) };
    assert_eq!(decide(Asked::Profile("mine"), &blind).unwrap(), Decision::Profile("mine".into()));
}

#[test]
fn what_is_asked_for() {
    let security = |apparmor: Option<&str>, privileged| Security {
        apparmor: apparmor.map(str::to_owned),
        privileged,
        ..Security::default()
    };
    assert_eq!(asked(&security(None, false)), Asked::Default);
    assert_eq!(asked(&security(None, true)), Asked::Unconfined);
    assert_eq!(asked(&security(Some("mine"), true)), Asked::Profile("mine"));
    assert_eq!(asked(&security(Some("unconfined"), false)), Asked::Unconfined);
}

#[test]
fn names_in_the_list_of_profiles() {
    let list = "/usr/bin/man (enforce)\ncoracle-default (enforce)\na (b) c (complain)\n";
    for name in ["/usr/bin/man", "coracle-default", "a (b) c"] {
        assert!(has(list, name), "{name}");
    }
    for name in ["coracle", "default", "a", "enforce", ""] {
        assert!(!has(list, name), "{name}");
    }
}

#[test]
fn the_profile() {
    insta::assert_snapshot!("profile", profile::text(None, true));
    let confined = profile::text(Some("engine of mine"), false);
    assert!(confined.contains("signal (receive) peer=\"engine of mine\",\n}"), "{confined}");
    assert!(!confined.contains("abi <"), "{confined}");
    assert!(!profile::text(Some("a\" b"), false).contains("a\""));
    assert!(confined.contains(&format!("profile \"{DEFAULT}\"")));
    assert_eq!(confined.matches(&format!("peer=\"{DEFAULT}\"")).count(), 2);
}
