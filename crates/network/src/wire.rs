//! Netlink messages (netlink(7)): many built into one batch, and answers read. What they say is the caller's.

use std::borrow::Cow;

/// Flags of requests (linux/netlink.h).
pub(crate) const REQUEST: u16 = 0x1;
pub(crate) const ACK: u16 = 0x4;
pub(crate) const DUMP: u16 = 0x300;
pub(crate) const REPLACE: u16 = 0x100;
pub(crate) const EXCLUSIVE: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;
pub(crate) const APPEND: u16 = 0x800;

/// Flag of answers to a dump that others have changed meanwhile.
pub(crate) const DUMP_INTERRUPTED: u16 = 0x10;
/// Flag of acknowledgements that carry attributes.
const ACK_ATTRIBUTES: u16 = 0x200;
/// The message was not repeated in its acknowledgement.
const CAPPED: u16 = 0x100;

pub(crate) const KIND_ERROR: u16 = 2;
pub(crate) const KIND_DONE: u16 = 3;

const HEADER: usize = 16;
const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;

/// Messages that go out in one system call. Each has a label that reads behind "cannot".
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    labels: Vec<Cow<'static, str>>,
    /// Where the message under way begins.
    start: usize,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(1024), ..Self::default() }
    }

    /// Begins a message; attributes put afterwards are its own.
    pub(crate) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        header: &[u8],
        label: impl Into<Cow<'static, str>>,
    ) -> &mut Self {
        self.seal();
        self.start = self.bytes.len();
        self.labels.push(label.into());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&(self.labels.len() as u32).to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(header);
        self.align();
        self
    }

    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(value.len() + 4).expect("an attribute of less than 64 KiB");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.align();
        self
    }

    pub(crate) fn put_u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.put(kind, &[value])
    }

    /// Puts a number as rtnetlink has it: in the machine's order.
    pub(crate) fn put_u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Puts a number as nfnetlink has it: in the network's order.
    pub(crate) fn put_be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    pub(crate) fn put_be64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// Puts a text with the NUL behind it.
    pub(crate) fn put_text(&mut self, kind: u16, text: &str) -> &mut Self {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        self.put(kind, &bytes)
    }

    /// Puts attributes into an attribute.
    pub(crate) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.put(kind | NESTED, &[]);
        inner(self);
        let length = u16::try_from(self.bytes.len() - start).expect("a nest of less than 64 KiB");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// Appends what is not an attribute: the header of a message inside an attribute.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self.align();
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Returns the number of messages.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Asks for an answer to the message under way even if nothing is wrong with it.
    pub(crate) fn acknowledge(&mut self) {
        let flags = self.start + 6;
        if let Some(byte) = self.bytes.get_mut(flags..flags + 2) {
            let old = u16::from_ne_bytes([byte[0], byte[1]]);
            byte.copy_from_slice(&(old | ACK).to_ne_bytes());
        }
    }

    /// Returns the bytes to send.
    pub(crate) fn finish(&mut self) -> &[u8] {
        self.seal();
        &self.bytes
    }

    /// Returns the bytes to send as one transaction of the packet filter: nothing or all of it is done.
    pub(crate) fn framed(&mut self) -> Vec<u8> {
        const BEGIN: u16 = 0x10;
        const END: u16 = 0x11;
        self.acknowledge();
        let messages = self.finish();
        let mut bytes = Vec::with_capacity(messages.len() + 40);
        let frame = |bytes: &mut Vec<u8>, kind: u16| {
            bytes.extend_from_slice(&20u32.to_ne_bytes());
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.extend_from_slice(&REQUEST.to_ne_bytes());
            bytes.extend_from_slice(&[0; 8]);
            // Family and version, and the number of nf_tables (nfnetlink.h).
            bytes.extend_from_slice(&[0, 0, 0, 10]);
        };
        frame(&mut bytes, BEGIN);
        bytes.extend_from_slice(messages);
        frame(&mut bytes, END);
        bytes
    }

    /// Returns the label of a message by its sequence number: the first is 1.
    pub(crate) fn label(&self, sequence: u32) -> &str {
        (sequence as usize).checked_sub(1).and_then(|at| self.labels.get(at)).map_or("", |label| label)
    }

    fn seal(&mut self) {
        if let Some(length) = self.bytes.len().checked_sub(self.start).filter(|length| *length >= HEADER) {
            self.bytes[self.start..self.start + 4].copy_from_slice(&(length as u32).to_ne_bytes());
        }
    }

    fn align(&mut self) {
        let padded = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(padded, 0);
    }
}

