//! Gives a process its own standard streams, so that it may open them again by name.

use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, Uid, fchown, fstat, major};

/// Major numbers of pseudo-terminals (Documentation/admin-guide/devices.txt).
const TERMINALS: std::ops::RangeInclusive<u32> = 136..=143;

/// Makes a user of the host the owner of the pipes and terminals among the streams.
///
/// Opening /dev/stdout checks the owner of the pipe behind it, which is whoever made it: a log file of an
/// image that links there could not be written. Files and devices of the caller keep their owner.
pub(crate) fn give_to(user: u32, stdio: [BorrowedFd<'_>; 3]) {
    for fd in stdio {
        let Ok(stat) = fstat(fd) else { continue };
        let ours = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Fifo => true,
            FileType::CharacterDevice => TERMINALS.contains(&major(stat.st_rdev)),
            _ => false,
        };
        if ours && stat.st_uid != user {
            // Who may not give them away runs containers as himself, and owns them already.
            let _ = fchown(fd, Some(Uid::from_raw(user)), None);
        }
    }
}
