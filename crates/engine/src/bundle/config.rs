//! A bundle's `config.json`: read, checked, and its host paths made absolute.

use std::ffi::OsString;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use oci::runtime::{NamespaceKind, Process, Resources, Seccomp, Spec};
use rustix::fs::{Mode, OFlags};
use serde_json::Value;
use sys::{Context, Dir};

use super::home::{CONFIG, Runtime};
use super::request::InheritedFds;
use super::valid;
use crate::error::{Error, Result};

/// Larger ones are no specification.
const CONFIG_BYTES_MAX: usize = 16 << 20;

/// A bundle that was read.
#[derive(Debug)]
pub(super) struct Bundle {
    /// Without links, as the kernel names it.
    pub(super) path: PathBuf,
    pub(super) rootfs: PathBuf,
    pub(super) spec: Spec,
    /// The specification with absolute paths, as it is kept.
    pub(super) bytes: Vec<u8>,
}

impl Bundle {
    /// Reads a bundle.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).on_path("open bundle", path)?;
        let name = rustix::fs::readlink(format!("/proc/self/fd/{}", fd.as_raw_fd()), Vec::new())
            .on_path("resolve bundle", path)?;
        let path = PathBuf::from(OsString::from_vec(name.into_bytes()));
        let bytes = Dir::from_fd(fd, &path).read_regular(CONFIG, CONFIG_BYTES_MAX).map_err(|error| {
            let missing = error.is_not_found();
            let error = Error::from(error);
            if missing { error.hint("`spec` writes one to begin with") } else { error }
        })?;
        let mut spec = parse(&bytes, &path.join(CONFIG))?;
        valid::check(&spec)?;
        let root = spec.root.as_ref().map(|root| path.join(&root.path));
        let rootfs =
            root.ok_or_else(|| Error::invalid("invalid container specification: `root` is missing"))?;
        let stat = rustix::fs::stat(&rootfs).on_path("use the root file system", &rootfs)?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
            return Err(Error::invalid(format!(
                "the root file system `{}` is not a directory",
                rootfs.display()
            )));
        }
        make_absolute(&mut spec, &path);
        let bytes = serde_json::to_vec(&spec)
            .map_err(|error| Error::invalid("cannot keep the specification").caused_by(error))?;
        Ok(Self { path, rootfs, spec, bytes })
    }
}

/// Reads the specification that a container was made of.
pub(super) fn kept(dir: &Dir) -> Result<Spec> {
    parse(&store::read(dir, CONFIG)?, &dir.label().join(CONFIG))
}

/// Reads the `process` object of a file.
pub(super) fn process_file(path: &Path) -> Result<Process> {
    let bytes = sys::fs::read(path)?;
    read(&bytes, &path.display().to_string())
}

/// Reads the `resources` object of a document.
pub(super) fn resources(bytes: &[u8], name: &str) -> Result<Resources> {
    read(bytes, name)
}

