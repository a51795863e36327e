//! The arguments of each verb, as clap reads them.

use std::path::PathBuf;

/// Arguments of `create`, and of `run` before its own.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Create {
    /// Path to the root of the bundle directory (default: the current directory)
    #[arg(short, long, value_name = "DIR")]
    pub(super) bundle: Option<PathBuf>,
    /// Socket to send the master end of the container's terminal to
    #[arg(long, value_name = "SOCKET")]
    pub(super) console_socket: Option<PathBuf>,
    /// File to write the process id to
    #[arg(long, value_name = "FILE")]
    pub(super) pid_file: Option<PathBuf>,
    /// Do not use pivot_root (not supported)
    #[arg(long, hide = true)]
    pub(super) no_pivot: bool,
    /// Keep the caller's session keyring
    #[arg(long)]
    pub(super) no_new_keyring: bool,
    /// Pass N more descriptors to the container (stdio + $LISTEN_FDS + N in total)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) preserve_fds: u32,
    #[arg(value_name = "CONTAINER", hide = true)]
    pub(super) id: String,
}

/// Arguments of `run`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) create: Create,
    /// Detach from the container's process
    #[arg(short, long)]
    pub(super) detach: bool,
    /// Do not delete the container after it has ended
    #[arg(long)]
    pub(super) keep: bool,
    /// Accepted: there is no subreaper
    #[arg(long, hide = true)]
    pub(super) no_subreaper: bool,
}

/// The one argument of most verbs.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct One {
    #[arg(value_name = "CONTAINER", hide = true)]
    pub(super) id: String,
}

/// Arguments of `kill`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Kill {
    /// Send the signal to all processes of the container
    #[arg(short, long)]
    pub(super) all: bool,
    #[arg(value_name = "CONTAINER", hide = true)]
    pub(super) id: String,
    #[arg(value_name = "SIGNAL", default_value = "TERM", hide = true, allow_negative_numbers = true)]
    pub(super) signal: String,
}

/// Arguments of `delete`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Delete {
    /// Delete the container even if it runs (uses SIGKILL)
    #[arg(short, long)]
    pub(super) force: bool,
    #[arg(value_name = "CONTAINER", hide = true)]
    pub(super) id: String,
}

/// Arguments of `exec`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Exec {
    /// Socket to send the master end of the process' terminal to
    #[arg(long, value_name = "SOCKET")]
    pub(super) console_socket: Option<PathBuf>,
    /// Working directory in the container
    #[arg(long, value_name = "DIR")]
    pub(super) cwd: Option<PathBuf>,
    /// Set an environment variable
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub(super) env: Vec<String>,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    pub(super) tty: bool,
    /// User of the process, in numbers
    #[arg(short, long, value_name = "UID[:GID]", value_parser = parse_user)]
    pub(super) user: Option<(u32, Option<u32>)>,
    /// Additional group, as a number
    #[arg(short = 'g', long, value_name = "GID")]
    pub(super) additional_gids: Vec<u32>,
    /// File with the process to run
    #[arg(short, long, value_name = "FILE")]
    pub(super) process: Option<PathBuf>,
    /// Detach from the process
    #[arg(short, long)]
    pub(super) detach: bool,
    /// File to write the process id to
    #[arg(long, value_name = "FILE")]
    pub(super) pid_file: Option<PathBuf>,
    /// SELinux label of the process
    #[arg(long, value_name = "LABEL")]
    pub(super) process_label: Option<String>,
    /// AppArmor profile of the process
    #[arg(long, value_name = "PROFILE")]
    pub(super) apparmor: Option<String>,
    /// Set no_new_privs for the process
    #[arg(long)]
    pub(super) no_new_privs: bool,
    /// Add a capability to the process
    #[arg(short, long, value_name = "NAME")]
    pub(super) cap: Vec<String>,
    /// Pass N more descriptors to the process (stdio + $LISTEN_FDS + N in total)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) preserve_fds: u32,
    /// Run the process in an existing sub-cgroup: PATH, or CONTROLLER:PATH
    #[arg(long, value_name = "CGROUP")]
    pub(super) cgroup: Vec<String>,
    /// Allow exec in a paused container
    #[arg(long)]
    pub(super) ignore_paused: bool,
    /// Container, command and arguments: options end at the container.
    #[arg(trailing_var_arg = true, hide = true, required = true)]
    pub(super) words: Vec<String>,
}

