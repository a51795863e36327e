//! `update`: other limits and another restart policy for containers.

use engine::request::{BlockIo, Cpu, Limit, Memory, Resources, RestartPolicy, UpdateRequest};

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read, blkio, cpu, number, restart, size};
use crate::options::{Refusal, Refused, Table, check_limits};
use crate::parse::{Arguments, Words};

/// Arguments of `update`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Block IO (relative weight), between 10 and 1000, or 0 to disable
    #[arg(long, value_name = "NUMBER", value_parser = blkio::parse_weight)]
    blkio_weight: Option<u16>,
    /// Limit CPU CFS (Completely Fair Scheduler) period
    #[arg(long, value_name = "MICROSECONDS", value_parser = number::parse::<u64>)]
    cpu_period: Option<u64>,
    /// Limit CPU CFS (Completely Fair Scheduler) quota
    #[arg(long, value_name = "MICROSECONDS", value_parser = number::parse_limit)]
    cpu_quota: Option<Limit>,
    /// Limit the CPU real-time period in microseconds
    #[arg(long, value_name = "MICROSECONDS", value_parser = number::parse::<u64>)]
    cpu_rt_period: Option<u64>,
    /// Limit the CPU real-time runtime in microseconds
    #[arg(long, value_name = "MICROSECONDS", value_parser = number::parse::<i64>)]
    cpu_rt_runtime: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "NUMBER", value_parser = number::parse::<u64>)]
    cpu_shares: Option<u64>,
    /// Number of CPUs
    #[arg(long, value_name = "DECIMAL", value_parser = cpu::parse_nano)]
    cpus: Option<u64>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "LIST", value_parser = cpu::parse_set)]
    cpuset_cpus: Option<String>,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "LIST", value_parser = cpu::parse_set)]
    cpuset_mems: Option<String>,
    /// Memory limit
    #[arg(short, long, value_name = "BYTES", value_parser = size::parse)]
    memory: Option<u64>,
    /// Memory soft limit
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    memory_reservation: Option<u64>,
    /// Swap limit equal to memory plus swap: -1 to enable unlimited swap
    #[arg(long, value_name = "BYTES", value_parser = size::parse_limit)]
    memory_swap: Option<Limit>,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long, value_name = "NUMBER", value_parser = number::parse_pids)]
    pids_limit: Option<Limit>,
    /// Restart policy to apply when a container exits: no, on-failure or on-failure:TRIES, always, unless-stopped
    #[arg(long, value_name = "POLICY", value_parser = restart::parse)]
    restart: Option<RestartPolicy>,
    #[command(flatten)]
    refused: Refused<OfUpdate>,
}

struct OfUpdate;

impl Table for OfUpdate {
    const ROWS: &'static [Refusal] =
        &[Refusal::value("kernel-memory", "the kernel has dropped this limit").unless(&["0"])];
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        // As in Docker, zero and an empty list leave a limit as it is.
        let some = |value: Option<u64>| value.filter(|value| *value > 0);
        let list = |value: Option<String>| value.filter(|value| !value.is_empty());
        let changes = Resources {
            memory: Memory {
                limit: some(self.memory),
                reservation: some(self.memory_reservation),
                swap: self.memory_swap.filter(|swap| *swap != Limit::Max(0)),
                ..Memory::default()
            },
            cpu: Cpu {
                shares: some(self.cpu_shares),
                nano: some(self.cpus),
                quota: self.cpu_quota.filter(|quota| *quota != Limit::Max(0)),
                period: some(self.cpu_period),
                realtime_runtime: self.cpu_rt_runtime.filter(|runtime| *runtime != 0),
                realtime_period: some(self.cpu_rt_period),
                cpuset_cpus: list(self.cpuset_cpus),
                cpuset_mems: list(self.cpuset_mems),
            },
            block_io: BlockIo {
                weight: self.blkio_weight.filter(|weight| *weight > 0),
                ..BlockIo::default()
            },
            pids: self.pids_limit,
            ..Resources::default()
        };
        if changes == Resources::default() && self.restart.is_none() {
            return Err(Invalid::new("you must provide one or more flags when using this command"));
        }
        check_limits(&changes)?;
        Ok(Command::Update(UpdateRequest { containers: words, changes, restart: self.restart }))
    }
}
