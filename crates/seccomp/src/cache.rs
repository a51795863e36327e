//! Compiled filters on disk, so that a start costs one open and one read instead of a compilation.
//!
//! One file per filter, named by a hash of its key; the key is in the file and compared, so equal
//! hashes do no harm. Nothing is synced: what a crash tears fails the checksum and is written anew.
//! The directory must belong to the engine alone, for whoever writes to it chooses the filters.
//!
//! ```text
//! DIR/0123456789abcdef.bpf      (native byte order)
//!     0  magic "scmpbpf1"
//!     8  checksum: FNV-1a of everything behind it
//!    16  length of the key         20  number of instructions
//!    24  length of the names       28  filter flags
//!    32  key, instructions (8 bytes each), unknown names (separated by newlines)
//! ```

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use oci::runtime::Seccomp;
use rustix::buffer::spare_capacity;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::{
    Arch, Conditions, FilterFlags, Program, Result, SockFilter, Socketcall, compile, compile_for,
    default_profile,
};

const MAGIC: &[u8; 8] = b"scmpbpf1";
const HEADER: usize = 32;

/// A filter of the greatest length, its key and a good many unknown names fit.
const FILE_BYTES_MAX: usize = 64 << 10;

/// Changes with everything that determines the outcome of a compilation, so that files of other
/// versions are not taken and nobody needs to remember to count one up.
const STAMP: u64 = {
    let mut hash = FNV_START;
    hash = fnv(hash, include_bytes!("arch.rs"));
    hash = fnv(hash, include_bytes!("bpf.rs"));
    hash = fnv(hash, include_bytes!("cache.rs"));
    hash = fnv(hash, include_bytes!("compile.rs"));
    hash = fnv(hash, include_bytes!("default.json"));
    hash = fnv(hash, include_bytes!("default.rs"));
    hash = fnv(hash, include_bytes!("multiplex.rs"));
    hash = fnv(hash, include_bytes!("policy.rs"));
    hash = fnv(hash, include_bytes!("profile.rs"));
    hash = fnv(hash, include_bytes!("program.rs"));
    fnv(hash, include_bytes!("table.rs"))
};

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Continues an FNV-1a hash.
const fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        index += 1;
    }
    hash
}

/// A program and how it was come by.
#[derive(Debug)]
pub struct Cached {
    pub program: Program,
    pub origin: Origin,
}

/// How a program was come by.
#[derive(Debug)]
pub enum Origin {
    /// It was read from the cache.
    Cache,
    /// It was compiled and stored.
    Compiled,
    /// It was compiled and could not be stored, which costs the next start the same time again.
    NotStored(io::Error),
}

/// Returns the program for a filter, from the cache if it is there.
///
/// Compiles for this machine. A damaged entry counts as missing.
pub fn compile_cached(dir: &Path, seccomp: &Seccomp) -> Result<Cached> {
    // Users choose their filters, so the key must not collide on purpose.
    let canonical = serde_json::to_vec(seccomp).expect("a filter is plain data");
    let mut key = format!("filter {STAMP:016x} {} ", Arch::NATIVE.name());
    for byte in Sha256::digest(canonical) {
        write!(key, "{byte:02x}").expect("writing to a string");
    }
    cached(dir, &key, || compile(seccomp))
}

/// Returns the program of the default profile, from the cache if it is there.
///
/// A hit parses no profile: the key is made of the conditions.
pub fn default_compiled(dir: &Path, conditions: &Conditions<'_>, socketcall: Socketcall) -> Result<Cached> {
    let Conditions { arch, capabilities, kernel } = conditions;
    let mut capabilities: Vec<&str> = capabilities.iter().map(String::as_str).collect();
    capabilities.sort_unstable();
    capabilities.dedup();
    let (arch_name, capabilities) = (arch.name(), capabilities.join(","));
    let key = format!(
        "default {STAMP:016x} {arch_name} {}.{} {socketcall:?} {capabilities}",
        kernel.major, kernel.minor
    );
    cached(dir, &key, || compile_for(*arch, &default_profile(conditions, socketcall)))
}