/// The two forms of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    Table,
    Json,
}

/// Arguments of `list`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct List {
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    pub(super) format: Form,
    /// Show container ids alone
    #[arg(short, long)]
    pub(super) quiet: bool,
}

/// Arguments of `ps`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Ps {
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    pub(super) format: Form,
    #[arg(value_name = "CONTAINER", hide = true)]
    pub(super) id: String,
    /// Options of ps(1), which is not run
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub(super) options: Vec<String>,
}

/// Arguments of `update`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Update {
    /// File with the resources to change, or - for standard input; other options are ignored then
    #[arg(short, long, value_name = "FILE")]
    pub(super) resources: Option<String>,
    /// Weight of block IO, from 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    pub(super) blkio_weight: Option<u16>,
    /// Period of the CPU quota in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub(super) cpu_period: Option<u64>,
    /// CPU time in each period in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    pub(super) cpu_quota: Option<i64>,
    /// CPU time that may be saved for a burst in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub(super) cpu_burst: Option<u64>,
    /// CPU shares (relative weight)
    #[arg(long, value_name = "SHARES")]
    pub(super) cpu_share: Option<u64>,
    /// Period of the real-time CPU limit in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub(super) cpu_rt_period: Option<u64>,
    /// Real-time CPU limit in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    pub(super) cpu_rt_runtime: Option<i64>,
    /// Run at idle priority (1) or not (0)
    #[arg(long, value_name = "NUMBER")]
    pub(super) cpu_idle: Option<i64>,
    /// CPUs to use
    #[arg(long, value_name = "LIST")]
    pub(super) cpuset_cpus: Option<String>,
    /// Memory nodes to use
    #[arg(long, value_name = "LIST")]
    pub(super) cpuset_mems: Option<String>,
    /// Memory limit, -1 for none
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    pub(super) memory: Option<String>,
    /// Memory that is kept under pressure
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    pub(super) memory_reservation: Option<String>,
    /// Limit of memory and swap together, -1 for none
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    pub(super) memory_swap: Option<String>,
    /// Accepted: the kernel has dropped it
    #[arg(long, hide = true, allow_negative_numbers = true)]
    pub(super) kernel_memory: Option<String>,
    /// Accepted: the kernel has dropped it
    #[arg(long, hide = true, allow_negative_numbers = true)]
    pub(super) kernel_memory_tcp: Option<String>,
    /// Limit of processes, -1 for none
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(super) pids_limit: Option<i64>,
    /// Intel RDT (not supported)
    #[arg(long, hide = true)]
    pub(super) l3_cache_schema: Option<String>,
    /// Intel RDT (not supported)
    #[arg(long, hide = true)]
    pub(super) mem_bw_schema: Option<String>,
    #[arg(value_name = "CONTAINER", hide = true)]
    pub(super) id: String,
}

/// Arguments of `events`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Events {
    /// Show the counters in this interval
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_interval)]
    pub(super) interval: std::time::Duration,
    /// Show the counters once
    #[arg(long)]
    pub(super) stats: bool,
    #[arg(value_name = "CONTAINER", hide = true)]
    pub(super) id: String,
}

/// Arguments of `spec`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Spec {
    /// Path to the root of the bundle directory
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(super) bundle: PathBuf,
    /// Write a specification for a container of the caller's own user
    #[arg(long)]
    pub(super) rootless: bool,
}

/// Arguments of `features`: none.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Nothing {}

fn parse_user(text: &str) -> Result<(u32, Option<u32>), String> {
    let number = |part: &str| {
        part.parse::<u32>().map_err(|_| format!("`{part}` is not the number of a user or group"))
    };
    match text.split_once(':') {
        Some((user, group)) => Ok((number(user)?, Some(number(group)?))),
        None => Ok((number(text)?, None)),
    }
}

fn parse_interval(text: &str) -> Result<std::time::Duration, String> {
    let nanos = crate::grammar::duration::parse_nanos(text).filter(|nanos| *nanos > 0);
    let nanos = nanos.and_then(|nanos| u64::try_from(nanos).ok());
    nanos.map(std::time::Duration::from_nanos).ok_or_else(|| "it is a time above zero, such as 5s".to_owned())
}
