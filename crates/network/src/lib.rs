//! Networks of containers: bridges, addresses, names, ports, and the firewall table that joins them.
//!
//! Deciding and doing are apart. The engine claims addresses, names and ports and writes down an
//! [`Endpoint`] a network; the supervisor gives the container's network namespace what the endpoints say.
//! All of it is idempotent, and can be made anew from the files when somebody else has flushed it.

mod address;
mod endpoint;
mod lease;
mod ports;
mod rules;
mod state;

mod bridge;
mod connect;
mod conntrack;
mod elements;
mod explain;
mod fabric;
mod firewall;
mod foreign;
mod forwarding;
mod inside;
mod join;
mod restore;
mod retired;
mod survey;
mod tables;
mod watch;

mod nft;
mod route;
mod socket;
mod wire;

mod error;
mod hash;

pub use address::{AddressError, Cidr, Mac};
pub use endpoint::{Endpoint, Link, MacvlanMode, host_interface};
pub use error::{Error, Result};
pub use fabric::{Connection, Fabric, Fault, Route, has_interface, host_routes};
pub use lease::Pool;
pub use ports::{HeldPort, everywhere, hold, let_go, reopen};
pub use rules::{BridgeRules, EndpointRules, PortRule, Protocol, Rule};
pub use state::{Marker, State};
pub use watch::Watch;
