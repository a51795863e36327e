//! `--mount type=bind,source=/a,target=/b,…`.

use std::path::PathBuf;

use engine::request::{BindMount, IdMap, Propagation, Recursion, Source, TmpfsMount, TmpfsSize};

use super::volume::{Bind, NO_VOLUMES, parse_idmap, parse_propagation};
use super::{Invalid, Read, boolean, path, size};

/// What `--mount` may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mount {
    Bind(Bind),
    Tmpfs(TmpfsMount),
}

#[derive(Default)]
struct Fields {
    kind: Option<String>,
    source: Option<String>,
    target: Option<String>,
    read_only: bool,
    propagation: Option<Propagation>,
    recursion: Option<Recursion>,
    idmap: Option<IdMap>,
    tmpfs_size: Option<u64>,
    tmpfs_mode: Option<u32>,
}

/// Reads the value of `--mount`.
pub(crate) fn parse(text: &str) -> Read<Mount> {
    let mut fields = Fields::default();
    for field in split_csv(text)? {
        apply(&field, &mut fields)?;
    }
    let kind = fields.kind.clone().unwrap_or_else(|| "volume".to_owned());
    match kind.as_str() {
        "bind" => bind(fields).map(Mount::Bind),
        "tmpfs" => tmpfs(fields).map(Mount::Tmpfs),
        "volume" => Err(Invalid::new(format!("mount type `volume`: {NO_VOLUMES}"))
            .hint("add type=bind and the path of a directory as source")),
        "image" | "npipe" | "cluster" => Err(Invalid::new(format!("mount type `{kind}` is not supported"))),
        other => Err(Invalid::new(format!("unknown mount type `{other}`")).hint("use bind or tmpfs")),
    }
}

fn apply(field: &str, fields: &mut Fields) -> Read<()> {
    let (key, value) = match field.split_once('=') {
        Some((key, value)) => (key.to_ascii_lowercase(), value),
        None => {
            let key = field.to_ascii_lowercase();
            if !matches!(key.as_str(), "readonly" | "ro" | "bind-nonrecursive") {
                return Err(Invalid::new(format!("invalid field '{field}' must be a key=value pair")));
            }
            (key, "true")
        }
    };
    let invalid = || Invalid::new(format!("invalid value for {key}: {value}"));
    match key.as_str() {
        "type" => fields.kind = Some(value.to_ascii_lowercase()),
        "source" | "src" => fields.source = Some(value.to_owned()),
        "target" | "dst" | "destination" => fields.target = Some(value.to_owned()),
        "readonly" | "ro" => fields.read_only = boolean::parse(value).map_err(|_| invalid())?,
        // A hint of Docker Desktop that means nothing on Linux.
        "consistency" => {}
        "bind-propagation" => {
            fields.propagation = Some(parse_propagation(value).ok_or_else(invalid)?);
        }
        "bind-nonrecursive" => {
            let disabled = boolean::parse(value).map_err(|_| invalid())?;
            fields.recursion = disabled.then_some(Recursion::Disabled);
        }
        "bind-recursive" => fields.recursion = Some(parse_recursion(value).ok_or_else(invalid)?),
        "idmap" => fields.idmap = Some(parse_idmap(value)?),
        "tmpfs-size" => fields.tmpfs_size = Some(size::parse(value).map_err(|_| invalid())?),
        "tmpfs-mode" => fields.tmpfs_mode = Some(u32::from_str_radix(value, 8).map_err(|_| invalid())?),
        "bind-create-src" => {
            if boolean::parse(value).map_err(|_| invalid())? {
                return Err(
                    Invalid::new("`bind-create-src` is not supported").hint("create the source first")
                );
            }
        }
        key if key.starts_with("volume-") || key.starts_with("image-") => {
            return Err(Invalid::new(format!("`{key}` is not supported yet")));
        }
        _ => return Err(Invalid::new(format!("unexpected key '{key}' in '{field}'"))),
    }
    Ok(())
}

fn parse_recursion(text: &str) -> Option<Recursion> {
    match text {
        "enabled" => Some(Recursion::Enabled),
        "disabled" => Some(Recursion::Disabled),
        "writable" => Some(Recursion::Writable),
        "readonly" => Some(Recursion::ReadOnly),
        _ => None,
    }
}

fn target(fields: &Fields) -> Read<PathBuf> {
    path::parse_target(fields.target.as_deref().ok_or_else(|| Invalid::new("target is required"))?)
}

fn bind(fields: Fields) -> Read<Bind> {
    if fields.tmpfs_size.is_some() || fields.tmpfs_mode.is_some() {
        return Err(Invalid::new("cannot mix 'tmpfs-*' options with mount type 'bind'"));
    }
    let target = target(&fields)?;
    let source = fields.source.filter(|source| !source.is_empty());
    let source = source.ok_or_else(|| Invalid::new("source is required for mount type 'bind'"))?;
    let recursion = fields.recursion.unwrap_or_default();
    if recursion == Recursion::ReadOnly && !fields.read_only {
        let text = "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction";
        return Err(Invalid::new(text));
    }
    if recursion == Recursion::ReadOnly && fields.propagation.is_some_and(|p| p != Propagation::RPrivate) {
        let text = "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate'";
        return Err(Invalid::new(text));
    }
    let source = if source.starts_with('/') { path::clean(&source) } else { PathBuf::from(source) };
    let mount = BindMount {
        source,
        target,
        read_only: fields.read_only,
        recursion,
        propagation: fields.propagation.unwrap_or_default(),
        idmap: fields.idmap.unwrap_or_default(),
        relabel: None,
        from: Source::Mount,
    };
    Ok(Bind { mount })
}

