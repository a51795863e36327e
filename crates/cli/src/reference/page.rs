//! `docs/commands.md`: every verb and flag, and what each of Docker's does here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use super::docker::{self, DockerVerb, Fate};
use super::{Scope, tree};
use crate::help;
use crate::verb::{self, Entry};

const HEAD: &str = "\
# Commands

Made by `cargo xtask docs` from the definitions that the command line is read with; what Docker has is taken from the help of its version 28.2.
[cli.md](cli.md) tells what the flags mean together, exit codes and templates.

In the second column: `docker` is a flag that Docker has too, `coracle` one that only Coracle has, `refused` one of Docker's that is refused by name,
`idle` one of Docker's whose wish is fulfilled anyway.
";

/// Returns the page.
pub fn page() -> String {
    let tree = tree(Scope::Known);
    let dockers: BTreeMap<&str, DockerVerb> = docker::verbs().map(|verb| (verb.spelling, verb)).collect();
    let mut page = HEAD.to_owned();
    for entry in verb::VERBS {
        section(&mut page, &tree, &dockers, entry);
    }
    page.push_str("\n## Docker's verbs that are not here\n\n| verb | why |\n|---|---|\n");
    for (word, why) in verb::LATER {
        let _ = writeln!(page, "| `{word}` | {why} |");
    }
    page
}

fn section(page: &mut String, tree: &Command, dockers: &BTreeMap<&str, DockerVerb>, entry: &Entry) {
    let Some(command) = entry.spellings.iter().find_map(|spelling| docker::find(tree, spelling)) else {
        return;
    };
    let [short, others @ ..] = entry.spellings else { return };
    let _ = write!(page, "\n## {short}\n\n{}.", entry.about);
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(|spelling| format!("`{spelling}`")).collect();
        let _ = write!(page, " Also {}.", others.join(", "));
    }
    let _ = write!(page, "\n\n    {}\n", help::usage(short, entry).trim_end());
    let theirs = entry.spellings.iter().find_map(|spelling| dockers.get(spelling));
    let mut rows: Vec<(String, String)> = command
        .get_arguments()
        .filter_map(|arg| Some((arg.get_long()?.to_owned(), row(arg, command, theirs)?)))
        .collect();
    rows.sort();
    if rows.is_empty() {
        return;
    }
    page.push_str("\n| flag | | |\n|---|---|---|\n");
    rows.iter().for_each(|(_, row)| page.push_str(row));
}

/// One flag as a row; none for those that are known under their other name only.
fn row(arg: &Arg, command: &Command, theirs: Option<&DockerVerb>) -> Option<String> {
    let long = arg.get_long()?;
    let is_theirs = theirs.is_some_and(|verb| verb.flags.contains(&long));
    let (origin, text) = match docker::fate(command, long) {
        Fate::Taken if is_theirs => ("docker", help_of(arg)),
        Fate::Taken => ("coracle", help_of(arg)),
        Fate::Refused(why) if is_theirs => ("refused", why),
        Fate::Idle if is_theirs => ("idle", String::new()),
        _ => return None,
    };
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let value = match arg.get_action() {
        ArgAction::Set | ArgAction::Append if origin != "refused" => value_of(arg),
        _ => String::new(),
    };
    Some(format!("| `{short}--{long}{value}` | {origin} | {} |\n", text.replace('|', "\\|")))
}

fn value_of(arg: &Arg) -> String {
    // A switch takes `=false` as well; its value is not worth showing.
    if arg.get_num_args().is_some_and(|range| range.min_values() == 0) {
        return String::new();
    }
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().map(|name| format!(" {name}")).collect::<String>().replace('|', "\\|")
}

fn help_of(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let defaults: Vec<_> = arg.get_default_values().iter().filter_map(|value| value.to_str()).collect();
    let is_switch = arg.get_num_args().is_some_and(|range| range.min_values() == 0);
    if !arg.is_hide_default_value_set() && !defaults.is_empty() && !is_switch {
        let _ = write!(text, " (default {})", defaults.join(","));
    }
    text.replace('\n', " ")
}

/// `cargo xtask docs` is this test, told to write.
#[cfg(test)]
#[test]
fn the_page_of_commands_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/commands.md");
    if std::env::var_os("CORACLE_WRITE_DOCS").is_some() {
        std::fs::File::create(path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, page().as_bytes()))
            .expect("the page can be written");
    }
    let committed = sys::fs::read_to_string(path).expect("there is a page");
    assert!(committed == page(), "docs/commands.md is out of date: run `cargo xtask docs`");
}
