//! `pull`: images from a registry, one or all of a repository.

use image::{Pull, Watch};
use oci::reference::Reference;
use registry::{Access, Repository};

use crate::error::{Doing, Result};
use crate::paths::Engine;
use crate::registry::RegistryAccess;
use crate::request::PullRequest;

/// What became of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// As people write it: `busybox:latest`.
    pub name: String,
    /// In full: `docker.io/library/busybox:latest`.
    pub full_name: String,
    /// What the registry has under the name.
    pub digest: String,
    pub is_up_to_date: bool,
}

/// Pulls what is asked for; `begun` is told each name before its first byte, `done` what became of it.
pub fn pull(
    engine: &Engine,
    access: &RegistryAccess,
    request: &PullRequest,
    watch: &dyn Watch,
    begun: &dyn Fn(&str, &str),
    done: &mut dyn FnMut(&Outcome),
) -> Result<()> {
    let reference = Reference::parse(&request.reference).map_err(image::Error::from)?;
    let settings = access.settings()?;
    let platform = request.platform.as_ref().map(super::manage::platform);
    let what = || format!("cannot pull `{}`", request.reference);
    let repository =
        Repository::open(&settings, &reference, &Access::Pull).map_err(image::Error::from).doing(what)?;
    let images = super::open(engine)?;
    let names = match request.all_tags {
        false => vec![reference.with_default_tag()],
        true => {
            let tags = repository.tags().map_err(image::Error::from).doing(what)?;
            let named = tags.iter().map(|tag| reference.with_tag(tag));
            named.collect::<Result<_, _>>().map_err(image::Error::from)?
        }
    };
    for name in names {
        begun(&name.suffix(), &shown(&name));
        let wanted = Pull { reference: &name, platform: platform.as_ref() };
        let pulled = images.pull(&repository, &wanted, watch).doing(what)?;
        let familiar = name.familiar();
        crate::events::of_image(engine, &familiar, &familiar, "pull");
        done(&Outcome {
            name: familiar,
            full_name: name.to_string(),
            digest: pulled.digest.to_string(),
            is_up_to_date: pulled.is_up_to_date,
        });
    }
    Ok(())
}

/// As Docker says where from: without the domain of its own registry.
fn shown(name: &Reference) -> String {
    match name.domain() {
        "docker.io" => name.path().to_owned(),
        _ => name.name(),
    }
}
