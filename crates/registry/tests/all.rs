//! Conversations with a registry that does what a script says.

#[path = "support/fake.rs"]
mod fake;

mod documents;
mod faults;
mod identity;
mod secured;
mod sending;
mod talk;
