//! The configuration file: what holds for every command on this machine. It is optional, and nobody writes it but the
//! administrator.
//!
//! TOML, so that it can carry comments; a key that is not known is an error and no silence.

use std::path::Path;

use engine::Firewall;
use serde::Deserialize;

use crate::error::Failure;

/// Where it is looked for unless told otherwise.
pub(crate) const DEFAULT: &str = "/etc/coracle/config.toml";
/// More than any of them needs; what is read is bounded.
const BYTES_MAX: usize = 1 << 20;
/// The exit code of an engine that cannot be opened, as Docker's.
const FAILED: u8 = 125;

/// All that can be configured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Configuration {
    /// Whose rules decide who reaches a published port.
    firewall: FirewallWord,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FirewallWord {
    #[default]
    Engine,
    Host,
}

impl Configuration {
    /// Reads the file that was named, which must be there, or the usual one, which need not.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, Failure> {
        let path = named.unwrap_or(Path::new(DEFAULT));
        match sys::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|why| unusable(path, &why)),
            Err(error) if named.is_none() && error.is_not_found() => Ok(Self::default()),
            Err(error) => Err(Failure::new(FAILED, error.to_string()).hint(match named {
                Some(_) => "name another file with --config-file or CORACLE_CONFIG, or none".to_owned(),
                None => format!("make {DEFAULT} readable, or remove it"),
            })),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.len() > BYTES_MAX {
            return Err(format!("it has more than {BYTES_MAX} bytes"));
        }
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            format!("line {line}: {}", error.message())
        })
    }

    pub(crate) fn firewall(&self) -> Firewall {
        match self.firewall {
            FirewallWord::Engine => Firewall::Engine,
            FirewallWord::Host => Firewall::Host,
        }
    }
}

fn unusable(path: &Path, why: &str) -> Failure {
    Failure::new(FAILED, format!("cannot use configuration `{}`: {why}", path.display()))
        .hint("docs/configuration.md lists what may stand there")
}

#[cfg(test)]
mod tests {
    use engine::Firewall;

    use super::Configuration;

    #[test]
    fn nothing_configured_is_the_engines_own_way() {
        assert_eq!(Configuration::parse("# nothing\n").map(|c| c.firewall()), Ok(Firewall::Engine));
        assert_eq!(Configuration::parse("firewall = \"host\"").map(|c| c.firewall()), Ok(Firewall::Host));
    }

    #[test]
    fn what_is_not_known_is_refused_with_its_line() {
        let refused = |text: &str| Configuration::parse(text).unwrap_err();
        insta::assert_snapshot!(
            ["\nfirewal = \"host\"", "firewall = \"hosts\"", "firewall = 1", "firewall", "[firewall]"]
                .map(refused)
                .join("\n"),
            @r"
        line 2: unknown field `firewal`, expected `firewall`
        line 1: unknown variant `hosts`, expected `engine` or `host`
        line 1: wanted string or table
        line 1: key with no value, expected `=`
        line 1: wanted exactly 1 element, found 0 elements
        "
        );
        assert!(refused(&"#".repeat((1 << 20) + 1)).contains("more than"));
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let missing = std::path::Path::new("/nowhere/config.toml");
        let failure = Configuration::load(Some(missing)).unwrap_err();
        assert!(failure.to_string().contains("/nowhere/config.toml"), "{failure}");
    }
}
