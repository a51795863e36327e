//! Words with variables put in, quotes and escapes taken away: the shell's rules as far as Dockerfiles have them.

mod lexer;
mod pattern;
mod variables;

pub use lexer::{ExpandError, Expanded, Lexer};
pub use variables::{Environment, NoVariables, Variables};

#[cfg(test)]
mod tests;
