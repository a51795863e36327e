//! What can go wrong with a network.

use std::net::{IpAddr, SocketAddr};

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
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    System(#[from] sys::Error),
}

impl Error {
    /// Returns the class of the failure.
    pub fn class(&self) -> oci::class::Class {
        oci::class::Class::Internal
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        None
    }
}
