//! Records on disk: atomic replacement, checksummed and versioned records, locks, and names that are
//! claimed by exactly one owner.
//!
//! All calls take a directory by descriptor and one name in it. The words of the promise: what a
//! [`Durability::Synced`] call has acknowledged survives a power cut; what it has not is either
//! fully there or fully absent; readers need no lock and see the old record or the new one.

mod claim;
mod error;
mod journal;
mod lock;
mod record;
mod write;

pub use claim::{Claim, claim, claims, owner, release};
pub use error::{Error, Result};
pub use journal::{JournalReader, JournalStart, append};
pub use lock::Lock;
pub use record::{Record, decode_record, encode_record, read_record, write_record};
pub use write::{Durability, TEMPORARY_PREFIX, collect_temporaries, read, remove, sync_dir, write_atomic};
