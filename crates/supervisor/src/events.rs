//! Events: what has happened to containers, images, networks and volumes, for those who want to follow it.
//!
//! ```text
//!   RUN_ROOT/events, events.1    the newest and the ones before (store::journal), a line an event:
//!     {"v":1,"time":NANOSECONDS,"type":"container","action":"start","id":ID,"attributes":{"image":…,"name":…}}
//! ```
//!
//! They lie in the run root and not in the root: they are news and no record, so they may end with the boot, cost no disk write on
//! the way of a start, and cannot be in the way of data where a disk is full. Whoever does a thing tells of it, after it is done: the verbs,
//! and supervisors of what happens without one. An event that cannot be written is dropped; nothing fails for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use network::{Endpoint, Link};
use serde::{Deserialize, Serialize};
use sys::Dir;

use crate::status::{self, Status};

/// Name of the journal in the run root.
pub const JOURNAL: &str = "events";
/// A file of more bytes is moved aside; as much again is kept.
const BYTES_MAX: u64 = 1 << 20;

/// Version of a line's form. It comes first and is a number: no attribute can be mistaken for the beginning of a line.
const VERSION: u32 = 1;
const BEGINNING: &[u8] = b"{\"v\":";

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Container,
    Image,
    Network,
    Volume,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
        }
    }
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    v: u32,
    /// Nanoseconds since 1970.
    pub time: i64,
    #[serde(rename = "type")]
    pub kind: Kind,
    /// In Docker's words.
    pub action: String,
    /// Of what it happened to: an id, or the name of a volume.
    pub id: String,
    pub attributes: BTreeMap<String, String>,
}

/// Attributes of an event beside those that its object gives.
pub type Extra<'a> = &'a [(&'a str, &'a str)];

impl Event {
    /// Makes an event of this moment.
    pub fn now(kind: Kind, action: &str, id: &str, attributes: BTreeMap<String, String>) -> Self {
        Self {
            v: VERSION,
            time: status::now(),
            kind,
            action: action.to_owned(),
            id: id.to_owned(),
            attributes,
        }
    }

    /// Makes an event of a container: its labels, image and name are its attributes.
    pub fn of_container(id: &str, summary: &status::Summary, action: &str, extra: Extra<'_>) -> Self {
        let mut attributes = summary.labels.clone();
        attributes.insert("image".to_owned(), summary.image.clone());
        attributes.insert("name".to_owned(), summary.name.clone());
        attributes.extend(owned(extra));
        Self::now(Kind::Container, action, id, attributes)
    }

    /// Makes an event of a network and one of its containers.
    pub fn of_endpoint(endpoint: &Endpoint, action: &str) -> Self {
        let driver = match endpoint.link {
            Link::Bridge { .. } => "bridge",
            Link::Macvlan { .. } => "macvlan",
        };
        let attributes =
            [("container", &*endpoint.container_id), ("name", &endpoint.network), ("type", driver)];
        Self::now(Kind::Network, action, &endpoint.network_id, owned(&attributes))
    }

    /// Reads a line. What a full file system has cut may stand before it on the line, and is passed over.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let begin = line.windows(BEGINNING.len()).rposition(|window| window == BEGINNING)?;
        serde_json::from_slice(&line[begin..]).ok()
    }

    /// Writes the event down.
    pub fn tell(&self, run_root: &Path) {
        let told = || -> store::Result<()> {
            let line = serde_json::to_vec(self).unwrap_or_default();
            store::append(Dir::open(run_root)?, JOURNAL, &line, BYTES_MAX)
        };
        // News, and no record: whoever does the thing is not to fail for it.
        let _ = told();
    }
}

fn owned(attributes: Extra<'_>) -> BTreeMap<String, String> {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What a supervisor needs to tell of its container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsJob {
    pub run_root: PathBuf,
    pub volumes: Vec<MountedVolume>,
}

/// A volume in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountedVolume {
    pub name: String,
    pub target: PathBuf,
    pub read_only: bool,
    pub propagation: String,
}

impl EventsJob {
    /// Tells that the container runs, with all that it was given for that.
    pub(crate) fn started(&self, status: &Status, endpoints: &[Endpoint]) {
        for endpoint in endpoints {
            Event::of_endpoint(endpoint, "connect").tell(&self.run_root);
        }
        for volume in &self.volumes {
            let attributes = [
                ("container", &*status.id),
                ("destination", &volume.target.to_string_lossy()),
                ("driver", "local"),
                ("propagation", &volume.propagation),
                ("read/write", if volume.read_only { "false" } else { "true" }),
            ];
            Event::now(Kind::Volume, "mount", &volume.name, owned(&attributes)).tell(&self.run_root);
        }
        self.container(status, "start", &[]);
    }

    /// Tells that it has ended, and why.
    pub(crate) fn ended(&self, status: &Status, out_of_memory: bool) {
        if out_of_memory {
            self.container(status, "oom", &[]);
        }
        let seconds = (status.finished - status.started).max(0) / 1_000_000_000;
        let attributes =
            [("execDuration", &*seconds.to_string()), ("exitCode", &*status.exit_code.to_string())];
        self.container(status, "die", &attributes);
    }

    /// Tells that its volumes are nobody's any more.
    pub(crate) fn cleared(&self, id: &str) {
        for volume in &self.volumes {
            let attributes = [("container", id), ("driver", "local")];
            Event::now(Kind::Volume, "unmount", &volume.name, owned(&attributes)).tell(&self.run_root);
        }
    }

    /// Tells something of the container.
    pub(crate) fn container(&self, status: &Status, action: &str, extra: Extra<'_>) {
        Event::of_container(&status.id, &status.summary, action, extra).tell(&self.run_root);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let attributes = [("name", "{\"v\":1,\"time\":"), ("v", "1"), ("label", "a\nb")];
        Event::now(Kind::Volume, "create", "data", owned(&attributes))
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let line = serde_json::to_string(&event()).unwrap();
        assert!(line.starts_with("{\"v\":1,\"time\":") && !line.contains('\n'), "{line}");
        assert_eq!(Event::parse(line.as_bytes()).unwrap().attributes, event().attributes);
    }

    #[test]
    fn what_was_cut_is_passed_over() {
        let line = serde_json::to_string(&event()).unwrap();
        for cut in 0..line.len() {
            assert_eq!(Event::parse(&line.as_bytes()[..cut]), None, "{cut}");
            let both = [&line.as_bytes()[..cut], line.as_bytes()].concat();
            assert_eq!(Event::parse(&both).unwrap().attributes, event().attributes, "{cut}");
        }
    }

    #[test]
    fn a_run_root_that_is_gone_fails_nobody() {
        event().tell(Path::new("/nowhere/at/all"));
    }
}
