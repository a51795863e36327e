//! Tokens: fetched from the service that a registry names, kept until shortly before they end.
//!
//! The service's address comes from the registry, so what is sent there is sent where the registry
//! wants it, and never in the clear: over HTTPS, or over HTTP to the very host that speaks HTTP itself.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use ureq::http::Method;

use super::{Challenge, parse_challenges};
use crate::credentials::{Credential, Secret};
use crate::http::{Address, Answer, Payload, Request, Transport, escaped};
use crate::{Error, Result};

/// Named to token services.
const CLIENT_ID: &str = "coracle";
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// What the specification lets a token live that does not say how long it lives.
const LIFETIME_DEFAULT: Duration = Duration::from_secs(60);
/// A token this near to its end is not used any more.
const LIFETIME_REST: Duration = Duration::from_secs(10);

/// What a token is to allow: `repository:NAME:pull,push`, several with spaces between.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Scope(pub(crate) String);

/// Who we are to one registry.
#[derive(Debug)]
pub(crate) struct Authorizer {
    /// The registry's name in messages.
    registry: String,
    credential: Option<Credential>,
    known: Mutex<HashMap<Scope, Known>>,
}

/// The value of an `Authorization` header.
#[derive(Clone)]
struct Known {
    value: Secret,
    until: Option<Instant>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}

/// What a token service answers.
#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    refresh_token: String,
    expires_in: Option<u64>,
}

impl Authorizer {
    pub(crate) fn new(registry: &str, credential: Option<Credential>) -> Self {
        Self { registry: registry.to_owned(), credential, known: Mutex::default() }
    }

    /// Sends a request as whoever we are: with what worked before, or, once the registry has said how it
    /// wants to know, with that.
    pub(crate) fn send(
        &self,
        transport: &Transport,
        request: &mut Request<'_>,
        scope: &Scope,
    ) -> Result<Answer> {
        let before = self.known(scope);
        // What can be sent once must not be wasted on finding out.
        let answer = transport.send(request, before.as_ref().map(Secret::expose))?;
        if answer.status() != 401 || matches!(request.payload, Payload::Stream(..)) {
            return Ok(answer);
        }
        // What asks for a credential must be the registry itself, not where it has led us.
        if !answer.address.same_origin(&request.address) {
            return Ok(answer);
        }
        let challenges = parse_challenges(&answer.headers("www-authenticate"));
        match self.meet(transport, &request.address, &challenges, scope)? {
            Some(value) if before.as_ref() != Some(&value) => transport.send(request, Some(value.expose())),
            _ => Ok(answer),
        }
    }

    fn known(&self, scope: &Scope) -> Option<Secret> {
        let known = self.known.lock().expect("no holder panics");
        let entry = known.get(scope)?;
        entry.until.is_none_or(|until| until > Instant::now()).then(|| entry.value.clone())
    }

