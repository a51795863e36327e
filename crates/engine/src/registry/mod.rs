//! Registries: what is configured of them, `login`, `logout`, `manifest inspect`.

mod configuration;

use std::path::PathBuf;

use oci::reference::Reference;
use registry::credentials::{Kept, Secret};
use registry::{Access, Credential, Keychain, Login, Patience, Proxies, Repository, Selector, Settings};

use crate::error::{Doing, Error, Result};
use crate::request::{LoginRequest, ManifestRequest};

pub use configuration::RegistryWords;
pub use registry::Proxies as RegistryProxies;

/// Where certificates for registries lie: Docker's directory, and ours.
const CERTS_DIRS: [&str; 2] = ["/etc/coracle/certs.d", "/etc/docker/certs.d"];

/// What of the caller's surroundings concerns registries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryAccess {
    pub words: RegistryWords,
    /// Docker's `config.json`.
    pub credentials: Option<PathBuf>,
    pub proxies: Proxies,
}

impl RegistryAccess {
    /// Reads what is configured.
    pub(crate) fn settings(&self) -> Result<Settings> {
        Ok(Settings {
            registries: self.words.settings()?,
            certs_dirs: CERTS_DIRS.iter().map(PathBuf::from).collect(),
            keychain: Keychain { file: self.credentials.clone() },
            proxies: self.proxies.clone(),
            patience: Patience::default(),
        })
    }
}

/// What came of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The file in which the password stands for whoever may read it.
    pub plainly_in: Option<PathBuf>,
    /// The registry asks nobody who he is.
    pub is_open: bool,
}

/// Proves a credential to a registry and keeps it.
pub fn login(access: &RegistryAccess, request: &LoginRequest) -> Result<LoggedIn> {
    let settings = access.settings()?;
    let what = || format!("cannot log in to {}", request.registry);
    let credential =
        Credential::Password { user: request.user.clone(), password: Secret::new(&*request.password) };
    let login = registry::log_in(&settings, &request.registry, credential).map_err(from_room).doing(what)?;
    let (credential, is_open) = match login {
        Login::Accepted(credential) => (credential, false),
        Login::Open(credential) => (credential, true),
    };
    let kept = settings.keychain.store(&request.registry, &credential).map_err(from_room).doing(what)?;
    let plainly_in = match kept {
        Kept::Plainly(path) => Some(path),
        Kept::Helper(_) => None,
    };
    Ok(LoggedIn { plainly_in, is_open })
}

/// Forgets a credential; returns whether there was one.
pub fn logout(access: &RegistryAccess, registry: &str) -> Result<bool> {
    let keychain = Keychain { file: access.credentials.clone() };
    keychain.erase(registry).map_err(from_room).doing(|| format!("cannot log out of {registry}"))
}

/// Returns a manifest or index as the registry has it.
pub fn manifest(access: &RegistryAccess, request: &ManifestRequest) -> Result<Vec<u8>> {
    let reference = Reference::parse_tagged(&request.reference).map_err(image::Error::from)?;
    let mut settings = access.settings()?;
    if request.insecure {
        settings.registries.entry(reference.domain().to_owned()).or_default().insecure = true;
    }
    let what = || format!("cannot inspect `{}`", request.reference);
    let fetch = || {
        let repository = Repository::open(&settings, &reference, &Access::Pull)?;
        let selector = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => Selector::Digest(digest),
            (None, tag) => Selector::Tag(tag.unwrap_or("latest")),
        };
        let fetched = repository.manifest(selector)?;
        match request.referrers {
            true => repository.referrers(&fetched.digest),
            false => Ok(fetched.bytes),
        }
    };
    fetch().map_err(from_room).doing(what)
}

fn from_room(error: registry::Error) -> Error {
    image::Error::from(error).into()
}
