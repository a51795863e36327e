//! COPY, ADD and WORKDIR: files written over an image, without running anything of it.

use std::io::{Read, Seek};

use ::build::content::Owners;
use ::build::ignore::Matcher;
use ::build::key::KeyBuilder;
use ::build::plan::{Content, CopyStep, SourcePath, WorkdirStep};
use image::{Destination, Ids, Owner, Snapshots};
use oci::digest::{Digest, ImageId};
use rustix::fs::FileType;
use store::Durability;
use sys::Dir;

use super::context::is_archive;
use super::fetched::{self, FetchedFile};
use super::gather::{self, Found, Item};
use super::origin::Tree;
use super::place::Placer;
use super::solve::{Solver, State};
use crate::container::random_id;
use crate::error::{Doing, Error, Result};

impl Solver<'_> {
    /// Takes the digest of everything that a step copies, and a witness of what that was.
    pub(super) fn content_digests(&self, step: &CopyStep) -> Result<(Vec<Digest>, Digest)> {
        let tree = self.tree(&step.origin)?;
        let exclude = exclude(step)?;
        let owners = if step.owner.is_some() { Owners::Replaced } else { tree.owners };
        let mut witness = KeyBuilder::new("witness");
        let mut digest = |content: &Content| match content {
            Content::Path(path) => {
                let items = self.items(&tree, step, path, &exclude)?;
                gather::witness(&tree, &items, &mut witness);
                gather::digest(&tree, &items, owners)
            }
            // All of it is in the instruction.
            Content::Inline(_) => Ok(KeyBuilder::new("inline").finish()),
            // What it must be is known before it is fetched.
            Content::Url(url) => match step.checksum.as_deref().and_then(|text| text.parse().ok()) {
                Some(checksum) => Ok(checksum),
                None => Ok(self.fetched(url, None)?.digest),
            },
        };
        let digests = step.contents.iter().map(&mut digest).collect::<Result<_>>()?;
        Ok((digests, witness.finish()))
    }

    /// Takes the witness again.
    pub(super) fn content_witness(&self, step: &CopyStep) -> Result<Digest> {
        let tree = self.tree(&step.origin)?;
        let exclude = exclude(step)?;
        let mut witness = KeyBuilder::new("witness");
        for content in &step.contents {
            if let Content::Path(path) = content {
                gather::witness(&tree, &self.items(&tree, step, path, &exclude)?, &mut witness);
            }
        }
        Ok(witness.finish())
    }

    pub(super) fn copy(&self, state: &State, step: &CopyStep) -> Result<ImageId> {
        let tree = self.tree(&step.origin)?;
        let exclude = exclude(step)?;
        self.over(state, |root| {
            let default = (tree.owners == Owners::Replaced).then_some((0, 0));
            let owner = match &step.owner {
                Some(text) => Some(owner_of(root, text)?),
                None => default,
            };
            let placer = Placer { root, owner, mode: step.mode.as_deref() };
            for content in &step.contents {
                match content {
                    Content::Inline(file) => placer.inline(&file.name, &file.content, &step.destination)?,
                    Content::Url(url) => {
                        let (tree, item) = self.fetched_item(url, step)?;
                        if !(step.unpack_fetched && unpack(&tree, &item, &placer, step)?) {
                            placer.place(&tree, &item, &step.destination)?;
                        }
                    }
                    Content::Path(path) => {
                        for item in self.items(&tree, step, path, &exclude)? {
                            if !(step.unpack && unpack(&tree, &item, &placer, step)?) {
                                placer.place(&tree, &item, &step.destination)?;
                            }
                        }
                    }
                }
            }
            Ok(())
        })
    }

    pub(super) fn workdir(&self, state: &State, step: &WorkdirStep) -> Result<ImageId> {
        self.over(state, |root| {
            let exists =
                root.stat(&step.path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir());
            if exists {
                return Ok(());
            }
            let owner = match &*step.user {
                "" => (0, 0),
                user => owner_of(root, user)?,
            };
            Placer { root, owner: Some(owner), mode: None }.directory(&step.path).map(drop)
        })
    }

    /// Fetches an address once in a build.
    fn fetched(&self, url: &str, checksum: Option<&Digest>) -> Result<FetchedFile> {
        let mut fetched = self.fetched.lock().expect("no holder panics");
        if let Some(file) = fetched.get(url).filter(|file| checksum.is_none_or(|sum| *sum == file.digest)) {
            return Ok(file.clone());
        }
        let wanted = (url, checksum);
        let file = fetched::fetch(self.engine, &self.request.proxies, wanted, self.stop.flag())?;
        fetched.insert(url.to_owned(), file.clone());
        Ok(file)
    }

    /// The file of an address as a thing that is copied.
    fn fetched_item(&self, url: &str, step: &CopyStep) -> Result<(Tree, Item)> {
        let checksum = step.checksum.as_deref().and_then(|text| text.parse().ok());
        let file = self.fetched(url, checksum.as_ref())?;
        let root = fetched::open(self.engine)?;
        let stat = root.lstat(&file.path)?;
        let found = vec![Found { relative: std::path::PathBuf::new(), path: file.path, stat }];
        let tree = Tree {
            root,
            ignore: Matcher::default(),
            owners: Owners::Replaced,
            is_live: false,
            seen: None,
            stop: self.stop.flag().clone(),
        };
        Ok((tree, Item { name: Some(fetched::name_of(url).into()), found }))
    }

    fn items(&self, tree: &Tree, step: &CopyStep, path: &SourcePath, exclude: &Matcher) -> Result<Vec<Item>> {
        gather::gather(tree, path, step.parents, exclude)
    }

    /// Writes over an image, and makes an image of the result.
    fn over(&self, state: &State, write: impl FnOnce(&Dir) -> Result<()>) -> Result<ImageId> {
        // Its lease keeps others from taking the snapshot for an orphan.
        let below = crate::image::for_run(self.engine, &state.image.to_string())?;
        let key = random_id()?;
        let overlay = below.prepare(&key, Durability::Volatile)?;
        let written = volume::stack(&overlay).map_err(Error::from).and_then(|mount| {
            let root = Dir::from_fd(mount, "/");
            write(&root)
        });
        let captured = written.and_then(|()| self.capture(&key, state.image, &[]));
        let _ = self.images.remove(&key);
        captured
    }
}

