//! Credentials as Docker's client keeps them: `config.json`, and programs that keep them better.
//!
//! The order is Docker's: the helper that `credHelpers` names for the registry, then the one of
//! `credsStore`, then what stands in `auths`.

mod file;
mod helper;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::settings::registry_key;

/// The user under whose name helpers and `config.json` keep an identity token.
const TOKEN_USER: &str = "<token>";

/// What one registry knows us by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    Password {
        user: String,
        password: Secret,
    },
    /// Exchanged for tokens at the token service; no password is kept.
    IdentityToken(Secret),
    /// A token that the registry takes as it is.
    RegistryToken(Secret),
}

/// Text that no message and no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Where credentials lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keychain {
    /// Docker's `config.json`; without one everybody is anonymous.
    pub file: Option<PathBuf>,
}

/// Where a credential went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In this file, where whoever may read it can read it.
    Plainly(PathBuf),
    /// With the helper of this name.
    Helper(String),
}

impl Keychain {
    /// Finds the credential for a registry, by the domain that stands in references.
    pub fn find(&self, domain: &str) -> Result<Option<Credential>> {
        let Some(path) = &self.file else { return Ok(None) };
        let config = file::read(path)?;
        let key = registry_key(domain);
        match config.helper(&key, domain) {
            Some(helper) => helper::get(helper, &key),
            None => config.credential(&key, path),
        }
    }

    /// Keeps a credential, as `login` does.
    pub fn store(&self, domain: &str, credential: &Credential) -> Result<Kept> {
        let path = self.path()?;
        let config = file::read(path)?;
        let key = registry_key(domain);
        if let Some(helper) = config.helper(&key, domain) {
            helper::store(helper, &key, credential)?;
            return Ok(Kept::Helper(helper.to_owned()));
        }
        file::put(path, &key, Some(credential))?;
        Ok(Kept::Plainly(path.to_owned()))
    }

    /// Forgets a credential; returns whether there was one.
    pub fn erase(&self, domain: &str) -> Result<bool> {
        let path = self.path()?;
        let config = file::read(path)?;
        let key = registry_key(domain);
        if let Some(helper) = config.helper(&key, domain) {
            let known = helper::get(helper, &key)?.is_some();
            helper::erase(helper, &key)?;
            return Ok(known);
        }
        let known = config.credential(&key, path)?.is_some();
        if known {
            file::put(path, &key, None)?;
        }
        Ok(known)
    }

    fn path(&self) -> Result<&Path> {
        self.file.as_deref().ok_or_else(|| crate::Error::Config {
            file: "config.json".to_owned(),
            reason: "there is no home directory to keep credentials in".to_owned(),
        })
    }
}
