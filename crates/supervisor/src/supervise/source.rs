//! Everything that can wake the supervisor, and how the event queue names it.

use rustix::event::epoll::EventData;

use super::{health, warden};

/// Everything that can wake the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The guardian reaped a child, or is gone.
    Exits,
    /// The container's first process has ended.
    Process,
    Stdout,
    Stderr,
    /// The container reads its input again.
    Stdin,
    Listener,
    /// Somebody asks for a name, or answers.
    Resolver,
    /// A published port that is passed on has something to do.
    Forwarding,
    /// The care for what all containers share.
    Warden(warden::Event),
    /// The checks of the container's health.
    Health(health::Event),
    /// A client, by its place.
    Client(usize),
}

impl Source {
    pub(super) fn data(self) -> EventData {
        EventData::new_u64(match self {
            Self::Exits => 0,
            Self::Process => 1,
            Self::Stdout => 2,
            Self::Stderr => 3,
            Self::Stdin => 4,
            Self::Listener => 5,
            Self::Resolver => 6,
            Self::Forwarding => 7,
            Self::Warden(warden::Event::Time) => 8,
            Self::Warden(warden::Event::Ended) => 9,
            Self::Warden(warden::Event::Changed) => 10,
            Self::Health(health::Event::Time) => 11,
            Self::Health(health::Event::Ended) => 12,
            Self::Client(place) => 16 + place as u64,
        })
    }

    pub(super) fn of(data: EventData) -> Self {
        match data.u64() {
            0 => Self::Exits,
            1 => Self::Process,
            2 => Self::Stdout,
            3 => Self::Stderr,
            4 => Self::Stdin,
            5 => Self::Listener,
            6 => Self::Resolver,
            7 => Self::Forwarding,
            8 => Self::Warden(warden::Event::Time),
            9 => Self::Warden(warden::Event::Ended),
            10 => Self::Warden(warden::Event::Changed),
            11 => Self::Health(health::Event::Time),
            12 => Self::Health(health::Event::Ended),
            place => Self::Client(place as usize - 16),
        }
    }
}
