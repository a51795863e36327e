//! `--cache-to` and `--cache-from` of a build.

use super::{Invalid, Read};

/// Where steps go, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CacheToSpec {
    Directory {
        directory: String,
        all_stages: bool,
    },
    /// Into the history of the image.
    Inline,
}

/// Where steps come from, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CacheFromSpec {
    Directory(String),
    Image(String),
}

/// `type=local,dest=DIRECTORY[,mode=min|max]`, `type=inline`
pub(crate) fn parse_to(text: &str) -> Read<CacheToSpec> {
    let fields = fields(text)?;
    match kind_of(&fields) {
        "inline" => known(&fields, &["type"]).map(|()| CacheToSpec::Inline),
        "local" => {
            known(&fields, &["type", "dest", "mode"])?;
            let directory = value_of(&fields, "dest")
                .ok_or_else(|| {
                    Invalid::new("a local cache needs a directory").hint("write type=local,dest=DIRECTORY")
                })?
                .to_owned();
            let all_stages = match value_of(&fields, "mode") {
                None | Some("min") => false,
                Some("max") => true,
                Some(other) => {
                    return Err(Invalid::new(format!("invalid mode `{other}` of a cache"))
                        .hint("it can be min or max"));
                }
            };
            Ok(CacheToSpec::Directory { directory, all_stages })
        }
        "registry" => Err(Invalid::new("a build cache of type `registry` is not written")
            .hint("write type=inline, and push the image: it is its own cache")),
        other => Err(Invalid::new(format!("a build cache of type `{other}` is not supported yet"))
            .hint("write type=local,dest=DIRECTORY or type=inline")),
    }
}

/// `type=local,src=DIRECTORY`, `type=registry,ref=IMAGE`, `IMAGE`
pub(crate) fn parse_from(text: &str) -> Read<CacheFromSpec> {
    if !text.contains('=') {
        return Ok(CacheFromSpec::Image(text.to_owned()));
    }
    let fields = fields(text)?;
    let needed = |key: &str, example: &str| {
        let value = value_of(&fields, key).map(str::to_owned);
        value.ok_or_else(|| {
            Invalid::new(format!("a cache of this type needs `{key}`")).hint(format!("write {example}"))
        })
    };
    match kind_of(&fields) {
        "local" => {
            known(&fields, &["type", "src"])?;
            needed("src", "type=local,src=DIRECTORY").map(CacheFromSpec::Directory)
        }
        "registry" => {
            known(&fields, &["type", "ref"])?;
            needed("ref", "type=registry,ref=IMAGE").map(CacheFromSpec::Image)
        }
        other => Err(Invalid::new(format!("a build cache of type `{other}` is not supported yet"))
            .hint("write type=local,src=DIRECTORY or type=registry,ref=IMAGE")),
    }
}

type Fields<'t> = Vec<(&'t str, &'t str)>;

fn fields(text: &str) -> Read<Fields<'_>> {
    let field = |field: &'_ str| Invalid::new(format!("invalid field '{field}' must be a key=value pair"));
    text.split(',').map(|part| part.split_once('=').ok_or_else(|| field(part))).collect()
}

fn value_of<'t>(fields: &Fields<'t>, key: &str) -> Option<&'t str> {
    let found = fields.iter().rev().find(|(name, _)| *name == key);
    found.map(|(_, value)| *value).filter(|value| !value.is_empty())
}

fn kind_of<'t>(fields: &Fields<'t>) -> &'t str {
    value_of(fields, "type").unwrap_or_default()
}

/// Refuses what has no meaning here.
fn known(fields: &Fields<'_>, keys: &[&str]) -> Read<()> {
    match fields.iter().find(|(key, _)| !keys.contains(key)) {
        Some((key, _)) => Err(Invalid::new(format!("option `{key}` of this cache is not supported"))),
        None => Ok(()),
    }
}

#[cfg(test)]
#[test]
fn caches_of_builds() {
    use super::check::table;
    table(
        parse_to,
        &[
            ("type=local,dest=d", r#"Directory { directory: "d", all_stages: false }"#),
            ("type=local,dest=d,mode=max", r#"Directory { directory: "d", all_stages: true }"#),
            ("type=local,dest=d,mode=most", "!invalid mode `most` of a cache"),
            ("type=local", "!a local cache needs a directory"),
            ("type=local,dest=d,compression=zstd", "!option `compression` of this cache is not supported"),
            ("type=inline", "Inline"),
            ("type=registry,ref=x", "!a build cache of type `registry` is not written"),
            ("type=s3", "!a build cache of type `s3` is not supported yet"),
        ],
    );
    table(
        parse_from,
        &[
            ("type=local,src=d", r#"Directory("d")"#),
            ("user/app:cache", r#"Image("user/app:cache")"#),
            ("type=registry,ref=user/app", r#"Image("user/app")"#),
            ("type=registry", "!a cache of this type needs `ref`"),
            ("type=gha,scope=x", "!a build cache of type `gha` is not supported yet"),
        ],
    );
}
