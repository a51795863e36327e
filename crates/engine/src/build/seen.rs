//! Digests of files that were read before, so that an unchanged context is looked at and not read.
//!
//! ```text
//!   ROOT/build/digests/HASH    of one context, by the hash of its path: a checksum, then 80 bytes a file
//! ```
//!
//! A digest counts for an inode whose size and both times of change are those it had. It is kept only where a later
//! change cannot leave these as they are. A change within the same tick of the clock does (git calls such a file racy),
//! and so does one through a shared mapping of a page that was dirty already, until the kernel has written that back
//! (`dirty_expire_centisecs`, Linux's `Documentation/admin-guide/sysctl/vm.rst`). So the last change must be longer ago
//! than that takes, and the file system must be one that writes back to a disk of this machine: in memory, over the
//! network and in user space nobody promises this.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

use ::build::key::KeyBuilder;
use oci::digest::Digest;
use rustix::fs::{Stat, fstat, fstatfs};
use store::{Durability, write_atomic};
use sys::Dir;

use crate::error::Result;
use crate::paths::Engine;

/// Of a file with its inode, in the order of [`Identity`], and its digest.
const ENTRY_BYTES: usize = 80;
/// Beyond so many, only files that the last build had are kept: 16 MB.
const ENTRIES_MAX: usize = 200_000;
/// File systems that keep what was said above (statfs(2)): ext2 to ext4, XFS, Btrfs.
const KNOWN: [u64; 3] = [0xef53, 0x5846_5342, 0x9123_683e];
/// What the kernel does unless told otherwise: pages are written back after 30 seconds, looked for every 5.
const WRITE_BACK_SECONDS: i64 = 35;

/// A file as it was when it was read: device, inode, size, and seconds and nanoseconds of both times.
type Identity = [u64; 6];

/// What is known of one context.
#[derive(Debug)]
pub(super) struct Seen {
    directory: Dir,
    name: String,
    /// How long ago the last change must be, in seconds; nothing is trusted without it.
    quiet_seconds: Option<i64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    before: HashMap<Identity, Digest>,
    /// What this build has used or found.
    now: HashMap<Identity, Digest>,
    has_more: bool,
}

impl Seen {
    /// Reads what is known of the context at a path.
    pub(super) fn load(engine: &Engine, context: &Path) -> Result<Self> {
        let path = engine.root.join("build/digests");
        if !sys::fs::exists(&path) {
            sys::fs::create_dir_all(&path)?;
        }
        let directory = Dir::open(&path)?;
        let name = KeyBuilder::new("context").text(&context.to_string_lossy()).finish().hex();
        // What does not read is not known.
        let bytes = store::read(&directory, &name).unwrap_or_default();
        let before = decode(&bytes).unwrap_or_default();
        let state = Mutex::new(State { before, ..State::default() });
        Ok(Self { directory, name, quiet_seconds: quiet_seconds(), state })
    }

    /// Returns the digest of a file that is as it was.
    pub(super) fn find(&self, stat: &Stat) -> Option<Digest> {
        let identity = identity(stat);
        let mut state = self.state.lock().expect("no holder panics");
        if let Some(digest) = state.now.get(&identity) {
            return Some(*digest);
        }
        let digest = state.before.get(&identity).copied()?;
        state.now.insert(identity, digest);
        Some(digest)
    }

    /// Keeps the digest of a file that was read just now, if it can be trusted later; `stat` is from before that.
    pub(super) fn note(&self, file: &File, stat: &Stat, digest: Digest) {
        let Some(quiet_seconds) = self.quiet_seconds else { return };
        let last_change = stat.st_ctime.max(stat.st_mtime);
        let age = jiff::Timestamp::now().as_second().saturating_sub(last_change);
        let is_same = fstat(file).is_ok_and(|now| identity(&now) == identity(stat));
        if age <= quiet_seconds || !is_same || !is_known(file) {
            return;
        }
        let mut state = self.state.lock().expect("no holder panics");
        state.now.insert(identity(stat), digest);
        state.has_more = true;
    }

    /// Writes down what has come.
    pub(super) fn save(&self) -> Result<()> {
        let mut state = self.state.lock().expect("no holder panics");
        if !state.has_more {
            return Ok(());
        }
        let mut all = std::mem::take(&mut state.now);
        let before = std::mem::take(&mut state.before);
        if all.len() + before.len() <= ENTRIES_MAX {
            for (identity, digest) in before {
                all.entry(identity).or_insert(digest);
            }
        }
        Ok(write_atomic(&self.directory, &self.name, &encode(&all), Durability::Volatile)?)
    }
}

/// Forgets all contexts.
pub(super) fn forget_all(engine: &Engine) -> Result<()> {
    let path = engine.root.join("build/digests");
    match sys::fs::exists(&path) {
        true => Ok(Dir::open(&path)?.remove_contents()?),
        false => Ok(()),
    }
}

