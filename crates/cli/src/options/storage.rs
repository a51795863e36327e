//! What the container sees of files and devices beside its image.

use engine::request::{ContainerRequest, DeviceMapping, MountRequest, TmpfsMount, VolumesFrom};

use crate::caller::Caller;
use crate::grammar::mount::{self, Mount};
use crate::grammar::volume::{self, Bind, Volume};
use crate::grammar::{Invalid, Read, device, size, tmpfs};

/// Options about mounts and devices.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Storage {
    /// Mount a volume, or a directory or file of the host
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]", value_parser = volume::parse)]
    volume: Vec<Volume>,
    /// Driver of the volumes that are made
    #[arg(long, value_name = "DRIVER")]
    volume_driver: Option<String>,
    /// Mount what another container has mounted
    #[arg(long, value_name = "CONTAINER[:ro]", value_parser = volume::parse_from)]
    volumes_from: Vec<VolumesFrom>,
    /// Attach a filesystem mount to the container
    #[arg(long, value_name = "SPEC", value_parser = mount::parse)]
    mount: Vec<Mount>,
    /// Mount a tmpfs directory
    #[arg(long, value_name = "TARGET[:OPTIONS]", value_parser = tmpfs::parse)]
    tmpfs: Vec<TmpfsMount>,
    /// Mount the container's root filesystem as read only
    #[arg(long)]
    read_only: bool,
    /// Size of /dev/shm
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    shm_size: Option<u64>,
    /// Add a host device to the container
    #[arg(long, value_name = "HOST[:CONTAINER][:rwm]", value_parser = device::parse)]
    device: Vec<DeviceMapping>,
}

impl Storage {
    pub(super) fn fill(self, caller: &dyn Caller, request: &mut ContainerRequest) -> Read<()> {
        let bind = |bind: Bind| -> Read<MountRequest> {
            // Only a relative source needs the directory, which may be gone.
            let cwd = if bind.mount.source.is_relative() {
                caller.cwd().map_err(|error| {
                    let source = bind.mount.source.display();
                    Invalid::new(format!(
                        "cannot find `{source}`: no working directory: {}",
                        crate::text::io_error(&error)
                    ))
                })?
            } else {
                "/".into()
            };
            Ok(MountRequest::Bind(bind.below(&cwd)))
        };
        let mut mounts: Vec<MountRequest> = Vec::new();
        for volume in self.volume {
            mounts.push(match volume {
                Volume::Bind(asked) => bind(asked)?,
                Volume::Volume(mut volume) => {
                    volume.driver.clone_from(&self.volume_driver);
                    MountRequest::Volume(volume)
                }
            });
        }
        request.volumes_from = self.volumes_from;
        for mount in self.mount {
            mounts.push(match mount {
                Mount::Volume(volume) => MountRequest::Volume(volume),
                Mount::Image(image) => MountRequest::Image(image),
                Mount::Bind(asked) => bind(asked)?,
                Mount::Tmpfs(tmpfs) => MountRequest::Tmpfs(tmpfs),
            });
        }
        mounts.extend(self.tmpfs.into_iter().map(MountRequest::Tmpfs));
        request.mounts = in_order(mounts)?;
        request.read_only = self.read_only;
        request.shm_bytes = self.shm_size.filter(|bytes| *bytes > 0);
        request.devices = self.device;
        Ok(())
    }
}

/// Puts outer mounts before inner ones and refuses two at one place.
fn in_order(mut mounts: Vec<MountRequest>) -> Read<Vec<MountRequest>> {
    mounts.sort_by_key(|mount| mount.target().components().count());
    for (index, mount) in mounts.iter().enumerate() {
        let target = mount.target();
        if mounts[..index].iter().any(|other| other.target() == target) {
            return Err(Invalid::new(format!("Duplicate mount point: {}", target.display())));
        }
    }
    Ok(mounts)
}
