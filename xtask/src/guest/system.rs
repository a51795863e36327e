//! What a guest boots: Debian's own cloud kernel, a small initramfs, and a disk with a small Debian.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::initramfs::{Archive, modules_for};
use super::output;
use crate::images::{EXCLUDED, bootstrap};

/// Tools that the tests run, and what the initramfs is made of.
const PACKAGES: &[&str] = &["busybox-static", "iproute2", "kmod", "nftables", "procps"];

/// Fetches the kernel that the metapackage names today and puts it apart. Installed as a package it would make an
/// initramfs of its own, for minutes.
const KERNEL: &str = r#"set -e
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
mkdir "$1/kernel" && cd "$1/kernel"
apt-get download -qq -o APT::Sandbox::User=root "$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p' | head -n 1)"
dpkg-deb -x ./*.deb .
mkdir -p "$1/usr/lib/modules" && mv lib/modules/* "$1/usr/lib/modules" && mv boot/vmlinuz-* "$1/vmlinuz"
cd / && rm -r "$1/kernel"
chroot "$1" depmod "$(ls "$1/usr/lib/modules")""#;

/// Room for the containers of all tests; a file with holes.
const DISK: &str = "3G";

/// What must be loaded before a file system can be mounted from the disk.
const EARLY: &[&str] = &["virtio_pci", "virtio_blk", "ext4"];

/// Loads the modules, mounts both disks and goes there: neither `pivot_root` nor an id-mapped mount works in the file
/// system that an initramfs is (Documentation/filesystems/ramfs-rootfs-initramfs.rst).
const INIT: &str = r#"#!/bin/busybox sh
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
mount -t ext4 -o noatime /dev/vda /root && mount -t ext4 -o noatime /dev/vdb /root/task &&
mount --move /dev /root/dev && exec switch_root /root /task/init
echo "the guest has no disks"; echo "guest-exit: 255"; sleep 1; reboot -f
"#;

/// Writes `vmlinuz`, `initramfs` and `disk.ext4`.
pub(crate) fn make(dir: &Path) -> Result<()> {
    let tree = dir.join("tree");
    bootstrap(PACKAGES, EXCLUDED, &[("customize", KERNEL)], &tree)?;
    fs::create_dir(tree.join("task"))?;
    fs::rename(tree.join("vmlinuz"), dir.join("vmlinuz"))?;
    fs::write(dir.join("initramfs"), initramfs(&tree)?)?;
    make_disk(&tree, DISK, &dir.join("disk.ext4"))?;
    fs::remove_dir_all(&tree).with_context(|| format!("cannot remove `{}`", tree.display()))
}

/// Makes a disk with the files of a directory on it.
pub(super) fn make_disk(tree: &Path, size: &str, disk: &Path) -> Result<()> {
    let mut command = std::process::Command::new("mke2fs");
    // Nobody waits for a journal of a disk that is thrown away.
    command.args(["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d"]);
    output(command.arg(tree).arg(disk).arg(size)).map(drop)
}

fn initramfs(tree: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for name in ["bin", "dev", "modules", "root"] {
        archive.directory(name);
    }
    archive.file("bin/busybox", 0o755, &fs::read(tree.join("bin/busybox"))?);
    for applet in ["insmod", "mount", "reboot", "sh", "sleep", "switch_root"] {
        archive.link(&format!("bin/{applet}"), "busybox");
    }
    archive.file("init", 0o755, INIT.as_bytes());
    let modules = modules_dir(tree)?;
    let needed = modules_for(EARLY, &fs::read_to_string(modules.join("modules.dep"))?);
    let mut order = String::new();
    for path in needed {
        let name = path.rsplit('/').next().unwrap_or(&path);
        archive.file(&format!("modules/{name}"), 0o644, &fs::read(modules.join(&path))?);
        order.push_str(&format!("{name}\n"));
    }
    archive.file("modules/order", 0o644, order.as_bytes());
    Ok(archive.finish())
}

/// Returns the directory of the one kernel's modules.
fn modules_dir(tree: &Path) -> Result<PathBuf> {
    let all = tree.join("usr/lib/modules");
    let found = fs::read_dir(&all).with_context(|| format!("cannot read `{}`", all.display()))?;
    Ok(found.flatten().next().context("the kernel has no modules")?.path())
}
