//! Messages between a client and the supervisor: one `SOCK_SEQPACKET` record each, a kind byte first.
//!
//! ```text
//!   client                                   supervisor
//!     ├── Attach(streams) ─────────────────────> │
//!     ├── Stdin(bytes) / StdinEnd / Resize ────> │
//!     │ <──────── Mark(phase, time), if asked ───┤   to the launching client
//!     │ <─────────────────────── Started(pid) ───┤   to the launching client
//!     │ <──────────── Output(stream, bytes) ─────┤
//!     │ <───────── Ended(exit code) / Failed ────┤   after teardown, then the end of file
//! ```
//!
//! The two ends may be of different versions: the executable can be replaced while containers run. What one does not
//! understand it passes over.

use serde::{Deserialize, Serialize};

use crate::job::Attachment;

/// The most bytes of a stream in one record.
pub(crate) const CHUNK: usize = 32 * 1024;

/// An output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    Attach(Attachment),
    Stdin(&'a [u8]),
    StdinEnd,
    Resize {
        rows: u16,
        columns: u16,
    },
    /// Answer for names from now on: the container has joined a network that has them.
    Names,
    /// Do not start the container again.
    GiveUp,
}

/// What the supervisor says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply<'a> {
    Started {
        pid: i32,
    },
    Output(Stream, &'a [u8]),
    Ended {
        code: u8,
    },
    Failed(FailureReport),
    Warning(&'a str),
    /// The end of a phase of the start, on the clock that all processes share (`CLOCK_MONOTONIC`, nanoseconds).
    Mark(Phase, i64),
    /// Names are answered, at this port of 127.0.0.11.
    Names {
        port: u16,
    },
}

/// Phases of a container's life between its launch and the last word, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Guardian,
    Cgroup,
    Created,
    Ended,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Guardian, Self::Cgroup, Self::Created, Self::Ended];

    /// Says what has been done by its end.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guardian => "guardian: terminal or pipes, socket, supervisor",
            Self::Cgroup => "supervisor: cgroup and limits",
            Self::Created => "builder and init: namespaces, mounts, program",
            Self::Ended => "program runs",
        }
    }
}

/// Why a container could not be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureReport {
    /// The chain of causes, outermost first, joined by ": ".
    pub text: String,
    /// Docker's exit code: 125, 126 or 127.
    pub code: u8,
}

impl<'a> Request<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Attach(streams) => {
                vec![
                    0,
                    u8::from(streams.stdin) | u8::from(streams.stdout) << 1 | u8::from(streams.stderr) << 2,
                ]
            }
            Self::Stdin(bytes) => [&[1], *bytes].concat(),
            Self::StdinEnd => vec![2],
            Self::Resize { rows, columns } => {
                [&[3][..], &rows.to_le_bytes(), &columns.to_le_bytes()].concat()
            }
            Self::Names => vec![4],
            Self::GiveUp => vec![5],
        }
    }

    pub(crate) fn decode(record: &'a [u8]) -> Option<Self> {
        let (kind, body) = record.split_first()?;
        Some(match (kind, body) {
            (0, [bits]) => Self::Attach(Attachment {
                stdin: bits & 1 != 0,
                stdout: bits & 2 != 0,
                stderr: bits & 4 != 0,
            }),
            (1, bytes) => Self::Stdin(bytes),
            (2, []) => Self::StdinEnd,
            (3, [a, b, c, d]) => {
                Self::Resize { rows: u16::from_le_bytes([*a, *b]), columns: u16::from_le_bytes([*c, *d]) }
            }
            (4, []) => Self::Names,
            (5, []) => Self::GiveUp,
            _ => return None,
        })
    }
}

