//! `RUN --mount=…`.

use super::size::bytes;
use crate::fault::Fault;
use crate::suggest::nearest;
use crate::syntax::Word;

/// Something mounted while one command runs, which does not stay in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub kind: MountKind,
    /// A stage or an image; without it, the build context.
    pub from: Option<String>,
    /// A path in what is mounted; for a secret, its id.
    pub source: Option<String>,
    pub target: Option<String>,
    pub read_only: bool,
    /// Most bytes of a tmpfs.
    pub size_bytes: Option<u64>,
    /// The name of a cache, a secret or an agent.
    pub id: Option<String>,
    pub sharing: Sharing,
    /// Whether a secret or agent that was not given is a fault.
    pub required: bool,
    /// The variable that a secret becomes; empty is one of its id's name.
    pub env: Option<String>,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

/// Who may use a cache at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// All at once.
    #[default]
    Shared,
    /// Whoever finds it in use gets another.
    Private,
    /// One after the other.
    Locked,
}

const KEYS: &[&str] = &[
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "required",
    "size",
    "id",
    "sharing",
    "mode",
    "uid",
    "gid",
    "env",
];

impl MountKind {
    fn parse(name: &str) -> Option<Self> {
        Some(match &*name.to_ascii_lowercase() {
            "bind" => Self::Bind,
            "cache" => Self::Cache,
            "tmpfs" => Self::Tmpfs,
            "secret" => Self::Secret,
            "ssh" => Self::Ssh,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Cache => "cache",
            Self::Tmpfs => "tmpfs",
            Self::Secret => "secret",
            Self::Ssh => "ssh",
        }
    }

    /// Whether what is mounted may get an owner and a mode.
    fn has_owner(self) -> bool {
        matches!(self, Self::Cache | Self::Secret | Self::Ssh)
    }
}

/// Checks as much as can be known before variables have values.
pub(super) fn check(word: &Word) -> Result<(), Fault> {
    for field in fields(&word.text) {
        if let Some(("from", value)) = field.split_once('=').filter(|(_, value)| value.contains('$')) {
            return Err(Fault::new(word.span, format!("variables are not supported in `from={value}`"))
                .hint("give the image a name with `FROM … AS name`, where global arguments are known"));
        }
    }
    if word.text.contains('$') {
        return Ok(());
    }
    parse(word, |value| Ok(value.to_owned())).map(|_| ())
}

/// Parses one flag, putting each value through `expand`.
pub(super) fn parse(
    word: &Word,
    mut expand: impl FnMut(&str) -> Result<String, Fault>,
) -> Result<Mount, Fault> {
    let mut fields: Vec<(String, Option<String>)> = Vec::new();
    for field in fields_of(word)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key, Some(expand(value)?)),
            None => (&*field, None),
        };
        fields.push((key.to_ascii_lowercase(), value));
    }
    let fault = |text: String| Fault::new(word.span, text);
    let kind = match fields.iter().rev().find(|(key, _)| key == "type") {
        Some((_, Some(name))) => MountKind::parse(name).ok_or_else(|| {
            let fault = fault(format!("unsupported mount type `{name}`"));
            let known = ["bind", "cache", "tmpfs", "secret", "ssh"];
            match nearest(name, known) {
                Some(near) => fault.hint(format!("did you mean `{near}`?")),
                None => fault.hint(format!("it can be {}", known.join(", "))),
            }
        })?,
        _ => MountKind::Bind,
    };
    let mut mount = Mount::of_kind(kind);
    for (key, value) in &fields {
        mount.set(key, value.as_deref()).map_err(|reason| match nearest(key, KEYS.iter().copied()) {
            Some(near) if !KEYS.contains(&&**key) => fault(reason).hint(format!("did you mean `{near}`?")),
            _ => fault(reason),
        })?;
    }
    mount.validate().map_err(fault)?;
    Ok(mount)
}

impl Mount {
    fn of_kind(kind: MountKind) -> Self {
        Self {
            kind,
            from: None,
            source: None,
            target: None,
            read_only: !matches!(kind, MountKind::Cache | MountKind::Tmpfs),
            size_bytes: None,
            id: None,
            sharing: Sharing::default(),
            required: false,
            env: None,
            mode: None,
            uid: None,
            gid: None,
        }
    }

