//! One request and its answer: TLS, redirects, timeouts. Who may ask what is not decided here.

mod address;
mod answer;
mod pause;
mod tls;
mod transport;

pub(crate) use address::{Address, escaped, parse_address};
pub(crate) use answer::Answer;
pub(crate) use transport::{Payload, Request, Transport, address_of};
