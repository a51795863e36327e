//! Fd-pinned path operations below one directory.

use std::os::fd::OwnedFd;

/// A directory held by descriptor; every path is resolved below it.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
}
