//! Docker's `config.json`: what of it concerns registries. What we do not know is kept as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use store::{Durability, write_atomic};

use super::{Credential, Secret, TOKEN_USER};
use crate::{Error, Result};

/// What stands in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Config {
    auths: BTreeMap<String, Entry>,
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    /// base64 of `user:password`
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

/// Reads the file; one that is not there says nothing.
pub(super) fn read(path: &Path) -> Result<Config> {
    match sys::fs::read(path) {
        Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => Ok(Config::default()),
        // The words of the parser could quote what is secret.
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            let place =
                format!("it is no JSON of Docker's form (line {}, column {})", error.line(), error.column());
            wrong(path, &place)
        }),
        Err(error) if error.is_not_found() => Ok(Config::default()),
        Err(error) => Err(error.into()),
    }
}

impl Config {
    /// Returns the name of the program that keeps the credential of a registry.
    pub(super) fn helper(&self, key: &str, domain: &str) -> Option<&str> {
        let own = self.cred_helpers.get(key).or_else(|| self.cred_helpers.get(domain));
        own.or(Some(&self.creds_store)).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Returns what stands in the file for a registry.
    pub(super) fn credential(&self, key: &str, path: &Path) -> Result<Option<Credential>> {
        // Older clients wrote addresses where newer ones write hosts.
        let same = |other: &&String| host_of(other) == host_of(key);
        let entry = self.auths.get(key).or_else(|| {
            let name = self.auths.keys().find(same)?;
            self.auths.get(name)
        });
        match entry {
            Some(entry) => {
                entry.credential().map_err(|reason| wrong(path, &format!("auths of `{key}`: {reason}")))
            }
            None => Ok(None),
        }
    }
}

impl Entry {
    fn credential(&self) -> Result<Option<Credential>, &'static str> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credential::IdentityToken(Secret::new(&self.identitytoken))));
        }
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credential::RegistryToken(Secret::new(&self.registrytoken))));
        }
        let (user, password) = if self.auth.is_empty() {
            (self.username.clone(), self.password.clone())
        } else {
            let bytes = BASE64_STANDARD.decode(self.auth.trim()).map_err(|_| "`auth` is not base64")?;
            let text = String::from_utf8(bytes).map_err(|_| "`auth` is not UTF-8")?;
            let (user, password) = text.split_once(':').ok_or("`auth` holds no `user:password`")?;
            (user.to_owned(), password.trim_end_matches('\0').to_owned())
        };
        // An empty entry says that a helper keeps it.
        let known = !user.is_empty();
        Ok(known.then_some(Credential::Password { user, password: Secret::new(password) }))
    }
}

/// `https://host/v1/` and `host` mean the same registry.
fn host_of(key: &str) -> &str {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    rest.split('/').next().unwrap_or_default()
}

/// Sets or removes the entry of a registry and leaves all else as it is.
pub(super) fn put(path: &Path, key: &str, credential: Option<&Credential>) -> Result<()> {
    let path = target(path);
    let mut document: Map<String, Value> = match sys::fs::read(&path) {
        Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => Map::new(),
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| wrong(&path, "it is no JSON object"))?,
        Err(error) if error.is_not_found() => Map::new(),
        Err(error) => return Err(error.into()),
    };
    let auths = document.entry("auths").or_insert_with(|| Value::Object(Map::new()));
    let auths = auths.as_object_mut().ok_or_else(|| wrong(&path, "`auths` is no object"))?;
    auths.retain(|name, _| host_of(name) != host_of(key));
    if let Some(credential) = credential {
        auths.insert(key.to_owned(), entry(credential));
    }
    let mut text = serde_json::to_vec_pretty(&document)
        .map_err(|source| store::Error::Encode { kind: "config.json", source })?;
    text.push(b'\n');
    let (dir, name) = parts(&path)?;
    sys::fs::create_dir_all(dir)?;
    // Mode 0600, as a whole: a reader sees the old text or the new.
    Ok(write_atomic(sys::Dir::open(dir)?, name, &text, Durability::Synced)?)
}

