//! Whom to believe: the system's authorities, those of `certs.d`, and our own certificate.
//!
//! The provider of cryptography is named: with two in one program rustls would choose neither and
//! panic. It is ring and not aws-lc: ring needs no cmake and no long build of C, and what registries
//! need of it (TLS 1.2 and 1.3, SHA-256, ECDSA, RSA, Ed25519) it has.

use std::path::Path;
use std::sync::{Arc, LazyLock, OnceLock};

use rustls::crypto::CryptoProvider;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::settings::is_loopback;
use crate::{Error, Result, Settings};

/// Where distributions keep the bundle of authorities; the first that is there counts, as with Go.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

/// The system's authorities, read at the first connection that needs them: 140 of them cost a
/// millisecond, which no command should pay that talks to nobody.
static SYSTEM_ROOTS: OnceLock<Vec<Certificate<'static>>> = OnceLock::new();

/// Decides how connections to one host are secured.
pub(super) fn configure(settings: &Settings, authority: &str) -> Result<TlsConfig> {
    let mut roots = SYSTEM_ROOTS.get_or_init(system_roots).clone();
    let mut client = None;
    for dir in &settings.certs_dirs {
        let dir = dir.join(authority);
        if !dir.is_dir() {
            continue;
        }
        for path in files(&dir) {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => roots.extend(certificates(&path)?),
                Some("cert") if client.is_none() => client = Some(client_certificate(&path)?),
                _ => {}
            }
        }
    }
    let builder = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::clone(&PROVIDER))
        .client_cert(client)
        .disable_verification(settings.is_insecure(authority));
    Ok(builder.root_certs(RootCerts::from(roots)).build())
}

/// Whether the other side may be asked without TLS after it has answered a TLS hello with something else.
pub(super) fn may_be_plain(settings: &Settings, authority: &str) -> bool {
    is_loopback(authority) || settings.is_insecure(authority)
}

fn system_roots() -> Vec<Certificate<'static>> {
    let bundle = BUNDLES.iter().find_map(|path| sys::fs::read(path).ok()).unwrap_or_default();
    // One that cannot be read is passed over: the others still count.
    parse_pem(&bundle).filter_map(|item| certificate(item.ok()?)).collect()
}

fn certificate(item: PemItem<'static>) -> Option<Certificate<'static>> {
    match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    }
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = dir.read_dir().into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let bytes = sys::fs::read(path)?;
    let items: Result<Vec<_>, _> = parse_pem(&bytes).collect();
    let items = items.map_err(|error| wrong(path, &error.to_string()))?;
    let certificates: Vec<_> = items.into_iter().filter_map(certificate).collect();
    if certificates.is_empty() {
        return Err(wrong(path, "it holds no certificate in PEM form"));
    }
    Ok(certificates)
}

/// Reads `NAME.cert` and the `NAME.key` beside it.
fn client_certificate(path: &Path) -> Result<ClientCert> {
    let chain = certificates(path)?;
    let key = path.with_extension("key");
    let bytes = sys::fs::read(&key)?;
    let key = PrivateKey::from_pem(&bytes).map_err(|error| wrong(&key, &error.to_string()))?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

fn wrong(path: &Path, reason: &str) -> Error {
    Error::Config { file: path.display().to_string(), reason: reason.to_owned() }
}
