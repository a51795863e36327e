//! Brings the loopback interface of the current network namespace up.

use std::io;
use std::os::fd::AsRawFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::{Context, Result};

/// Sets `IFF_UP` on `lo` (netdevice(7)).
pub fn bring_up() -> Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .context(|| "cannot open a socket for the loopback interface".into())?;
    // SAFETY: an all-zero ifreq is valid; name and flags are set before use.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as libc::Ioctl, &raw const request) } < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot bring the loopback interface up".into());
    }
    Ok(())
}