fn identity(stat: &Stat) -> Identity {
    let size = stat.st_size.cast_unsigned();
    // Nanoseconds fit in 30 bits, and seconds of five centuries in the others.
    let time = |seconds: i64, nanos: u64| seconds.cast_unsigned() << 30 | nanos & 0x3fff_ffff;
    let modified = time(stat.st_mtime, stat.st_mtime_nsec);
    let changed = time(stat.st_ctime, stat.st_ctime_nsec);
    [stat.st_dev, stat.st_ino, size, modified, changed, u64::from(stat.st_mode)]
}

fn is_known(file: &File) -> bool {
    fstatfs(file).is_ok_and(|found| KNOWN.contains(&(found.f_type.cast_unsigned() & 0xffff_ffff)))
}

/// Twice as long as the kernel takes to write a page back; nothing where it does not by itself.
fn quiet_seconds() -> Option<i64> {
    let setting = |name: &str| -> Option<i64> {
        let text = sys::fs::read_to_string(format!("/proc/sys/vm/{name}")).ok()?;
        text.trim().parse::<i64>().ok().map(|hundredths| hundredths / 100)
    };
    let (expire, look) = (setting("dirty_expire_centisecs")?, setting("dirty_writeback_centisecs")?);
    (look > 0).then(|| 2 * (expire + look).max(WRITE_BACK_SECONDS))
}

fn encode(known: &HashMap<Identity, Digest>) -> Vec<u8> {
    let mut body = Vec::with_capacity(known.len() * ENTRY_BYTES);
    for (identity, digest) in known {
        identity.iter().for_each(|word| body.extend(word.to_le_bytes()));
        body.extend(digest.as_bytes());
    }
    let mut bytes = checksum(&body).as_bytes().to_vec();
    bytes.extend(body);
    bytes
}

fn decode(bytes: &[u8]) -> Option<HashMap<Identity, Digest>> {
    let (sum, body) = bytes.split_at_checked(32)?;
    if checksum(body).as_bytes() != sum {
        return None;
    }
    let (entries, rest) = body.as_chunks::<ENTRY_BYTES>();
    if !rest.is_empty() {
        return None;
    }
    let entry = |bytes: &[u8; ENTRY_BYTES]| {
        let (words, digest) = bytes.split_at(48);
        let mut identity = Identity::default();
        for (word, bytes) in identity.iter_mut().zip(words.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Some((identity, Digest::from_bytes(digest.try_into().ok()?)))
    };
    entries.iter().map(entry).collect()
}

fn checksum(body: &[u8]) -> Digest {
    KeyBuilder::new("digests").bytes(body).finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs::File;
    use std::io::Write;

    use oci::digest::Digest;
    use rustix::fs::fstat;
    use sys::Dir;

    use super::{Seen, State, decode, encode, is_known};

    fn seen(directory: &std::path::Path, quiet_seconds: Option<i64>) -> Seen {
        let directory = Dir::open(directory).expect("it is there");
        Seen {
            directory,
            name: "n".to_owned(),
            quiet_seconds,
            state: std::sync::Mutex::new(State::default()),
        }
    }

    #[test]
    fn a_file_that_changed_just_now_is_read_again_and_one_that_changes_is_another() {
        let directory = tempfile::tempdir().expect("it can be made");
        let mut file = File::create(directory.path().join("f")).expect("it can be made");
        file.write_all(b"one").expect("it can be written");
        let (stat, digest) = (fstat(&file).expect("it is open"), Digest::from_bytes([1; 32]));
        for racy in [seen(directory.path(), Some(60)), seen(directory.path(), None)] {
            racy.note(&file, &stat, digest);
            assert_eq!(racy.find(&stat), None);
        }
        let quiet = seen(directory.path(), Some(-1));
        quiet.note(&file, &stat, digest);
        // In memory nothing is trusted.
        assert_eq!(quiet.find(&stat), is_known(&file).then_some(digest));
        std::thread::sleep(std::time::Duration::from_millis(20));
        file.write_all(b"two").and_then(|()| file.set_len(3)).expect("it can be written");
        let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(stat.st_mtime.cast_unsigned());
        file.set_modified(modified).expect("it can be set");
        assert_eq!(quiet.find(&fstat(&file).expect("it is open")), None);
        // One that changed while it was read is not kept.
        let changed = seen(directory.path(), Some(-1));
        changed.note(&file, &stat, digest);
        assert_eq!(changed.find(&stat), None);
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let entry = |byte: u8| ([u64::from(byte); 6], Digest::from_bytes([byte; 32]));
        let known: HashMap<_, _> = [entry(1), entry(2)].into();
        let bytes = encode(&known);
        assert_eq!(decode(&bytes), Some(known));
        assert_eq!(decode(&encode(&HashMap::new())), Some(HashMap::new()));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_eq!(decode(&bad), None, "byte {at}");
        }
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode(&[]), None);
    }
}
