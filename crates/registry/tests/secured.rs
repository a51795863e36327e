//! TLS: who is believed.

use std::path::Path;
use std::sync::Arc;

use registry::{Error, RegistrySettings, Selector, Settings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::fake::{Fake, Reply};
use crate::talk::{manifest, pull, settings};

const AUTHORITY: &[u8] = include_bytes!("support/tls/ca.crt");
const CERTIFICATE: &[u8] = include_bytes!("support/tls/server.crt");
const KEY: &[u8] = include_bytes!("support/tls/server.key");

fn server() -> Arc<rustls::ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = CertificateDer::pem_slice_iter(CERTIFICATE).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(builder.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap())
}

fn believing(host: &str, dir: &Path) -> Settings {
    let certs = dir.join(host);
    std::fs::create_dir(&certs).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test's own file")]
    std::fs::write(certs.join("ca.crt"), AUTHORITY).unwrap();
    Settings { certs_dirs: vec![dir.join("missing"), dir.to_owned()], ..settings() }
}

#[test]
fn an_authority_of_certs_d_is_believed_for_its_registry() {
    let temp = tempfile::tempdir().unwrap();
    let fake = Fake::serve_tls(server(), |_| Reply::new(200, manifest()));
    let settings = believing(&fake.host, temp.path());
    pull(&settings, &fake.host).manifest(Selector::Tag("t")).unwrap();
    // For the name that the certificate holds, too; certs.d has nothing for it.
    let other = format!("localhost:{}", fake.port());
    let error = pull(&settings, &other).manifest(Selector::Tag("t")).unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
}

#[test]
fn an_unknown_authority_is_refused_on_loopback_too_and_nothing_is_sent_in_the_clear() {
    let fake = Fake::serve_tls(server(), |_| Reply::new(200, manifest()));
    let error = pull(&settings(), &fake.host).manifest(Selector::Tag("t")).unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains(&format!("/etc/coracle/certs.d/{}/ca.crt", fake.host)));
    assert!(fake.asked().is_empty());
}

#[test]
fn an_insecure_registry_is_believed_as_configured() {
    let fake = Fake::serve_tls(server(), |_| Reply::new(200, manifest()));
    let mut settings = settings();
    let insecure = RegistrySettings { insecure: true, ..RegistrySettings::default() };
    settings.registries.insert(fake.host.clone(), insecure);
    pull(&settings, &fake.host).manifest(Selector::Tag("t")).unwrap();
}

#[test]
fn nothing_leads_from_https_to_http() {
    let temp = tempfile::tempdir().unwrap();
    let plain = Fake::serve(|_| Reply::new(200, manifest()));
    let target = format!("http://{}/", plain.host);
    let fake = Fake::serve_tls(server(), move |asked| match asked.path.ends_with("/manifests/t") {
        true => Reply::new(302, "").with("location", target.clone()),
        false => Reply::new(200, "{}"),
    });
    let error =
        pull(&believing(&fake.host, temp.path()), &fake.host).manifest(Selector::Tag("t")).unwrap_err();
    assert!(error.to_string().contains("from HTTPS to plain HTTP"), "{error}");
    assert!(plain.asked().is_empty());
}

#[test]
fn an_authority_that_cannot_be_read_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let fake = Fake::serve_tls(server(), |_| Reply::new(200, manifest()));
    let settings = believing(&fake.host, temp.path());
    let path = temp.path().join(&fake.host).join("ca.crt");
    #[expect(clippy::disallowed_methods, reason = "the test's own file")]
    std::fs::write(&path, "no certificate").unwrap();
    let error = pull(&settings, &fake.host).manifest(Selector::Tag("t")).unwrap_err();
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
}
