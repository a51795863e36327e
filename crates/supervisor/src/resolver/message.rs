//! DNS messages (RFC 1035, RFC 6891), as far as a resolver needs them that knows addresses and names and passes the
//! rest on: read within bounds, never followed. No input or output.
//!
//! ```text
//!   0        2        4        6        8        10       12
//!   | id     | flags  | QD     | AN     | NS     | AR     | question: name, type, class | records …
//! ```
//!
//! Names are read in the question alone, where nothing stands before them that a compression pointer could point at;
//! a message that has one there is malformed. In records they are skipped, which never follows a pointer.

use std::net::IpAddr;

/// Size of the fixed part.
const HEADER: usize = 12;
/// A name's length on the wire, with all length bytes.
const NAME_MAX: usize = 255;
/// What a client takes by UDP when it does not say.
const UDP_DEFAULT: usize = 512;
/// What we send by UDP at most; more has to be asked for by TCP.
const UDP_MAX: usize = 4096;
/// What we say that we take ourselves: no fragments on any usual link (DNS flag day 2020).
const UDP_OURS: u16 = 1232;
/// How long others may keep a local answer. Short: a container that was started again may have another address,
/// and asking us again costs microseconds. Docker says 600, which is why nginx needs `valid=10s` there.
const TTL_SECONDS: u32 = 5;

pub(super) const A: u16 = 1;
pub(super) const PTR: u16 = 12;
pub(super) const AAAA: u16 = 28;
pub(super) const ANY: u16 = 255;
const OPT: u16 = 41;
const CLASS_IN: u16 = 1;

/// How a query ended (RFC 1035, 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    NoError = 0,
    FormatError = 1,
    ServerFailure = 2,
    NotImplemented = 4,
}

/// One record of a local answer; its name is the question's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    Address(IpAddr),
    Pointer(String),
}

/// A well-formed question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Query<'m> {
    pub(super) message: &'m [u8],
    question_end: usize,
    pub(super) kind: u16,
    class: u16,
    /// What the client takes by UDP, and whether it wants DNSSEC, if it speaks EDNS.
    edns: Option<(u16, bool)>,
}

/// A message that is no well-formed question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Malformed {
    /// Too short to be answered, or an answer itself: two resolvers must not talk for ever.
    Ignored,
    /// To be answered with this.
    Refused(Vec<u8>),
}

impl<'m> Query<'m> {
    /// Reads a client's message.
    pub(super) fn parse(message: &'m [u8]) -> Result<Self, Malformed> {
        let Some(header) = message.first_chunk::<HEADER>() else { return Err(Malformed::Ignored) };
        if is_answer(message) {
            return Err(Malformed::Ignored);
        }
        if opcode(message) != 0 {
            return Err(Malformed::Refused(refusal(header, Code::NotImplemented)));
        }
        Self::read(message).ok_or_else(|| Malformed::Refused(refusal(header, Code::FormatError)))
    }

    fn read(message: &'m [u8]) -> Option<Self> {
        let [questions, answers, authorities, additional] = counts(message)?;
        if questions != 1 {
            return None;
        }
        let name_end = question_name(message)?;
        let kind = u16_at(message, name_end)?;
        let class = u16_at(message, name_end + 2)?;
        let question_end = name_end + 4;
        let mut query = Self { message, question_end, kind, class, edns: None };
        let mut at = question_end;
        for _ in 0..u32::from(answers) + u32::from(authorities) {
            at = skip_record(message, at)?.1;
        }
        for _ in 0..additional {
            let (fixed, next) = skip_record(message, at)?;
            if u16_at(message, fixed)? == OPT {
                if message[at] != 0 || query.edns.is_some() {
                    return None;
                }
                let wants_dnssec = message[fixed + 6] & 0x80 != 0;
                query.edns = Some((u16_at(message, fixed + 2)?, wants_dnssec));
            }
            at = next;
        }
        (at == message.len()).then_some(query)
    }

    /// Returns the name in lower case without the last dot; `None` where it has bytes that no name of a container has,
    /// among them a dot inside of a label.
    pub(super) fn name(&self) -> Option<String> {
        let mut name = String::new();
        let mut at = HEADER;
        while self.message[at] != 0 {
            let label = &self.message[at + 1..=at + usize::from(self.message[at])];
            if !label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
                return None;
            }
            if !name.is_empty() {
                name.push('.');
            }
            name.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
            at += 1 + label.len();
        }
        Some(name)
    }

    /// Whether it is of the class of the internet.
    pub(super) fn is_internet(&self) -> bool {
        self.class == CLASS_IN
    }

    /// Returns the question in the form that answers repeat.
    pub(super) fn question_end(&self) -> usize {
        self.question_end
    }

    /// Returns the size of an answer that the client takes by UDP.
    pub(super) fn udp_limit(&self) -> usize {
        let said = self.edns.map_or(UDP_DEFAULT, |(size, _)| usize::from(size));
        said.clamp(UDP_DEFAULT, UDP_MAX)
    }

    /// Writes an answer. Records that do not fit are left out, and the answer says so.
    pub(super) fn reply(&self, code: Code, records: &[Record], limit: usize) -> Vec<u8> {
        let mut answer = self.message[..self.question_end].to_vec();
        // An answer, by one who knows (AA) where there is one; what was asked about recursion (RD) and checks (CD).
        let authoritative = if code == Code::NoError { 4 } else { 0 };
        answer[2] = 0x80 | authoritative | (self.message[2] & 1);
        answer[3] = 0x80 | (self.message[3] & 0x10) | code as u8;
        answer[4..HEADER].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        let edns_size = if self.edns.is_some() { 11 } else { 0 };
        let mut written = 0u16;
        for record in records {
            let before = answer.len();
            if !push_record(&mut answer, record) || answer.len() + edns_size > limit {
                answer.truncate(before);
                answer[2] |= 2;
                break;
            }
            written += 1;
        }
        answer[6..8].copy_from_slice(&written.to_be_bytes());
        if let Some((_, wants_dnssec)) = self.edns {
            let [high, low] = UDP_OURS.to_be_bytes();
            let dnssec = if wants_dnssec { 0x80 } else { 0 };
            answer.extend_from_slice(&[0, 0, OPT as u8, high, low, 0, 0, dnssec, 0, 0, 0]);
            answer[11] = 1;
        }
        answer
    }
}

