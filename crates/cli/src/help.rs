//! Help above the verbs: what there is, in Docker's order.

use std::fmt::Write;

use crate::verb::{self, Entry, GROUPS, VERBS};

/// An option before the verb.
#[derive(Debug)]
pub(crate) struct GlobalOption {
    pub(crate) short: Option<char>,
    pub(crate) long: &'static str,
    /// What its value is called, if it has one.
    pub(crate) value: Option<&'static str>,
    pub(crate) about: &'static str,
}

/// The options before the verb.
pub(crate) const GLOBAL: &[GlobalOption] = &[
    GlobalOption {
        short: None,
        long: "config-file",
        value: Some("FILE"),
        about: "Read the configuration from here (CORACLE_CONFIG)",
    },
    GlobalOption { short: Some('D'), long: "debug", value: None, about: "Say more about errors" },
    GlobalOption {
        short: None,
        long: "root",
        value: Some("DIR"),
        about: "Keep images and containers here (CORACLE_ROOT)",
    },
    GlobalOption {
        short: None,
        long: "run-root",
        value: Some("DIR"),
        about: "Keep what dies with the boot here (CORACLE_RUN_ROOT)",
    },
    GlobalOption {
        short: Some('v'),
        long: "version",
        value: None,
        about: "Print version information and quit",
    },
];

/// Returns the help of `coracle` alone.
pub(crate) fn top() -> String {
    let mut text =
        "\nUsage:  coracle [OPTIONS] COMMAND\n\nA container engine with nothing to keep running\n".to_owned();
    let (common, others): (Vec<_>, Vec<_>) = verb::spellings(None).partition(|(_, entry)| entry.common);
    list(&mut text, "Common Commands", common.into_iter().map(about));
    let mut groups = GROUPS.to_vec();
    groups.push(("runtime", "Act as an OCI runtime (create, start, state, kill, delete, ...)"));
    list(&mut text, "Management Commands", groups.into_iter());
    list(&mut text, "Commands", others.into_iter().map(about));
    text.push_str("\nGlobal Options:\n");
    for option in GLOBAL {
        let short = option.short.map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
        let value = option.value.map_or_else(String::new, |value| format!(" {value}"));
        let _ = writeln!(text, "  {short}--{:<18} {}", format!("{}{value}", option.long), option.about);
    }
    text.push_str("\nRun 'coracle COMMAND --help' for more information on a command.\n");
    text
}

/// Returns the help of `coracle container` and the like.
pub(crate) fn group(name: &str) -> String {
    let about_group =
        GROUPS.iter().find(|(group, _)| *group == name).map(|(_, about)| *about).unwrap_or_default();
    let mut text = format!("\nUsage:  coracle {name} COMMAND\n\n{about_group}\n");
    let mut entries: Vec<_> = verb::spellings(Some(name)).map(about).collect();
    entries.sort_unstable();
    list(&mut text, "Commands", entries.into_iter());
    let _ = write!(text, "\nRun 'coracle {name} COMMAND --help' for more information on a command.\n");
    text
}

/// Returns the usage line of a spelling, without the word itself.
pub(crate) fn usage(spelling: &str, entry: &Entry) -> String {
    format!("coracle {spelling} {}", entry.usage)
}

/// Returns the other spellings of a verb, where there are several.
pub(crate) fn aliases(entry: &Entry) -> String {
    match entry.spellings {
        [_] => String::new(),
        all => {
            let all: Vec<String> = all.iter().rev().map(|spelling| format!("coracle {spelling}")).collect();
            format!("\n\nAliases:\n  {}", all.join(", "))
        }
    }
}

fn about((spelling, entry): (&'static str, &'static Entry)) -> (&'static str, &'static str) {
    (spelling, entry.about)
}

fn list<'a>(text: &mut String, title: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) {
    let _ = write!(text, "\n{title}:\n");
    for (word, about) in rows {
        let _ = writeln!(text, "  {word:<11} {about}");
    }
}

/// Returns every word that may stand first.
pub(crate) fn first_words() -> impl Iterator<Item = &'static str> {
    let short =
        VERBS.iter().flat_map(|entry| entry.spellings).copied().filter(|spelling| !spelling.contains(' '));
    short.chain(GROUPS.iter().map(|(group, _)| *group))
}
