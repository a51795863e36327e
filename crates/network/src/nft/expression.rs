//! What rules are made of: loads into registers, comparisons, look-ups, verdicts; and their bytes.

use std::fmt;

use crate::nft::Family;
use crate::wire::Batch;

/// Numbers of linux/netfilter/nf_tables.h and nf_conntrack_common.h that rules compare with.
pub(crate) mod constants {
    pub(crate) const LOCAL: u32 = 2;
    pub(crate) const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
    pub(crate) const DESTINATION_CHANGED: u32 = 1 << 5;
    pub(crate) const PREROUTING: u32 = 0;
    pub(crate) const FORWARD: u32 = 2;
    pub(crate) const OUTPUT: u32 = 3;
    pub(crate) const POSTROUTING: u32 = 4;
}

/// Which header of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    Link,
    Network,
    Transport,
}

/// What is loaded into a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    InInterface,
    OutInterface,
    /// IPv4 or IPv6, in tables that see both.
    Version,
    /// Behind all headers of IPv6.
    Protocol,
    ConnectionState,
    ConnectionStatus,
    /// Whether the address is the host's own, and so on (rtnetlink(7), `rtm_type`).
    ToWhat,
    FromWhat,
    Header {
        base: Base,
        offset: u32,
        length: u32,
    },
}

/// What becomes of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    Drop,
    Return,
    Jump(&'static str),
    Goto(&'static str),
}

/// One step of a rule; the rule ends at the first that does not hold. Registers are words of four bytes, from 0 to 15.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    Load {
        register: u32,
        source: Source,
    },
    And {
        register: u32,
        mask: Vec<u8>,
    },
    Equals {
        register: u32,
        value: Vec<u8>,
    },
    Differs {
        register: u32,
        value: Vec<u8>,
    },
    In {
        register: u32,
        set: &'static str,
    },
    NotIn {
        register: u32,
        set: &'static str,
    },
    /// The value of the map goes to the same registers.
    Map {
        register: u32,
        map: &'static str,
    },
    Constant {
        register: u32,
        value: Vec<u8>,
    },
    Verdict(Verdict),
    /// New destination: an address, and a port in another register.
    Destination {
        family: Family,
        address: u32,
        port: u32,
    },
    Masquerade,
    Untracked,
    Counter,
}

/// The 32-bit registers begin at this number (`NFT_REG32_00`).
const REGISTERS: u32 = 8;
const VERDICT_REGISTER: u32 = 0;

impl Expression {
    /// Appends the expression as an element of a list.
    pub(super) fn encode(&self, batch: &mut Batch) {
        match self {
            Self::Load { register, source } => source.encode(batch, *register + REGISTERS),
            Self::And { register, mask } => encode(batch, "bitwise", |data| {
                let register = register + REGISTERS;
                data.put_be32(1, register).put_be32(2, register).put_be32(3, mask.len() as u32);
                data.nest(4, |value| {
                    value.put(1, mask);
                });
                data.nest(5, |value| {
                    value.put(1, &vec![0; mask.len()]);
                });
            }),
            Self::Equals { register, value } => compare(batch, *register, 0, value),
            Self::Differs { register, value } => compare(batch, *register, 1, value),
            Self::In { register, set } => look_up(batch, *register, set, 0, false),
            Self::NotIn { register, set } => look_up(batch, *register, set, 1, false),
            Self::Map { register, map } => look_up(batch, *register, map, 0, true),
            Self::Constant { register, value } => encode(batch, "immediate", |data| {
                data.put_be32(1, register + REGISTERS).nest(2, |inner| {
                    inner.put(1, value);
                });
            }),
            Self::Verdict(verdict) => encode(batch, "immediate", |data| {
                data.put_be32(1, VERDICT_REGISTER).nest(2, |inner| {
                    inner.nest(2, |inner| verdict.encode(inner));
                });
            }),
            Self::Destination { family, address, port } => encode(batch, "nat", |data| {
                const DESTINATION: u32 = 1;
                data.put_be32(1, DESTINATION).put_be32(2, family.number().into());
                data.put_be32(3, address + REGISTERS).put_be32(5, port + REGISTERS);
            }),
            Self::Masquerade => encode(batch, "masq", |_| {}),
            Self::Untracked => encode(batch, "notrack", |_| {}),
            Self::Counter => encode(batch, "counter", |data| {
                data.put_be64(1, 0).put_be64(2, 0);
            }),
        }
    }
}

