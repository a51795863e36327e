//! `--secret`, `--output`, `--network` and `--progress` of a build.

use std::path::{Path, PathBuf};

use engine::request::{ArchiveFormat, BuildOutput, SecretRequest, SecretValue};

use super::{Invalid, Read};
use crate::caller::Caller;

/// How steps reach the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetworkName {
    Default,
    None,
    Host,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressKind {
    /// A screenful on a terminal, lines elsewhere.
    Auto,
    Plain,
    Tty,
    RawJson,
    Quiet,
}

/// A secret as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretSpec {
    id: String,
    file: Option<String>,
    variable: Option<String>,
}

/// An agent of ssh as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SshSpec {
    id: String,
    socket: Option<String>,
}

/// Where the result goes, and a name that it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputSpec {
    pub(crate) meaning: BuildOutput,
    pub(crate) name: Option<String>,
}

pub(crate) fn parse_network(text: &str) -> Read<NetworkName> {
    match text {
        "" | "default" | "bridge" => Ok(NetworkName::Default),
        "none" => Ok(NetworkName::None),
        "host" => Ok(NetworkName::Host),
        other => Err(Invalid::new(format!("network `{other}` is not supported while building"))
            .hint("it can be default, none or host")),
    }
}

pub(crate) fn parse_progress(text: &str) -> Read<ProgressKind> {
    match text {
        "auto" => Ok(ProgressKind::Auto),
        "plain" => Ok(ProgressKind::Plain),
        "tty" => Ok(ProgressKind::Tty),
        "rawjson" => Ok(ProgressKind::RawJson),
        "quiet" | "none" => Ok(ProgressKind::Quiet),
        other => Err(Invalid::new(format!("invalid progress type `{other}`"))
            .hint("it can be auto, plain, tty, rawjson or quiet")),
    }
}

/// `id=NAME[,src=FILE][,env=VARIABLE]`
pub(crate) fn parse_secret(text: &str) -> Read<SecretSpec> {
    let mut secret = SecretSpec { id: String::new(), file: None, variable: None };
    for field in text.split(',') {
        let (key, value) = field
            .split_once('=')
            .ok_or_else(|| Invalid::new(format!("invalid field '{field}' must be a key=value pair")))?;
        match key.to_ascii_lowercase().as_str() {
            "id" => value.clone_into(&mut secret.id),
            "src" | "source" => secret.file = Some(value.to_owned()),
            "env" => secret.variable = Some(value.to_owned()),
            "type" if matches!(value, "file" | "env") => {}
            "type" => return Err(Invalid::new(format!("unsupported secret type `{value}`"))),
            _ => return Err(Invalid::new(format!("unexpected key '{key}' in '{field}'"))),
        }
    }
    if secret.id.is_empty() {
        return Err(Invalid::new("a secret needs an id").hint("write --secret id=NAME,src=FILE"));
    }
    Ok(secret)
}

impl SecretSpec {
    /// Reads the secret; without a source it is the variable of its id, or the file.
    pub(crate) fn read(self, caller: &dyn Caller) -> Read<SecretRequest> {
        let id = self.id;
        let variable = match (&self.variable, &self.file) {
            (Some(name), _) => Some(name.clone()),
            (None, None) => caller.var(&id).map(|_| id.clone()),
            (None, Some(_)) => None,
        };
        let bytes = match variable {
            Some(name) => caller
                .var(&name)
                .ok_or_else(|| Invalid::new(format!("secret `{id}`: there is no variable `{name}`")))?
                .into_bytes(),
            None => {
                let path = self.file.unwrap_or_else(|| id.clone());
                caller.read(Path::new(&path)).map_err(|error| {
                    Invalid::new(format!(
                        "secret `{id}`: cannot read `{path}`: {}",
                        crate::text::io_error(&error)
                    ))
                })?
            }
        };
        if bytes.len() > 500 << 10 {
            return Err(Invalid::new(format!("secret `{id}` is larger than 500 KiB")));
        }
        Ok(SecretRequest { id, value: SecretValue(bytes) })
    }
}

/// `default`, or `ID=SOCKET`
pub(crate) fn parse_ssh(text: &str) -> Read<SshSpec> {
    let (id, socket) = match text.split_once('=') {
        Some((id, socket)) => (id, Some(socket.to_owned())),
        None => (text, None),
    };
    if id.is_empty() || socket.as_ref().is_some_and(String::is_empty) {
        return Err(Invalid::new(format!("invalid agent `{text}`")).hint("write default, or ID=SOCKET"));
    }
    Ok(SshSpec { id: id.to_owned(), socket })
}

