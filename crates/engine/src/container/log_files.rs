//! Where a container's log lies and how it is kept, from what its driver was told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use supervisor::{LogConfig, LogForm};

use super::record::ContainerRecord;
use crate::paths::Engine;
use crate::request::{LogDriver, LogOptions};

/// Files of the driver `local` unless asked otherwise: five of 20 MiB, the older ones compressed.
const LOCAL_BYTES_MAX: u64 = 20 << 20;
const LOCAL_FILES_MAX: u32 = 5;

/// The newest file of a container's log: for `json-file` where Docker has it, beside the container's other files.
pub(super) fn path(engine: &Engine, record: &ContainerRecord) -> Option<PathBuf> {
    let name = match &record.request.log {
        LogDriver::Local(_) => "log".to_owned(),
        LogDriver::JsonFile(_) => format!("{}-json.log", record.id),
        LogDriver::Off => return None,
    };
    Some(engine.container_dir(&record.id).join(name))
}

pub(super) fn config(engine: &Engine, record: &ContainerRecord) -> Option<LogConfig> {
    let path = path(engine, record)?;
    let options = record.request.log.options()?;
    let local = matches!(record.request.log, LogDriver::Local(_));
    let (form, bytes_max, files_max) = match local {
        true => (LogForm::Cri, LOCAL_BYTES_MAX, LOCAL_FILES_MAX),
        false => (LogForm::Json, u64::MAX, 1),
    };
    Some(LogConfig {
        path,
        form,
        bytes_max: options.max_bytes.unwrap_or(bytes_max),
        files_max: options.max_files.unwrap_or(files_max),
        compress: options.compress.unwrap_or(local),
        attributes: attributes(record, options),
        client_bytes_max: options.buffer_bytes,
    })
}

/// The labels and variables that were asked for and are there.
fn attributes(record: &ContainerRecord, options: &LogOptions) -> BTreeMap<String, String> {
    let labels = options.labels.iter().filter_map(|key| Some((key.clone(), record.labels.get(key)?.clone())));
    let variable = |key: &String| {
        let value = record.env.iter().find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        Some((key.clone(), value?.to_owned()))
    };
    labels.chain(options.env.iter().filter_map(variable)).collect()
}
