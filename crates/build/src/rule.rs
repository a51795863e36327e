//! The build checks, under the names and with the words that BuildKit gives them, and which of them are on.

use std::collections::BTreeSet;

use crate::suggest::nearest;

macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        /// A build check. <https://docs.docker.com/reference/build-checks/>
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $($rule),* }

        impl Rule {
            /// Every check, in alphabetical order.
            pub const ALL: &[Self] = &[$(Self::$rule),*];

            /// The name by which `# check=skip=…` turns it off.
            pub fn name(self) -> &'static str {
                match self { $(Self::$rule => stringify!($rule)),* }
            }
        }
    };
}

rules![
    ConsistentInstructionCasing,
    CopyIgnoredFile,
    DuplicateStageName,
    ExposeInvalidFormat,
    ExposeProtoCasing,
    FromAsCasing,
    FromPlatformFlagConstDisallowed,
    InvalidDefaultArgInFrom,
    InvalidDefinitionDescription,
    JSONArgsRecommended,
    LegacyKeyValueFormat,
    MaintainerDeprecated,
    MultipleInstructionsDisallowed,
    NoEmptyContinuation,
    RedundantTargetPlatform,
    ReservedStageName,
    SecretsUsedInArgOrEnv,
    StageNameCasing,
    UndefinedArgInFrom,
    UndefinedVar,
    WorkdirRelativePath,
];

impl Rule {
    /// Whether it is off until `experimental=` turns it on.
    pub fn is_experimental(self) -> bool {
        self == Self::InvalidDefinitionDescription
    }

    fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }
}

/// Which checks are on: `skip=A,B;error=true;experimental=all`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckOptions {
    skip_all: bool,
    skipped: BTreeSet<Rule>,
    experimental_all: bool,
    experimental: BTreeSet<Rule>,
    /// Whether a warning fails the build.
    pub error: bool,
}

impl CheckOptions {
    /// Parses the value of a `# check=` directive, or of the build argument `BUILDKIT_DOCKERFILE_CHECK`.
    ///
    /// Names that are no check of ours are passed over: BuildKit may have learnt new ones.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| format!("invalid check option `{part}`: it must be `key=value`"))?;
            let value = value.trim();
            match key.trim() {
                "skip" if value == "all" => options.skip_all = true,
                "skip" => options.skipped.extend(value.split(',').filter_map(|name| Rule::find(name.trim()))),
                "experimental" if value == "all" => options.experimental_all = true,
                "experimental" => {
                    options.experimental.extend(value.split(',').filter_map(|name| Rule::find(name.trim())));
                }
                "error" => {
                    options.error = match value {
                        "true" | "1" => true,
                        "false" | "0" => false,
                        _ => {
                            return Err(format!("check option `error` must be true or false, not `{value}`"));
                        }
                    }
                }
                other => {
                    let hint = nearest(other, ["skip", "error", "experimental"]);
                    let hint = hint.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default();
                    return Err(format!("unknown check option `{other}`{hint}"));
                }
            }
        }
        Ok(options)
    }

    /// Returns these options with what `other` adds.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self {
            skip_all: self.skip_all || other.skip_all,
            skipped: self.skipped.union(&other.skipped).copied().collect(),
            experimental_all: self.experimental_all || other.experimental_all,
            experimental: self.experimental.union(&other.experimental).copied().collect(),
            error: self.error || other.error,
        }
    }

    /// Whether a check is on.
    pub fn is_on(&self, rule: Rule) -> bool {
        if rule.is_experimental() {
            return self.experimental_all || self.experimental.contains(&rule);
        }
        !self.skip_all && !self.skipped.contains(&rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_turn_checks_off_and_on() {
        let options = CheckOptions::parse("skip=StageNameCasing,Unheard; error=true").expect("valid");
        assert!(options.error && !options.is_on(Rule::StageNameCasing) && options.is_on(Rule::UndefinedVar));
        assert!(!options.is_on(Rule::InvalidDefinitionDescription));
        let all = CheckOptions::parse("skip=all;experimental=all").expect("valid");
        assert!(!all.is_on(Rule::UndefinedVar) && all.is_on(Rule::InvalidDefinitionDescription));
    }

    #[test]
    fn bad_options_are_named() {
        assert_eq!(
            CheckOptions::parse("skp=all").unwrap_err(),
            "unknown check option `skp` (did you mean `skip`?)"
        );
        assert!(CheckOptions::parse("skip").is_err());
        assert!(CheckOptions::parse("error=maybe").is_err());
    }
}
