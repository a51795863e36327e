//! Whether a registry takes a credential, and what it gives to be kept instead.

use crate::auth::{Authorizer, Proof};
use crate::credentials::Credential;
use crate::http::{Request, address_of};
use crate::repository::Place;
use crate::{Error, Result, Settings};

/// What `login` found out.
#[derive(Debug)]
pub enum Login {
    /// Keep this: an identity token where the registry gives one, and else the password.
    Accepted(Credential),
    /// The registry asks nobody who he is.
    Open(Credential),
}

/// Proves a credential to a registry. Nothing is kept.
pub fn log_in(settings: &Settings, domain: &str, credential: Credential) -> Result<Login> {
    // Whatever is known of the registry by now does not matter.
    let anonymous = Settings { keychain: crate::Keychain::default(), ..settings.clone() };
    let transport = crate::http::Transport::new(anonymous.clone());
    let place = Place::registry(&anonymous, domain)?;
    let address = address_of(&format!("{}/v2/", place.base(&transport)?))?;
    let mut request = Request::get(address.clone(), domain, "a login");
    let answer = transport.send(&mut request, None)?;
    match answer.status() {
        200 => return Ok(Login::Open(credential)),
        401 if answer.address.same_origin(&address) => {}
        _ => return Err(answer.into_error(domain, "a login")),
    }
    let authorizer = Authorizer::new(domain, Some(credential.clone()));
    let (header, identity) = match authorizer.prove(&transport, &address, &answer)? {
        Proof::Header(header) => (header, None),
        Proof::Token { header, identity } => (header, identity),
    };
    let answer = transport.send(&mut request, Some(header.expose()))?;
    match answer.status() {
        200 => Ok(Login::Accepted(identity.map_or(credential, Credential::IdentityToken))),
        401 | 403 => Err(Error::Denied {
            registry: domain.to_owned(),
            what: "a login".to_owned(),
            said: "incorrect username or password".to_owned(),
        }),
        _ => Err(answer.into_error(domain, "a login")),
    }
}
