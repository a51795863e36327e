//! The record of a container: what it is, on disk for as long as it exists.

use std::collections::BTreeMap;

use oci::image::Healthcheck;
use oci::rootfs::Overlay;
use serde::{Deserialize, Serialize};
use store::Record;

use super::placement::Placed;
use crate::confinement::selinux::Labels;
use crate::request::{ContainerRequest, IpcMode, MountRequest, NetworkMode, PidMode, UserMode};

/// Everything a start needs that is not looked up anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerRecord {
    pub id: String,
    pub name: String,
    /// A name that may be claimed for it beside its own: see `rename`.
    #[serde(default)]
    pub other_name: Option<String>,
    /// Nanoseconds since 1970.
    pub created: i64,
    /// As asked.
    pub request: ContainerRequest,
    /// As it resulted from request and image.
    pub image_id: String,
    /// Layers and writable part, as the image room prepared them.
    pub rootfs: Option<Overlay>,
    /// The largest user or group id found in the image.
    pub highest_id: u32,
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub workdir: String,
    pub user: String,
    pub hostname: String,
    pub stop_signal: Option<String>,
    /// How its health is checked.
    #[serde(default)]
    pub healthcheck: Option<Healthcheck>,
    /// The image's shell, for checks.
    #[serde(default)]
    pub shell: Option<Vec<String>>,
    pub labels: BTreeMap<String, String>,
    pub exposed_ports: Vec<String>,
    pub volumes: Vec<String>,
    /// All mounts as they were decided; absent in a record from before there were volumes.
    #[serde(default)]
    pub mounts: Option<Vec<Placed>>,
    /// Its SELinux labels, where SELinux was on when it was made.
    #[serde(default)]
    pub confinement: Option<Labels>,
}

impl Record for ContainerRecord {
    const KIND: &'static str = "container";
    const VERSION: u32 = 1;
}

impl ContainerRecord {
    /// The path of the container's cgroup, below `/coracle` unless asked otherwise.
    pub(crate) fn cgroup(&self) -> String {
        let parent = self.request.cgroup_parent.as_deref().unwrap_or("/coracle").trim_end_matches('/');
        format!("{parent}/{}", self.id)
    }

    /// Whether it lives in namespaces of another container.
    pub(crate) fn joins_another(&self) -> bool {
        let namespaces = &self.request.namespaces;
        matches!(namespaces.network, NetworkMode::Container(_))
            || matches!(namespaces.pid, PidMode::Container(_))
            || matches!(namespaces.ipc, IpcMode::Container(_))
            || matches!(namespaces.user, UserMode::Container(_))
    }

    /// Returns what is mounted, outer places first.
    pub(crate) fn placed(&self) -> Vec<Placed> {
        let early = |mount: &MountRequest| match mount {
            MountRequest::Bind(bind) => Some(Placed::Bind(bind.clone())),
            MountRequest::Tmpfs(tmpfs) => Some(Placed::Tmpfs(tmpfs.clone())),
            MountRequest::Volume(_) | MountRequest::Image(_) => None,
        };
        self.mounts.clone().unwrap_or_else(|| self.request.mounts.iter().filter_map(early).collect())
    }

    /// Returns the names of the volumes that were made for this container and are named by nobody.
    pub(crate) fn anonymous_volumes(&self) -> Vec<String> {
        let anonymous = |mount: Placed| match mount {
            Placed::Volume(volume) if volume.anonymous => Some(volume.name),
            _ => None,
        };
        self.placed().into_iter().filter_map(anonymous).collect()
    }

    /// The first twelve digits of the id.
    pub fn short_id(&self) -> &str {
        &self.id[..12]
    }
}
