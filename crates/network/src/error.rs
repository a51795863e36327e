//! What can go wrong with a network.

use std::io;
use std::net::{IpAddr, SocketAddr};

use oci::class::Class;
use rustix::io::Errno;

use crate::Protocol;

pub type Result<T> = std::result::Result<T, Error>;

/// A network that could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address that somebody else has.
    #[error("address {address} is already in use by container `{owner}`")]
    AddressTaken { address: IpAddr, owner: String },
    /// An address that the network does not give.
    #[error("address {address} is not one of those that network `{network}` gives: {why}")]
    AddressRefused { address: IpAddr, network: String, why: String },
    /// All addresses are given.
    #[error("network `{network}` has no free address left in {subnet}")]
    Exhausted { network: String, subnet: String },
    /// A port of the host that somebody else has.
    #[error("Bind for {address}/{protocol} failed: port is already allocated: {holder}")]
    PortTaken { protocol: Protocol, address: SocketAddr, holder: String },
    /// Others came first, again and again.
    #[error("`{0}` is changed by others all the time")]
    Contended(String),
    /// The kernel refused a link, an address, a route or a change of the firewall.
    #[error("cannot {what}")]
    Refused {
        what: String,
        #[source]
        source: io::Error,
    },
    /// A bridge that takes no further port (the kernel's limit is 1,023), where joining others would let their containers
    /// talk to each other.
    #[error("bridge `{bridge}` is full: it takes no more than 1,023 containers")]
    BridgeFull { bridge: String },
    /// The parent of a macvlan network.
    #[error("network `{network}` has no parent: there is no interface `{parent}` on this host")]
    ParentMissing { network: String, parent: String },
    /// Forwarding IPv6 would take the host's own route away.
    #[error(
        "cannot forward IPv6: interface `{interface}` learns the host's default route from router advertisements, \
         and a router does not listen to them"
    )]
    WouldLoseRoute { interface: String },
    /// A kernel without nf_tables.
    #[error("this kernel has no nf_tables, which networks of containers need")]
    NoPacketFilter(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    System(#[from] sys::Error),
}

impl Error {
    /// Returns the class of the failure.
    pub fn class(&self) -> Class {
        match self {
            Self::AddressTaken { .. } | Self::PortTaken { .. } => Class::Conflict,
            Self::AddressRefused { .. } => Class::Invalid,
            Self::ParentMissing { .. } => Class::NotFound,
            Self::Exhausted { .. } | Self::BridgeFull { .. } | Self::Contended(_) => Class::Unavailable,
            Self::WouldLoseRoute { .. } => Class::Conflict,
            Self::NoPacketFilter(_) => Class::Unsupported,
            Self::Refused { .. } | Self::System(_) => {
                self.errno().map_or(Class::Internal, |errno| Class::of_os_error(&errno.into()))
            }
            Self::Store(error) => error.class(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Exhausted { .. } => {
                Some("make a network with a larger subnet, or remove containers".into())
            }
            Self::BridgeFull { .. } => Some(
                "make another network, or let its containers talk to each other: then bridges are joined"
                    .into(),
            ),
            Self::ParentMissing { .. } => Some("`ip link` lists the interfaces of this host".into()),
            Self::WouldLoseRoute { interface } => {
                Some(format!("sysctl -w net.ipv6.conf.{interface}.accept_ra=2, then try again"))
            }
            Self::NoPacketFilter(_) => {
                Some("load the kernel module nf_tables, or use `--network host`".into())
            }
            Self::Refused { .. } if self.errno() == Some(Errno::PERM) => {
                Some("networks need the capability NET_ADMIN: run as root".into())
            }
            _ => None,
        }
    }

    /// Returns the kernel's error number, if that was the cause.
    pub(crate) fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { source, .. } => source.raw_os_error().map(Errno::from_raw_os_error),
            Self::System(error) => error.errno(),
            _ => None,
        }
    }
}
