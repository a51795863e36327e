//! `--volume SOURCE:TARGET[:OPTIONS]` and `--volumes-from CONTAINER[:MODE]`.

use std::path::{Path, PathBuf};

use engine::request::{BindMount, IdMap, Propagation, Recursion, Relabel, Source, VolumeMount, VolumesFrom};

use super::{Invalid, Read, path};

/// What `--volume` may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Volume {
    Bind(Bind),
    Volume(VolumeMount),
}

/// A bind mount whose source may still be relative to the caller's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) mount: BindMount,
}

impl Bind {
    /// Makes the source absolute.
    pub(crate) fn below(mut self, cwd: &Path) -> BindMount {
        if self.mount.source.is_relative() {
            self.mount.source = path::clean(&cwd.join(&self.mount.source).to_string_lossy());
        }
        self.mount
    }
}

/// Reads the value of `--volume`.
pub(crate) fn parse(text: &str) -> Read<Volume> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] if !target.is_empty() => ("", *target, ""),
        [source, target] if !source.is_empty() && !target.is_empty() => (*source, *target, ""),
        [source, target, options] if !source.is_empty() && !target.is_empty() => (*source, *target, *options),
        [_] | [_, _] | [_, _, _] => {
            return Err(Invalid::new(format!("invalid spec: {text}: empty section between colons")));
        }
        _ => return Err(Invalid::new(format!("invalid spec: {text}: too many colons"))),
    };
    if source.starts_with('~') {
        return Err(
            Invalid::new(format!("`{source}`: the shell did not expand `~`")).hint("write the path in full")
        );
    }
    let target = path::parse_target(target)?;
    let read = parse_options(options)?;
    if source.starts_with(['/', '.']) {
        bind(source, target, &read, options).map(Volume::Bind)
    } else {
        volume(source, target, &read, options).map(Volume::Volume)
    }
}

fn bind(source: &str, target: PathBuf, read: &Options, options: &str) -> Read<Bind> {
    if read.no_copy {
        return Err(invalid_mode(options).hint("`nocopy` is for volumes"));
    }
    let source = if source.starts_with('/') { path::clean(source) } else { PathBuf::from(source) };
    let mount = BindMount {
        source,
        target,
        read_only: read.read_only,
        recursion: read.recursion.unwrap_or_default(),
        propagation: read.propagation,
        idmap: read.idmap,
        relabel: read.relabel,
        from: Source::Volume,
    };
    Ok(Bind { mount })
}

fn volume(name: &str, target: PathBuf, read: &Options, options: &str) -> Read<VolumeMount> {
    if read.recursion.is_some() {
        return Err(invalid_mode(options).hint("`rbind`, `bind` and `nonrecursive` are for binds"));
    }
    Ok(VolumeMount {
        name: Some(name).filter(|name| !name.is_empty()).map(parse_name).transpose()?,
        target,
        read_only: read.read_only,
        no_copy: read.no_copy,
        propagation: read.propagation,
        idmap: read.idmap,
        relabel: read.relabel,
        from: Source::Volume,
        ..VolumeMount::default()
    })
}

/// Reads the name of a volume.
pub(crate) fn parse_name(name: &str) -> Read<String> {
    match engine::volume::check_name(name) {
        Ok(()) => Ok(name.to_owned()),
        Err(error) => Err(Invalid::new(error.to_string()).hint(
            "if you mean a directory of the host, write an absolute path, or one that begins with `./`",
        )),
    }
}

/// Reads the value of `--volumes-from`.
pub(crate) fn parse_from(text: &str) -> Read<VolumesFrom> {
    let (container, mode) = text.split_once(':').unwrap_or((text, ""));
    if container.is_empty() {
        return Err(Invalid::new(format!("malformed volumes-from specification: {text}")));
    }
    let read_only = match mode {
        "" | "rw" | "z" | "Z" => false,
        "ro" => true,
        other => return Err(Invalid::new(format!("invalid mode: {other}")).hint("use ro or rw")),
    };
    Ok(VolumesFrom { container: container.to_owned(), read_only })
}

/// The options behind the second colon.
#[derive(Default)]
struct Options {
    read_only: bool,
    no_copy: bool,
    propagation: Propagation,
    recursion: Option<Recursion>,
    idmap: IdMap,
    relabel: Option<Relabel>,
}

fn parse_options(options: &str) -> Read<Options> {
    let mut read = Options::default();
    let (mut modes, mut propagations, mut relabels) = (0, 0, 0);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        if let Some(propagation) = parse_propagation(option) {
            read.propagation = propagation;
            propagations += 1;
            continue;
        }
        match option {
            "ro" | "rw" => {
                read.read_only = option == "ro";
                modes += 1;
            }
            "z" | "Z" => {
                read.relabel = Some(if option == "z" { Relabel::Shared } else { Relabel::Private });
                relabels += 1;
            }
            "rbind" => read.recursion = Some(Recursion::Enabled),
            "bind" | "nonrecursive" => read.recursion = Some(Recursion::Disabled),
            // Hints of Docker Desktop that mean nothing on Linux.
            "consistent" | "cached" | "delegated" | "default" => {}
            "nocopy" => read.no_copy = true,
            other => read.idmap = parse_idmap_option(other).ok_or_else(|| invalid_mode(options))??,
        }
    }
    if modes > 1 || propagations > 1 || relabels > 1 {
        return Err(invalid_mode(options).hint("an option was given twice"));
    }
    Ok(read)
}

