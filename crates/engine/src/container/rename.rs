//! `rename`: another name for a container, also while it runs.
//!
//! The record decides what a container is called; the claims of names follow it, so that a kill leaves the old name or the
//! new one, and a claim too many at worst, which the record knows:
//!
//! ```text
//!   1. record: name OLD, other NEW       what may be claimed beside the name
//!   2. claim NEW
//!   3. record: name NEW, other OLD       from here on it is called NEW
//!   4. release OLD
//! ```
//!
//! A claim whose owner is called otherwise leads nowhere ([`find`](super::find::find)) and hinders nobody
//! ([`claim_name`]).

use store::Durability;
use sys::Dir;

use super::amend::{Held, hold};
use super::create::{claim_name, durability};
use super::record::ContainerRecord;
use crate::error::{Doing, Error, Result};
use crate::network;
use crate::paths::Engine;
use crate::request::RenameRequest;

/// Gives a container another name.
pub fn rename(engine: &Engine, request: &RenameRequest) -> Result<()> {
    let new = request.name.strip_prefix('/').unwrap_or(&request.name);
    if new.is_empty() || request.container.is_empty() {
        return Err(Error::invalid("Neither old nor new names may be empty"));
    }
    let mut held = hold(engine, &request.container)?;
    let old = held.record.name.clone();
    if new == old {
        return Err(Error::invalid("Renaming a container with the same name as its current name"));
    }
    let moved = move_name(engine, &mut held, new);
    if moved.is_err() {
        // Without the claim the record's mention of it means nothing.
        let names = engine.open_names()?;
        let _ = store::release(&names, new, &held.record.id, Durability::Volatile);
        let _ = forget_renaming(engine, &held);
    }
    moved?;
    let known = match held.running() {
        Some(running) => network::rename(engine, &held.record, &old, &running),
        None => Ok(()),
    };
    give_up(engine, &held, &old)?;
    crate::events::of_container(engine, &held.record, "rename", &[("oldName", &format!("/{old}"))]);
    known.doing(|| format!("container `{old}` is now `{new}`, but its networks do not know"))
}

/// Steps 1 to 3.
fn move_name(engine: &Engine, held: &mut Held, new: &str) -> Result<()> {
    let durability = durability(&held.record.request);
    let before = held.record.clone();
    let write = |held: &Held, record: &ContainerRecord| -> Result<()> {
        Ok(store::write_record(&held.directory, "record.json", record, durability)?)
    };
    super::id::check_name(new)?;
    write(held, &ContainerRecord { other_name: Some(new.to_owned()), ..before.clone() })?;
    announce(engine, held, new)?;
    let names = engine.open_names()?;
    claim_name(engine, &names, Some(new), &before.id, durability)
        .doing(|| "Error when allocating new name".into())?;
    let renamed = ContainerRecord { name: new.to_owned(), other_name: Some(before.name.clone()), ..before };
    write(held, &renamed)?;
    held.record = renamed;
    Ok(())
}

/// Step 4. One that is removed at its end may have gone meanwhile, with the names that its supervisor knew of.
fn give_up(engine: &Engine, held: &Held, old: &str) -> Result<()> {
    let (names, id) = (engine.open_names()?, &held.record.id);
    store::release(&names, old, id, durability(&held.record.request))?;
    if sys::fs::exists(engine.container_dir(id)) {
        return Ok(());
    }
    store::release(&names, &held.record.name, id, Durability::Volatile)?;
    Err(Error::not_found(format!("No such container: {old}")))
}

/// Tells who deletes the container at its end what it may be called then; before that is claimed.
fn announce(engine: &Engine, held: &Held, new: &str) -> Result<()> {
    if !held.record.request.auto_remove || held.running().is_none() {
        return Ok(());
    }
    let run_dir = Dir::open(engine.run_dir(&held.record.id))?;
    Ok(store::write_atomic(&run_dir, supervisor::RENAMED, new.as_bytes(), Durability::Volatile)?)
}

/// After a failure it keeps its name, perhaps one that it got while it ran.
fn forget_renaming(engine: &Engine, held: &Held) -> Result<()> {
    announce(engine, held, &held.record.name)
}
