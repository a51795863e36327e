//! What the container shares with the host or another container.

use std::net::IpAddr;

use engine::request::{
    CgroupMode, ContainerRequest, IpcMode, Namespaces, NetworkMode, PidMode, UserMode, UtsMode,
};

use crate::grammar::{host, namespace};

/// Options about namespaces, names and name servers.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Sharing {
    /// PID namespace to use
    #[arg(long, value_name = "MODE", value_parser = namespace::parse_pid)]
    pid: Option<PidMode>,
    /// IPC mode to use
    #[arg(long, value_name = "MODE", value_parser = namespace::parse_ipc)]
    ipc: Option<IpcMode>,
    /// UTS namespace to use
    #[arg(long, value_name = "MODE", value_parser = namespace::parse_uts)]
    uts: Option<UtsMode>,
    /// Cgroup namespace to use (host|private)
    #[arg(long, value_name = "MODE", value_parser = namespace::parse_cgroup)]
    cgroupns: Option<CgroupMode>,
    /// User namespace to use
    #[arg(long, value_name = "MODE", value_parser = namespace::parse_user)]
    userns: Option<UserMode>,
    /// Add a custom host-to-IP mapping (host:ip)
    #[arg(long, value_name = "HOST:IP", value_parser = host::parse_extra)]
    add_host: Vec<(String, Option<IpAddr>)>,
    /// Set custom DNS servers
    #[arg(long, value_name = "IP", value_parser = host::parse_ip)]
    dns: Vec<IpAddr>,
    /// Set DNS options
    #[arg(long, alias = "dns-opt", value_name = "OPTION")]
    dns_option: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long, value_name = "DOMAIN", value_parser = host::parse_search)]
    dns_search: Vec<String>,
}

impl Sharing {
    pub(super) fn fill(self, request: &mut ContainerRequest) {
        request.namespaces = Namespaces {
            pid: self.pid.unwrap_or_default(),
            ipc: self.ipc.unwrap_or_default(),
            uts: self.uts.unwrap_or_default(),
            cgroup: self.cgroupns.unwrap_or_default(),
            user: self.userns.unwrap_or_default(),
            network: NetworkMode::Default,
        };
        request.hosts = self.add_host;
        request.dns = self.dns;
        request.dns_options = self.dns_option;
        request.dns_search = self.dns_search;
    }
}
