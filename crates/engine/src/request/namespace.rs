//! Which namespaces a container has of its own and which it shares.

use serde::{Deserialize, Serialize};

use super::EndpointRequest;

/// The modes of all namespaces that the user may choose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    pub pid: PidMode,
    pub ipc: IpcMode,
    pub uts: UtsMode,
    pub cgroup: CgroupMode,
    pub user: UserMode,
    pub network: NetworkMode,
}

impl Namespaces {
    /// Whether one of the host's namespaces is shared, apart from the user namespace.
    pub fn shares_host(&self) -> bool {
        self.pid == PidMode::Host
            || self.ipc == IpcMode::Host
            || self.uts == UtsMode::Host
            || self.network == NetworkMode::Host
    }

    /// Returns the other containers whose namespaces are joined, as typed.
    pub fn joined(&self) -> Vec<&str> {
        let pid = if let PidMode::Container(name) = &self.pid { Some(name) } else { None };
        let ipc = if let IpcMode::Container(name) = &self.ipc { Some(name) } else { None };
        let user = if let UserMode::Container(name) = &self.user { Some(name) } else { None };
        let network = if let NetworkMode::Container(name) = &self.network { Some(name) } else { None };
        [pid, ipc, user, network].into_iter().flatten().map(String::as_str).collect()
    }
}

/// `--pid`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PidMode {
    #[default]
    Private,
    Host,
    Container(String),
}

/// `--ipc`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IpcMode {
    /// Its own, which no other container may join.
    #[default]
    Private,
    /// Its own, which others may join.
    Shareable,
    /// Its own, without `/dev/shm`.
    None,
    Host,
    Container(String),
}

/// `--uts`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UtsMode {
    #[default]
    Private,
    Host,
}

/// `--cgroupns`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CgroupMode {
    /// Private, except with `--privileged` on cgroup v1.
    #[default]
    Default,
    Private,
    Host,
}

/// `--userns`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserMode {
    /// A user namespace of its own, unless privilege or a shared host namespace speaks against it.
    #[default]
    Default,
    /// A user namespace of its own in any case.
    Auto,
    Host,
    Container(String),
}

/// `--network`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkMode {
    /// Not asked: the default network.
    #[default]
    Default,
    None,
    Host,
    Container(String),
    /// These networks; the first has the default route.
    Networks(Vec<EndpointRequest>),
}

impl NetworkMode {
    /// Whether the container has a network namespace of its own.
    pub fn is_private(&self) -> bool {
        !matches!(self, Self::Host | Self::Container(_))
    }
}
