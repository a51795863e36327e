//! `system df`: what takes the disk, in bytes as du(1) counts them. The rows add up to all that lies below the root.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use image::{Forest, ImageCost};
use oci::digest::{ChainId, ImageId};
use oci::reference::Reference;
use sys::Dir;

use crate::container::{Placed, all_containers};
use crate::error::Result;
use crate::paths::Engine;
use crate::request::view::ImageRow;
use crate::request::{ContainerUsage, DiskRow, DiskUsage, ImageUsage, PsRequest, VolumeUsage};

/// Directories by who bears them; all others are the engine's own.
const IMAGES: [&str; 4] = ["blobs", "images", "layers", "references"];
const CONTAINERS: [&str; 2] = ["containers", "snapshots"];
const VOLUMES: [&str; 1] = ["volumes"];

/// Measures all.
pub fn df(engine: &Engine) -> Result<DiskUsage> {
    let store = crate::image::open(engine)?;
    let forest = store.forest()?;
    let containers = all_containers(engine)?;
    let mut used = HashSet::new();
    let mut of_image: BTreeMap<String, usize> = BTreeMap::new();
    let mut links: BTreeMap<String, usize> = BTreeMap::new();
    for container in &containers {
        used.extend(container.record.image_id.parse::<ImageId>());
        *of_image.entry(container.record.image_id.clone()).or_default() += 1;
        for mount in container.record.placed() {
            match mount {
                Placed::Volume(volume) => *links.entry(volume.name).or_default() += 1,
                Placed::Image(image) => used.extend(image.id.parse::<ImageId>()),
                _ => {}
            }
        }
    }
    let images = images(&forest, &of_image);
    let volumes = volumes(engine, &links)?;
    let request = PsRequest { all: true, ..PsRequest::default() };
    let mut rows = Vec::new();
    for row in crate::container::list(engine, &request)? {
        let size = CONTAINERS
            .iter()
            .map(|part| measure(&engine.root.join(part).join(&row.id)))
            .sum::<Result<u64>>()?;
        rows.push(ContainerUsage { row, size });
    }
    let running: HashSet<&str> =
        containers.iter().filter(|one| one.is_running()).map(|one| one.record.id.as_str()).collect();
    let cache = BuildCache::of(engine, &forest, &used)?;
    let sum = |parts: &[&str]| parts.iter().map(|part| measure(&engine.root.join(part))).sum::<Result<u64>>();
    let summary = vec![
        DiskRow {
            kind: "Images",
            total: forest.images.len() - cache.images.len(),
            active: used.difference(&cache.images).count(),
            size: sum(&IMAGES)?.saturating_sub(cache.image_bytes),
            reclaimable: forest.reclaimable(&used.union(&cache.images).copied().collect()),
        },
        DiskRow {
            kind: "Containers",
            total: rows.len(),
            active: running.len(),
            size: sum(&CONTAINERS)?,
            reclaimable: rows
                .iter()
                .filter(|one| !running.contains(one.row.id.as_str()))
                .map(|one| one.size)
                .sum(),
        },
        DiskRow {
            kind: "Local Volumes",
            total: volumes.len(),
            active: volumes.iter().filter(|volume| volume.links > 0).count(),
            size: sum(&VOLUMES)?,
            reclaimable: volumes.iter().filter(|volume| volume.links == 0).map(|volume| volume.size).sum(),
        },
        cache.row.clone(),
        DiskRow {
            kind: "Engine",
            size: rest(engine)?.saturating_sub(cache.row.size - cache.image_bytes),
            reclaimable: store.abandoned_disk()?,
            ..DiskRow::default()
        },
    ];
    Ok(DiskUsage { rows: summary, images, containers: rows, volumes })
}

/// What builds keep for the next ones.
struct BuildCache {
    row: DiskRow,
    /// Images that are nothing but results of steps.
    images: HashSet<ImageId>,
    /// What these have on disk that no other image has.
    image_bytes: u64,
}