fn exclude(step: &CopyStep) -> Result<Matcher> {
    Matcher::from_patterns(step.exclude.iter().map(|pattern| &**pattern))
        .map_err(|error| Error::invalid(error.to_string()))
}

/// `user:group`, by name or number. As in every builder of Docker's, a number alone is user and group.
fn owner_of(root: &Dir, text: &str) -> Result<(u32, u32)> {
    if let Ok(id) = text.parse::<u32>() {
        return Ok((id, id));
    }
    let accounts = crate::container::Accounts::read(std::iter::once(root));
    let identity = accounts.identity(text, &[]).doing(|| format!("cannot find owner `{text}`"))?;
    Ok((identity.uid, identity.gid))
}

/// Unpacks an archive; returns whether it is one.
fn unpack(tree: &Tree, item: &Item, placer: &Placer<'_>, step: &CopyStep) -> Result<bool> {
    let [found] = &*item.found else { return Ok(false) };
    if FileType::from_raw_mode(found.stat.st_mode) != FileType::RegularFile {
        return Ok(false);
    }
    let mut file = tree.root.open_regular(&found.path)?;
    let mut head = Vec::new();
    let read_error = |error: std::io::Error| {
        let class = oci::class::Class::of_os_error(&error);
        Error::new(class, format!("cannot read `{}`", found.path.display())).caused_by(error)
    };
    file.by_ref().take(512).read_to_end(&mut head).map_err(read_error)?;
    if !is_archive(&head) {
        return Ok(false);
    }
    file.rewind().map_err(read_error)?;
    if !image::holds_archive(&file).unwrap_or(true) {
        return Ok(false);
    }
    file.rewind().map_err(read_error)?;
    let directory = placer.directory(&step.destination)?;
    let owner = match (placer.owner, &step.owner) {
        (Some((uid, gid)), Some(_)) => Owner::Set { uid, gid },
        _ => Owner::Kept,
    };
    image::read_archive(file, &Destination { directory: &directory, owner, ids: &Ids::SAME })
        .map_err(Error::from)
        .doing(|| format!("cannot unpack `{}`", found.path.display()))?;
    Ok(true)
}
