//! What the verbs tell of what they have done.

use std::collections::BTreeMap;

use supervisor::events::{Event, Extra, Kind};

use crate::container::ContainerRecord;
use crate::container::summary;
use crate::paths::Engine;

/// Tells what has happened to a container.
pub(crate) fn of_container(engine: &Engine, record: &ContainerRecord, action: &str, extra: Extra<'_>) {
    Event::of_container(&record.id, &summary(record), action, extra).tell(&engine.run_root);
}

/// Tells what has happened to an image; `name` is what it was called by, or its id.
pub(crate) fn of_image(engine: &Engine, id: &str, name: &str, action: &str) {
    tell(engine, Kind::Image, id, action, &[("name", name)]);
}

/// Tells what has happened to a network.
pub(crate) fn of_network(engine: &Engine, id: &str, action: &str, attributes: Extra<'_>) {
    tell(engine, Kind::Network, id, action, attributes);
}

/// Tells what has happened to a volume.
pub(crate) fn of_volume(engine: &Engine, name: &str, driver: &str, action: &str) {
    tell(engine, Kind::Volume, name, action, &[("driver", driver)]);
}

fn tell(engine: &Engine, kind: Kind, id: &str, action: &str, attributes: Extra<'_>) {
    let attributes: BTreeMap<String, String> =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Event::now(kind, action, id, attributes).tell(&engine.run_root);
}
