//! `cp`: files between a container and the host, or a pipe, by Docker's rules of where they go.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use image::{Destination, Ids, Owner, Source, What};
use sys::Dir;

use super::access::{Purpose, with_root};
use super::find::find;
use super::identity::Accounts;
use super::place::{Links, Place, Typed};
use super::record::ContainerRecord;
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::{CopyRequest, CopySide};

/// Copies; returns how many bytes of files there were.
pub fn cp(
    engine: &Engine,
    request: &CopyRequest,
    stdin: impl Read + Send,
    stdout: &mut (dyn Write + Send),
) -> Result<u64> {
    match (&request.from, &request.to) {
        (CopySide::Container { name, path }, to) => {
            let container = find(engine, name)?;
            let what = || format!("cannot copy `{}` from container `{name}`", path.display());
            with_root(engine, container, Purpose::Read, |root, ids| {
                let from = From::find((root, Some(name)), path, request.follow_link)?;
                match to {
                    CopySide::Pipe => {
                        let called = from.called.clone();
                        image::write_archive(&from.source(&called, ids), stdout)?;
                        Ok(0)
                    }
                    CopySide::Host(target) => {
                        let owner = if request.archive { Owner::Kept } else { caller() };
                        from.copy(ids, &Dir::open("/")?, None, target, (owner, &Ids::SAME))
                    }
                    CopySide::Container { .. } => {
                        Err(Error::unsupported("copying between containers is not supported")
                            .hint("copy to the host first, or pipe: coracle cp A:/x - | coracle cp - B:/"))
                    }
                }
            })
            .doing(what)
        }
        (from, CopySide::Container { name, path }) => {
            let container = find(engine, name)?;
            let owner = owner_inside(&container.record, request.archive)?;
            let what = || format!("cannot copy to `{}` in container `{name}`", path.display());
            with_root(engine, container, Purpose::Write, |root, ids| match from {
                CopySide::Host(source) => {
                    let from = From::find((&Dir::open("/")?, None), source, request.follow_link)?;
                    from.copy(&Ids::SAME, root, Some(name), path, (owner, ids))
                }
                _ => {
                    let place = Place::find(root, path, Links::Followed)
                        .map_err(|error| missing(error, path, Some(name)))?;
                    if !place.is_directory() {
                        return Err(Error::invalid(format!(
                            "destination \"{name}:{}\" must be a directory",
                            path.display()
                        )));
                    }
                    let directory = place.open()?;
                    Ok(image::read_archive(stdin, &Destination { directory: &directory, owner, ids })?)
                }
            })
            .doing(what)
        }
        _ => Err(Error::invalid("must specify at least one container source")
            .hint("name a container and a path in it: CONTAINER:PATH")),
    }
}

/// As with Docker, files from a container belong to whoever takes them.
fn caller() -> Owner {
    Owner::Set { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
}

/// As with Docker, `--archive` gives files to the user that the container runs as.
fn owner_inside(record: &ContainerRecord, archive: bool) -> Result<Owner> {
    if !archive || record.user.is_empty() {
        return Ok(Owner::Kept);
    }
    let roots = crate::image::lookup_roots(record)?;
    let identity = Accounts::read(roots.iter()).identity(&record.user, &[])?;
    Ok(Owner::Set { uid: identity.uid, gid: identity.gid })
}

/// What is to be copied, found and held open.
struct From {
    place: Place,
    /// Open where it is a directory.
    directory: Option<Dir>,
    is_content: bool,
    /// The name that it has by itself.
    called: PathBuf,
}

impl From {
    fn find((root, container): (&Dir, Option<&str>), path: &Path, follow_link: bool) -> Result<Self> {
        let typed = Typed::new(path);
        let links = if follow_link || typed.is_directory { Links::Followed } else { Links::Kept };
        let place = Place::find(root, path, links).map_err(|error| missing(error, path, container))?;
        if place.kind.is_none() {
            return Err(not_found(path, container));
        }
        if typed.is_directory && !place.is_directory() {
            return Err(Error::invalid(format!("`{}` is not a directory", path.display())));
        }
        let directory = place.is_directory().then(|| place.open()).transpose()?;
        // The name as typed, whatever a link led to.
        let own = path.file_name().filter(|_| !typed.is_content);
        let called = PathBuf::from(own.unwrap_or(OsStr::new(".")));
        Ok(Self { place, directory, is_content: typed.is_content, called })
    }

    fn source<'s>(&'s self, called: &'s Path, ids: &'s Ids) -> Source<'s> {
        let what = match (&self.directory, &self.place.name) {
            (Some(directory), _) => What::Directory(directory),
            (None, Some(name)) => What::Entry(&self.place.parent, name),
            (None, None) => What::Directory(&self.place.parent),
        };
        Source { what, called, ids }
    }

    /// Copies to a path below a root, by the table of `docker cp`.
    fn copy(
        &self,
        ids: &Ids,
        root: &Dir,
        container: Option<&str>,
        path: &Path,
        (owner, target_ids): (Owner, &Ids),
    ) -> Result<u64> {
        let typed = Typed::new(path);
        let place =
            Place::find(root, path, Links::Followed).map_err(|error| missing(error, path, container))?;
        let (directory, called) = match (&place.name, self.directory.is_some()) {
            // Into a directory that is there: under its own name, or what is in it.
            _ if place.is_directory() => {
                let called = if self.is_content { PathBuf::from(".") } else { self.called.clone() };
                (place.open()?, called)
            }
            (Some(_), true) if place.kind.is_some() => {
                return Err(Error::invalid(format!(
                    "cannot copy a directory over the file `{}`",
                    path.display()
                )));
            }
            (Some(_), false) if typed.is_directory => {
                return Err(Error::not_found(format!("there is no directory `{}`", path.display()))
                    .hint("make it first, or leave the slash away to give the file this name"));
            }
            (Some(name), _) => (place.parent.try_clone()?, PathBuf::from(name)),
            (None, _) => unreachable!("a place without a name is a directory"),
        };
        let destination = Destination { directory: &directory, owner, ids: target_ids };
        Ok(image::transfer(&self.source(&called, ids), &destination)?)
    }
}

fn missing(error: Error, path: &Path, container: Option<&str>) -> Error {
    match error.class() {
        oci::class::Class::NotFound => not_found(path, container).caused_by(error),
        _ => error,
    }
}

fn not_found(path: &Path, container: Option<&str>) -> Error {
    match container {
        Some(name) => {
            Error::not_found(format!("Could not find the file {} in container {name}", path.display()))
        }
        None => Error::not_found(format!("there is no `{}`", path.display())),
    }
}
