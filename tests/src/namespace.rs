//! A network namespace that lives as long as somebody holds it: it has no name, so nothing of it can be left behind.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_bind_recursive, mount_change, unmount};
use sys::process::{NEWNET, NEWNS, join_namespaces, unshare};

use crate::{Invocation, Output};

/// The calling thread's current directory and root: a mount namespace is entered without sharing them (setns(2)).
const CLONE_FS: u64 = 0x200;

/// A network namespace, with a mount namespace where files of `/etc` are its own.
#[derive(Debug, Clone)]
pub struct Namespace {
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    network: OwnedFd,
    mounts: Option<OwnedFd>,
}

impl Namespace {
    /// Makes a namespace that has a loopback interface and nothing else.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "makes a namespace, which a default does not")]
    pub fn new() -> Self {
        let network = in_thread(|| {
            unshare(NEWNET).unwrap();
            open("net")
        });
        let this = Self::holding(network, None);
        this.ip("link set lo up");
        this
    }

    /// Takes the namespace that a process is in, such as the first one of a container.
    #[track_caller]
    pub fn of(pid: u32) -> Self {
        Self::holding(File::open(format!("/proc/{pid}/ns/net")).unwrap().into(), None)
    }

    fn holding(network: OwnedFd, mounts: Option<OwnedFd>) -> Self {
        Self { held: Arc::new(Held { network, mounts }) }
    }

    /// Returns the same namespace with this file in place of `/etc/resolv.conf`, for all that is run in it.
    #[track_caller]
    pub fn with_resolv_conf(&self, file: &Path) -> Self {
        let mounts = in_thread(|| {
            unshare(NEWNS).unwrap();
            mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC).unwrap();
            release_mounts_of_other_tests();
            mount_bind_recursive(file, "/etc/resolv.conf").unwrap();
            open("mnt")
        });
        Self::holding(self.held.network.try_clone().unwrap(), Some(mounts))
    }

    /// Does something in the namespace; sockets that are opened stay in it.
    ///
    /// A thread goes there and not the test: what is spawned by a thread begins where the thread is.
    pub fn enter<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        in_thread(|| {
            self.join();
            act()
        })
    }

    /// Moves the calling thread here for good.
    pub(crate) fn join(&self) {
        join_namespaces(self.held.network.as_fd(), NEWNET).unwrap();
        if let Some(mounts) = &self.held.mounts {
            let directory = std::env::current_dir().unwrap();
            unshare(CLONE_FS).unwrap();
            join_namespaces(mounts.as_fd(), NEWNS).unwrap();
            std::env::set_current_dir(directory).unwrap();
        }
    }

    /// Names the namespace to ip(8), while it is held.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.held.network.as_raw_fd())
    }

    /// Prepares a program of the host to be run here.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Invocation {
        Invocation::new(program, arguments).within(self)
    }

    /// Runs a program of the host here.
    #[track_caller]
    #[must_use = "say what it should have answered: `.ok()` or `.fails_with(…)`"]
    pub fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program, arguments).run()
    }

    /// Gives ip(8) one command a line.
    #[track_caller]
    pub fn ip(&self, batch: &str) {
        self.command("ip", &["-batch", "-"]).stdin(batch).run().ok();
    }

    /// Gives nft(8) a set of rules.
    #[track_caller]
    pub fn nft(&self, rules: &str) {
        self.command("nft", &["-f", "-"]).stdin(rules).run().ok();
    }

    /// Returns the names of all interfaces.
    #[track_caller]
    pub fn interfaces(&self) -> Vec<String> {
        let listed = self.run("ip", &["-json", "link"]).ok().json();
        let links = listed.as_array().into_iter().flatten();
        links.filter_map(|link| link["ifname"].as_str().map(str::to_owned)).collect()
    }

    /// Returns a setting below `/proc/sys/net`.
    #[track_caller]
    pub fn sysctl(&self, name: &str) -> String {
        self.enter(|| fs::read_to_string(format!("/proc/sys/net/{name}")).unwrap().trim().to_owned())
    }

    /// Changes a setting below `/proc/sys/net`.
    #[track_caller]
    pub fn set_sysctl(&self, name: &str, value: &str) {
        self.enter(|| fs::write(format!("/proc/sys/net/{name}"), value).unwrap());
    }

    /// Returns an address of this namespace that connections to the other one come from.
    #[track_caller]
    pub fn source_towards(&self, other: SocketAddr) -> std::net::IpAddr {
        self.enter(|| {
            let any = if other.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = std::net::UdpSocket::bind(any).unwrap();
            socket.connect(other).unwrap();
            socket.local_addr().unwrap().ip()
        })
    }
}

/// Does something in a thread of its own, whose namespaces then go with it.
fn in_thread<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    thread::scope(|threads| threads.spawn(act).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

fn open(namespace: &str) -> OwnedFd {
    File::open(format!("/proc/thread-self/ns/{namespace}")).unwrap().into()
}

/// Lets go of what other tests have mounted at this moment: a copy would hold it longer than they do.
fn release_mounts_of_other_tests() {
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    for place in mounts.lines().rev().filter_map(|line| line.split(' ').nth(4)) {
        if ["/tmp/crc-", "/tmp/crb-"].iter().any(|prefix| place.starts_with(prefix)) {
            // Another test may have unmounted it in the meantime, where mounts are shared.
            let _ = unmount(place, UnmountFlags::DETACH);
        }
    }
}
