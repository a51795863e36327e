//! `run`: the recipe of a start, from an image's name to its process.

use supervisor::Attachment;

use super::attach::{Attached, Outcome, Terminal};
use super::create::create_from;
use super::remove::Volumes;
use super::start::{StartOptions, launch, to_be_started};
use crate::error::{Error, Result};
use crate::image::Supply;
use crate::paths::Engine;
use crate::request::RunRequest;
use crate::timing::Timing;

/// A container that `run` has started.
#[derive(Debug)]
pub struct Run {
    pub id: String,
    pub outcome: Outcome,
}

/// Resolve image → create → launch → stay with it.
pub fn run(
    engine: &Engine,
    request: &RunRequest,
    supply: &Supply<'_>,
    terminal: &Terminal<'_>,
    timing: &mut Timing,
) -> Result<Run> {
    let image = crate::image::for_container(engine, &request.container, supply)?;
    timing.mark("resolve image");
    let record = create_from(engine, &request.container, &image)?;
    // Its lease keeps images from being removed: the container's own snapshot does so from here on.
    drop(image);
    timing.mark("create");
    let attach = attachment(request);
    let options = StartOptions {
        attach,
        terminal_size: request
            .container
            .console_size
            .map(|size| (size.height, size.width))
            .or(terminal.size)
            .filter(|_| request.container.tty),
        stdin_once: request.container.attach.stdin,
    };
    if attach.any() {
        crate::events::of_container(engine, &record, "attach", &[]);
    }
    let launched = to_be_started(engine, &record).and_then(|free| match free {
        Some((_, lock)) => launch(engine, &record, &options, lock, timing),
        None => Err(Error::conflict(format!("container `{}` was started by somebody else", record.name))),
    });
    let client = match launched {
        Ok(client) => client,
        Err(error) => {
            // As with Docker, a container that could not be started stays, unless `--rm` was said.
            if record.request.auto_remove {
                let _ = super::remove::delete(engine, &record, Volumes::Removed);
            }
            return Err(crate::system::explain(engine, error));
        }
    };
    let keys = request.detach_keys.as_ref().map_or(&[16, 17][..], |keys| &keys.0);
    let mut attached = Attached::new(engine, client, &record, attach, keys);
    let started = attached.until_started(terminal);
    let outcome = match started {
        Ok(()) if request.detach => Ok(Outcome::Detached),
        Ok(()) => attached.stay(terminal, request.sig_proxy),
        Err(error) => Err(crate::system::explain(engine, error)),
    };
    timing.extend(attached.marks());
    timing.mark(if request.detach { "answer" } else { "teardown" });
    let outcome = outcome.inspect_err(|_| super::remove::clear_failed_start(engine, &record))?;
    Ok(Run { id: record.id, outcome })
}

fn attachment(request: &RunRequest) -> Attachment {
    if request.detach {
        return Attachment::default();
    }
    let streams = request.container.attach;
    Attachment { stdin: streams.stdin, stdout: streams.stdout, stderr: streams.stderr }
}