/// Appends a record whose name is a pointer to the question's; false where its own name has no form on the wire.
fn push_record(answer: &mut Vec<u8>, record: &Record) -> bool {
    let mut data = Vec::new();
    let kind = match record {
        Record::Address(IpAddr::V4(address)) => {
            data.extend_from_slice(&address.octets());
            A
        }
        Record::Address(IpAddr::V6(address)) => {
            data.extend_from_slice(&address.octets());
            AAAA
        }
        Record::Pointer(name) => {
            for label in name.split('.') {
                let Some(length) = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))
                else {
                    return false;
                };
                data.push(length);
                data.extend_from_slice(label.as_bytes());
            }
            data.push(0);
            if data.len() > NAME_MAX {
                return false;
            }
            PTR
        }
    };
    answer.extend_from_slice(&[0xc0, HEADER as u8]);
    answer.extend_from_slice(&kind.to_be_bytes());
    answer.extend_from_slice(&CLASS_IN.to_be_bytes());
    answer.extend_from_slice(&TTL_SECONDS.to_be_bytes());
    answer.extend_from_slice(&(data.len() as u16).to_be_bytes());
    answer.extend_from_slice(&data);
    true
}

/// What an answer of another resolver is worth; the better is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// It could not or would not tell.
    Failure,
    /// There is no such name, or it has nothing of what was asked for.
    Negative,
    /// Some of it; all of it by TCP.
    Truncated,
    Positive,
}

/// Judges a message that claims to answer a query which we sent as `asked` under an id of our own; `None` where it does
/// not. That it came from whom we asked is the socket's care.
pub(super) fn judge(asked: &[u8], question_end: usize, id: u16, answer: &[u8]) -> Option<Worth> {
    let [questions, answers, ..] = counts(answer)?;
    if u16_at(answer, 0)? != id || !is_answer(answer) || opcode(answer) != 0 {
        return None;
    }
    let code = answer[3] & 0xf;
    if questions == 0 && code != 0 && code != 3 {
        // Some repeat no question that they refuse to read.
        return Some(Worth::Failure);
    }
    let (name, rest) = asked.get(HEADER..question_end)?.split_last_chunk::<4>()?;
    let (their_name, their_rest) = answer.get(HEADER..question_end)?.split_last_chunk::<4>()?;
    if questions != 1 || !name.eq_ignore_ascii_case(their_name) || rest != their_rest {
        return None;
    }
    Some(match code {
        0 if answer[2] & 2 != 0 => Worth::Truncated,
        0 if answers > 0 => Worth::Positive,
        0 | 3 => Worth::Negative,
        _ => Worth::Failure,
    })
}

/// Turns an answer that was judged into the client's: its id, its spelling, no more than it takes.
pub(super) fn pass_on(asked: &[u8], question_end: usize, mut answer: Vec<u8>, limit: usize) -> Vec<u8> {
    if answer.len() < question_end || u16_at(&answer, 4) != Some(1) {
        return failure(asked, question_end);
    }
    answer[..2].copy_from_slice(&asked[..2]);
    answer[HEADER..question_end].copy_from_slice(&asked[HEADER..question_end]);
    if answer.len() > limit {
        answer.truncate(question_end);
        answer[2] |= 2;
        answer[6..HEADER].fill(0);
    }
    answer
}

/// Says that nobody could tell.
pub(super) fn failure(asked: &[u8], question_end: usize) -> Vec<u8> {
    let mut answer = asked[..question_end].to_vec();
    answer[2] = 0x80 | (asked[2] & 1);
    answer[3] = 0x80 | Code::ServerFailure as u8;
    answer[4..HEADER].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    answer
}

/// Answers a message of which nothing but the header was understood.
fn refusal(header: &[u8; HEADER], code: Code) -> Vec<u8> {
    let [id_high, id_low, flags, ..] = *header;
    vec![id_high, id_low, 0x80 | (flags & 0x79), 0x80 | code as u8, 0, 0, 0, 0, 0, 0, 0, 0]
}

fn is_answer(message: &[u8]) -> bool {
    message[2] & 0x80 != 0
}

fn opcode(message: &[u8]) -> u8 {
    message[2] >> 3 & 0xf
}

fn counts(message: &[u8]) -> Option<[u16; 4]> {
    Some([u16_at(message, 4)?, u16_at(message, 6)?, u16_at(message, 8)?, u16_at(message, 10)?])
}

fn u16_at(message: &[u8], at: usize) -> Option<u16> {
    message.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// Returns where the question's name ends.
fn question_name(message: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    loop {
        match *message.get(at)? {
            0 => break,
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return None,
        }
        if at - HEADER >= NAME_MAX {
            return None;
        }
    }
    Some(at + 1)
}

/// Returns where a record's fixed fields begin and where the record ends.
fn skip_record(message: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let fixed = loop {
        match *message.get(at)? {
            0 => break at + 1,
            length @ 1..=63 => at += 1 + usize::from(length),
            192.. => break at + 2,
            _ => return None,
        }
    };
    let end = fixed + 10 + usize::from(u16_at(message, fixed + 8)?);
    (end <= message.len()).then_some((fixed, end))
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
