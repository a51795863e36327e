//! `completion`: a script with which a shell completes words of this command line.

use clap::ValueEnum as _;
use clap_complete::Shell;

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read};
use crate::parse::{Arguments, Words};
use crate::reference::{self, Scope};

/// Arguments of `completion`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let word = words.into_iter().next().unwrap_or_default();
        let shell = Shell::from_str(&word, false).map_err(|_| {
            let known: Vec<String> = Shell::value_variants().iter().map(ToString::to_string).collect();
            Invalid::new(format!("no completion for shell `{word}`"))
                .hint(format!("there are: {}", known.join(", ")))
        })?;
        Ok(Command::Completion(shell))
    }
}

/// Writes the script.
pub(crate) fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    let mut tree = reference::tree(Scope::Supported);
    clap_complete::generate(shell, &mut tree, "coracle", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use clap_complete::Shell;

    use super::script;

    #[test]
    fn every_shell_completes_verbs_and_flags_and_nothing_that_is_refused() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for word in ["unpause", "cap-add", "prune", "run-root"] {
                assert!(script.contains(word), "{shell}: no {word}");
            }
            assert!(!script.contains("link-local-ip"), "{shell}");
        }
    }
}