fn invalid_mode(options: &str) -> Invalid {
    Invalid::new(format!("invalid mode: {options}"))
}

fn parse_idmap_option(option: &str) -> Option<Read<IdMap>> {
    option.strip_prefix("idmap=").map(parse_idmap)
}

/// Reads `owner`, `none` or `identity`.
pub(crate) fn parse_idmap(text: &str) -> Read<IdMap> {
    match text {
        "identity" => Ok(IdMap::Identity),
        "owner" => Ok(IdMap::Owner),
        "none" => Ok(IdMap::None),
        _ => {
            Err(Invalid::new(format!("invalid value for idmap: {text}")).hint("use owner, none or identity"))
        }
    }
}

/// Reads a propagation mode.
pub(crate) fn parse_propagation(text: &str) -> Option<Propagation> {
    use Propagation::{Private, RPrivate, RShared, RSlave, Shared, Slave};
    [Private, RPrivate, RShared, RSlave, Shared, Slave].into_iter().find(|mode| mode.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::super::check::table;
    use super::*;

    fn show(text: &str) -> Read<String> {
        let mode = |read_only| if read_only { "ro" } else { "rw" };
        Ok(match parse(text)? {
            Volume::Bind(bind) => {
                let m = bind.below(Path::new("/home/me"));
                let (source, target, mode) = (m.source.display(), m.target.display(), mode(m.read_only));
                format!(
                    "{source}>{target} {mode} {:?} {:?} {:?} {:?}",
                    m.recursion, m.propagation, m.idmap, m.relabel
                )
            }
            Volume::Volume(v) => {
                let (target, mode) = (v.target.display(), mode(v.read_only));
                let copy = if v.no_copy { "nocopy" } else { "copy" };
                format!(
                    "{:?}>{target} {mode} {copy} {:?} {:?} {:?}",
                    v.name, v.propagation, v.idmap, v.relabel
                )
            }
        })
    }

    #[test]
    fn readings() {
        let rows = [
            ("/a:/b", "\"/a>/b rw Enabled RPrivate Identity None\""),
            ("/a/../c/:/b/", "\"/c>/b rw Enabled RPrivate Identity None\""),
            ("./d:/b:ro", "\"/home/me/d>/b ro Enabled RPrivate Identity None\""),
            ("..:/b", "\"/home>/b rw Enabled RPrivate Identity None\""),
            ("/:/host:ro,rslave", "\"/>/host ro Enabled RSlave Identity None\""),
            ("/a:/b:Z,idmap=owner", "\"/a>/b rw Enabled RPrivate Owner Some(Private)\""),
            ("/a:/b:z,cached,idmap=none", "\"/a>/b rw Enabled RPrivate None Some(Shared)\""),
            ("/a:/b:nonrecursive", "\"/a>/b rw Disabled RPrivate Identity None\""),
            ("/a:/b:", "\"/a>/b rw Enabled RPrivate Identity None\""),
            ("/a:/b:ro,rw", "!invalid mode: ro,rw"),
            ("/a:/b:foo", "!invalid mode: foo"),
            ("/a:/b:idmap=x", "!invalid value for idmap: x"),
            ("/a:b", "!invalid mount path: 'b' mount path must be absolute"),
            ("/a:/", "!destination can't be '/'"),
            ("/a:/b:ro:x", "!invalid spec: /a:/b:ro:x: too many colons"),
            (":/b", "!invalid spec: :/b: empty section between colons"),
            ("/a:", "!invalid spec: /a:: empty section between colons"),
            ("", "!invalid spec: : empty section between colons"),
        ];
        table(show, &rows);
    }

    #[test]
    fn volumes() {
        let rows = [
            ("/data", "\"None>/data rw copy RPrivate Identity None\""),
            ("db:/data/", "\"Some(\\\"db\\\")>/data rw copy RPrivate Identity None\""),
            ("db:/d:ro,nocopy,Z", "\"Some(\\\"db\\\")>/d ro nocopy RPrivate Identity Some(Private)\""),
            ("a.b-c_0:/d:rslave,idmap=owner", "\"Some(\\\"a.b-c_0\\\")>/d rw copy RSlave Owner None\""),
            ("db:/d:nonrecursive", "!invalid mode: nonrecursive"),
            ("/a:/d:nocopy", "!invalid mode: nocopy"),
            ("db:d", "!invalid mount path: 'd' mount path must be absolute"),
            ("data", "!invalid mount path: 'data' mount path must be absolute"),
            ("/", "!destination can't be '/'"),
        ];
        table(show, &rows);
        for bad in ["a/b:/d", "-x:/d", "c:/d"] {
            assert!(show(bad).unwrap_err().to_string().contains("includes invalid characters"), "{bad}");
        }
        let from = |text: &str| parse_from(text).map(|from| (from.container, from.read_only));
        let rows = [
            ("web", "(\"web\", false)"),
            ("web:ro", "(\"web\", true)"),
            ("web:rw", "(\"web\", false)"),
            ("web:foo", "!invalid mode: foo"),
            (":ro", "!malformed volumes-from specification: :ro"),
        ];
        table(from, &rows);
    }
}