impl SshSpec {
    /// Finds the socket; without one it is that of the caller's own agent.
    pub(crate) fn find(self, caller: &dyn Caller) -> Read<(String, PathBuf)> {
        let socket = self.socket.or_else(|| caller.var("SSH_AUTH_SOCK").filter(|path| !path.is_empty()));
        let socket = socket.ok_or_else(|| {
            Invalid::new(format!("agent `{}`: SSH_AUTH_SOCK is not set", self.id))
                .hint("start an agent: eval $(ssh-agent) && ssh-add")
        })?;
        Ok((self.id, PathBuf::from(socket)))
    }
}

/// `type=local,dest=DIRECTORY`, or a directory alone, or `-` for an archive on standard output.
pub(crate) fn parse_output(text: &str) -> Read<OutputSpec> {
    let output = |meaning| OutputSpec { meaning, name: None };
    if text == "-" {
        return Ok(output(BuildOutput::Tar(None)));
    }
    if !text.contains('=') {
        return Ok(output(BuildOutput::Local(PathBuf::from(text))));
    }
    let (mut kind, mut destination, mut name) = (String::new(), None, None);
    for field in text.split(',') {
        let (key, value) = field
            .split_once('=')
            .ok_or_else(|| Invalid::new(format!("invalid field '{field}' must be a key=value pair")))?;
        match key {
            "type" => value.clone_into(&mut kind),
            "dest" => destination = Some(value.to_owned()),
            "name" => name = Some(value.to_owned()),
            "push" if value == "false" => {}
            _ => return Err(Invalid::new(format!("output option `{key}` is not supported"))),
        }
    }
    let path = destination.filter(|path| path != "-").map(PathBuf::from);
    let meaning = match (&*kind, path) {
        ("image", None) | ("docker", None) => BuildOutput::Image,
        ("local", Some(path)) => BuildOutput::Local(path),
        ("local", None) => {
            return Err(Invalid::new("output of type local needs a destination")
                .hint("write type=local,dest=DIRECTORY"));
        }
        ("tar", path) => BuildOutput::Tar(path),
        ("docker", path) => BuildOutput::Archive(ArchiveFormat::Docker, path),
        ("oci", path) => BuildOutput::Archive(ArchiveFormat::Oci, path),
        (other, _) => {
            return Err(Invalid::new(format!("output type `{other}` is not supported"))
                .hint("it can be image, local, tar, oci or docker"));
        }
    };
    Ok(OutputSpec { meaning, name })
}

#[cfg(test)]
#[test]
fn words_of_builds() {
    use super::check::table;
    table(
        parse_network,
        &[("host", "Host"), ("bridge", "Default"), ("x", "!network `x` is not supported while building")],
    );
    table(
        parse_progress,
        &[("plain", "Plain"), ("rawjson", "RawJson"), ("fancy", "!invalid progress type `fancy`")],
    );
    table(
        parse_secret,
        &[
            ("id=a,src=f", r#"SecretSpec { id: "a", file: Some("f"), variable: None }"#),
            ("src=f", "!a secret needs an id"),
            ("a", "!invalid field 'a' must be a key=value pair"),
            ("id=a,type=x", "!unsupported secret type `x`"),
        ],
    );
    table(
        parse_ssh,
        &[
            ("default", r#"SshSpec { id: "default", socket: None }"#),
            ("a=/s", r#"SshSpec { id: "a", socket: Some("/s") }"#),
            ("a=", "!invalid agent `a=`"),
            ("=/s", "!invalid agent `=/s`"),
        ],
    );
    table(
        parse_output,
        &[
            ("-", "OutputSpec { meaning: Tar(None), name: None }"),
            ("out", r#"OutputSpec { meaning: Local("out"), name: None }"#),
            ("type=oci,dest=x.tar", r#"OutputSpec { meaning: Archive(Oci, Some("x.tar")), name: None }"#),
            ("type=image,name=a:b", r#"OutputSpec { meaning: Image, name: Some("a:b") }"#),
            ("type=local", "!output of type local needs a destination"),
            ("type=registry", "!output type `registry` is not supported"),
        ],
    );
}
