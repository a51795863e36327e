//! Arguments before the first stage, and those that every build has.

use std::collections::BTreeSet;

use super::Request;
use crate::check::options_at;
use crate::dockerfile::Dockerfile;
use crate::error::Result;
use crate::expand::{Environment, Expanded, Lexer};
use crate::fault::{Fault, Warning};
use crate::rule::{CheckOptions, Rule};
use crate::suggest::nearest;
use crate::syntax::Word;

/// What every FROM knows.
pub(super) struct Globals {
    pub(super) values: Environment,
    /// Also those that were declared without a value.
    names: BTreeSet<String>,
    /// As if no build argument had been given; `None` where that is a fault.
    defaults: Option<Environment>,
}

impl Globals {
    pub(super) fn new(dockerfile: &Dockerfile, request: &Request, _: &CheckOptions) -> Result<Self> {
        let predefined = predefined(dockerfile, request);
        let values = declare(dockerfile, predefined.clone(), Some(request))
            .map_err(|fault| dockerfile.fault(fault))?;
        let declared = dockerfile.arguments.iter().map(|global| global.argument.name.text.clone());
        let names = declared.chain(values.names().map(str::to_owned)).collect();
        let defaults = declare(dockerfile, predefined, None).ok();
        Ok(Self { values, names, defaults })
    }

    /// Expands a word of a FROM.
    pub(super) fn expand(&self, word: &Word, escape: char) -> Result<Expanded, Fault> {
        let lexer = Lexer::new(escape);
        lexer.expand(&word.text, &self.values).map_err(|error| Fault::new(word.span, error.to_string()))
    }

    /// Warnings about the variables of a word that nobody has declared.
    pub(super) fn undeclared(
        &self,
        word: &Word,
        expanded: &Expanded,
        check: &CheckOptions,
        comments: &[String],
    ) -> Vec<Warning> {
        if !options_at(check, comments).is_on(Rule::UndefinedArgInFrom) {
            return Vec::new();
        }
        let unknown = expanded.unset.iter().filter(|name| !self.names.contains(*name));
        let warning = |name: &String| {
            let near = nearest(name, self.names.iter().map(|name| &**name));
            let near = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
            let text = format!("FROM argument '{name}' is not declared{near}");
            Warning { rule: Rule::UndefinedArgInFrom, span: word.span, text }
        };
        unknown.map(warning).collect()
    }

    /// What a base is called if no build argument is given; `None` where that cannot be said.
    pub(super) fn by_default(&self, word: &Word, escape: char) -> Option<String> {
        let defaults = self.defaults.as_ref()?;
        Lexer::new(escape).expand(&word.text, defaults).ok().map(|expanded| expanded.text)
    }
}

/// The arguments of the platform, and the name of the target.
fn predefined(dockerfile: &Dockerfile, request: &Request) -> Environment {
    let platform = &request.platform;
    let variant = platform.variant.as_deref().unwrap_or_default();
    let target = request.target.clone().or_else(|| dockerfile.stages.last()?.from.name());
    let mut values = Environment::default();
    for side in ["BUILD", "TARGET"] {
        for (name, value) in [
            ("PLATFORM", &*platform.to_string()),
            ("OS", &platform.os),
            ("OSVERSION", ""),
            ("ARCH", &platform.architecture),
            ("VARIANT", variant),
        ] {
            values.set(&format!("{side}{name}"), value);
        }
    }
    values.set("TARGETSTAGE", target.as_deref().filter(|name| !name.is_empty()).unwrap_or("default"));
    for (name, value) in &request.build_arguments {
        if values.names().any(|known| known == name) {
            values.set(name, value);
        }
    }
    values
}

/// Adds the ARG instructions before the first stage; without a request, by their defaults alone.
fn declare(
    dockerfile: &Dockerfile,
    mut values: Environment,
    request: Option<&Request>,
) -> Result<Environment, Fault> {
    let lexer = Lexer::new(dockerfile.directives.escape);
    for global in &dockerfile.arguments {
        let name = &global.argument.name.text;
        let given = request.and_then(|request| request.build_arguments.get(name));
        match (given, &global.argument.default) {
            (Some(value), _) => values.set(name, value),
            (None, Some(word)) => {
                let expanded = lexer.expand(&word.text, &values);
                values.set(name, &expanded.map_err(|error| Fault::new(word.span, error.to_string()))?.text);
            }
            (None, None) => {}
        }
    }
    Ok(values)
}