fn tmpfs(fields: Fields) -> Read<TmpfsMount> {
    if fields.source.is_some() {
        return Err(Invalid::new(
            "invalid mount config for type \"tmpfs\": field Source must not be specified",
        ));
    }
    if fields.propagation.is_some() || fields.recursion.is_some() || fields.idmap.is_some() {
        return Err(Invalid::new("cannot mix 'bind-*' options with mount type 'tmpfs'"));
    }
    let mut mount = TmpfsMount::at(target(&fields)?);
    mount.read_only = fields.read_only;
    mount.size = fields.tmpfs_size.map(TmpfsSize::Bytes);
    mount.mode = fields.tmpfs_mode;
    Ok(mount)
}

/// Splits one line of comma-separated values; a field in double quotes may hold commas, and two
/// quotes stand for one.
pub(crate) fn split_csv(text: &str) -> Read<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = if let Some(quoted) = rest.strip_prefix('"') {
            split_quoted(quoted)?
        } else {
            split_plain(rest)?
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

fn split_plain(text: &str) -> Read<(String, Option<&str>)> {
    let (field, rest) = match text.split_once(',') {
        Some((field, rest)) => (field, Some(rest)),
        None => (text, None),
    };
    if field.contains('"') {
        return Err(Invalid::new(format!("bare \" in field '{field}'")));
    }
    Ok((field.to_owned(), rest))
}

fn split_quoted(text: &str) -> Read<(String, Option<&str>)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"').ok_or_else(|| Invalid::new("a quote is not closed"))?;
        field.push_str(part);
        match after.chars().next() {
            None => return Ok((field, None)),
            Some(',') => return Ok((field, Some(&after[1..]))),
            Some('"') => {
                field.push('"');
                rest = &after[1..];
            }
            Some(_) => return Err(Invalid::new("extraneous text after a closing quote")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::check::table;
    use super::*;

    fn show(text: &str) -> Read<String> {
        Ok(match parse(text)? {
            Mount::Tmpfs(tmpfs) => format!("{} {}", tmpfs.target.display(), tmpfs.options().join(",")),
            Mount::Bind(bind) => {
                let m = bind.below(Path::new("/home/me"));
                let mode = if m.read_only { "ro" } else { "rw" };
                let (source, target) = (m.source.display(), m.target.display());
                format!("{source}>{target} {mode} {:?} {:?} {:?}", m.recursion, m.propagation, m.idmap)
            }
        })
    }

    #[test]
    fn readings() {
        let rows = [
            ("type=bind,source=/a,target=/b", "\"/a>/b rw Enabled RPrivate Identity\""),
            ("type=bind,src=./a,dst=/b,ro", "\"/home/me/a>/b ro Enabled RPrivate Identity\""),
            ("TYPE=BIND,src=a,destination=/b,readonly=0", "\"/home/me/a>/b rw Enabled RPrivate Identity\""),
            ("type=bind,src=/a,dst=/b,bind-propagation=rshared", "\"/a>/b rw Enabled RShared Identity\""),
            ("type=bind,src=/a,dst=/b,bind-nonrecursive", "\"/a>/b rw Disabled RPrivate Identity\""),
            (
                "type=bind,src=/a,dst=/b,ro,bind-recursive=readonly,idmap=owner",
                "\"/a>/b ro ReadOnly RPrivate Owner\"",
            ),
            ("type=bind,\"src=/a,b\",dst=/b,consistency=cached", "\"/a,b>/b rw Enabled RPrivate Identity\""),
            ("type=tmpfs,target=/t", "\"/t rw,noexec,nosuid,nodev\""),
            (
                "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770,ro",
                "\"/t ro,noexec,nosuid,nodev,size=1048576,mode=1770\"",
            ),
        ];
        table(show, &rows);
    }

    #[test]
    fn faults() {
        let rows = [
            ("type=bind,foo", "!invalid field 'foo' must be a key=value pair"),
            ("type=bind,foo=bar", "!unexpected key 'foo' in 'foo=bar'"),
            ("type=bind,src=/a", "!target is required"),
            ("type=bind,dst=/b", "!source is required for mount type 'bind'"),
            ("type=bind,src=/a,dst=/b,ro=maybe", "!invalid value for ro: maybe"),
            ("type=bind,src=/a,dst=/b,bind-propagation=x", "!invalid value for bind-propagation: x"),
            ("type=bind,src=/a,dst=/b,tmpfs-size=1", "!cannot mix 'tmpfs-*' options with mount type 'bind'"),
            (
                "type=tmpfs,src=/a,dst=/b",
                "!invalid mount config for type \"tmpfs\": field Source must not be specified",
            ),
            ("type=tmpfs,dst=/b,tmpfs-mode=9", "!invalid value for tmpfs-mode: 9"),
            (
                "type=bind,src=/a,dst=/b,volume-nocopy",
                "!invalid field 'volume-nocopy' must be a key=value pair",
            ),
            ("type=bind,src=/a,dst=/b,volume-opt=x", "!`volume-opt` is not supported yet"),
            ("type=foo,dst=/b", "!unknown mount type `foo`"),
            ("type=image,dst=/b", "!mount type `image` is not supported"),
            ("type=bind,\"src=/a", "!a quote is not closed"),
            ("", "!invalid field '' must be a key=value pair"),
        ];
        table(show, &rows);
        assert!(parse("src=db,dst=/b").unwrap_err().to_string().starts_with("mount type `volume`"));
    }
}