    /// Meets one of the challenges; `None` where none can be met.
    fn meet(
        &self,
        transport: &Transport,
        registry: &Address,
        challenges: &[Challenge],
        scope: &Scope,
    ) -> Result<Option<Secret>> {
        for challenge in challenges {
            let met = match (challenge, &self.credential) {
                (Challenge::Basic, Some(Credential::Password { user, password })) => {
                    Some(Known { value: basic(user, password), until: None })
                }
                (Challenge::Basic, _) => None,
                (Challenge::Bearer { .. }, Some(Credential::RegistryToken(token))) => {
                    Some(Known { value: bearer(token.expose()), until: None })
                }
                (Challenge::Bearer { realm, service, scope: wanted }, _) => {
                    let ask = TokenRequest {
                        realm: self.realm(registry, realm)?,
                        service: service.as_deref(),
                        // Ours first: a registry may name less than the whole session needs.
                        scope: if scope.0.is_empty() { wanted.as_deref() } else { Some(&*scope.0) },
                    };
                    let (token, _) = self.fetch(transport, &ask, Offline::No)?;
                    Some(token)
                }
            };
            if let Some(met) = met {
                let value = met.value.clone();
                self.known.lock().expect("no holder panics").insert(scope.clone(), met);
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Checks where the registry wants to have us go for a token.
    fn realm(&self, registry: &Address, realm: &str) -> Result<Address> {
        let malformed = || Error::Malformed {
            address: registry.to_string(),
            reason: "it names a token service that is no address".to_owned(),
        };
        let address = registry.locate(realm).ok_or_else(malformed)?;
        if !address.is_plain() || registry.is_plain() && hosts_match(registry, &address) {
            return Ok(address);
        }
        Err(Error::Redirect {
            from: registry.to_string(),
            to: address.to_string(),
            reason: "a token service must speak HTTPS",
        })
    }

    /// Fetches a token, and for `login` also what can stand for the password from now on.
    fn fetch(
        &self,
        transport: &Transport,
        ask: &TokenRequest<'_>,
        offline: Offline,
    ) -> Result<(Known, Option<Secret>)> {
        let answer = match &self.credential {
            Some(Credential::IdentityToken(token)) => self.exchange(transport, ask, token)?,
            other => self.ask(transport, ask, other.as_ref(), offline)?,
        };
        if !answer.is_success() {
            return Err(answer.into_error(&self.registry, "a token"));
        }
        let address = answer.address.to_string();
        let bytes = answer.into_bytes("token", ANSWER_BYTES_MAX)?;
        let malformed =
            |reason: &str| Error::Malformed { address: address.clone(), reason: reason.to_owned() };
        let answer: TokenAnswer =
            serde_json::from_slice(&bytes).map_err(|_| malformed("it is no token in JSON"))?;
        let token = if answer.token.is_empty() { &answer.access_token } else { &answer.token };
        if token.is_empty() {
            return Err(malformed("it holds no token"));
        }
        let lifetime = answer.expires_in.map_or(LIFETIME_DEFAULT, Duration::from_secs);
        let lifetime = lifetime.saturating_sub(LIFETIME_REST).min(Duration::from_secs(24 * 3600));
        let refresh = Some(answer.refresh_token).filter(|token| !token.is_empty()).map(Secret::new);
        Ok((Known { value: bearer(token), until: Some(Instant::now() + lifetime) }, refresh))
    }

    /// `GET realm?service=…&scope=…`, with the password if there is one.
    fn ask(
        &self,
        transport: &Transport,
        ask: &TokenRequest<'_>,
        credential: Option<&Credential>,
        offline: Offline,
    ) -> Result<Answer> {
        let mut address = ask.realm.clone();
        let mut add = |name: &str, value: &str| {
            if let Some(more) = address.with_query(name, value) {
                address = more;
            }
        };
        ask.service.iter().for_each(|service| add("service", service));
        ask.scope.iter().flat_map(|scope| scope.split(' ')).for_each(|scope| add("scope", scope));
        let mut authorization = None;
        if let Some(Credential::Password { user, password }) = credential {
            add("account", user);
            add("client_id", CLIENT_ID);
            if offline == Offline::Yes {
                add("offline_token", "true");
            }
            authorization = Some(basic(user, password));
        }
        let mut request = Request::get(address, &self.registry, "a token");
        transport.send(&mut request, authorization.as_ref().map(Secret::expose))
    }

    /// `POST realm` with an identity token (OAuth 2, RFC 6749 section 6).
    fn exchange(&self, transport: &Transport, ask: &TokenRequest<'_>, token: &Secret) -> Result<Answer> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT_ID),
            ("service", ask.service.unwrap_or_default()),
            ("scope", ask.scope.unwrap_or_default()),
            ("refresh_token", token.expose()),
        ];
        let form: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let form = form.join("&");
        let mut request = Request {
            method: Method::POST,
            address: ask.realm.clone(),
            headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
            payload: Payload::Bytes(form.as_bytes()),
            registry: &self.registry,
            what: "a token",
        };
        transport.send(&mut request, None)
    }

    /// Proves the credential to a registry; returns an identity token where it gives one for it.
    pub(crate) fn prove(&self, transport: &Transport, registry: &Address, answer: &Answer) -> Result<Proof> {
        for challenge in parse_challenges(&answer.headers("www-authenticate")) {
            match (&challenge, &self.credential) {
                (Challenge::Basic, Some(Credential::Password { user, password })) => {
                    return Ok(Proof::Header(basic(user, password)));
                }
                (Challenge::Bearer { realm, service, .. }, Some(_)) => {
                    let realm = self.realm(registry, realm)?;
                    let ask = TokenRequest { realm, service: service.as_deref(), scope: None };
                    let (known, identity) = self.fetch(transport, &ask, Offline::Yes)?;
                    return Ok(Proof::Token { header: known.value, identity });
                }
                _ => {}
            }
        }
        Err(Error::Malformed {
            address: registry.to_string(),
            reason: "it wants to know who we are in no way that we know".to_owned(),
        })
    }
}

/// How a credential was proven.
#[derive(Debug)]
pub(crate) enum Proof {
    /// It goes into each request.
    Header(Secret),
    /// A token for it does, and perhaps there is one that can be kept instead of the password.
    Token { header: Secret, identity: Option<Secret> },
}

struct TokenRequest<'a> {
    realm: Address,
    service: Option<&'a str>,
    scope: Option<&'a str>,
}

/// Whether a token that outlives the password is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offline {
    No,
    Yes,
}

fn hosts_match(one: &Address, other: &Address) -> bool {
    one.uri().host() == other.uri().host()
}

fn basic(user: &str, password: &Secret) -> Secret {
    Secret::new(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{}", password.expose()))))
}

fn bearer(token: &str) -> Secret {
    Secret::new(format!("Bearer {token}"))
}