/// Reads a document. Programs in Go write `null` for an empty list; it counts as absent.
fn read<T: serde::de::DeserializeOwned>(bytes: &[u8], name: &str) -> Result<T> {
    let failed = match serde_json::from_slice(bytes) {
        Ok(read) => return Ok(read),
        Err(error) => Error::invalid(format!("cannot understand `{name}`")).caused_by(error),
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(bytes) else { return Err(failed) };
    drop_nulls(&mut value);
    T::deserialize(value).map_err(|_| failed)
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn parse(bytes: &[u8], path: &Path) -> Result<Spec> {
    let spec: Spec = read(bytes, &path.display().to_string())?;
    if spec.oci_version.split('.').next() != Some("1") {
        return Err(Error::unsupported(format!(
            "`{}` has ociVersion `{}`: this runtime reads 1.x",
            path.display(),
            spec.oci_version
        )));
    }
    Ok(spec)
}

/// Paths of the host are relative to the bundle.
fn make_absolute(spec: &mut Spec, bundle: &Path) {
    for mount in &mut spec.mounts {
        let bound = mount.kind.as_deref() == Some("bind")
            || mount.options.iter().any(|option| option == "bind" || option == "rbind");
        if let Some(source) = mount.source.as_mut().filter(|_| bound) {
            *source = bundle.join(&*source);
        }
    }
}

/// Whether the container gets a pid namespace of its own.
pub(super) fn own_pid_namespace(spec: &Spec) -> bool {
    let namespaces = spec.linux.iter().flat_map(|linux| &linux.namespaces);
    namespaces.into_iter().any(|ns| ns.kind == NamespaceKind::Pid && ns.path.is_none())
}

/// Leaves out the capabilities that nobody knows, or that the caller has not and so cannot give, and says so
/// (runtime-spec 1.2, "capabilities"). In another user namespace there are all.
pub(super) fn keep_grantable(process: &mut Process, spec: &Spec) -> Result<Vec<String>> {
    let Some(sets) = &mut process.capabilities else { return Ok(Vec::new()) };
    let namespaces = spec.linux.iter().flat_map(|linux| &linux.namespaces);
    let other_user_namespace = namespaces.into_iter().any(|ns| ns.kind == NamespaceKind::User);
    let held = if other_user_namespace { u64::MAX } else { sys::credentials::effective_capabilities()? };
    let grantable = |name: &String| {
        sys::credentials::capability_number(name).is_some_and(|number| held & (1 << number) != 0)
    };
    let mut lacking = std::collections::BTreeSet::new();
    let lists = [
        &mut sets.bounding,
        &mut sets.effective,
        &mut sets.permitted,
        &mut sets.inheritable,
        &mut sets.ambient,
    ];
    for list in lists {
        lacking.extend(list.iter().filter(|name| !grantable(name)).cloned());
        list.retain(grantable);
    }
    let warn = |name: &String| {
        let known = sys::credentials::capability_number(name).is_some();
        let why = if known { "this process has not got it" } else { "there is none of that name" };
        format!("the capability {name} is not given: {why}")
    };
    Ok(lacking.iter().map(warn).collect())
}

/// Compiles the filter of a specification, or finds it in the cache.
pub(super) fn filter(runtime: &Runtime, seccomp: Option<&Seccomp>) -> Result<Option<(Vec<u8>, u32)>> {
    let Some(seccomp) = seccomp else { return Ok(None) };
    refuse_idle_errno(seccomp)?;
    let cached = seccomp::compile_cached(&runtime.seccomp_cache()?, seccomp)?;
    Ok(Some((cached.program.to_bytes(), cached.program.flags.bits())))
}

/// Refuses an error number for an action that answers with none (runtime-spec 1.2, "Seccomp").
fn refuse_idle_errno(seccomp: &Seccomp) -> Result<()> {
    let default = [(&seccomp.default_action, seccomp.default_errno_ret)];
    let rules = seccomp.syscalls.iter().map(|rule| (&rule.action, rule.errno_ret));
    let idle = |(action, errno): &(&String, Option<u32>)| {
        errno.is_some() && !["SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"].contains(&action.as_str())
    };
    match default.into_iter().chain(rules).find(idle) {
        Some((action, _)) => Err(Error::invalid(format!("seccomp action `{action}` takes no errnoRet"))
            .hint("leave it out, or use SCMP_ACT_ERRNO")),
        None => Ok(()),
    }
}

/// Tells a process of the descriptors that it inherits; returns how many there are.
pub(super) fn inherit(process: &mut Process, inherited: InheritedFds) -> Result<u32> {
    let count = inherited.listen.saturating_add(inherited.further);
    if count > 1 << 16 {
        return Err(Error::invalid(format!("--preserve-fds: {count} descriptors are too many")));
    }
    for number in 3..3 + count {
        rustix::fs::readlink(format!("/proc/self/fd/{number}"), Vec::new()).map_err(|_| {
            Error::invalid(format!("--preserve-fds: descriptor {number} is not open"))
                .hint("pass as many descriptors, from 3 on without a gap")
        })?;
    }
    if inherited.listen > 0 {
        // The number of the process that they are for: the first one inside (sd_listen_fds(3)).
        process.env.push(format!("LISTEN_FDS={}", inherited.listen));
        process.env.push("LISTEN_PID=1".to_owned());
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_counts_as_absent() {
        let text = br#"{"ociVersion":"1.0.2","mounts":null,"process":{"args":["a"],"env":null,"capabilities":null}}"#;
        let spec = parse(text, Path::new("c")).unwrap();
        assert_eq!(spec.process.unwrap().args, ["a"]);
        let error = parse(br#"{"ociVersion":"1.0.2","mounts":7}"#, Path::new("c")).unwrap_err();
        assert_eq!(error.to_string(), "cannot understand `c`");
        assert!(parse(b"{}", Path::new("c")).unwrap_err().to_string().contains("ociVersion"));
    }
}
