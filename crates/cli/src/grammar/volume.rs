//! `--volume SOURCE:TARGET[:OPTIONS]`.

use std::path::{Path, PathBuf};

use engine::request::{BindMount, IdMap, Propagation, Recursion, Relabel, Source};

use super::{Invalid, Read, path};

/// What later releases bring, in one wording.
pub(crate) const NO_VOLUMES: &str =
    "volumes are not supported yet: give a directory of the host, like ./data:/data";

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
pub(crate) fn parse(text: &str) -> Read<Bind> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] if !target.is_empty() => {
            return Err(Invalid::new(format!("anonymous volume `{target}`: {NO_VOLUMES}")));
        }
        [source, target] if !source.is_empty() && !target.is_empty() => (*source, *target, ""),
        [source, target, options] if !source.is_empty() && !target.is_empty() => (*source, *target, *options),
        [_] | [_, _] | [_, _, _] => {
            return Err(Invalid::new(format!("invalid spec: {text}: empty section between colons")));
        }
        _ => return Err(Invalid::new(format!("invalid spec: {text}: too many colons"))),
    };
    if !source.starts_with(['/', '.', '~']) {
        return Err(Invalid::new(format!("named volume `{source}`: {NO_VOLUMES}")));
    }
    if source.starts_with('~') {
        return Err(
            Invalid::new(format!("`{source}`: the shell did not expand `~`")).hint("write the path in full")
        );
    }
    let source = if source.starts_with('/') { path::clean(source) } else { PathBuf::from(source) };
    let mut mount = BindMount {
        source,
        target: path::parse_target(target)?,
        read_only: false,
        recursion: Recursion::default(),
        propagation: Propagation::default(),
        idmap: IdMap::default(),
        relabel: None,
        from: Source::Volume,
    };
    apply_options(options, &mut mount)?;
    Ok(Bind { mount })
}

fn apply_options(options: &str, mount: &mut BindMount) -> Read<()> {
    let (mut modes, mut propagations, mut relabels) = (0, 0, 0);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        if let Some(propagation) = parse_propagation(option) {
            mount.propagation = propagation;
            propagations += 1;
            continue;
        }
        match option {
            "ro" | "rw" => {
                mount.read_only = option == "ro";
                modes += 1;
            }
            "z" | "Z" => {
                mount.relabel = Some(if option == "z" { Relabel::Shared } else { Relabel::Private });
                relabels += 1;
            }
            "rbind" => mount.recursion = Recursion::Enabled,
            "bind" | "nonrecursive" => mount.recursion = Recursion::Disabled,
            // Hints of Docker Desktop that mean nothing on Linux.
            "consistent" | "cached" | "delegated" | "default" => {}
            "nocopy" => return Err(Invalid::new(format!("`nocopy`: {NO_VOLUMES}"))),
            other => {
                mount.idmap = parse_idmap_option(other)
                    .ok_or_else(|| Invalid::new(format!("invalid mode: {options}")))??
            }
        }
    }
    if modes > 1 || propagations > 1 || relabels > 1 {
        return Err(Invalid::new(format!("invalid mode: {options}")).hint("an option was given twice"));
    }
    Ok(())
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
        let m = parse(text)?.below(Path::new("/home/me"));
        let mode = if m.read_only { "ro" } else { "rw" };
        let (source, target) = (m.source.display(), m.target.display());
        Ok(format!(
            "{source}>{target} {mode} {:?} {:?} {:?} {:?}",
            m.recursion, m.propagation, m.idmap, m.relabel
        ))
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
    fn volumes_are_refused_by_name() {
        assert!(
            parse("/data").unwrap_err().to_string().starts_with("anonymous volume `/data`: volumes are not")
        );
        assert!(parse("db:/data").unwrap_err().to_string().starts_with("named volume `db`: volumes are not"));
    }
}
