//! The verbs of the engine: plain requests in, plain results out.

pub mod request;
