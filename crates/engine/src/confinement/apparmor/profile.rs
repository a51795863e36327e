//! The engine's own profile, in apparmor.d(5)'s language.

use super::DEFAULT;

/// Returns the text: all that namespaces, capabilities and the filter leave is allowed, but for what reaches the host
/// through files and mounts that a mistake, or an option, has left open.
///
/// `own` is the profile of the engine itself. Without an ABI newer parsers part unix sockets from `network`, and
/// containers would have none; where the file of the older one is, it is named.
pub(super) fn text(own: Option<&str>, has_abi_3: bool) -> String {
    let abi = if has_abi_3 { "abi <abi/3.0>,\n\n" } else { "" };
    // A name that is no plain word cannot be written safely.
    let own = match own.filter(|name| !name.contains(['"', '\\', '\n'])) {
        Some(name) => format!("  signal (receive) peer=\"{name}\",\n"),
        None => String::new(),
    };
    format!(
        "{HEAD}{abi}profile \"{DEFAULT}\" flags=(attach_disconnected,mediate_deleted) {{\n{RULES}{own}}}\n"
    )
}

const HEAD: &str =
    "# Made by coracle, and replaced by it. A profile of your own: --security-opt apparmor=NAME.\n\n";

/// A class like `[^k/]` is one character; `**` crosses slashes.
const RULES: &str = "  capability,
  file,
  network,
  # The kernel's cryptography behind sockets: a long row of holes, and no use in containers.
  deny network alg,

  # To mount is to change what the rules below mean.
  deny mount,
  umount,

  # Processes of the container among themselves, and whoever stops it from outside.
  ptrace (read,readby,trace,tracedby) peer=\"coracle-default\",
  signal (send,receive) peer=\"coracle-default\",
  signal (receive) peer=unconfined,

  # procfs: no file of the kernel's own is written, but for those of processes and of the container's own
  # message queues, semaphores and shared memory.
  deny /proc/* w,
  deny /proc/[^0-9s/]*/** w,
  deny /proc/s[^y/]*/** w,
  deny /proc/sy[^s/]*/** w,
  deny /proc/sys[^/]*/** w,
  deny /proc/sys/[^k/]** w,
  deny /proc/sys/k[^e/]** w,
  deny /proc/sys/kernel/[^ms/]** w,
  deny /proc/sys/kernel/m[^s/]** w,
  deny /proc/sys/kernel/ms[^g/]** w,
  deny /proc/sys/kernel/s[^eh/]** w,
  deny /proc/sys/kernel/se[^m/]** w,
  deny /proc/sys/kernel/sh[^m/]** w,
  deny /proc/kcore rwklx,
  deny /proc/sysrq-trigger rwklx,

  # sysfs: nothing but cgroups is written, and what tells of the machine's firmware and power is not read.
  deny /sys/[^f/]** wklx,
  deny /sys/f[^s/]** wklx,
  deny /sys/fs/[^c/]** wklx,
  deny /sys/fs/c[^g/]** wklx,
  deny /sys/fs/cg[^r/]** wklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
";