    fn set(&mut self, key: &str, value: Option<&str>) -> Result<(), String> {
        let kind = self.kind;
        let only = |kinds: &[MountKind]| {
            let here = kinds.contains(&kind);
            if here {
                Ok(())
            } else {
                Err(format!("unexpected key `{key}` for mount type `{}`", kind.name()))
            }
        };
        let text = || {
            let value = value.filter(|_| KEYS.contains(&key));
            value.ok_or_else(|| match KEYS.contains(&key) {
                true => format!("`{key}` needs a value: write `{key}=…`"),
                false => format!("unexpected key `{key}`"),
            })
        };
        let number = |radix: u32| {
            let text = text()?;
            u32::from_str_radix(text, radix).map_err(|_| format!("invalid value `{text}` for `{key}`"))
        };
        match key {
            "type" => {}
            "from" => self.from = Some(text()?.to_owned()),
            "source" | "src" => self.source = Some(text()?.to_owned()),
            "target" | "dst" | "destination" => self.target = Some(text()?.to_owned()),
            "readonly" | "ro" => self.read_only = boolean(key, value)?,
            "readwrite" | "rw" => self.read_only = !boolean(key, value)?,
            "required" => {
                only(&[MountKind::Secret, MountKind::Ssh])?;
                self.required = boolean(key, value)?;
            }
            "size" => {
                only(&[MountKind::Tmpfs])?;
                let text = text()?;
                let size = bytes(text).ok_or_else(|| format!("invalid value `{text}` for `size`"))?;
                self.size_bytes = Some(size).filter(|size| *size > 0);
            }
            "id" => self.id = Some(text()?.to_owned()),
            "sharing" => {
                only(&[MountKind::Cache])?;
                self.sharing = match &*text()?.to_ascii_lowercase() {
                    "shared" => Sharing::Shared,
                    "private" => Sharing::Private,
                    "locked" => Sharing::Locked,
                    other => {
                        return Err(format!(
                            "unsupported sharing `{other}`: it can be shared, private or locked"
                        ));
                    }
                };
            }
            "mode" => self.mode = Some(number(8)?),
            "uid" => self.uid = Some(number(10)?),
            "gid" => self.gid = Some(number(10)?),
            "env" => self.env = Some(text()?.to_owned()),
            _ => return Err(format!("unexpected key `{key}`")),
        }
        Ok(())
    }

    fn validate(&self) -> Result<(), String> {
        let kind = self.kind.name();
        let owners =
            [("mode", self.mode.is_some()), ("uid", self.uid.is_some()), ("gid", self.gid.is_some())];
        if let Some((key, _)) = owners.iter().find(|(_, given)| *given && !self.kind.has_owner()) {
            return Err(format!("`{key}` is not allowed for mounts of type `{kind}`"));
        }
        match self.kind {
            MountKind::Secret if self.from.is_some() => Err("a secret has no `from`".to_owned()),
            MountKind::Secret if self.source.is_some() && self.id.is_some() => {
                Err("a secret has either `source` or `id`: they mean the same".to_owned())
            }
            MountKind::Secret if self.source.is_none() && self.id.is_none() && self.target.is_none() => {
                Err("a secret needs an `id`".to_owned())
            }
            MountKind::Bind | MountKind::Cache | MountKind::Tmpfs if self.target.is_none() => {
                Err(format!("a mount of type `{kind}` needs a `target`"))
            }
            MountKind::Bind | MountKind::Tmpfs | MountKind::Cache if self.env.is_some() => {
                Err(format!("unexpected key `env` for mount type `{kind}`"))
            }
            _ => Ok(()),
        }
    }
}

fn boolean(key: &str, value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => Err(format!("invalid value `{other}` for `{key}`: it can be true or false")),
    }
}

fn fields_of(word: &Word) -> Result<Vec<String>, Fault> {
    let fields = fields(&word.text);
    if word.text.is_empty() || fields.iter().any(String::is_empty) {
        return Err(Fault::new(word.span, "there is an empty field in `--mount`")
            .hint("fields are separated by one comma: `type=cache,target=/x`"));
    }
    Ok(fields)
}

/// Splits at commas; quotation marks keep a field with commas together.
fn fields(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            letter => fields.last_mut().expect("there is always one").push(letter),
        }
    }
    fields
}