fn encode(batch: &mut Batch, name: &str, data: impl FnOnce(&mut Batch)) {
    batch.nest(1, |element| {
        element.put_text(1, name).nest(2, data);
    });
}

fn compare(batch: &mut Batch, register: u32, operation: u32, value: &[u8]) {
    encode(batch, "cmp", |data| {
        data.put_be32(1, register + REGISTERS).put_be32(2, operation).nest(3, |inner| {
            inner.put(1, value);
        });
    });
}

fn look_up(batch: &mut Batch, register: u32, set: &str, flags: u32, map: bool) {
    encode(batch, "lookup", |data| {
        data.put_text(1, set).put_be32(2, register + REGISTERS);
        if map {
            data.put_be32(3, register + REGISTERS);
        }
        if flags != 0 {
            data.put_be32(5, flags);
        }
    });
}

impl Source {
    fn encode(self, batch: &mut Batch, register: u32) {
        let mut meta = |key: u32| {
            encode(batch, "meta", |data| {
                data.put_be32(2, key).put_be32(1, register);
            });
        };
        match self {
            Self::InInterface => meta(6),
            Self::OutInterface => meta(7),
            Self::Version => meta(15),
            Self::Protocol => meta(16),
            Self::ConnectionState | Self::ConnectionStatus => encode(batch, "ct", |data| {
                let key = if self == Self::ConnectionState { 0 } else { 2 };
                data.put_be32(2, key).put_be32(1, register);
            }),
            Self::ToWhat | Self::FromWhat => encode(batch, "fib", |data| {
                const ADDRESS_TYPE: u32 = 3;
                let flags = if self == Self::ToWhat { 2 } else { 1 };
                data.put_be32(1, register).put_be32(2, ADDRESS_TYPE).put_be32(3, flags);
            }),
            Self::Header { base, offset, length } => encode(batch, "payload", |data| {
                let base = match base {
                    Base::Link => 0,
                    Base::Network => 1,
                    Base::Transport => 2,
                };
                data.put_be32(1, register).put_be32(2, base).put_be32(3, offset).put_be32(4, length);
            }),
        }
    }
}

impl Verdict {
    fn encode(self, batch: &mut Batch) {
        let (code, chain): (i32, _) = match self {
            Self::Drop => (0, None),
            Self::Accept => (1, None),
            Self::Jump(chain) => (-3, Some(chain)),
            Self::Goto(chain) => (-4, Some(chain)),
            Self::Return => (-5, None),
        };
        batch.put(1, &code.to_be_bytes());
        if let Some(chain) = chain {
            batch.put_text(2, chain);
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |value: &[u8]| value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match self {
            Self::Load { register, source } => write!(f, "r{register} = {source}"),
            Self::And { register, mask } => write!(f, "r{register} &= {}", hex(mask)),
            Self::Equals { register, value } => write!(f, "r{register} == {}", hex(value)),
            Self::Differs { register, value } => write!(f, "r{register} != {}", hex(value)),
            Self::In { register, set } => write!(f, "r{register}… in {set}"),
            Self::NotIn { register, set } => write!(f, "r{register}… not in {set}"),
            Self::Map { register, map } => write!(f, "r{register}… = {map}[r{register}…]"),
            Self::Constant { register, value } => write!(f, "r{register} = {}", hex(value)),
            Self::Verdict(Verdict::Accept) => f.write_str("ACCEPT"),
            Self::Verdict(Verdict::Drop) => f.write_str("DROP"),
            Self::Verdict(Verdict::Return) => f.write_str("RETURN"),
            Self::Verdict(Verdict::Jump(chain)) => write!(f, "JUMP {chain}"),
            Self::Verdict(Verdict::Goto(chain)) => write!(f, "GOTO {chain}"),
            Self::Destination { family, address, port } => {
                write!(f, "DESTINATION {family} r{address} r{port}")
            }
            Self::Masquerade => f.write_str("MASQUERADE"),
            Self::Untracked => f.write_str("UNTRACKED"),
            Self::Counter => f.write_str("count"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InInterface => f.write_str("in"),
            Self::OutInterface => f.write_str("out"),
            Self::Version => f.write_str("version"),
            Self::Protocol => f.write_str("protocol"),
            Self::ConnectionState => f.write_str("ct state"),
            Self::ConnectionStatus => f.write_str("ct status"),
            Self::ToWhat => f.write_str("type of destination"),
            Self::FromWhat => f.write_str("type of source"),
            Self::Header { base, offset, length } => {
                write!(f, "{}[{offset}, {length}]", format!("{base:?}").to_lowercase())
            }
        }
    }
}
