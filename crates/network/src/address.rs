//! Addresses with a prefix, and hardware addresses: parsed, compared and printed; no input or output.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("`{0}` is not an address with a prefix length, such as 10.1.2.0/24")]
    Cidr(String),
    #[error("`{0}` is not a hardware address, such as 02:42:ac:11:00:02")]
    Mac(String),
}

/// An address and how many of its leading bits name the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cidr {
    pub address: IpAddr,
    pub prefix: u8,
}

impl Cidr {
    /// Joins address and prefix; `None` when the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= width(address)).then_some(Self { address, prefix })
    }

    /// Returns the network: the same prefix with all host bits zero.
    pub fn network(self) -> Self {
        Self { address: self.at(0), prefix: self.prefix }
    }

    /// Returns the address at an offset from the first of the network.
    pub fn at(self, offset: u128) -> IpAddr {
        let bits = bits(self.address) & self.mask() | (offset & !self.mask());
        match self.address {
            // The mask leaves 32 bits.
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from((bits & 0xffff_ffff) as u32)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(bits)),
        }
    }

    /// Returns how far an address lies from the first of the network.
    pub fn offset_of(self, address: IpAddr) -> Option<u128> {
        self.contains(address).then(|| bits(address) & !self.mask())
    }

    /// Returns how many addresses the network has; saturates for an IPv6 network of all addresses.
    pub fn size(self) -> u128 {
        1u128.checked_shl(u32::from(width(self.address) - self.prefix)).unwrap_or(u128::MAX)
    }

    /// Whether an address belongs to the network.
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_ipv4() && bits(address) & self.mask() == bits(self.address) & self.mask()
    }

    /// Whether two networks have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        let wider = if self.prefix <= other.prefix { self } else { other };
        wider.contains(if self.prefix <= other.prefix { other.address } else { self.address })
    }

    /// Whether this is of the fourth version of the protocol.
    pub fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }

    /// Bits of the network part, aligned to the lowest bits for IPv4.
    fn mask(self) -> u128 {
        let host_bits = u32::from(width(self.address) - self.prefix);
        u128::MAX.checked_shl(host_bits).unwrap_or(0)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            if !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            Self::new(address.parse().ok()?, prefix.parse().ok()?)
        });
        parsed.ok_or_else(|| AddressError::Cidr(text.to_owned()))
    }
}

/// A hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Returns the hardware address that goes with an IPv4 address: unique on a network without asking anybody.
    /// The first byte says "locally administered".
    pub fn of_ipv4(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([0x02, 0x42, a, b, c, d])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = AddressError;

    /// Reads six bytes; a group address (lowest bit of the first byte) names no single interface and is refused.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let fault = || AddressError::Mac(text.to_owned());
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut bytes = [0; 6];
        let mut words = text.split(separator);
        for byte in &mut bytes {
            let word = words.next().filter(|word| word.len() == 2).ok_or_else(fault)?;
            *byte = u8::from_str_radix(word, 16).map_err(|_| fault())?;
        }
        let zero = bytes == [0; 6];
        if words.next().is_some() || bytes[0] & 1 == 1 || zero { Err(fault()) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cidr, Mac};

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_contain_and_overlap() {
        let table = [
            ("10.1.0.0/16", "10.1.2.0/24", true),
            ("10.1.2.0/24", "10.1.0.0/16", true),
            ("10.1.2.0/24", "10.1.3.0/24", false),
            ("0.0.0.0/0", "192.168.1.1/32", true),
            ("::/0", "10.0.0.0/8", false),
            ("fd00:1::/64", "fd00:1::1:0/112", true),
            ("fd00:1::/64", "fd00:2::/64", false),
        ];
        for (one, other, overlap) in table {
            assert_eq!(cidr(one).overlaps(cidr(other)), overlap, "{one} {other}");
        }
        assert_eq!(cidr("10.1.2.3/24").network(), cidr("10.1.2.0/24"));
        assert_eq!(cidr("10.1.2.0/24").at(5).to_string(), "10.1.2.5");
        assert_eq!(cidr("10.1.2.0/24").offset_of("10.1.2.5".parse().unwrap()), Some(5));
        assert_eq!(cidr("10.1.2.0/24").size(), 256);
        assert_eq!(cidr("10.1.2.1/32").size(), 1);
        assert_eq!(cidr("fd00::/64").at(0x1_0002).to_string(), "fd00::1:2");
        assert_eq!(cidr("::/0").size(), u128::MAX);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "10.0.0.1", "10.0.0.1/33", "10.0.0.0/+8", "::1/129", "10.0/8", "a/8"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        for text in [
            "",
            "02:42:ac:11:00",
            "02:42:ac:11:00:02:03",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "2:2:2:2:2:2",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
        let mac: Mac = "02-42-AC-11-00-02".parse().unwrap();
        assert_eq!(mac.to_string(), "02:42:ac:11:00:02");
        assert_eq!(Mac::of_ipv4("172.17.0.2".parse().unwrap()), mac);
    }
}