impl BuildCache {
    fn of(engine: &Engine, forest: &Forest, used: &HashSet<ImageId>) -> Result<Self> {
        let steps = crate::build::cached_images(engine)?;
        let is_hidden =
            |cost: &&ImageCost| cost.summary.references.is_empty() && steps.contains(&cost.summary.image.id);
        let ids = |costs: Vec<&ImageCost>| costs.into_iter().map(|cost| cost.summary.image.id).collect();
        let (hidden, others): (Vec<_>, Vec<_>) = forest.images.iter().partition(is_hidden);
        let of_others: HashSet<_> = layers(others.iter().copied()).collect();
        // A step is in use where an image is made of it.
        let active =
            hidden.iter().filter(|cost| layers(std::iter::once(**cost)).all(|id| of_others.contains(&id)));
        let active = active.count();
        let (images, others): (HashSet<ImageId>, HashSet<ImageId>) = (ids(hidden), ids(others));
        let image_bytes = forest.reclaimable(&others);
        let (mut kept, mut empty) = (0, 0);
        for part in ["build/cache", "build/caches", "build/fetched"] {
            let path = engine.root.join(part);
            kept += measure(&path)?;
            empty += match Dir::open(&path) {
                Ok(directory) => blocks(&directory.stat_self()?),
                Err(_) => 0,
            };
        }
        let row = DiskRow {
            kind: "Build Cache",
            total: crate::build::list_cache(engine)?.len(),
            active,
            size: image_bytes + kept,
            reclaimable: forest.reclaimable(&others.union(used).copied().collect()) + kept - empty,
        };
        Ok(Self { row, images, image_bytes })
    }
}

fn layers<'c>(images: impl Iterator<Item = &'c ImageCost>) -> impl Iterator<Item = ChainId> {
    images.flat_map(|cost| cost.summary.image.layers.iter().map(|layer| layer.chain_id))
}

fn blocks(stat: &rustix::fs::Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or_default() * 512
}

/// What is nobody's but the engine's: locks, names, networks, caches, what is half made.
fn rest(engine: &Engine) -> Result<u64> {
    let root = Dir::open(&engine.root)?;
    let mut bytes = blocks(&root.stat_self()?);
    for entry in root.list("")? {
        let name = entry.name.to_string_lossy();
        if [&IMAGES[..], &CONTAINERS, &VOLUMES].iter().any(|parts| parts.contains(&&*name)) {
            continue;
        }
        bytes += match entry.kind {
            rustix::fs::FileType::Directory => measure(&engine.root.join(&entry.name))?,
            _ => root.lstat(&entry.name).map_or(0, |stat| blocks(&stat)),
        };
    }
    Ok(bytes)
}

fn measure(path: &Path) -> Result<u64> {
    match Dir::open(path) {
        Err(error) if error.is_not_found() => Ok(0),
        other => Ok(other?.disk_usage()?),
    }
}

fn images(forest: &Forest, containers: &BTreeMap<String, usize>) -> Vec<ImageUsage> {
    let mut usage = Vec::new();
    for cost in &forest.images {
        let image = &cost.summary.image;
        let mut names: Vec<Option<&Reference>> = cost.summary.references.iter().map(Some).collect();
        if names.is_empty() {
            names.push(None);
        }
        usage.extend(names.into_iter().map(|name| ImageUsage {
            row: ImageRow {
                id: image.id.to_string(),
                repository: name.map(Reference::familiar_name),
                tag: name.and_then(Reference::tag).map(str::to_owned),
                digest: Some(image.manifest.to_string()),
                created: cost.summary.created(),
                size: cost.own + cost.shared,
            },
            shared: cost.shared,
            own: cost.own,
            containers: containers.get(&image.id.to_string()).copied().unwrap_or(0),
        }));
    }
    usage
}

fn volumes(engine: &Engine, links: &BTreeMap<String, usize>) -> Result<Vec<VolumeUsage>> {
    let mut usage = Vec::new();
    for record in crate::volume::open(engine)?.list()? {
        let size = measure(&engine.root.join(VOLUMES[0]).join(&record.name))?;
        let links = links.get(&record.name).copied().unwrap_or(0);
        usage.push(VolumeUsage { name: record.name, links, size });
    }
    Ok(usage)
}
