//! Scheduler and IO priority of the process (sched_setattr(2), ioprio_set(2)).

use oci::runtime::Scheduler;

use crate::error::{Error, Result};
use crate::step::SchedulerStep;

/// Parses the specification's scheduler words.
pub(crate) fn scheduler_step(scheduler: &Scheduler) -> Result<SchedulerStep> {
    let policy = match scheduler.policy.as_str() {
        "SCHED_OTHER" => 0,
        "SCHED_FIFO" => 1,
        "SCHED_RR" => 2,
        "SCHED_BATCH" => 3,
        "SCHED_ISO" => 4,
        "SCHED_IDLE" => 5,
        "SCHED_DEADLINE" => 6,
        other => return Err(Error::Invalid(format!("unknown scheduler policy `{other}`"))),
    };
    let mut flags = 0;
    for flag in &scheduler.flags {
        flags |= match flag.as_str() {
            "SCHED_FLAG_RESET_ON_FORK" => 0x01,
            "SCHED_FLAG_RECLAIM" => 0x02,
            "SCHED_FLAG_DL_OVERRUN" => 0x04,
            "SCHED_FLAG_KEEP_POLICY" => 0x08,
            "SCHED_FLAG_KEEP_PARAMS" => 0x10,
            "SCHED_FLAG_UTIL_CLAMP_MIN" => 0x20,
            "SCHED_FLAG_UTIL_CLAMP_MAX" => 0x40,
            other => return Err(Error::Invalid(format!("unknown scheduler flag `{other}`"))),
        };
    }
    Ok(SchedulerStep {
        policy,
        flags,
        nice: scheduler.nice,
        priority: u32::try_from(scheduler.priority)
            .map_err(|_| Error::Invalid("scheduler priority must not be negative".into()))?,
        runtime: scheduler.runtime,
        deadline: scheduler.deadline,
        period: scheduler.period,
    })
}
