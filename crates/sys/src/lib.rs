//! The only unsafe code and raw system calls of the project, and every path operation under a
//! container's or layer's root.
//!
//! Thin typed calls: borrowed descriptors in, owned descriptors out. Each sequence cites the man
//! page, kernel version or CVE that is its reason.

#![allow(unsafe_code)]

pub mod bpf;
pub mod credentials;
pub mod dir;
mod error;
pub mod failpoint;
pub mod fs;
pub mod loopback;
pub mod mount;
pub mod netlink;
pub mod packet;
pub mod process;
pub mod program;
pub mod signals;
pub mod terminal;

pub use dir::Dir;
pub use error::{Context, Error, Result, one_line};
