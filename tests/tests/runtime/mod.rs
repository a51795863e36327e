//! `coracle runtime`: the command line of an OCI runtime over bundles, as containerd and podman use it.

mod bundles;
mod console;
mod containerd;
mod daemon;
mod docker;
mod exec;
mod hooks;
mod life;
mod limits;
mod mounts;
mod podman;
mod rootless;
mod seccomp;
mod spec;
