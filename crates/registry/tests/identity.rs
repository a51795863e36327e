//! Who we are: to the registry that it concerns, and to nobody else.

use std::io::Read;
use std::path::Path;

use registry::credentials::Secret;
use registry::{Credential, Error, Login, Selector, Settings, log_in};

use crate::fake::{Asked, Fake, Reply};
use crate::talk::{digest, manifest, noise, pull, push, settings};

const BASIC: &str = "Basic bWU6c2VjcmV0";

fn with_password(host: &str, dir: &Path) -> Settings {
    let mut settings = settings();
    let file = dir.join("config.json");
    settings.keychain.file = Some(file);
    settings.keychain.store(host, &password()).unwrap();
    settings
}

fn password() -> Credential {
    Credential::Password { user: "me".to_owned(), password: Secret::new("secret") }
}

fn authorized(asked: &Asked) -> Option<&str> {
    asked.header("authorization")
}

#[test]
fn a_password_is_sent_when_it_is_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let fake = Fake::serve(|asked| match authorized(asked) {
        Some(BASIC) => Reply::new(200, manifest()),
        _ => Reply::new(401, "").with("www-authenticate", "Basic realm=x"),
    });
    let repository = pull(&with_password(&fake.host, temp.path()), &fake.host);
    for _ in 0..2 {
        repository.manifest(Selector::Tag("t")).unwrap();
    }
    // Once without, and from then on with it.
    let seen: Vec<bool> = fake.asked().iter().map(|asked| authorized(asked).is_some()).collect();
    assert_eq!(seen, [false, true, true]);
}

