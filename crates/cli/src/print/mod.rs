//! Results as text: pure functions from what the engine shows to what is printed, in Docker's form.

mod audit;
mod build;
mod builds;
mod check;
mod containers;
mod disk;
mod doctor;
mod document;
mod events;
mod history;
pub(crate) mod human;
mod images;
mod info;
mod inspect;
mod layers;
mod networks;
mod ports;
mod processes;
mod progress;
mod rows;
mod stats;
mod table;
mod tags;
mod version;
mod volumes;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use audit::audit;
pub(crate) use build::build_cache;
pub use builds::{BuildsView, builds};
pub use check::check;
pub use containers::{PsView, pruned_containers, ps};
pub use disk::{DiskView, disk, pruned_images, pruned_system};
pub use doctor::doctor;
pub(crate) use document::document;
pub use events::event;
pub use history::{HistoryView, history};
pub use images::{ImagesView, images};
pub use info::info;
pub use inspect::inspect;
pub use layers::{LayersView, image_tree, layers};
pub use networks::{NetworksView, networks, pruned_networks};
pub use ports::ports;
pub use processes::processes;
pub(crate) use progress::{Look, Progress, Way};
pub use stats::{StatsView, stats};
pub use tags::tag_history;
pub use version::version;
pub use volumes::{VolumesView, pruned, volumes};

/// The moment and the place that times are shown for.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Seconds since 1970.
    pub now: i64,
    pub zone: TimeZone,
}

impl Clock {
    /// Returns how long ago a moment was: `2 minutes ago`.
    fn ago(&self, moment: i64) -> String {
        format!("{} ago", human::duration(self.now - moment))
    }

    /// Returns a moment as Go prints it: `2026-01-31 12:00:00 +0100 CET`.
    fn date(&self, moment: i64) -> String {
        let Ok(moment) = Timestamp::from_second(moment) else { return "N/A".to_owned() };
        moment.to_zoned_datetime(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
    }

    /// Returns a moment in nanoseconds as Go prints it: `2026-01-31 12:00:00.123 +0100 CET`.
    fn date_of_nanos(&self, moment: i64) -> String {
        let Ok(moment) = Timestamp::from_nanosecond(moment.into()) else { return "N/A".to_owned() };
        moment.to_zoned_datetime(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.f %z %Z").to_string()
    }

    /// Returns a moment as RFC 3339: `2026-01-31T12:00:00+01:00`.
    fn rfc3339(&self, moment: i64) -> String {
        let Ok(moment) = Timestamp::from_second(moment) else { return "N/A".to_owned() };
        self.rfc3339_with(moment, "%Y-%m-%dT%H:%M:%S")
    }

    /// Returns a moment in nanoseconds as RFC 3339, with all nine digits.
    fn rfc3339_of_nanos(&self, moment: i64) -> String {
        let moment = Timestamp::from_nanosecond(moment.into()).unwrap_or_default();
        self.rfc3339_with(moment, "%Y-%m-%dT%H:%M:%S.%9f")
    }

    /// As in Go, the zone of Greenwich is a `Z`.
    fn rfc3339_with(&self, moment: Timestamp, form: &str) -> String {
        let moment = moment.to_zoned_datetime(self.zone.clone());
        let zone =
            if moment.offset().is_zero() { "Z".to_owned() } else { moment.strftime("%:z").to_string() };
        format!("{}{zone}", moment.strftime(form))
    }
}

/// Returns an id without its algorithm, cut to twelve digits where asked.
fn short_id(id: &str, truncate: bool) -> &str {
    if !truncate {
        return id;
    }
    let digits = id.split_once(':').map_or(id, |(_, digits)| digits);
    digits.get(..12).unwrap_or(digits)
}

#[cfg(test)]
pub(crate) fn test_clock() -> Clock {
    Clock { now: 1_000_000, zone: TimeZone::UTC }
}
