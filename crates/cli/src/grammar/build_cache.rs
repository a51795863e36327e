//! `--cache-to` and `--cache-from` of a build.

use super::{Invalid, Read};

/// A directory as typed, and how much goes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CacheSpec {
    pub(crate) directory: String,
    pub(crate) all_stages: bool,
}

/// `type=local,dest=DIRECTORY[,mode=min|max]`
pub(crate) fn parse_to(text: &str) -> Read<CacheSpec> {
    parse(text, "dest", true)
}

/// `type=local,src=DIRECTORY`
pub(crate) fn parse_from(text: &str) -> Read<CacheSpec> {
    parse(text, "src", false)
}

fn parse(text: &str, place: &str, has_mode: bool) -> Read<CacheSpec> {
    let example = || format!("write type=local,{place}=DIRECTORY");
    let unsupported = |kind: &str| {
        Invalid::new(format!("a build cache of type `{kind}` is not supported yet")).hint(example())
    };
    // Docker's short form.
    if !text.contains('=') {
        return Err(unsupported("registry"));
    }
    let mut fields = Vec::new();
    for field in text.split(',') {
        fields.push(
            field
                .split_once('=')
                .ok_or_else(|| Invalid::new(format!("invalid field '{field}' must be a key=value pair")))?,
        );
    }
    let kind = fields.iter().find(|(key, _)| *key == "type").map_or("", |(_, kind)| kind);
    if kind != "local" {
        return Err(unsupported(kind));
    }
    let mut spec = CacheSpec { directory: String::new(), all_stages: false };
    for (key, value) in fields {
        match (key, value) {
            ("type", _) => {}
            (key, directory) if key == place => directory.clone_into(&mut spec.directory),
            ("mode", "min" | "max") if has_mode => spec.all_stages = value == "max",
            ("mode", _) if has_mode => {
                return Err(
                    Invalid::new(format!("invalid mode `{value}` of a cache")).hint("it can be min or max")
                );
            }
            _ => return Err(Invalid::new(format!("option `{key}` of a local cache is not supported"))),
        }
    }
    match spec.directory.is_empty() {
        true => Err(Invalid::new("a local cache needs a directory").hint(example())),
        false => Ok(spec),
    }
}

#[cfg(test)]
#[test]
fn caches_of_builds() {
    use super::check::table;
    table(
        parse_to,
        &[
            ("type=local,dest=d", r#"CacheSpec { directory: "d", all_stages: false }"#),
            ("type=local,dest=d,mode=max", r#"CacheSpec { directory: "d", all_stages: true }"#),
            ("type=local,dest=d,mode=most", "!invalid mode `most` of a cache"),
            ("type=local", "!a local cache needs a directory"),
            ("type=local,dest=d,compression=zstd", "!option `compression` of a local cache is not supported"),
            ("type=inline", "!a build cache of type `inline` is not supported yet"),
        ],
    );
    table(
        parse_from,
        &[
            ("type=local,src=d", r#"CacheSpec { directory: "d", all_stages: false }"#),
            ("user/app:cache", "!a build cache of type `registry` is not supported yet"),
            ("type=gha,scope=x", "!a build cache of type `gha` is not supported yet"),
        ],
    );
}