#[test]
fn a_token_is_fetched_for_the_repository_and_used_until_it_ends() {
    let temp = tempfile::tempdir().unwrap();
    let service = Fake::serve(|asked| Reply::new(200, format!(r#"{{"token":"t{}"}}"#, asked.before)));
    let realm = format!("http://{}/token", service.host);
    let fake = Fake::serve(move |asked| {
        let challenge = format!(r#"Bearer realm="{realm}",service="reg""#);
        // The first token ends while it is in use.
        let accepted = if asked.before < 2 { "Bearer t0" } else { "Bearer t1" };
        match authorized(asked) == Some(accepted) {
            true => Reply::new(200, manifest()),
            false => Reply::new(401, "").with("www-authenticate", challenge),
        }
    });
    let repository = pull(&with_password(&fake.host, temp.path()), &fake.host);
    for _ in 0..3 {
        repository.manifest(Selector::Tag("t")).unwrap();
    }
    let asked = service.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(authorized(&asked[0]), Some(BASIC));
    for part in ["service=reg", "scope=repository%3Aa%2Fb%3Apull", "account=me"] {
        assert!(asked[0].path.contains(part), "{}", asked[0].path);
    }
}

#[test]
fn a_token_that_ends_in_the_middle_of_a_blob_is_replaced() {
    let bytes = noise(200_000);
    let served = bytes.clone();
    let service = Fake::serve(|asked| Reply::new(200, format!(r#"{{"access_token":"t{}"}}"#, asked.before)));
    let realm = format!("http://{}/token", service.host);
    let fake = Fake::serve(move |asked| {
        let challenge = format!(r#"Bearer realm="{realm}""#);
        match (authorized(asked), asked.range()) {
            (Some("Bearer t0"), None) => Reply::blob(asked, &served).sent(crate::fake::Manner::Cut(90_000)),
            (Some("Bearer t1"), Some(_)) => Reply::blob(asked, &served),
            _ => Reply::new(401, "").with("www-authenticate", challenge),
        }
    });
    let repository = pull(&settings(), &fake.host);
    let mut found = Vec::new();
    repository.blob(&digest(&bytes), 200_000, 0, &|_, _| ()).read_to_end(&mut found).unwrap();
    assert!(found == bytes);
}

#[test]
fn a_credential_stays_behind_when_a_redirect_leads_elsewhere() {
    let temp = tempfile::tempdir().unwrap();
    let bytes = noise(1000);
    let served = bytes.clone();
    let elsewhere = Fake::serve(move |asked| Reply::blob(asked, &served));
    let target = format!("http://{}/blob?signature=s", elsewhere.host);
    let fake = Fake::serve(move |asked| match authorized(asked) {
        Some(BASIC) => Reply::new(307, "").with("location", target.clone()),
        _ => Reply::new(401, "").with("www-authenticate", "Basic realm=x"),
    });
    let repository = pull(&with_password(&fake.host, temp.path()), &fake.host);
    let mut found = Vec::new();
    repository.blob(&digest(&bytes), 1000, 0, &|_, _| ()).read_to_end(&mut found).unwrap();
    assert!(found == bytes);
    // Another port is another origin.
    assert_eq!(elsewhere.asked().len(), 1);
    assert_eq!(authorized(&elsewhere.asked()[0]), None);
}

#[test]
fn whoever_a_redirect_leads_to_cannot_ask_for_a_credential() {
    let temp = tempfile::tempdir().unwrap();
    let thief = Fake::serve(|_| Reply::new(401, "").with("www-authenticate", "Basic realm=x"));
    let target = format!("http://{}/blob", thief.host);
    let fake = Fake::serve(move |_| Reply::new(302, "").with("location", target.clone()));
    let repository = pull(&with_password(&fake.host, temp.path()), &fake.host);
    let error = repository.manifest(Selector::Tag("t")).unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    assert!(thief.asked().iter().all(|asked| authorized(asked).is_none()));
}

#[test]
fn an_upload_that_is_led_to_another_host_takes_no_credential_along() {
    struct Nothing;
    impl registry::Source for Nothing {
        fn open(&self, _: u64) -> std::io::Result<Box<dyn Read>> {
            Ok(Box::new(&b"bytes"[..]))
        }
    }
    let temp = tempfile::tempdir().unwrap();
    let storage = Fake::serve(|asked| match &*asked.method {
        "PATCH" => Reply::new(202, "").with("range", "0-4"),
        _ => Reply::new(201, ""),
    });
    let target = format!("http://{}/upload?session=1", storage.host);
    let fake = Fake::serve(move |asked| match (&*asked.method, authorized(asked)) {
        (_, None) => Reply::new(401, "").with("www-authenticate", "Basic realm=x"),
        ("HEAD", _) => Reply::new(404, ""),
        _ => Reply::new(202, "").with("location", target.clone()),
    });
    let repository = push(&with_password(&fake.host, temp.path()), &fake.host);
    repository.push_blob(&digest(b"bytes"), 5, &Nothing, &[], &|_| (), &|_, _| ()).unwrap();
    let methods: Vec<String> = storage.asked().iter().map(|asked| asked.method.clone()).collect();
    assert_eq!(methods, ["PATCH", "PUT"]);
    assert!(storage.asked().iter().all(|asked| authorized(asked).is_none()));
}

#[test]
fn a_mirror_never_sees_the_registrys_credential() {
    let temp = tempfile::tempdir().unwrap();
    let mirror = Fake::serve(|_| Reply::new(401, "").with("www-authenticate", "Basic realm=x"));
    let fake = Fake::serve(|asked| match authorized(asked) {
        Some(BASIC) => Reply::new(200, manifest()),
        _ => Reply::new(401, "").with("www-authenticate", "Basic realm=x"),
    });
    let mut settings = with_password(&fake.host, temp.path());
    let mirrors = vec![registry::Mirror::parse(&format!("http://{}", mirror.host)).unwrap()];
    settings.registries.insert(fake.host.clone(), registry::RegistrySettings { mirrors, insecure: false });
    pull(&settings, &fake.host).manifest(Selector::Tag("t")).unwrap();
    assert!(!mirror.asked().is_empty());
    assert!(mirror.asked().iter().all(|asked| authorized(asked).is_none()));
}

#[test]
fn a_token_service_that_speaks_plain_http_elsewhere_is_not_asked() {
    let temp = tempfile::tempdir().unwrap();
    let fake = Fake::serve(|_| {
        Reply::new(401, "").with("www-authenticate", r#"Bearer realm="http://192.0.2.1/token""#)
    });
    let repository = pull(&with_password(&fake.host, temp.path()), &fake.host);
    let error = repository.manifest(Selector::Tag("t")).unwrap_err();
    assert!(error.to_string().contains("a token service must speak HTTPS"), "{error}");
}

#[test]
fn an_identity_token_is_exchanged_and_never_sent_to_the_registry() {
    let temp = tempfile::tempdir().unwrap();
    let service = Fake::serve(|_| Reply::new(200, r#"{"access_token":"fresh","expires_in":300}"#));
    let realm = format!("http://{}/token", service.host);
    let fake = Fake::serve(move |asked| match authorized(asked) {
        Some("Bearer fresh") => Reply::new(200, manifest()),
        _ => Reply::new(401, "").with("www-authenticate", format!(r#"Bearer realm="{realm}",service="s""#)),
    });
    let mut settings = settings();
    settings.keychain.file = Some(temp.path().join("config.json"));
    settings.keychain.store(&fake.host, &Credential::IdentityToken(Secret::new("id/token"))).unwrap();
    pull(&settings, &fake.host).manifest(Selector::Tag("t")).unwrap();
    let asked = &service.asked()[0];
    assert_eq!(asked.method, "POST");
    let form = String::from_utf8(asked.body.clone()).unwrap();
    assert!(form.contains("grant_type=refresh%5Ftoken"), "{form}");
    assert!(form.contains("refresh_token=id%2Ftoken"), "{form}");
    assert!(form.contains("scope=repository%3Aa%2Fb%3Apull"), "{form}");
    assert!(fake.asked().iter().all(|asked| !format!("{asked:?}").contains("id/token")));
}

#[test]
fn login_proves_a_password_and_keeps_what_the_registry_gives_for_it() {
    let fake = Fake::serve(|asked| match authorized(asked) {
        Some(BASIC) => Reply::new(200, "{}"),
        _ => Reply::new(401, "").with("www-authenticate", "Basic realm=x"),
    });
    let login = log_in(&settings(), &fake.host, password()).unwrap();
    assert!(matches!(login, Login::Accepted(Credential::Password { .. })), "{login:?}");
    let wrong = Credential::Password { user: "me".to_owned(), password: Secret::new("hunter2") };
    let error = log_in(&settings(), &fake.host, wrong).unwrap_err();
    assert!(error.to_string().contains("incorrect username or password"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));

    let service = Fake::serve(|_| Reply::new(200, r#"{"token":"now","refresh_token":"later"}"#));
    let realm = format!("http://{}/token", service.host);
    let fake = Fake::serve(move |asked| match authorized(asked) {
        Some("Bearer now") => Reply::new(200, "{}"),
        _ => Reply::new(401, "").with("www-authenticate", format!(r#"Bearer realm="{realm}""#)),
    });
    let login = log_in(&settings(), &fake.host, password()).unwrap();
    let Login::Accepted(Credential::IdentityToken(token)) = login else { panic!("{login:?}") };
    assert_eq!(token, Secret::new("later"));
    assert!(service.asked()[0].path.contains("offline_token=true"));
}

#[test]
fn a_helper_of_the_registry_is_asked_and_told() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    // The helper keeps what it is told in a file, and answers `get` from it.
    let script = format!(
        "#!/bin/sh\ncase $1 in store) cat > {0}/kept;; erase) cat > /dev/null; rm -f {0}/kept;; \
         get) cat > /dev/null; cat {0}/kept 2>/dev/null || {{ echo credentials not found in native keychain; exit 1; }};; esac\n",
        dir.display()
    );
    let name = format!("coracle-test-{}", std::process::id());
    let program = Path::new("/usr/local/bin").join(format!("docker-credential-{name}"));
    write(&program, &script, 0o755);
    let config = dir.join("config.json");
    write(&config, &format!(r#"{{"credsStore":"not-there","credHelpers":{{"r.example":"{name}"}}}}"#), 0o600);
    let keychain = registry::Keychain { file: Some(config.clone()) };
    let outcome = std::panic::catch_unwind(|| {
        assert_eq!(keychain.find("r.example").unwrap(), None);
        let kept = keychain.store("r.example", &password()).unwrap();
        assert_eq!(kept, registry::credentials::Kept::Helper(name.clone()));
        assert_eq!(keychain.find("r.example").unwrap(), Some(password()));
        assert!(keychain.erase("r.example").unwrap());
        assert_eq!(keychain.find("r.example").unwrap(), None);
        // The store of all others does not exist: that is told, and not taken for having none.
        assert!(matches!(keychain.find("other.example"), Err(Error::Helper { .. })));
    });
    #[expect(clippy::disallowed_methods, reason = "the test's own file")]
    let text = std::fs::read_to_string(&config).unwrap();
    let _ = std::fs::remove_file(&program);
    outcome.unwrap();
    assert!(!text.contains("auths"), "{text}");
}

fn write(path: &Path, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    #[expect(clippy::disallowed_methods, reason = "the test's own file")]
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
