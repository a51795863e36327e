//! The record of a volume: what it is, durable, beside its data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use store::Record;

use crate::{Backing, Error, Result};

/// The only driver.
pub const DRIVER: &str = "local";
/// The label by which Docker's users know an anonymous volume.
pub const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeRecord {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub driver: String,
    /// `type`, `o` and `device`, as typed.
    pub options: BTreeMap<String, String>,
    /// Nanoseconds since 1970.
    pub created: i64,
    /// Made for one container and named by nobody.
    pub anonymous: bool,
    /// Whether an image has given it its owner, mode and content once.
    pub filled: bool,
}

impl Record for VolumeRecord {
    const KIND: &'static str = "volume";
    const VERSION: u32 = 1;
}

impl VolumeRecord {
    /// Returns where its data lies.
    pub fn backing(&self) -> Result<Backing> {
        Backing::parse(&self.options)
    }
}

/// A volume to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewVolume {
    pub name: String,
    /// `local` where nothing is said.
    pub driver: Option<String>,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub anonymous: bool,
}

impl NewVolume {
    /// Checks name, driver and options.
    pub fn check(&self) -> Result<()> {
        crate::check_name(&self.name)?;
        match self.driver.as_deref() {
            None | Some("" | DRIVER) => {}
            Some(other) => return Err(Error::Driver(other.to_owned())),
        }
        Backing::parse(&self.options).map(|_| ())
    }
}
