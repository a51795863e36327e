//! Volumes: data that outlives containers, named or anonymous, in plain directories of the host.
//!
//! ```text
//!   ROOT/volumes/
//!     NAME/record.json      what it is; a name without it is no volume
//!     NAME/_data/           what containers see, with the ids that they see
//!     NAME/fill.new/        an image's content on its way into a volume, not complete
//!     NAME/fill/            complete, and being moved into `_data` while others have that mounted
//!     .staging/…/           volumes being made or removed, locked by whoever works there
//!     .locks/NAME           see [`Hold`]
//! ```
//!
//! Layout and names are Docker's. A volume is made in staging and renamed into its place, and renamed away before it
//! is deleted: whoever sees the name sees all of it. Nothing but [`Volumes::remove`] ever deletes one.

mod backing;
mod error;
mod fill;
mod name;
mod record;
mod usage;
mod volumes;

pub use backing::Backing;
pub use error::{Error, Result};
pub use fill::{View, stack};
pub use name::{check_name, random_name};
pub use record::{ANONYMOUS_LABEL, DRIVER, NewVolume, VolumeRecord};
pub use volumes::{Hold, Volumes};
