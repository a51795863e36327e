//! The verbs that talk to registries.

use engine::request::{ManifestRequest, PullRequest, PushRequest};

pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod manifest_inspect;
pub(crate) mod pull;
pub(crate) mod push;

pub(crate) use login::LoginWords;

/// What is asked of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryCommand {
    Login(LoginWords),
    Logout { registry: String },
    Manifest(ManifestRequest),
    Pull { request: PullRequest, quiet: bool },
    Push { request: PushRequest, quiet: bool },
}

/// Returns the domain that stands in references for a registry as typed; none is Docker's.
fn domain(word: Option<String>) -> String {
    let word = word.unwrap_or_default();
    let host = word.strip_prefix("https://").or_else(|| word.strip_prefix("http://")).unwrap_or(&word);
    match host.split('/').next().unwrap_or_default() {
        "" | "index.docker.io" | "registry-1.docker.io" | "docker.io" => "docker.io".to_owned(),
        host => host.to_owned(),
    }
}

#[cfg(test)]
#[test]
fn a_registry_is_its_host() {
    let read = |word: &str| domain(Some(word.to_owned()));
    assert_eq!(domain(None), "docker.io");
    assert_eq!(read("https://index.docker.io/v1/"), "docker.io");
    assert_eq!(read("http://localhost:5000/"), "localhost:5000");
    assert_eq!(read("quay.io"), "quay.io");
}
