//! What the configuration file says of registries, in the words of Docker's `daemon.json` where it has some.

use std::collections::BTreeMap;

use registry::{Mirror, RegistrySettings};

use crate::error::{Error, Result};

const DOCKER_IO: &str = "docker.io";

/// As it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryWords {
    /// Mirrors of Docker's registry.
    pub registry_mirrors: Vec<String>,
    pub insecure_registries: Vec<String>,
    /// By domain: its mirrors, and whether it is insecure.
    pub registries: BTreeMap<String, (Vec<String>, bool)>,
}

impl RegistryWords {
    /// Reads the words as meant.
    pub(super) fn settings(&self) -> Result<BTreeMap<String, RegistrySettings>> {
        self.read().map_err(|reason| {
            Error::invalid(format!("configuration of registries: {reason}"))
                .hint("docs/configuration.md lists what may stand there")
        })
    }

    fn read(&self) -> Result<BTreeMap<String, RegistrySettings>, String> {
        let mirrors = |texts: &[String]| {
            let mirror = |text: &String| {
                Mirror::parse(text).ok_or_else(|| format!("`{text}` is no address of a mirror"))
            };
            texts.iter().map(mirror).collect::<Result<Vec<_>, _>>()
        };
        let mut registries: BTreeMap<String, RegistrySettings> = BTreeMap::new();
        for (domain, (addresses, insecure)) in &self.registries {
            let settings = registries.entry(known_as(domain)?).or_default();
            settings.mirrors.extend(mirrors(addresses)?);
            settings.insecure |= insecure;
        }
        let docker = mirrors(&self.registry_mirrors)?;
        if !docker.is_empty() {
            registries.entry(DOCKER_IO.to_owned()).or_default().mirrors.extend(docker);
        }
        for domain in &self.insecure_registries {
            registries.entry(known_as(domain)?).or_default().insecure = true;
        }
        Ok(registries)
    }
}

/// A domain as it stands in references.
fn known_as(text: &str) -> Result<String, String> {
    let domain = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or(text);
    let domain = domain.trim_end_matches('/');
    if domain.contains('/') {
        return Err(format!(
            "`{text}` is no registry: expected HOST or HOST:PORT (networks are not supported)"
        ));
    }
    match oci::reference::Reference::parse(&format!("{domain}/x")) {
        Ok(reference) if reference.domain() == domain || domain == "index.docker.io" => {
            Ok(reference.domain().to_owned())
        }
        _ => Err(format!("`{text}` is no registry: expected HOST or HOST:PORT")),
    }
}

#[cfg(test)]
mod tests {
    use super::RegistryWords;

    fn words(mirrors: &[&str], insecure: &[&str]) -> RegistryWords {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        RegistryWords {
            registry_mirrors: owned(mirrors),
            insecure_registries: owned(insecure),
            ..RegistryWords::default()
        }
    }

    #[test]
    fn dockers_words_and_ours_say_the_same() {
        let mut ours = RegistryWords::default();
        ours.registries.insert("docker.io".to_owned(), (vec!["https://m.example".to_owned()], false));
        ours.registries.insert("lab:5000".to_owned(), (Vec::new(), true));
        let read = ours.read().unwrap();
        assert_eq!(read, words(&["https://m.example/"], &["http://lab:5000"]).read().unwrap());
        assert_eq!(read["docker.io"].mirrors[0].authority, "m.example");
        assert!(read["lab:5000"].insecure && !read["docker.io"].insecure);
    }

    #[test]
    fn what_is_no_registry_is_refused_by_name() {
        for (words, expected) in [
            (words(&["ftp://x"], &[]), "`ftp://x` is no address of a mirror"),
            (words(&[], &["10.0.0.0/8"]), "networks are not supported"),
            (words(&[], &["a b"]), "`a b` is no registry"),
        ] {
            let error = words.read().unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
