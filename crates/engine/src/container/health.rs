//! How a container's health is checked: asked for, else by its image, else by Docker's defaults.

use std::time::Duration;

use oci::image::Healthcheck;
use oci::runtime::Process;
use supervisor::health::{HealthJob, Schedule};

use super::record::ContainerRecord;
use crate::request::HealthRequest;

const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;

/// Merges what was asked for with what the image says.
pub(super) fn merged(asked: &HealthRequest, off: bool, image: Option<&Healthcheck>) -> Option<Healthcheck> {
    if off {
        return Some(Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() });
    }
    let image = image.cloned().unwrap_or_default();
    let nanos = |asked: Option<Duration>, image: i64| {
        asked
            .filter(|time| !time.is_zero())
            .map_or(image, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
    };
    let test = match &asked.command {
        Some(command) => vec!["CMD-SHELL".to_owned(), command.clone()],
        None => image.test,
    };
    let merged = Healthcheck {
        test,
        interval: nanos(asked.interval, image.interval),
        timeout: nanos(asked.timeout, image.timeout),
        start_period: nanos(asked.start_period, image.start_period),
        start_interval: nanos(asked.start_interval, image.start_interval),
        retries: asked.retries.filter(|retries| *retries > 0).map_or(image.retries, i64::from),
    };
    (merged != Healthcheck::default()).then_some(merged)
}

/// The program of the check, if there is one.
pub(super) fn program(record: &ContainerRecord) -> Option<Vec<String>> {
    let check = record.healthcheck.as_ref()?;
    let (kind, rest) = check.test.split_first()?;
    match kind.as_str() {
        "CMD" if !rest.is_empty() => Some(rest.to_vec()),
        "CMD-SHELL" if !rest.is_empty() => {
            let default = || vec!["/bin/sh".to_owned(), "-c".to_owned()];
            let shell = record.shell.clone().filter(|shell| !shell.is_empty()).unwrap_or_else(default);
            Some(shell.into_iter().chain(rest.iter().cloned()).collect())
        }
        _ => None,
    }
}

/// What the supervisor needs: the check is a process like the container's own, with another program and without terminal.
pub(super) fn job(
    record: &ContainerRecord,
    process: Option<&Process>,
    seccomp: Option<&(Vec<u8>, u32)>,
) -> Option<HealthJob> {
    let (args, check) = (program(record)?, record.healthcheck.as_ref()?);
    let time = |nanos: i64, default| match u64::try_from(nanos) {
        Ok(nanos) if nanos > 0 => Duration::from_nanos(nanos),
        _ => default,
    };
    Some(HealthJob {
        schedule: Schedule {
            interval: time(check.interval, INTERVAL),
            timeout: time(check.timeout, TIMEOUT),
            start_period: time(check.start_period, Duration::ZERO),
            start_interval: time(check.start_interval, START_INTERVAL),
            retries: u32::try_from(check.retries).ok().filter(|retries| *retries > 0).unwrap_or(RETRIES),
        },
        process: Process { args, terminal: false, console_size: None, ..process?.clone() },
        seccomp: seccomp.cloned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_comes_before_what_the_image_says() {
        let image = Healthcheck {
            test: vec!["CMD".to_owned(), "/check".to_owned()],
            interval: 1,
            retries: 7,
            ..Healthcheck::default()
        };
        let nothing = HealthRequest::default();
        assert_eq!(merged(&nothing, false, None), None);
        assert_eq!(merged(&nothing, false, Some(&image)), Some(image.clone()));
        assert_eq!(merged(&nothing, true, Some(&image)).unwrap().test, ["NONE"]);
        let asked = HealthRequest {
            command: Some("true".to_owned()),
            interval: Some(Duration::from_secs(2)),
            timeout: Some(Duration::ZERO),
            ..nothing.clone()
        };
        let both = merged(&asked, false, Some(&image)).unwrap();
        assert_eq!((both.interval, both.timeout, both.retries), (2_000_000_000, 0, 7));
        assert_eq!(both.test, ["CMD-SHELL", "true"]);
        let times_only = HealthRequest { retries: Some(2), ..nothing };
        assert_eq!(merged(&times_only, false, Some(&image)).unwrap(), Healthcheck { retries: 2, ..image });
    }
}
