//! Writes tar archives: ustar headers, PAX records where a value does not fit, sparse files in the PAX form 1.0.
//!
//! The bytes are a function of the entries alone: times in whole seconds, no names of users, records sorted by key.
//! Every reader of layers (Go's `archive/tar`, GNU tar, libarchive) knows this form.

use std::io::{self, Write};

use super::header::BLOCK;
use super::{Entry, Kind, Sparse};

/// The largest numbers that octal fields of 8 and 12 bytes hold.
const OCTAL_7: u64 = 0o777_7777;
const OCTAL_11: u64 = 0o777_7777_7777;
const NAME_BYTES: usize = 100;
/// GNU tar writes archives in records of 20 blocks; readers of streams stop at the two zero blocks.
const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Writes the entries of an archive in order.
#[derive(Debug)]
pub(crate) struct TarWriter<W> {
    sink: W,
    /// Data of the current entry that is still to be written, and the padding after it.
    data: u64,
    padding: usize,
}

impl<W: Write> TarWriter<W> {
    pub(crate) fn new(sink: W) -> Self {
        Self { sink, data: 0, padding: 0 }
    }

    /// Writes the headers of an entry; the data of a file comes next, by [`TarWriter::data`].
    ///
    /// Of a sparse file the data are its pieces, one after the other.
    pub(crate) fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        self.end_entry()?;
        let (size, map) = match &entry.kind {
            Kind::File { sparse: Some(sparse), .. } => {
                let map = sparse_map(sparse);
                let pieces: u64 = sparse.segments.iter().map(|(_, len)| len).sum();
                (map.len() as u64 + pieces, map)
            }
            Kind::File { size, sparse: None } => (*size, Vec::new()),
            _ => (0, Vec::new()),
        };
        let records = records(entry, size);
        if !records.is_empty() {
            let body = join_records(&records);
            let name = [b"PaxHeaders.0/", last_component(&entry.path)].concat();
            let header =
                Header { name: &name, kind: b'x', size: body.len() as u64, mode: 0o644, ..Header::default() };
            self.sink.write_all(&header.encode())?;
            self.sink.write_all(&body)?;
            self.sink.write_all(&END[..padding(body.len() as u64)])?;
        }
        self.sink.write_all(&header_of(entry, size).encode())?;
        self.sink.write_all(&map)?;
        self.data = size - map.len() as u64;
        self.padding = padding(size);
        Ok(())
    }

    /// Writes data of the current entry.
    pub(crate) fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        let left = self.data.checked_sub(bytes.len() as u64);
        self.data = left.ok_or_else(|| io::Error::other("more data than the header of the entry says"))?;
        self.sink.write_all(bytes)
    }

    /// Ends the archive and returns what it was written to.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.end_entry()?;
        self.sink.write_all(&END)?;
        Ok(self.sink)
    }

    /// What a file has lost since its header was written is made up for with zeros.
    fn end_entry(&mut self) -> io::Result<()> {
        while self.data > 0 {
            let len = usize::try_from(self.data).map_or(END.len(), |data| data.min(END.len()));
            self.sink.write_all(&END[..len])?;
            self.data -= len as u64;
        }
        self.sink.write_all(&END[..std::mem::take(&mut self.padding)])
    }
}

/// The fields of one header block.
#[derive(Debug, Default)]
struct Header<'a> {
    name: &'a [u8],
    link: &'a [u8],
    kind: u8,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: i64,
    device: Option<(u32, u32)>,
}

impl Header<'_> {
    /// Values that do not fit are cut or left out here and stand in a PAX record.
    fn encode(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        put_text(&mut block[..NAME_BYTES], self.name);
        put_octal(&mut block[100..108], u64::from(self.mode));
        put_octal(&mut block[108..116], u64::from(self.uid));
        put_octal(&mut block[116..124], u64::from(self.gid));
        put_octal(&mut block[124..136], self.size);
        put_octal(&mut block[136..148], u64::try_from(self.mtime).unwrap_or(0));
        block[156] = self.kind;
        put_text(&mut block[157..257], self.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        if let Some((major, minor)) = self.device {
            put_octal(&mut block[329..337], u64::from(major));
            put_octal(&mut block[337..345], u64::from(minor));
        }
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        put_octal(&mut block[148..155], u64::from(sum));
        block
    }
}

