//! All whole-program tests, one file an area. They need root and change nothing that outlives them.
#![allow(clippy::disallowed_methods, reason = "tests may read files and run programs")]

mod binds;
mod build;
mod clock;
mod confinement;
mod crash;
mod events;
mod guest;
mod harness;
mod health;
mod images;
mod isolation;
mod keep;
mod layers;
mod life;
mod lifecycle;
mod limits;
mod load;
mod logs;
mod lost;
mod network;
mod power;
mod programs;
mod registry;
mod restart;
mod run;
mod runtime;
mod security;
mod system;
mod terminal;
mod verbs;
mod volumes;
mod wear;
