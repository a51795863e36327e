//! Builds: Dockerfile text → typed instructions → graph of steps.
//!
//! ```text
//!   Source → syntax::Script → Dockerfile (stages of Instructions)
//!   words + variables → expand
//!   .dockerignore → ignore::Matcher
//! ```
//!
//! Everything here is pure: text and values in, values out. A Dockerfile's faults come all at once, each with its
//! place; what is legal and not advisable is a warning with the name of BuildKit's check.

mod check;
mod dockerfile;
mod error;
pub mod expand;
mod fault;
pub mod ignore;
pub mod instruction;
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