impl<'a> Reply<'a> {
    /// What stands before the bytes of output in a record.
    pub(crate) fn output_head(stream: Stream) -> &'static [u8] {
        match stream {
            Stream::Stdout => &[17],
            Stream::Stderr => &[18],
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Started { pid } => [&[16][..], &pid.to_le_bytes()].concat(),
            Self::Output(stream, bytes) => [Self::output_head(*stream), bytes].concat(),
            Self::Ended { code } => vec![19, *code],
            Self::Failed(report) => [&[20, report.code], report.text.as_bytes()].concat(),
            Self::Warning(text) => [&[21], text.as_bytes()].concat(),
            Self::Mark(phase, at) => [&[22, *phase as u8][..], &at.to_le_bytes()].concat(),
            Self::Names { port } => [&[23][..], &port.to_le_bytes()].concat(),
        }
    }

    pub(crate) fn decode(record: &'a [u8]) -> Option<Self> {
        let (kind, body) = record.split_first()?;
        Some(match (kind, body) {
            (16, [a, b, c, d]) => Self::Started { pid: i32::from_le_bytes([*a, *b, *c, *d]) },
            (17, bytes) => Self::Output(Stream::Stdout, bytes),
            (18, bytes) => Self::Output(Stream::Stderr, bytes),
            (19, [code]) => Self::Ended { code: *code },
            (20, [code, text @ ..]) => {
                Self::Failed(FailureReport { text: String::from_utf8_lossy(text).into_owned(), code: *code })
            }
            (21, text) => Self::Warning(std::str::from_utf8(text).ok()?),
            (22, [phase, at @ ..]) => {
                Self::Mark(*Phase::ALL.get(usize::from(*phase))?, i64::from_le_bytes(at.try_into().ok()?))
            }
            (23, [a, b]) => Self::Names { port: u16::from_le_bytes([*a, *b]) },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_wire() {
        let streams = Attachment { stdin: true, stdout: false, stderr: true };
        for request in [
            Request::Attach(streams),
            Request::Stdin(b"abc"),
            Request::StdinEnd,
            Request::Resize { rows: 24, columns: 300 },
            Request::Names,
            Request::GiveUp,
        ] {
            assert_eq!(Request::decode(&request.encode()), Some(request));
        }
    }

    #[test]
    fn replies_survive_the_wire() {
        let failed = FailureReport { text: "no such file".into(), code: 127 };
        for reply in [
            Reply::Started { pid: 70_000 },
            Reply::Output(Stream::Stdout, b"x"),
            Reply::Output(Stream::Stderr, b""),
            Reply::Ended { code: 137 },
            Reply::Failed(failed),
            Reply::Warning("careful"),
            Reply::Mark(Phase::Ended, i64::MAX),
            Reply::Names { port: 40_000 },
        ] {
            assert_eq!(Reply::decode(&reply.encode()), Some(reply));
        }
    }

    #[test]
    fn malformed_records_are_not_understood() {
        for record in
            [&[][..], &[0], &[3, 1, 2], &[16, 1], &[22, 4, 0, 0, 0, 0, 0, 0, 0, 0], &[22, 0, 1], &[99]]
        {
            assert_eq!(Request::decode(record), None);
            assert_eq!(Reply::decode(record), None);
        }
    }

    /// Whatever comes is understood as what it then encodes to, or not at all.
    #[test]
    fn hostile_records_are_refused_or_mean_one_thing() {
        let mut bodies: Vec<Vec<u8>> = vec![vec![], vec![0xff], vec![0xff, 0xfe], vec![0; 4], vec![0; 5]];
        bodies.push(vec![b'x'; CHUNK]);
        for kind in 0..=u8::MAX {
            for body in &bodies {
                let record = [&[kind], body.as_slice()].concat();
                let understood = match (Request::decode(&record), Reply::decode(&record)) {
                    (Some(Request::Attach(streams)), None) => {
                        // Bits without a meaning are passed over.
                        Request::Attach(streams).encode().len() == record.len()
                    }
                    (Some(request), None) => request.encode() == record,
                    (None, Some(Reply::Failed(report))) => report.code == body[0],
                    (None, Some(reply)) => reply.encode() == record,
                    (None, None) => !matches!(kind, 1 | 17 | 18),
                    (Some(_), Some(_)) => false,
                };
                assert!(understood, "kind {kind}, {} bytes", body.len());
            }
        }
        assert_eq!(Reply::decode(&[21, 0xff]), None);
    }
}
