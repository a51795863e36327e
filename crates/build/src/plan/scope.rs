//! What the instructions of a stage know: variables, declared arguments, and the configuration so far.

use oci::image::{Config, ImageConfig};

use crate::expand::{Environment, Expanded, Lexer};
use crate::fault::Fault;
use crate::syntax::Word;

/// Where programs are looked for if an image does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The arguments that need no declaration. They are seen by commands, and stay out of keys and history.
const PROXIES: &[&str] = &["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// What holds at one place of a stage.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) image: ImageConfig,
    /// What the image sets, and the arguments that were declared.
    pub(super) environment: Environment,
    /// Arguments in the order of their declaration.
    pub(super) declared: Vec<(String, Option<String>)>,
    /// Whether this Dockerfile has set the working directory.
    pub(super) workdir_is_set: bool,
    pub(super) cmd_is_set: bool,
    /// Whether the base image could not be looked at, so that nobody knows its variables.
    pub(super) base_is_unknown: bool,
}

impl Scope {
    /// Begins on an image.
    pub(super) fn on(mut image: ImageConfig) -> Self {
        if !image.config.env.iter().any(|entry| entry.starts_with("PATH=")) {
            image.config.env.push(format!("PATH={PATH}"));
        }
        Self {
            environment: Environment::from_entries(image.config.env.iter().map(|entry| &**entry)),
            image,
            declared: Vec::new(),
            workdir_is_set: false,
            cmd_is_set: false,
            base_is_unknown: false,
        }
    }

    /// Begins where an earlier stage ended: its arguments are known too.
    pub(super) fn after(stage: &Self) -> Self {
        let mut scope = Self { cmd_is_set: false, ..stage.clone() };
        scope.image.config.on_build.clear();
        scope
    }

    pub(super) fn config(&mut self) -> &mut Config {
        &mut self.image.config
    }

    pub(super) fn expand(&self, lexer: &Lexer, word: &Word) -> Result<Expanded, Fault> {
        lexer.expand(&word.text, &self.environment).map_err(|error| Fault::new(word.span, error.to_string()))
    }

    /// Sets a variable of the image.
    pub(super) fn set_env(&mut self, name: &str, value: &str) {
        self.environment.set(name, value);
        let mut own = Environment::from_entries(self.image.config.env.iter().map(|entry| &**entry));
        own.set(name, value);
        self.image.config.env = own.entries();
    }

    /// Declares an argument; it is a variable of commands if it has a value.
    pub(super) fn declare(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.environment.set(name, value);
        }
        match self.declared.iter_mut().find(|(declared, _)| declared == name) {
            Some((_, old)) => *old = value.map(str::to_owned),
            None => self.declared.push((name.to_owned(), value.map(str::to_owned))),
        }
    }

    pub(super) fn is_declared(&self, name: &str) -> bool {
        self.declared.iter().any(|(declared, _)| declared == name)
    }

    /// The given proxies that nobody has declared or set, in both cases of their names.
    pub(super) fn proxies(&self, given: &std::collections::BTreeMap<String, String>) -> Vec<String> {
        let is_proxy = |name: &str| PROXIES.contains(&&*name.to_ascii_uppercase());
        let mut proxies: Vec<String> = Vec::new();
        for (name, value) in given.iter().filter(|(name, _)| is_proxy(name)) {
            for name in [name.to_ascii_uppercase(), name.to_ascii_lowercase()] {
                let prefix = format!("{name}=");
                let known = self.environment.names().any(|known| known == name);
                if !known && !proxies.iter().any(|entry| entry.starts_with(&prefix)) {
                    proxies.push(format!("{prefix}{value}"));
                }
            }
        }
        proxies
    }

    /// An absolute path: a relative one counts from the working directory.
    pub(super) fn absolute(&self, path: &str) -> String {
        let working_directory = &*self.image.config.working_dir;
        crate::ignore::clean(&if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{working_directory}/{path}")
        })
    }

    /// The words of a command: a line gets the shell in front.
    pub(super) fn with_shell(&self, line: &str) -> Vec<String> {
        let shell = self.image.config.shell.clone().filter(|shell| !shell.is_empty());
        let mut words = shell.unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()]);
        words.push(line.to_owned());
        words
    }
}
