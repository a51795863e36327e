//! `commit`: an image of what a container is now; its new layer holds what the container has changed.

use image::{Capture, Change};
use oci::image::Config;

use super::create::DEFAULT_PATH;
use super::diff::STUBS;
use super::find::find;
use super::placement::Placed;
use super::record::ContainerRecord;
use super::stillness::Stillness;
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::{CommitRequest, Entrypoint};

/// An image that was made of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub id: String,
    pub warnings: Vec<String>,
}

/// Makes an image of a container. It stands still while its changes are copied, unless asked otherwise.
pub fn commit(engine: &Engine, request: &CommitRequest) -> Result<Committed> {
    let container = find(engine, &request.container)?;
    let record = &container.record;
    let images = crate::image::open(engine)?;
    let image = record.image_id.parse().map_err(|error| {
        Error::new(oci::class::Class::Internal, format!("container `{}` has no image", record.name))
            .caused_by(error)
    })?;
    let changes: Vec<Change> = request
        .changes
        .iter()
        .map(|change| Change::new(&change.instruction, &change.arguments))
        .collect::<Result<_, image::Error>>()?;
    let config = match images.image(&image) {
        Ok(base) => config_of(record, &base.config),
        // What is missing is told below.
        Err(_) => Config::default(),
    };
    let capture = Capture {
        key: &record.id,
        image,
        config,
        changes: &changes,
        reference: request.reference.as_deref(),
        author: &request.author,
        message: &request.message,
        created_by: record.args.join(" "),
        stubs: &STUBS,
        epoch: request.epoch,
    };
    let still = if request.pause { Stillness::begin(&container)? } else { None };
    let captured = images.capture(&capture, || drop(still)).map_err(Error::from);
    let captured = captured
        .map_err(|error| match error.class() {
            oci::class::Class::Conflict if error.remedy().is_none() => {
                error.hint(format!("keep its files with `coracle export {} | coracle import -`", record.name))
            }
            _ => error,
        })
        .doing(|| format!("cannot commit container `{}`", record.name))?;
    let id = captured.id.to_string();
    let name = captured.reference.map(|reference| reference.familiar().to_string()).unwrap_or_default();
    crate::events::of_container(engine, record, "commit", &[("imageID", &id), ("imageRef", &name)]);
    if !name.is_empty() {
        crate::events::of_image(engine, &id, &name, "tag");
    }
    let warning = |path: &std::path::PathBuf| {
        format!("`/{}` is left out: in a layer its name would mean that another file is gone", path.display())
    };
    Ok(Committed { id, warnings: captured.left_out.iter().map(warning).collect() })
}

/// How the container runs, as an image says it. Of the machine's own (host name, terminal) nothing goes in: the same
/// files make the same image.
pub(super) fn config_of(record: &ContainerRecord, image: &Config) -> Config {
    let request = &record.request;
    let (entrypoint, cmd) = match &request.entrypoint {
        Entrypoint::Image if request.command.is_empty() => (image.entrypoint.clone(), image.cmd.clone()),
        Entrypoint::Image => (image.entrypoint.clone(), Some(request.command.clone())),
        Entrypoint::Cleared => (None, Some(request.command.clone())),
        Entrypoint::Program(program) => {
            (Some(vec![program.clone()]), Some(request.command.clone()).filter(|command| !command.is_empty()))
        }
    };
    let anonymous = |mount: Placed| match mount {
        Placed::Volume(volume) if volume.anonymous => Some(volume.target.display().to_string()),
        _ => None,
    };
    let mut volumes: std::collections::BTreeSet<String> = record.volumes.iter().cloned().collect();
    volumes.extend(record.placed().into_iter().filter_map(anonymous));
    let workdir = if record.workdir == "/" { image.working_dir.clone() } else { record.workdir.clone() };
    // What is added where nobody says anything is not said.
    let has_path = |entry: &String| entry.starts_with("PATH=");
    let path_is_ours =
        !image.env.iter().any(has_path) && !request.env.iter().any(|change| change.name == "PATH");
    let mut env = record.env.clone();
    env.retain(|entry| !(path_is_ours && entry == DEFAULT_PATH));
    let stop_signal =
        request.stop_signal.map(|signal| signal.to_string()).or_else(|| record.stop_signal.clone());
    let exposed = crate::network::exposed(record);
    Config {
        user: record.user.clone(),
        env,
        entrypoint,
        cmd,
        working_dir: workdir,
        exposed_ports: exposed.into_iter().map(|(port, protocol)| format!("{port}/{protocol}")).collect(),
        volumes,
        labels: record.labels.clone(),
        healthcheck: record.healthcheck.clone(),
        shell: record.shell.clone(),
        stop_signal: stop_signal.unwrap_or_default(),
        stop_timeout: image.stop_timeout,
        ..Config::default()
    }
}
