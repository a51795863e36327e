//! Networks: made, listed, looked at, joined, left and removed.
//!
//! ```text
//!   ROOT/networks/
//!     NAME.json      what a network is; one file, so that it is there or not
//!     .lock          shared while a container takes its place, alone while subnets are chosen or a network goes
//! ```
//!
//! What the kernel has of them is made when the first container needs it, and made anew after a reboot.

mod connect;
mod create;
mod disconnect;
mod inspect;
mod list;
mod options;
mod orphans;
mod place;
mod publish;
mod record;
mod remove;
mod rename;
mod settings;
mod shelf;
mod subnets;

pub use connect::connect;
pub use create::create;
pub use disconnect::disconnect;
pub use inspect::inspect;
pub use list::list;
pub use remove::{prune, remove};

pub(crate) use orphans::{NetworkOrphan, orphans};
pub(crate) use place::{Place, resolver_of, take, told};
pub(crate) use publish::exposed;
pub(crate) use rename::rename;
pub(crate) use settings::settings;
pub(crate) use shelf::{check_names, is_on};

use oci::class::Class;

use crate::error::Error;

impl From<network::Error> for Error {
    fn from(error: network::Error) -> Self {
        let hint = error.hint();
        let error = crate::error::wrap(error.class(), error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// A network that is not there, in Docker's words.
fn not_found(word: &str) -> Error {
    Error::new(Class::NotFound, format!("network {word} not found"))
        .hint("`coracle network ls` lists all networks")
}
