//! The level that sets one container apart from all others: a pair of categories, claimed for as long as it exists.

use store::Durability;
use sys::Dir;

use crate::error::{Error, Result};
use crate::paths::Engine;

/// Every policy for containers has that many (`mcs_num_cats`).
const CATEGORIES: u16 = 1024;

/// The last pair is that of files of containers without a label: no container gets it.
pub(super) const OF_UNCONFINED: &str = "s0:c1022,c1023";

/// Half a million pairs: so many in a row are taken of none.
const TRIES: usize = 1000;

/// Returns the level of a pair: `c1,c2` is `s0:c1,c2`.
pub(super) fn of_categories(pair: &str) -> String {
    format!("s0:{pair}")
}

/// Makes a pair of two random numbers; nothing where they are no pair that a container may have.
pub(super) fn pair(random: [u16; 2]) -> Option<String> {
    let [one, other] = random.map(|number| number % CATEGORIES);
    let pair = format!("c{},c{}", one.min(other), one.max(other));
    (one != other && of_categories(&pair) != OF_UNCONFINED).then_some(pair)
}

/// Claims a pair that no container of this engine has.
pub(super) fn claim(engine: &Engine, id: &str, durability: Durability) -> Result<String> {
    let directory = engine.levels();
    sys::fs::create_dir_all(&directory)?;
    let levels = Dir::open(&directory)?;
    for _ in 0..TRIES {
        let mut bytes = [0u8; 4];
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
            .map_err(|errno| Error::from(sys::Error::new("cannot get random numbers", errno)))?;
        let [a, b, c, d] = bytes;
        let Some(pair) = pair([u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])]) else { continue };
        match store::claim(&levels, &pair, id, durability) {
            Ok(()) => return Ok(pair),
            Err(store::Error::Taken { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::conflict("no free SELinux level was found").hint("remove containers that are not needed"))
}