fn entry(credential: &Credential) -> Value {
    let encode = |user: &str, password: &str| BASE64_STANDARD.encode(format!("{user}:{password}"));
    match credential {
        Credential::Password { user, password } => {
            serde_json::json!({ "auth": encode(user, password.expose()) })
        }
        Credential::IdentityToken(token) => {
            serde_json::json!({ "auth": encode(TOKEN_USER, ""), "identitytoken": token.expose() })
        }
        Credential::RegistryToken(token) => serde_json::json!({ "registrytoken": token.expose() }),
    }
}

/// A link is followed once: people keep the file among others under version control.
fn target(path: &Path) -> PathBuf {
    match path.read_link() {
        Ok(link) => path.parent().map_or(link.clone(), |dir| dir.join(&link)),
        Err(_) => path.to_owned(),
    }
}

fn parts(path: &Path) -> Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    path.parent().zip(name).ok_or_else(|| wrong(path, "it is no path of a file"))
}

fn wrong(path: &Path, reason: &str) -> Error {
    Error::Config { file: path.display().to_string(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{Credential, Secret, put, read};

    fn password(user: &str, password: &str) -> Credential {
        Credential::Password { user: user.to_owned(), password: Secret::new(password) }
    }

    fn parse(text: &str) -> super::Config {
        serde_json::from_str(text).unwrap()
    }

    fn found(text: &str, key: &str) -> Option<Credential> {
        parse(text).credential(key, "config.json".as_ref()).unwrap()
    }

    #[test]
    fn entries_are_found_by_host_in_all_their_spellings() {
        let text = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6c2U6Y3JldA=="},
            "https://old.example/v1/":{"username":"u","password":"p"},
            "quay.io":{"auth":"PHRva2VuPjo=","identitytoken":"idt"},
            "empty.example":{}}}"#;
        assert_eq!(found(text, "https://index.docker.io/v1/"), Some(password("me", "se:cret")));
        assert_eq!(found(text, "old.example"), Some(password("u", "p")));
        assert_eq!(found(text, "quay.io"), Some(Credential::IdentityToken(Secret::new("idt"))));
        assert_eq!(found(text, "empty.example"), None);
        // A host is the whole of it.
        for other in ["io", "evil-quay.io", "quay.io:443", "quay.io.evil.example"] {
            assert_eq!(found(text, other), None, "{other}");
        }
    }

    #[test]
    fn a_helper_of_the_registry_comes_before_the_store() {
        let config = parse(r#"{"credsStore":"all","credHelpers":{"gcr.io":"gcloud","docker.io":"hub"}}"#);
        assert_eq!(config.helper("gcr.io", "gcr.io"), Some("gcloud"));
        assert_eq!(config.helper("quay.io", "quay.io"), Some("all"));
        assert_eq!(config.helper("https://index.docker.io/v1/", "docker.io"), Some("hub"));
        assert_eq!(parse("{}").helper("quay.io", "quay.io"), None);
    }

    #[test]
    fn what_we_do_not_know_stays_in_the_file_and_nobody_else_reads_it() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("sub/config.json");
        put(&path, "a.example", Some(&password("u", "p"))).unwrap();
        let text = sys::fs::read_to_string(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        sys::fs::write(&path, text.replacen('{', r#"{"psFormat":"x","#, 1)).unwrap();
        put(&path, "b.example", Some(&Credential::IdentityToken(Secret::new("t")))).unwrap();
        put(&path, "a.example", None).unwrap();
        let config = read(&path).unwrap();
        assert_eq!(config.credential("a.example", &path).unwrap(), None);
        assert_eq!(
            config.credential("b.example", &path).unwrap(),
            Some(Credential::IdentityToken(Secret::new("t")))
        );
        assert!(sys::fs::read_to_string(&path).unwrap().contains(r#""psFormat": "x""#));
    }

    #[test]
    fn no_message_quotes_a_secret() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("config.json");
        sys::fs::write(&path, r#"{"auths":{"x":{"auth":hunter2}}}"#).unwrap_or_default();
        #[expect(clippy::disallowed_methods, reason = "a file of the test")]
        std::fs::write(&path, r#"{"auths":{"x":{"auth":hunter2}}}"#).unwrap();
        assert!(!format!("{:?}", read(&path).unwrap_err()).contains("hunter2"));
        assert!(!format!("{:?}", password("me", "hunter2")).contains("hunter2"));
    }
}