fn header_of(entry: &Entry, size: u64) -> Header<'_> {
    let name = match is_sparse(entry) {
        // What a reader that does not know the form makes of it should not look like the file.
        true => last_component(&entry.path),
        false => &entry.path,
    };
    let mut header = Header {
        name,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        size,
        mtime: entry.mtime.seconds,
        kind: b'0',
        ..Header::default()
    };
    match &entry.kind {
        Kind::File { .. } => {}
        Kind::Directory => header.kind = b'5',
        Kind::Symlink(link) => (header.kind, header.link) = (b'2', link),
        Kind::Hardlink(link) => (header.kind, header.link) = (b'1', link),
        Kind::Fifo => header.kind = b'6',
        Kind::Character { major, minor } => (header.kind, header.device) = (b'3', Some((*major, *minor))),
        Kind::Block { major, minor } => (header.kind, header.device) = (b'4', Some((*major, *minor))),
    }
    header
}

fn is_sparse(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::File { sparse: Some(_), .. })
}

/// Returns what the header block cannot hold, sorted by key.
fn records(entry: &Entry, size: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut push = |key: &str, value: Vec<u8>| records.push((key.into(), value));
    match &entry.kind {
        Kind::File { sparse: Some(sparse), .. } => {
            push("GNU.sparse.major", b"1".to_vec());
            push("GNU.sparse.minor", b"0".to_vec());
            push("GNU.sparse.name", entry.path.clone());
            push("GNU.sparse.realsize", sparse.size.to_string().into());
        }
        _ if entry.path.len() > NAME_BYTES => push("path", entry.path.clone()),
        _ => {}
    }
    if let Kind::Symlink(link) | Kind::Hardlink(link) = &entry.kind
        && link.len() > NAME_BYTES
    {
        push("linkpath", link.clone());
    }
    if size > OCTAL_11 {
        push("size", size.to_string().into());
    }
    for (key, id) in [("uid", entry.uid), ("gid", entry.gid)] {
        if u64::from(id) > OCTAL_7 {
            push(key, id.to_string().into());
        }
    }
    if u64::try_from(entry.mtime.seconds).map_or(true, |seconds| seconds > OCTAL_11) {
        push("mtime", entry.mtime.seconds.to_string().into());
    }
    for (name, value) in &entry.xattrs {
        records.push(([b"SCHILY.xattr.", &**name].concat(), value.clone()));
    }
    records.sort();
    records
}

/// Encodes records as `"27 key=value\n"`, where the number counts its own digits too.
fn join_records(records: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut len = rest + decimal_len(rest);
        if rest + decimal_len(len) != len {
            len = rest + decimal_len(len);
        }
        body.extend_from_slice(len.to_string().as_bytes());
        body.push(b' ');
        body.extend_from_slice(key);
        body.push(b'=');
        body.extend_from_slice(value);
        body.push(b'\n');
    }
    body
}

fn decimal_len(number: usize) -> usize {
    number.to_string().len()
}

/// The map before the data of a sparse file: decimal lines, filled up to a whole block.
fn sparse_map(sparse: &Sparse) -> Vec<u8> {
    let mut segments = sparse.segments.clone();
    // A piece of nothing at the end tells the size to readers that go by the map.
    if segments.last().is_none_or(|(offset, len)| offset + len < sparse.size) {
        segments.push((sparse.size, 0));
    }
    let mut text = format!("{}\n", segments.len());
    segments.iter().for_each(|(offset, len)| text.push_str(&format!("{offset}\n{len}\n")));
    let mut map = text.into_bytes();
    map.resize(map.len() + padding(map.len() as u64), 0);
    map
}

fn padding(len: u64) -> usize {
    usize::try_from((BLOCK as u64 - len % BLOCK as u64) % BLOCK as u64).expect("less than a block")
}

fn last_component(path: &[u8]) -> &[u8] {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

fn put_text(field: &mut [u8], text: &[u8]) {
    let len = text.len().min(field.len());
    field[..len].copy_from_slice(&text[..len]);
}

/// Writes octal digits with leading zeros and a NUL behind; 0 where the number does not fit.
fn put_octal(field: &mut [u8], number: u64) {
    let digits = field.len() - 1;
    let fits = number < 1 << (3 * digits);
    let text = format!("{:0digits$o}\0", if fits { number } else { 0 });
    field.copy_from_slice(text.as_bytes());
}
