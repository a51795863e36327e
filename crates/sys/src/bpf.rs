//! The bpf(2) calls for cgroup v2 device filters.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::{Context, Result};

const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const FLAG_ALLOW_MULTI: u32 = 2;
const FLAG_REPLACE: u32 = 4;

#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct AttachAttr {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

fn bpf<T>(command: i32, attr: &T) -> io::Result<i32> {
    // SAFETY: `attr` is the prefix of union bpf_attr that belongs to the command, with its size.
    let code = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attr), size_of::<T>()) };
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(code as i32) }
}

/// Loads a device program; each instruction is one `struct bpf_insn` as a native-endian word.
pub fn load_cgroup_device(instructions: &[u64]) -> Result<OwnedFd> {
    let mut attr = LoadAttr {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: instructions.len() as u32,
        insns: instructions.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        ..LoadAttr::default()
    };
    attr.prog_name[..15].copy_from_slice(b"coracle_devices");
    let fd = bpf(PROG_LOAD, &attr).context(|| "cannot load the device filter (bpf)".into())?;
    // SAFETY: fresh descriptor of the program.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Attaches a device program to a cgroup v2 directory, replacing `replace` when given.
pub fn attach_cgroup_device(
    program: BorrowedFd<'_>,
    cgroup: BorrowedFd<'_>,
    replace: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let attr = AttachAttr {
        target_fd: cgroup.as_raw_fd() as u32,
        attach_bpf_fd: program.as_raw_fd() as u32,
        attach_type: ATTACH_CGROUP_DEVICE,
        attach_flags: FLAG_ALLOW_MULTI | if replace.is_some() { FLAG_REPLACE } else { 0 },
        replace_bpf_fd: replace.map_or(0, |fd| fd.as_raw_fd() as u32),
    };
    bpf(PROG_ATTACH, &attr).context(|| "cannot attach the device filter (bpf)".into())?;
    Ok(())
}
