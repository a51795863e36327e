//! Who the container is: name, labels, image choice, files about it.

use std::path::PathBuf;

use engine::request::{ContainerRequest, Isolation, Platform, PullPolicy};

use crate::caller::Caller;
use crate::grammar::key_value::{self, Pair};
use crate::grammar::{Invalid, Read, env, log, name, platform, stream};

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
        request.auto_remove = self.auto_remove;
        Ok(())
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
