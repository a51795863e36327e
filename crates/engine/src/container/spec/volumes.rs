//! A mount that was placed → an entry of the specification.

use oci::runtime::Mount;
use volume::Backing;

use super::super::placement::{Placed, PlacedVolume};
use super::mounts::requested_bind;
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::{BindMount, IdMap, Recursion};

/// Returns the entry of one mount.
pub(super) fn mount(engine: &Engine, placed: &Placed) -> Result<Mount> {
    match placed {
        Placed::Bind(bind) => requested_bind(bind),
        Placed::Tmpfs(tmpfs) => Ok(Mount {
            destination: tmpfs.target.clone(),
            kind: Some("tmpfs".into()),
            source: Some("tmpfs".into()),
            options: tmpfs.options(),
            ..Mount::default()
        }),
        Placed::Volume(volume) => {
            volume_mount(engine, volume).doing(|| format!("cannot mount volume `{}`", volume.name))
        }
        Placed::Image(image) => Ok(Mount {
            destination: image.target.clone(),
            options: vec!["ro".into()],
            layers: Some(image.layers.clone()),
            subpath: image.subpath.clone(),
            ..Mount::default()
        }),
    }
}

fn volume_mount(engine: &Engine, placed: &PlacedVolume) -> Result<Mount> {
    let volumes = crate::volume::open(engine)?;
    let record = volumes.get(&placed.name)?;
    let bind = |source, recursion, options: Vec<String>| -> Result<Mount> {
        let mut mount = requested_bind(&BindMount {
            source,
            target: placed.target.clone(),
            read_only: placed.read_only,
            recursion,
            propagation: placed.propagation,
            idmap: placed.idmap,
            relabel: None,
            from: placed.from,
        })?;
        mount.subpath = placed.subpath.clone();
        // What the volume says of itself comes first: a container may take away, and not give.
        mount.options.splice(1..1, options);
        Ok(mount)
    };
    match record.backing()? {
        Backing::Directory => bind(volumes.mountpoint(&placed.name), Recursion::Enabled, Vec::new()),
        Backing::Bind { device, recursive, options } => {
            bind(device, if recursive { Recursion::Enabled } else { Recursion::Disabled }, options)
        }
        Backing::Tmpfs { options } => Ok(own(placed, "tmpfs", "tmpfs", options, !placed.no_copy)?),
        Backing::FileSystem { kind, device, options } => {
            own(placed, &kind, &device.display().to_string(), options, false)
        }
    }
}

/// A file system that is mounted for this container alone.
fn own(
    placed: &PlacedVolume,
    kind: &str,
    source: &str,
    mut options: Vec<String>,
    copy_up: bool,
) -> Result<Mount> {
    if placed.subpath.is_some() {
        return Err(Error::unsupported(format!("a subpath of a volume of type `{kind}` is not supported"))
            .hint("mount it on the host, and give that directory with o=bind and device="));
    }
    if copy_up {
        options.push("tmpcopyup".into());
    }
    if placed.read_only {
        options.push("ro".into());
    }
    options.push(placed.propagation.as_str().into());
    if kind != "tmpfs" {
        match placed.idmap {
            IdMap::Identity => options.push("x-coracle.idmap=container".into()),
            IdMap::Owner => options.push("x-coracle.idmap=owner".into()),
            IdMap::None => {}
        }
    }
    Ok(Mount {
        destination: placed.target.clone(),
        kind: Some(kind.into()),
        source: Some(source.into()),
        options,
        ..Mount::default()
    })
}
