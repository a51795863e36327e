//! An initramfs as a value: the archive that the kernel unpacks, and the order of its modules.

/// An archive in the kernel's form, "newc" (Documentation/driver-api/early-userspace/buffer-format.rst).
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    count: u32,
}

impl Archive {
    pub(super) fn directory(&mut self, path: &str) {
        self.entry(path, 0o040_755, &[]);
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entry(path, 0o100_000 | mode, content);
    }

    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.entry(path, 0o120_777, target.as_bytes());
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    /// Writes a header of thirteen numbers, the name and the content, each padded to four bytes.
    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.count += 1;
        let size = u32::try_from(content.len()).expect("no file of an initramfs has 4 GiB");
        let name = u32::try_from(path.len() + 1).expect("names are short");
        let (inode, links) = (self.count, 1);
        self.bytes.extend(b"070701");
        for number in [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name, 0] {
            self.bytes.extend(format!("{number:08X}").as_bytes());
        }
        self.bytes.extend(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Returns the files of modules and of all that they need, in the order of loading, by the text of `modules.dep`.
///
/// What is built into the kernel has no line there and is left out. modprobe's own list of what a module needs is
/// complete, nearest first.
pub(super) fn modules_for(names: &[&str], dependencies: &str) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    let lines: Vec<(&str, &str)> = dependencies.lines().filter_map(|line| line.split_once(':')).collect();
    for name in names {
        let is_it =
            |path: &str| path.rsplit('/').next().is_some_and(|file| file.split('.').next() == Some(name));
        let Some((path, needs)) = lines.iter().find(|(path, _)| is_it(path)) else { continue };
        for file in needs.split_whitespace().rev().chain([*path]) {
            if !order.iter().any(|known| known == file) {
                order.push(file.to_owned());
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_padded_and_end_with_a_trailer() {
        let mut archive = Archive::default();
        archive.directory("bin");
        archive.file("bin/a", 0o755, b"hello");
        archive.link("bin/b", "a");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes).replace('\0', ".");
        let starts: Vec<usize> = text.match_indices("070701").map(|(at, _)| at).collect();
        assert!(starts.len() == 4 && starts.iter().all(|at| at % 4 == 0), "{text}");
        assert_eq!(&text[starts[1] + 14..starts[1] + 22], "000081ED");
        assert_eq!(&text[starts[1] + 54..starts[1] + 62], "00000005");
        assert!(text[starts[1]..].starts_with(&format!("{}bin/a.hello...", &text[starts[1]..][..110])));
    }

    #[test]
    fn modules_are_loaded_after_what_they_need() {
        let dependencies = "k/fs/ext4/ext4.ko: k/fs/mbcache.ko k/fs/jbd2.ko k/lib/crc16.ko\n\
            k/fs/mbcache.ko:\nk/fs/jbd2.ko: k/lib/crc16.ko\nk/lib/crc16.ko:\nk/d/virtio_blk.ko.xz: k/d/virtio.ko.xz\n";
        let order = modules_for(&["virtio_blk", "built_in", "ext4"], dependencies);
        let expected = ["k/d/virtio.ko.xz", "k/d/virtio_blk.ko.xz", "k/lib/crc16.ko", "k/fs/jbd2.ko"];
        assert_eq!(order[..4], expected);
        assert_eq!(order[4..], ["k/fs/mbcache.ko", "k/fs/ext4/ext4.ko"]);
    }
}
