//! What is mounted into a container, decided at its creation: volumes are made, held and filled; images looked up.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use oci::rootfs::Overlay;
use serde::{Deserialize, Serialize};
use store::Durability;
use volume::{Hold, NewVolume, View, VolumeRecord, Volumes};

use super::find::find;
use super::record::ContainerRecord;
use crate::error::{Doing, Result};
use crate::image::ImageForRun;
use crate::paths::Engine;
use crate::request::{
    BindMount, ContainerRequest, IdMap, ImageMount, MountRequest, Propagation, Relabel, Source, TmpfsMount,
    VolumeMount,
};

/// One mount as it was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Placed {
    Bind(BindMount),
    Tmpfs(TmpfsMount),
    Volume(PlacedVolume),
    Image(PlacedImage),
}

/// A volume in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedVolume {
    pub name: String,
    pub target: PathBuf,
    pub read_only: bool,
    pub no_copy: bool,
    pub subpath: Option<PathBuf>,
    pub propagation: Propagation,
    pub idmap: IdMap,
    #[serde(default)]
    pub relabel: Option<Relabel>,
    /// Named by nobody: it may go with the last container that has it.
    pub anonymous: bool,
    pub from: Source,
}

/// An image in a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlacedImage {
    /// As typed.
    pub image: String,
    pub id: String,
    pub layers: Overlay,
    pub target: PathBuf,
    pub subpath: Option<PathBuf>,
}

impl Placed {
    /// Returns the place inside the container.
    pub(crate) fn target(&self) -> &Path {
        match self {
            Self::Bind(bind) => &bind.target,
            Self::Tmpfs(tmpfs) => &tmpfs.target,
            Self::Volume(volume) => &volume.target,
            Self::Image(image) => &image.target,
        }
    }
}

/// What a creation has of volumes and images until its record says so.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    holds: BTreeMap<String, Hold>,
    images: Vec<ImageForRun>,
    /// Anonymous volumes that were made, to be taken back where the creation fails.
    made: Vec<String>,
}

/// A volume that somebody wants, before it is made.
struct Wanted {
    new: NewVolume,
    placed: PlacedVolume,
}

impl Placement {
    /// Decides the mounts of a record. What it holds must live until the record is written.
    pub(crate) fn make(
        &mut self,
        engine: &Engine,
        record: &mut ContainerRecord,
        image: &ImageForRun,
        durability: Durability,
    ) -> Result<()> {
        let request = record.request.clone();
        let mut wanted: BTreeMap<PathBuf, NewVolume> = BTreeMap::new();
        let mut mounts: Vec<Placed> = Vec::new();
        for mount in &request.mounts {
            mounts.push(match mount {
                MountRequest::Bind(bind) => Placed::Bind(bind.clone()),
                MountRequest::Tmpfs(tmpfs) => Placed::Tmpfs(tmpfs.clone()),
                MountRequest::Volume(volume) => {
                    let Wanted { new, placed } = named(volume)?;
                    wanted.insert(placed.target.clone(), new);
                    Placed::Volume(placed)
                }
                MountRequest::Image(mount) => Placed::Image(self.image(engine, mount, record)?),
            });
        }
        let is_free = |mounts: &[Placed], target: &Path| mounts.iter().all(|mount| mount.target() != target);
        for inherited in inherited(engine, &request)? {
            if is_free(&mounts, inherited.target()) {
                mounts.push(inherited);
            }
        }
        for path in &record.volumes {
            let target = clean(path);
            if target != Path::new("/") && is_free(&mounts, &target) {
                let Wanted { new, placed } = named(&VolumeMount { target, ..VolumeMount::default() })?;
                wanted.insert(placed.target.clone(), new);
                mounts.push(Placed::Volume(placed));
            }
        }
        // Outer mounts before inner ones.
        mounts.sort_by_key(|mount| mount.target().components().count());
        self.hold_all(engine, record, image, &mounts, &wanted, durability)?;
        record.mounts = Some(mounts);
        Ok(())
    }

    /// Removes the volumes that a creation which failed has made for itself alone.
    pub(crate) fn undo(&mut self, engine: &Engine) {
        self.holds.clear();
        let Ok(volumes) = Volumes::open(&engine.root) else { return };
        for name in self.made.drain(..) {
            // What stays is shown by `volume ls` and goes with `volume prune`.
            let _ = volumes.remove::<volume::Error>(&name, |_| Ok(()));
        }
    }

    fn image(
        &mut self,
        engine: &Engine,
        mount: &ImageMount,
        record: &mut ContainerRecord,
    ) -> Result<PlacedImage> {
        let image = crate::image::for_run(engine, &mount.image)?;
        record.highest_id = record.highest_id.max(image.highest_id);
        let placed = PlacedImage {
            image: mount.image.clone(),
            id: image.id.clone(),
            layers: image.view()?,
            target: mount.target.clone(),
            subpath: mount.subpath.clone(),
        };
        self.images.push(image);
        Ok(placed)
    }

