//! Programs that keep credentials: `docker-credential-NAME get|store|erase`, Docker's protocol.
//!
//! They are the only programs that the engine runs on the host beside hooks: people name them in
//! their own configuration, and there is no other way to what a keyring holds.

use std::io::Write;
use std::process::{Output, Stdio};

use serde::{Deserialize, Serialize};

use super::{Credential, Secret, TOKEN_USER};
use crate::{Error, Result};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// Asks a helper; what it does not know is no error.
pub(super) fn get(helper: &str, key: &str) -> Result<Option<Credential>> {
    let output = run(helper, "get", key.as_bytes())?;
    if !output.status.success() {
        let said = words(&output);
        // The helpers' own words for it.
        return match said.contains("credentials not found") || said.contains("no credentials server URL") {
            true => Ok(None),
            false => Err(failed(helper, &said)),
        };
    }
    let entry: Entry = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed(helper, "its answer is not what `get` returns"))?;
    Ok(match (&*entry.username, &*entry.secret) {
        ("", "") => None,
        (TOKEN_USER, token) => Some(Credential::IdentityToken(Secret::new(token))),
        (user, password) => {
            Some(Credential::Password { user: user.to_owned(), password: Secret::new(password) })
        }
    })
}

/// Hands a credential over.
pub(super) fn store(helper: &str, key: &str, credential: &Credential) -> Result<()> {
    let (user, secret) = match credential {
        Credential::Password { user, password } => (&**user, password),
        Credential::IdentityToken(token) | Credential::RegistryToken(token) => (TOKEN_USER, token),
    };
    let entry =
        Entry { server_url: key.to_owned(), username: user.to_owned(), secret: secret.expose().to_owned() };
    let input =
        serde_json::to_vec(&entry).map_err(|source| store::Error::Encode { kind: "credential", source })?;
    expect(helper, &run(helper, "store", &input)?)
}

/// Lets a helper forget.
pub(super) fn erase(helper: &str, key: &str) -> Result<()> {
    expect(helper, &run(helper, "erase", key.as_bytes())?)
}

fn expect(helper: &str, output: &Output) -> Result<()> {
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(helper, &words(output))),
    }
}

fn run(helper: &str, action: &str, input: &[u8]) -> Result<Output> {
    // A name and never a path: the configuration chooses among what is installed.
    if helper.contains('/') {
        return Err(failed(helper, "the name of a helper holds no `/`"));
    }
    #[expect(clippy::disallowed_methods, reason = "credential helpers are programs; the user names them")]
    let mut command = std::process::Command::new(format!("docker-credential-{helper}"));
    let spawned =
        command.arg(action).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| failed(helper, &error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read what it is told fails by itself.
        let _ = stdin.write_all(input);
    }
    child.wait_with_output().map_err(|error| failed(helper, &error.to_string()))
}

/// Helpers complain on standard output.
fn words(output: &Output) -> String {
    let bytes = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    let text = String::from_utf8_lossy(bytes);
    text.trim().chars().filter(|letter| !letter.is_control()).take(200).collect()
}

fn failed(helper: &str, reason: &str) -> Error {
    Error::Helper { program: format!("docker-credential-{helper}"), reason: reason.to_owned() }
}
