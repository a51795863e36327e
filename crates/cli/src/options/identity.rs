//! Who the container is: name, labels, image choice, files about it.

use std::path::PathBuf;
use std::time::Duration;

use engine::request::{ContainerRequest, HealthRequest, Isolation, Platform, PullPolicy};

use crate::caller::Caller;
use crate::grammar::key_value::{self, Pair};
use crate::grammar::{Invalid, Read, duration, env, log, name, number, platform, stream};

/// Options about the container as a thing with a name.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Identity {
    /// Assign a name to the container
    #[arg(long, value_parser = name::parse)]
    name: Option<String>,
    /// Set meta data on a container
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = key_value::parse_label)]
    label: Vec<Pair>,
    /// Read in a line delimited file of labels
    #[arg(long, value_name = "FILE")]
    label_file: Vec<PathBuf>,
    /// Add an annotation to the container (passed through to the OCI runtime)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value::parse_pair)]
    annotation: Vec<Pair>,
    /// Write the container ID to the file
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// Set platform if the image has several
    #[arg(long, value_parser = platform::parse)]
    platform: Option<Platform>,
    /// Pull image before running ("always", "missing", "never")
    #[arg(long, default_value = "missing", value_parser = stream::parse_pull)]
    pull: PullPolicy,
    /// Container isolation technology
    #[arg(long)]
    isolation: Option<String>,
    /// Logging driver for the container (local, json-file, none)
    #[arg(long, value_name = "DRIVER")]
    log_driver: Option<String>,
    /// Log driver options (max-size, max-file, compress, mode, max-buffer-size; json-file: labels, env)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value::parse_pair)]
    log_opt: Vec<Pair>,
    /// Disable any container-specified HEALTHCHECK
    #[arg(long)]
    no_healthcheck: bool,
    #[command(flatten)]
    health: HealthOptions,
    /// Automatically remove the container when it exits
    #[arg(long = "rm")]
    auto_remove: bool,
}

impl Identity {
    pub(super) fn fill(self, caller: &dyn Caller, request: &mut ContainerRequest) -> Read<()> {
        request.name = self.name;
        for file in &self.label_file {
            request.labels.extend(env::parse_label_file(&read(caller, file)?)?);
        }
        request.labels.extend(self.label);
        request.annotations.extend(self.annotation);
        if let Some(file) = self.cidfile.filter(|file| !file.as_os_str().is_empty()) {
            let path = file.display();
            if caller.exists(&file) {
                let text = format!(
                    "container ID file found, make sure the other container isn't running or delete {path}"
                );
                return Err(Invalid::new(text));
            }
            request.cidfile = Some(file);
        }
        request.platform = self.platform;
        request.pull = self.pull;
        request.isolation = isolation(self.isolation.as_deref())?;
        request.log = log::parse(self.log_driver.as_deref(), &self.log_opt)?;
        request.no_healthcheck = self.no_healthcheck;
        request.health = self.health.read()?;
        if self.no_healthcheck && request.health != HealthRequest::default() {
            return Err(Invalid::new("--no-healthcheck conflicts with --health-* options"));
        }
        request.auto_remove = self.auto_remove;
        Ok(())
    }
}

/// `--health-…`
#[derive(Debug, Clone, clap::Args)]
struct HealthOptions {
    /// Command to run to check health
    #[arg(long, value_name = "COMMAND")]
    health_cmd: Option<String>,
    /// Time between running the check (ms|s|m|h) (default 30s)
    #[arg(long, value_name = "DURATION")]
    health_interval: Option<String>,
    /// Consecutive failures needed to report unhealthy (default 3)
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true, value_parser = number::parse::<i32>)]
    health_retries: Option<i32>,
    /// Time between running the check during the start period (ms|s|m|h) (default 5s)
    #[arg(long, value_name = "DURATION")]
    health_start_interval: Option<String>,
    /// Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)
    #[arg(long, value_name = "DURATION")]
    health_start_period: Option<String>,
    /// Maximum time to allow one check to run (ms|s|m|h) (default 30s)
    #[arg(long, value_name = "DURATION")]
    health_timeout: Option<String>,
}

impl HealthOptions {
    fn read(self) -> Read<HealthRequest> {
        let retries = match self.health_retries {
            Some(..0) => return Err(Invalid::new("--health-retries cannot be negative")),
            retries => retries.map(i32::unsigned_abs).filter(|retries| *retries > 0),
        };
        Ok(HealthRequest {
            command: self.health_cmd.filter(|command| !command.is_empty()),
            interval: health_time("health-interval", self.health_interval)?,
            timeout: health_time("health-timeout", self.health_timeout)?,
            start_period: health_time("health-start-period", self.health_start_period)?,
            start_interval: health_time("health-start-interval", self.health_start_interval)?,
            retries,
        })
    }
}

/// Reads a time of health checks; zero is the default, and less than a millisecond is refused as in Docker.
fn health_time(flag: &str, text: Option<String>) -> Read<Option<Duration>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let invalid =
        |why: &str| Invalid::new(format!("invalid argument \"{text}\" for \"--{flag}\" flag: {why}"));
    let nanos =
        duration::parse_nanos(&text).ok_or_else(|| invalid("invalid duration").hint("write 30s or 1m30s"))?;
    match u64::try_from(nanos) {
        Ok(0) => Ok(None),
        Ok(nanos) if nanos >= 1_000_000 => Ok(Some(Duration::from_nanos(nanos))),
        Ok(_) => Err(invalid("cannot be less than 1ms")),
        Err(_) => Err(invalid("cannot be negative")),
    }
}

fn isolation(text: Option<&str>) -> Read<Isolation> {
    match text.unwrap_or_default() {
        "" | "default" | "namespaces" => Ok(Isolation::Namespaces),
        other => {
            Err(Invalid::new(format!("isolation `{other}` is not supported yet")).hint("use namespaces"))
        }
    }
}

/// Reads a file that a flag names.
pub(super) fn read(caller: &dyn Caller, path: &std::path::Path) -> Read<Vec<u8>> {
    caller.read(path).map_err(|error| {
        Invalid::new(format!("cannot read `{}`: {}", path.display(), crate::text::io_error(&error)))
    })
}