    /// Holds all volumes in the order of their names, so that two creations never wait for each other, and fills
    /// those that are empty.
    fn hold_all(
        &mut self,
        engine: &Engine,
        record: &ContainerRecord,
        image: &ImageForRun,
        mounts: &[Placed],
        wanted: &BTreeMap<PathBuf, NewVolume>,
        durability: Durability,
    ) -> Result<()> {
        let mut placed: Vec<&PlacedVolume> = mounts
            .iter()
            .filter_map(|mount| if let Placed::Volume(volume) = mount { Some(volume) } else { None })
            .collect();
        if placed.is_empty() {
            return Ok(());
        }
        placed.sort_by(|a, b| a.name.cmp(&b.name));
        let volumes = Volumes::open(&engine.root)?;
        let mut view = None;
        for volume in placed {
            let named = NewVolume { name: volume.name.clone(), ..NewVolume::default() };
            let new = wanted.get(&volume.target).unwrap_or(&named);
            // A named volume outlives the container, whatever becomes of that.
            let durability = if volume.anonymous { durability } else { Durability::Synced };
            if !self.holds.contains_key(&volume.name) {
                let (hold, made) = volumes.hold(new, durability)?;
                if made {
                    crate::events::of_volume(engine, &volume.name, "local", "create");
                }
                if made && volume.anonymous {
                    self.made.push(volume.name.clone());
                }
                self.holds.insert(volume.name.clone(), hold);
            }
            let is_new_here = wanted.contains_key(&volume.target);
            if is_new_here && !volume.no_copy && volume.subpath.is_none() {
                self.fill(engine, &volumes, record, (image, &mut view), (new, &volume.target), durability)
                    .doing(|| {
                        format!(
                            "cannot copy the image's `{}` into volume `{}`",
                            volume.target.display(),
                            volume.name
                        )
                    })?;
            }
        }
        Ok(())
    }

    /// Fills a volume that is empty with what the image has at its place.
    fn fill(
        &mut self,
        engine: &Engine,
        volumes: &Volumes,
        record: &ContainerRecord,
        (image, view): (&ImageForRun, &mut Option<View>),
        (new, target): (&NewVolume, &Path),
        durability: Durability,
    ) -> Result<()> {
        let wants = |record: &VolumeRecord| volumes.wants_content(record);
        if !self.holds.get(&new.name).map_or(Ok(false), |hold| wants(&hold.record))? {
            return Ok(());
        }
        let view = match view {
            Some(view) => view,
            none => none.insert(View::open(&image.view()?)?),
        };
        let Some(source) = view.directory(target)? else { return Ok(()) };
        // Filling is done alone, and others may wait to do the same: let go first.
        if let Some(hold) = self.holds.remove(&new.name) {
            drop(hold);
        }
        let (mut hold, made) = volumes.hold_alone(new, durability)?;
        if made && new.anonymous {
            self.made.push(new.name.clone());
        }
        let shared = crate::volume::users(engine, &new.name)?.iter().any(|user| *user != record.id);
        volumes.fill(&mut hold, &source, shared, durability)?;
        self.holds.insert(new.name.clone(), hold);
        Ok(())
    }
}

/// Names a volume that was asked for.
fn named(asked: &VolumeMount) -> Result<Wanted> {
    let anonymous = asked.name.is_none();
    let name = match &asked.name {
        Some(name) => name.clone(),
        None => volume::random_name()?,
    };
    let mut labels = asked.labels.clone();
    if anonymous {
        labels.insert(volume::ANONYMOUS_LABEL.to_owned(), String::new());
    }
    let new = NewVolume {
        name: name.clone(),
        driver: asked.driver.clone(),
        options: asked.options.clone(),
        labels,
        anonymous,
    };
    new.check()?;
    let placed = PlacedVolume {
        name,
        target: asked.target.clone(),
        read_only: asked.read_only,
        no_copy: asked.no_copy,
        subpath: asked.subpath.clone(),
        propagation: asked.propagation,
        idmap: asked.idmap,
        relabel: asked.relabel,
        anonymous,
        from: asked.from,
    };
    Ok(Wanted { new, placed })
}

/// Returns what `--volumes-from` brings; of two at one place the later one, as with Docker.
fn inherited(engine: &Engine, request: &ContainerRequest) -> Result<Vec<Placed>> {
    let mut inherited: BTreeMap<PathBuf, Placed> = BTreeMap::new();
    for from in &request.volumes_from {
        let other = find(engine, &from.container)?;
        for mut mount in other.record.placed() {
            match &mut mount {
                Placed::Bind(bind) => bind.read_only |= from.read_only,
                Placed::Volume(volume) => volume.read_only |= from.read_only,
                Placed::Image(_) => {}
                // Memory is a container's own.
                Placed::Tmpfs(_) => continue,
            }
            inherited.insert(mount.target().to_owned(), mount);
        }
    }
    Ok(inherited.into_values().collect())
}

/// Cleans a path of an image's configuration: `..` stops at the root, which is the container's in any case
/// (CVE-2022-23648).
fn clean(path: &str) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

#[cfg(test)]
#[test]
fn volumes_of_images_stay_below_the_root() {
    for (text, path) in [
        ("/data", "/data"),
        ("data/", "/data"),
        ("/../../canary", "/canary"),
        ("/a/./b/../c", "/a/c"),
        ("..", "/"),
        ("", "/"),
    ] {
        assert_eq!(clean(text), Path::new(path), "{text}");
    }
}
