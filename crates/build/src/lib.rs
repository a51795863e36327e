//! Builds: Dockerfile text → typed instructions → steps of the stages that are needed, each with a key of its own.
//!
//! ```text
//!   Source ─ syntax::Script → Dockerfile (stages of Instructions)
//!   Dockerfile + plan::Request + plan::BaseImages → plan::Plan (stages of Steps, every variable in)
//!   Step + what lies below it + content::Tree of what it copies → key::Key
//!   .dockerignore → ignore::Matcher
//! ```
//!
//! Everything here is pure: text and values in, values out. A Dockerfile's faults come all at once, each with its
//! place; what is legal and not advisable is a warning with the name of BuildKit's check.

mod check;
pub mod content;
mod dockerfile;
mod error;
pub mod expand;
mod fault;
pub mod ignore;
pub mod instruction;
pub mod key;
pub mod plan;
mod rule;
mod source;
mod suggest;
mod syntax;
#[cfg(test)]
mod tests;

pub use dockerfile::{Dockerfile, GlobalArgument, Stage};
pub use error::{Error, Result};
pub use fault::{Fault, Warning};
pub use rule::{CheckOptions, Rule};
pub use source::{Place, Source, Span};
pub use syntax::{Directives, Heredoc, Word};
