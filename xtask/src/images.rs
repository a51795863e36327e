//! Test images, made offline from Debian's packages and cached outside the tree. Not an image
//! builder: each recipe writes fixed files, so that tests know every byte of what they load.
//!
//! ```text
//! CACHE/                     $CORACLE_TEST_IMAGES, else $XDG_CACHE_HOME/coracle-test-images, else /var/cache/…
//!   busybox-3fa1c0de/        recipe name and a hash of the sources that made it
//!     busybox.tar  busybox-docker.tar  busybox-oci.tar.gz  busybox-oci.tar.zst
//!   debian-…/                debian.tar
//!   services-…/              services.tar
//!   guest-…/                 vmlinuz  initramfs  disk.ext4
//!   layers-…/                layers.tar  layers-oci.tar  layers.json  deep.tar  deep-oci.tar
//!   .lock-busybox            held while a recipe is being made
//! ```

mod archive;
mod busybox;
mod debian;
mod entry;
mod expect;
mod layers;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::guest;

pub(crate) use debian::{EXCLUDED, bootstrap};
pub use expect::escape;

/// How one directory of images is made.
pub struct Recipe {
    /// Name on the command line and of the cached directory.
    pub name: &'static str,
    /// What the result depends on: a change here makes it anew.
    sources: &'static [&'static str],
    make: fn(&Path) -> Result<()>,
}

/// Every recipe there is.
pub const RECIPES: &[Recipe] = &[
    Recipe {
        name: "busybox",
        sources: &[include_str!("images/busybox.rs"), ARCHIVE, ENTRY],
        make: busybox::make,
    },
    Recipe { name: "debian", sources: &[DEBIAN], make: debian::make },
    Recipe { name: "services", sources: &[DEBIAN], make: debian::make_services },
    Recipe {
        name: "layers",
        sources: &[include_str!("images/layers.rs"), include_str!("images/expect.rs"), ARCHIVE, ENTRY],
        make: layers::make,
    },
    // What a virtual machine boots is no image, but made and kept in the same way.
    Recipe { name: "guest", sources: &[guest::SYSTEM, guest::INITRAMFS, DEBIAN], make: guest::make_system },
];

const DEBIAN: &str = include_str!("images/debian.rs");
const ARCHIVE: &str = include_str!("images/archive.rs");
const ENTRY: &str = include_str!("images/entry.rs");

/// Returns the directory of a recipe's images, making them if they are not there yet.
///
/// Any number of processes may call this at once: one makes, the others wait.
pub fn ensure(name: &str) -> Result<PathBuf> {
    let Some(recipe) = RECIPES.iter().find(|recipe| recipe.name == name) else {
        let known: Vec<_> = RECIPES.iter().map(|recipe| recipe.name).collect();
        bail!("no recipe for a test image `{name}`; there are: {}", known.join(", "));
    };
    let cache = cache_dir();
    let dir = cache.join(format!("{name}-{}", recipe.version()));
    if dir.is_dir() {
        return Ok(dir);
    }
    fs::create_dir_all(&cache).with_context(|| format!("cannot create `{}`", cache.display()))?;
    let lock = cache.join(format!(".lock-{name}"));
    let lock = fs::File::create(&lock).with_context(|| format!("cannot create `{}`", lock.display()))?;
    lock.lock().context("cannot lock the cache of test images")?;
    if dir.is_dir() {
        return Ok(dir);
    }
    // Inside the cache, so that the rename below stays on one file system; removed when dropped.
    let fresh = tempfile::Builder::new().prefix(".making-").tempdir_in(&cache)?;
    (recipe.make)(fresh.path()).with_context(|| format!("cannot make the test image `{name}`"))?;
    remove_old(&cache, name)?;
    fs::rename(fresh.keep(), &dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
    Ok(dir)
}

impl Recipe {
    fn version(&self) -> String {
        let mut hash = Sha256::new();
        self.sources.iter().for_each(|source| hash.update(source));
        entry::hex(&hash.finalize())[..8].to_owned()
    }
}

/// Returns where images are cached.
pub(crate) fn cache_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("CORACLE_TEST_IMAGES") {
        return dir.into();
    }
    std::env::var_os("XDG_CACHE_HOME").map_or("/var/cache".into(), PathBuf::from).join("coracle-test-images")
}

/// Removes what an earlier version of the recipe made, unless it was used within the last day:
/// another checkout may stand at that version.
fn remove_old(cache: &Path, name: &str) -> Result<()> {
    for found in fs::read_dir(cache)? {
        let found = found?;
        let of_recipe = found.file_name().to_str().is_some_and(|file| {
            file.strip_prefix(name).is_some_and(|rest| rest.len() == 9 && rest.starts_with('-'))
        });
        let old = found.metadata()?.modified()?.elapsed().is_ok_and(|age| age.as_secs() > 24 * 3600);
        if of_recipe && old {
            fs::remove_dir_all(found.path())?;
        }
    }
    Ok(())
}