fn cached(dir: &Path, key: &str, compile: impl FnOnce() -> Result<Program>) -> Result<Cached> {
    let name = format!("{:016x}.bpf", fnv(FNV_START, key.as_bytes()));
    let path = dir.join(&name);
    if let Some(program) = load(&path, key) {
        return Ok(Cached { program, origin: Origin::Cache });
    }
    let program = compile()?;
    let origin = match store(dir, &path, &encode(key, &program)) {
        Ok(()) => Origin::Compiled,
        Err(error) => Origin::NotStored(error.into()),
    };
    Ok(Cached { program, origin })
}

/// Reads an entry; anything but the right and whole one is `None`.
fn load(path: &Path, key: &str) -> Option<Program> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let mut bytes = Vec::with_capacity(FILE_BYTES_MAX);
    rustix::io::read(&file, spare_capacity(&mut bytes)).ok()?;
    decode(key, &bytes)
}

/// Puts an entry in place as a whole.
fn store(dir: &Path, path: &Path, bytes: &[u8]) -> Result<(), Errno> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Errno::FBIG);
    }
    let (temporary, file) = create_temporary(dir)?;
    let result = write_all(&file, bytes).and_then(|()| rustix::fs::rename(&temporary, path));
    if result.is_err() {
        // Nothing is left to do about a leftover that cannot be removed.
        let _ = rustix::fs::unlink(&temporary);
    }
    result
}

/// Creates a file with a name that no other process or thread takes.
fn create_temporary(dir: &Path) -> Result<(std::path::PathBuf, OwnedFd), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let process = rustix::process::getpid();
    let mut attempt = 0_u32;
    loop {
        let path = dir.join(format!(".{process}-{attempt}.tmp"));
        match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) if attempt < 1000 => attempt += 1,
            result => return result.map(|file| (path, file)),
        }
    }
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = rustix::io::write(file, bytes)?;
        bytes = &bytes[written..];
    }
    Ok(())
}

fn encode(key: &str, program: &Program) -> Vec<u8> {
    let names = program.unknown_syscalls.join("\n");
    let mut body =
        Vec::with_capacity(HEADER + key.len() + names.len() + program.instructions.len() * SockFilter::SIZE);
    for word in [key.len(), program.instructions.len(), names.len(), program.flags.bits() as usize] {
        body.extend_from_slice(&(word as u32).to_ne_bytes());
    }
    body.extend_from_slice(key.as_bytes());
    body.extend_from_slice(&program.to_bytes());
    body.extend_from_slice(names.as_bytes());
    [MAGIC, &fnv(FNV_START, &body).to_ne_bytes()[..], &body].concat()
}

fn decode(key: &str, bytes: &[u8]) -> Option<Program> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (checksum, body) = rest.split_first_chunk()?;
    if u64::from_ne_bytes(*checksum) != fnv(FNV_START, body) {
        return None;
    }
    let (header, body) = body.split_first_chunk::<16>()?;
    let word = |index: usize| {
        let bytes = header[index * 4..][..4].try_into().expect("four bytes");
        u32::from_ne_bytes(bytes)
    };
    let (found, body) = body.split_at_checked(word(0) as usize)?;
    let (instructions, names) = body.split_at_checked((word(1) as usize).checked_mul(SockFilter::SIZE)?)?;
    if found != key.as_bytes() || names.len() != word(2) as usize {
        return None;
    }
    let (instructions, _) = instructions.as_chunks();
    let names = std::str::from_utf8(names).ok()?;
    Some(Program {
        instructions: instructions.iter().map(|bytes| SockFilter::from_bytes(*bytes)).collect(),
        flags: FilterFlags::from_bits(word(3)),
        unknown_syscalls: names.split('\n').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
    })
}
