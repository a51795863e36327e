//! Who we are to a registry: challenges are read, tokens fetched and kept while they last.

mod challenge;
mod token;

pub(crate) use challenge::{Challenge, parse_challenges};
pub(crate) use token::{Authorizer, Proof, Scope};
