//! Manual pages, one for each verb and one for the whole: man-pages(7).

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::{Scope, docker, tree};
use crate::help;
use crate::verb::{GROUPS, VERBS};

/// A manual page and the name of its file.
#[derive(Debug)]
pub struct ManualPage {
    /// `coracle-run.1`.
    pub file: String,
    pub text: String,
}

/// Returns all pages: of the whole, of each group of verbs, and of each verb under its short spelling.
pub fn manual() -> Vec<ManualPage> {
    let tree = tree(Scope::Supported);
    let mut pages = vec![page("coracle", "coracle [OPTIONS] COMMAND [ARG...]", &tree)];
    for (group, _) in GROUPS {
        if let Some(command) = tree.find_subcommand(group) {
            pages.push(page(&format!("coracle-{group}"), &format!("coracle {group} COMMAND"), command));
        }
    }
    for entry in VERBS {
        let found =
            entry.spellings.iter().find_map(|spelling| Some((spelling, docker::find(&tree, spelling)?)));
        if let Some((spelling, command)) = found {
            let name = format!("coracle-{}", spelling.replace(' ', "-"));
            pages.push(page(&name, &help::usage(spelling, entry), command));
        }
    }
    pages
}

fn page(name: &str, usage: &str, command: &Command) -> ManualPage {
    let command = command.clone().display_name(name.to_owned());
    let man = Man::new(command)
        .title(name.to_uppercase())
        .manual("Coracle")
        .source(concat!("coracle ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    // Nothing fails that is written to memory.
    let _ = man.render_title(&mut text);
    let _ = man.render_name_section(&mut text);
    let mut synopsis = Roff::default();
    synopsis.control("SH", ["SYNOPSIS"]).text([roman(usage.trim_end())]);
    text.extend(synopsis.render().into_bytes());
    let _ = man.render_options_section(&mut text);
    let _ = man.render_subcommands_section(&mut text);
    ManualPage { file: format!("{name}.1"), text: String::from_utf8_lossy(&text).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::manual;

    #[test]
    fn every_verb_has_a_page_with_its_flags() {
        let pages = manual();
        let of = |file: &str| {
            &pages.iter().find(|page| page.file == file).unwrap_or_else(|| panic!("no {file}")).text
        };
        assert!(of("coracle-run.1").contains(r"\-\-cap\-add"), "{}", of("coracle-run.1"));
        assert!(!of("coracle-run.1").contains(r"link\-local\-ip"), "a refused flag has a place");
        assert!(of("coracle.1").contains("coracle\\-network(1)"), "{}", of("coracle.1"));
        assert!(of("coracle-network-create.1").contains(r"coracle network create [OPTIONS]"));
        let mut files: Vec<_> = pages.iter().map(|page| &page.file).collect();
        files.sort();
        files.dedup();
        assert_eq!(files.len(), pages.len(), "two pages of one name");
    }
}