/// A message of the kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Returns the attributes behind a header of so many bytes.
    pub(crate) fn attributes(&self, header: usize) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        attributes(self.body.get(header.next_multiple_of(4)..).unwrap_or_default())
    }

    /// Reads an acknowledgement: the error number, 0 for none, and the kernel's own words.
    pub(crate) fn acknowledgement(&self) -> Option<(i32, Option<String>)> {
        const MESSAGE: u16 = 1;
        if self.kind != KIND_ERROR {
            return None;
        }
        let code = i32::from_ne_bytes(self.body.get(..4)?.try_into().ok()?);
        // Behind the code stands the header of the message, and all of it unless told otherwise.
        let mut at = 4 + HEADER;
        if self.flags & CAPPED == 0 {
            let length = u32::from_ne_bytes(self.body.get(4..8)?.try_into().ok()?) as usize;
            at = 4 + length.next_multiple_of(4);
        }
        let has_words = self.flags & ACK_ATTRIBUTES != 0;
        let words = self.body.get(at..).filter(|_| has_words).and_then(|rest| {
            attributes(rest).find(|(kind, _)| *kind == MESSAGE).map(|(_, text)| text_of(text))
        });
        Some((-code, words))
    }
}

/// Splits what one system call received.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let message = bytes.get(..length).filter(|_| length >= HEADER)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes([message[4], message[5]]),
            flags: u16::from_ne_bytes([message[6], message[7]]),
            sequence: u32::from_ne_bytes([message[8], message[9], message[10], message[11]]),
            body: &message[HEADER..],
        })
    })
}

/// Splits attributes into kinds and values.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & TYPE_MASK, value))
    })
}

/// Finds one attribute.
pub(crate) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// Reads a text that may end with a NUL.
pub(crate) fn text_of(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// Reads a number in the machine's order.
pub(crate) fn u32_of(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(..4)?.try_into().ok()?))
}

/// Reads a number in the network's order.
pub(crate) fn be32_of(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.get(..4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Batch, Message, attribute, messages, text_of};

    #[test]
    fn what_is_built_is_read_again() {
        let mut batch = Batch::new();
        batch.message(16, 0, &[7; 5], "first").put_text(3, "eth0").nest(18, |inner| {
            inner.put_u8(1, 9).put(2, &[1, 2, 3]);
        });
        batch.message(20, 0x400, &[], "second").put_be32(4, 1);
        batch.acknowledge();
        let bytes = batch.finish().to_vec();
        let read: Vec<Message<'_>> = messages(&bytes).collect();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].kind, read[0].flags, read[0].sequence), (16, 1, 1));
        assert_eq!((read[1].kind, read[1].flags, read[1].sequence), (20, 0x405, 2));
        assert_eq!(read[0].body[..5], [7; 5]);
        let all: Vec<(u16, &[u8])> = read[0].attributes(5).collect();
        assert_eq!(text_of(all[0].1), "eth0");
        assert_eq!(all[1].0, 18);
        assert_eq!(attribute(all[1].1, 2), Some(&[1, 2, 3][..]));
        assert_eq!(read[1].attributes(0).next(), Some((4, &[0, 0, 0, 1][..])));
        assert_eq!((batch.label(1), batch.label(2), batch.label(3)), ("first", "second", ""));
    }

    #[test]
    fn what_is_cut_short_is_not_read_past_its_end() {
        let mut batch = Batch::new();
        batch.message(16, 0, &[0; 16], "x").put_text(3, "eth0");
        let bytes = batch.finish().to_vec();
        for end in 0..bytes.len() {
            assert_eq!(messages(&bytes[..end]).count(), 0, "{end}");
        }
        assert_eq!(attribute(&[8, 0, 1, 0, 5], 1), None);
        assert_eq!(attribute(&[2, 0, 1, 0, 5, 5, 5, 5], 1), None);
    }

    #[test]
    fn acknowledgements_tell_the_kernels_own_words() {
        // -EXFULL, the header of the message alone, then NLMSGERR_ATTR_MSG.
        let mut body = (-54i32).to_ne_bytes().to_vec();
        body.extend_from_slice(&[0; 16]);
        body.extend_from_slice(&[8, 0, 1, 0]);
        body.extend_from_slice(b"no\0\0");
        let message = Message { kind: 2, flags: 0x300, sequence: 1, body: &body };
        assert_eq!(message.acknowledgement(), Some((54, Some("no".into()))));
        let quiet = Message { flags: 0x100, ..message };
        assert_eq!(quiet.acknowledgement(), Some((54, None)));
    }
}
