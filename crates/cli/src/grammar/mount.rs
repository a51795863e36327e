//! `--mount type=volume|bind|tmpfs|image,source=…,target=/b,…`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::request::{
    BindMount, IdMap, ImageMount, Propagation, Recursion, Source, TmpfsMount, TmpfsSize, VolumeMount,
};

use super::key_value::{parse_label, parse_pair};
use super::volume::{Bind, parse_idmap, parse_name, parse_propagation};
use super::{Invalid, Read, boolean, path, size};

/// What `--mount` may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mount {
    Bind(Bind),
    Tmpfs(TmpfsMount),
    Volume(VolumeMount),
    Image(ImageMount),
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
    no_copy: Option<bool>,
    driver: Option<String>,
    options: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    volume_subpath: Option<PathBuf>,
    image_subpath: Option<PathBuf>,
}

impl Fields {
    /// Refuses fields that belong to other types than the one asked for.
    fn only(&self, kind: &str) -> Read<()> {
        let given = [
            // The idmap is of both.
            ("bind", self.propagation.is_some() && kind != "volume" || self.recursion.is_some()),
            ("bind", self.idmap.is_some() && kind != "volume"),
            ("tmpfs", self.tmpfs_size.is_some() || self.tmpfs_mode.is_some()),
            (
                "volume",
                self.no_copy.is_some()
                    || self.driver.is_some()
                    || self.volume_subpath.is_some()
                    || !(self.options.is_empty() && self.labels.is_empty()),
            ),
            ("image", self.image_subpath.is_some()),
        ];
        match given.iter().find(|(of, given)| *given && *of != kind) {
            Some((of, _)) => {
                Err(Invalid::new(format!("cannot mix '{of}-*' options with mount type '{kind}'")))
            }
            None => Ok(()),
        }
    }
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
        "volume" => volume(fields).map(Mount::Volume),
        "image" => image(fields).map(Mount::Image),
        "npipe" | "cluster" => Err(Invalid::new(format!("mount type `{kind}` is not supported"))),
        other => {
            Err(Invalid::new(format!("unknown mount type `{other}`"))
                .hint("use volume, bind, tmpfs or image"))
        }
    }
}

fn apply(field: &str, fields: &mut Fields) -> Read<()> {
    let (key, value) = match field.split_once('=') {
        Some((key, value)) => (key.to_ascii_lowercase(), value),
        None => {
            let key = field.to_ascii_lowercase();
            if !matches!(key.as_str(), "readonly" | "ro" | "bind-nonrecursive" | "volume-nocopy") {
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
        "volume-nocopy" => fields.no_copy = Some(boolean::parse(value).map_err(|_| invalid())?),
        "volume-driver" => fields.driver = Some(value.to_owned()),
        "volume-label" => fields.labels.extend([parse_label(value)?]),
        "volume-opt" => fields.options.extend([parse_pair(value)?]),
        "volume-subpath" => fields.volume_subpath = Some(parse_subpath(value)?),
        "image-subpath" => fields.image_subpath = Some(parse_subpath(value)?),
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

/// Reads a path inside a volume or an image. Links on the way are another matter: they are followed inside.
fn parse_subpath(text: &str) -> Read<PathBuf> {
    let path = Path::new(text);
    let inside = path
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    if text.is_empty() || !inside {
        return Err(Invalid::new(format!("subpath must be a relative path within the volume: {text}")));
    }
    Ok(path.to_owned())
}

fn volume(fields: Fields) -> Read<VolumeMount> {
    fields.only("volume")?;
    let target = target(&fields)?;
    let name = fields.source.filter(|source| !source.is_empty());
    Ok(VolumeMount {
        name: name.as_deref().map(parse_name).transpose()?,
        target,
        read_only: fields.read_only,
        no_copy: fields.no_copy.unwrap_or_default(),
        subpath: fields.volume_subpath,
        propagation: fields.propagation.unwrap_or_default(),
        idmap: fields.idmap.unwrap_or_default(),
        relabel: None,
        driver: fields.driver,
        options: fields.options,
        labels: fields.labels,
        from: Source::Mount,
    })
}

fn image(fields: Fields) -> Read<ImageMount> {
    fields.only("image")?;
    let target = target(&fields)?;
    let image = fields.source.filter(|source| !source.is_empty());
    let image = image.ok_or_else(|| Invalid::new("source is required for mount type 'image'"))?;
    Ok(ImageMount { image, target, subpath: fields.image_subpath })
}

fn bind(fields: Fields) -> Read<Bind> {
    fields.only("bind")?;
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
    fields.only("tmpfs")?;
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
            Mount::Volume(v) => format!(
                "{:?}>{} {} {} {:?} {:?} {:?} {:?} {:?} {:?}",
                v.name,
                v.target.display(),
                if v.read_only { "ro" } else { "rw" },
                if v.no_copy { "nocopy" } else { "copy" },
                v.subpath,
                v.propagation,
                v.idmap,
                v.driver,
                v.options,
                v.labels
            )
            .replace('"', "'"),
            Mount::Image(i) => {
                format!("{}>{} {:?}", i.image, i.target.display(), i.subpath).replace('"', "'")
            }
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
            ("dst=/b", "\"None>/b rw copy None RPrivate Identity None {} {}\""),
            (
                "type=volume,src=db,dst=/b,ro,volume-nocopy,volume-subpath=a/b,idmap=owner",
                "\"Some('db')>/b ro nocopy Some('a/b') RPrivate Owner None {} {}\"",
            ),
            (
                "src=db,dst=/b,volume-driver=local,volume-opt=type=tmpfs,\"volume-opt=o=size=1m,uid=5\",volume-label=a=b",
                "\"Some('db')>/b rw copy None RPrivate Identity Some('local') {'o': 'size=1m,uid=5', 'type': 'tmpfs'} {'a': 'b'}\"",
            ),
            ("type=image,src=busybox:1,dst=/b,image-subpath=etc", "\"busybox:1>/b Some('etc')\""),
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
            ("type=bind,src=/a,dst=/b,volume-opt=x", "!`x` is not of the form key=value"),
            (
                "type=bind,src=/a,dst=/b,volume-nocopy",
                "!cannot mix 'volume-*' options with mount type 'bind'",
            ),
            ("src=db,dst=/b,bind-recursive=enabled", "!cannot mix 'bind-*' options with mount type 'volume'"),
            ("src=db,dst=/b,image-subpath=x", "!cannot mix 'image-*' options with mount type 'volume'"),
            ("type=tmpfs,dst=/b,volume-subpath=x", "!cannot mix 'volume-*' options with mount type 'tmpfs'"),
            ("src=db,dst=/b,volume-subpath=../x", "!subpath must be a relative path within the volume: ../x"),
            ("src=db,dst=/b,volume-subpath=/x", "!subpath must be a relative path within the volume: /x"),
            ("src=db,volume-nocopy", "!target is required"),
            ("type=foo,dst=/b", "!unknown mount type `foo`"),
            ("type=image,dst=/b", "!source is required for mount type 'image'"),
            ("type=cluster,dst=/b", "!mount type `cluster` is not supported"),
            ("type=bind,\"src=/a", "!a quote is not closed"),
            ("", "!invalid field '' must be a key=value pair"),
        ];
        table(show, &rows);
        assert!(parse("src=/a,dst=/b").unwrap_err().to_string().contains("invalid characters"));
    }
}
