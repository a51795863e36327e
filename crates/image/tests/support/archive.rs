//! Makes tar archives in memory, well-formed ones and others.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

/// An archive that is written entry by entry.
#[derive(Debug, Clone, Default)]
pub struct Archive {
    bytes: Vec<u8>,
}

/// A header to be changed before it is written.
#[derive(Debug, Clone)]
pub struct Header {
    pub path: Vec<u8>,
    pub kind: u8,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub size: u64,
    pub mtime: i64,
    pub link: Vec<u8>,
    pub device: (u32, u32),
    pub pax: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Header {
    pub fn new(kind: u8, path: impl AsRef<[u8]>) -> Self {
        Self {
            path: path.as_ref().to_vec(),
            kind,
            mode: if kind == b'5' { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            size: 0,
            mtime: 1_700_000_000,
            link: Vec::new(),
            device: (0, 0),
            pax: Vec::new(),
        }
    }

    pub fn link(mut self, target: impl AsRef<[u8]>) -> Self {
        self.link = target.as_ref().to_vec();
        self
    }

    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub fn owner(mut self, uid: u64, gid: u64) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    pub fn pax(mut self, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax.push((key.as_bytes().to_vec(), value.as_ref().to_vec()));
        self
    }

    pub fn xattr(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax(&format!("SCHILY.xattr.{name}"), value)
    }

    /// The 512 bytes of the header itself.
    pub fn block(&self) -> [u8; 512] {
        let mut block = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.path[..self.path.len().min(100)]);
        put(100, format!("{:07o}", self.mode).as_bytes());
        put(108, &number(self.uid, 8));
        put(116, &number(self.gid, 8));
        put(124, &number(self.size, 12));
        put(136, format!("{:011o}", self.mtime.max(0)).as_bytes());
        put(156, &[self.kind]);
        put(157, &self.link[..self.link.len().min(100)]);
        put(257, b"ustar\x0000");
        put(329, format!("{:07o}", self.device.0).as_bytes());
        put(337, format!("{:07o}", self.device.1).as_bytes());
        checksum(&mut block);
        block
    }
}

/// Fills the checksum field in.
pub fn checksum(block: &mut [u8; 512]) {
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Octal, or base-256 where it does not fit.
fn number(value: u64, width: usize) -> Vec<u8> {
    let octal = format!("{value:0width$o}", width = width - 1);
    if octal.len() < width {
        return octal.into_bytes();
    }
    let mut bytes = vec![0; width];
    let be = value.to_be_bytes();
    let len = width.min(8);
    bytes[width - len..].copy_from_slice(&be[8 - len..]);
    bytes[0] |= 0x80;
    bytes
}

/// One PAX record with its own length in front.
pub fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    [len.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

impl Archive {
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a header, with PAX records where it has some, and data.
    pub fn entry(mut self, header: &Header, data: &[u8]) -> Self {
        if !header.pax.is_empty() {
            let records: Vec<u8> =
                header.pax.iter().flat_map(|(key, value)| pax_record(key, value)).collect();
            let mut pax = Header::new(b'x', "PaxHeaders/x");
            pax.size = records.len() as u64;
            self = self.raw(&pax.block()).padded(&records);
        }
        let size = if header.size == 0 { data.len() as u64 } else { header.size };
        let header = Header { size, ..header.clone() };
        self.raw(&header.block()).padded(data)
    }

    pub fn file(self, path: &str, data: impl AsRef<[u8]>) -> Self {
        self.entry(&Header::new(b'0', path), data.as_ref())
    }

    pub fn dir(self, path: &str) -> Self {
        self.entry(&Header::new(b'5', path), b"")
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(&Header::new(b'2', path).link(target), b"")
    }

    pub fn hardlink(self, path: &str, target: &str) -> Self {
        self.entry(&Header::new(b'1', path).link(target), b"")
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub fn padded(mut self, data: &[u8]) -> Self {
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    /// The archive so far, without an end.
    pub fn open_ended(self) -> Vec<u8> {
        self.bytes
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }
}
