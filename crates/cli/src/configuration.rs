//! The configuration file: what holds for every command on this machine. It is optional, and nobody writes it but the
//! administrator.
//!
//! TOML, so that it can carry comments; a key that is not known is an error and no silence.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use engine::Firewall;
use engine::build::BuildPolicy;
use engine::registry::RegistryWords;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

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
    /// What builds keep.
    build: BuildTable,
    /// Asked before Docker's registry.
    #[serde(rename = "registry-mirrors")]
    registry_mirrors: Vec<String>,
    /// `HOST[:PORT]` whose certificates are not checked, and to whom plain HTTP may be spoken.
    #[serde(rename = "insecure-registries")]
    insecure_registries: Vec<String>,
    registries: BTreeMap<String, Registry>,
}

/// `[build]`: bounds of what lasts after a build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct BuildTable {
    collect: Option<bool>,
    #[serde(deserialize_with = "size")]
    cache_size: Option<u64>,
    #[serde(deserialize_with = "span")]
    cache_age: Option<Duration>,
    history: Option<usize>,
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    crate::grammar::size::parse(&text).map(Some).map_err(|error| D::Error::custom(error.to_string()))
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let nanos = crate::grammar::duration::parse_nanos(&text).and_then(|nanos| u64::try_from(nanos).ok());
    let invalid = || D::Error::custom(format!("invalid span `{text}`, expected one like `720h` or `30m`"));
    nanos.map(|nanos| Some(Duration::from_nanos(nanos))).ok_or_else(invalid)
}

/// What is configured of one registry, by its domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Registry {
    mirrors: Vec<String>,
    insecure: bool,
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

    pub(crate) fn build(&self) -> BuildPolicy {
        let usual = BuildPolicy::default();
        BuildPolicy {
            collects: self.build.collect.unwrap_or(usual.collects),
            cache_bytes_max: self.build.cache_size.unwrap_or(usual.cache_bytes_max),
            unused_max: self.build.cache_age.unwrap_or(usual.unused_max),
            history_max: self.build.history.unwrap_or(usual.history_max),
        }
    }

    pub(crate) fn registries(self) -> RegistryWords {
        let words = |(domain, registry): (String, Registry)| (domain, (registry.mirrors, registry.insecure));
        RegistryWords {
            registry_mirrors: self.registry_mirrors,
            insecure_registries: self.insecure_registries,
            registries: self.registries.into_iter().map(words).collect(),
        }
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
    use std::time::Duration;

    use engine::Firewall;
    use engine::build::BuildPolicy;

    use super::Configuration;

    #[test]
    fn nothing_configured_is_the_engines_own_way() {
        assert_eq!(Configuration::parse("# nothing\n").map(|c| c.firewall()), Ok(Firewall::Engine));
        assert_eq!(Configuration::parse("firewall = \"host\"").map(|c| c.firewall()), Ok(Firewall::Host));
    }

    #[test]
    fn bounds_of_builds() {
        let build = |text: &str| Configuration::parse(text).map(|c| c.build());
        let set = "[build]\ncollect = false\ncache-size = \"2g\"\ncache-age = \"48h\"\nhistory = 7";
        let expected = BuildPolicy {
            collects: false,
            cache_bytes_max: 2 << 30,
            unused_max: Duration::from_hours(48),
            history_max: 7,
        };
        assert_eq!(build(set), Ok(expected));
        assert_eq!(build("[build]"), Ok(BuildPolicy::default()));
        for (text, named) in [
            ("[build]\ncache-size = \"much\"", "line 2: invalid size: 'much'"),
            ("[build]\ncache-age = \"60\"", "line 2: invalid span `60`"),
            ("[build]\nsize = 1", "line 2: unknown field `size`"),
        ] {
            assert!(build(text).is_err_and(|error| error.starts_with(named)), "{text}");
        }
    }

    #[test]
    fn registries_are_told_in_dockers_words_and_one_by_one() {
        let text = "registry-mirrors = [\"https://m\"]\ninsecure-registries = [\"lab:5000\"]\n\
                    [registries.\"quay.io\"]\nmirrors = [\"https://q\"]\n";
        let words = Configuration::parse(text).unwrap().registries();
        assert_eq!((&*words.registry_mirrors[0], &*words.insecure_registries[0]), ("https://m", "lab:5000"));
        assert_eq!(words.registries["quay.io"], (vec!["https://q".to_owned()], false));
        assert!(
            Configuration::parse("[registries.x]\nmirror = []")
                .unwrap_err()
                .contains("unknown field `mirror`")
        );
    }

    #[test]
    fn what_is_not_known_is_refused_with_its_line() {
        let refused = |text: &str| Configuration::parse(text).unwrap_err();
        insta::assert_snapshot!(
            ["\nfirewal = \"host\"", "firewall = \"hosts\"", "firewall = 1", "firewall", "[firewall]"]
                .map(refused)
                .join("\n"),
            @r"
        line 2: unknown field `firewal`, expected one of `firewall`, `build`, `registry-mirrors`, `insecure-registries`, `registries`
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
