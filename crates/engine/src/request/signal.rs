//! Signals by name and number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A signal number, 1 to 64, or 0 to only ask whether the process is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Signal(u8);

/// The text is neither the name nor the number of a signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid signal: {0}")]
pub struct UnknownSignal(pub String);

/// Numbers shared by every architecture that the engine builds for.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Other spellings.
const ALIASES: [(&str, u8); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];

/// The first real-time signal that programs may use. The C libraries keep 32 and 33 for their
/// threads; images count from 34 whatever library they carry, as Docker does.
const RTMIN: u8 = 34;
const MAX: u8 = 64;

impl Signal {
    pub const KILL: Self = Self(9);
    pub const TERM: Self = Self(15);

    /// Makes a signal from its number.
    pub fn new(number: i32) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| *number <= MAX).map(Self)
    }

    /// Returns the number.
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }
}

impl FromStr for Signal {
    type Err = UnknownSignal;

    /// Reads `9`, `KILL`, `sigkill` or `RTMIN+3`.
    fn from_str(text: &str) -> Result<Self, UnknownSignal> {
        let unknown = || UnknownSignal(text.to_owned());
        if let Ok(number) = text.parse::<i32>() {
            return Self::new(number).filter(|signal| signal.0 > 0).ok_or_else(unknown);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(index) = NAMES.iter().position(|known| *known == name) {
            return u8::try_from(index + 1).map(Self).map_err(|_| unknown());
        }
        if let Some((_, number)) = ALIASES.iter().find(|(known, _)| *known == name) {
            return Ok(Self(*number));
        }
        real_time(name).map(Self).ok_or_else(unknown)
    }
}

/// Reads `RTMIN`, `RTMIN+n`, `RTMAX` and `RTMAX-n`.
fn real_time(name: &str) -> Option<u8> {
    let number = if let Some(rest) = name.strip_prefix("RTMIN") {
        let offset = if rest.is_empty() { 0 } else { rest.strip_prefix('+')?.parse::<u8>().ok()? };
        RTMIN.checked_add(offset)?
    } else {
        let rest = name.strip_prefix("RTMAX")?;
        let offset = if rest.is_empty() { 0 } else { rest.strip_prefix('-')?.parse::<u8>().ok()? };
        MAX.checked_sub(offset)?
    };
    (RTMIN..=MAX).contains(&number).then_some(number)
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            number @ 1..=31 => write!(f, "SIG{}", NAMES[usize::from(number) - 1]),
            RTMIN => f.write_str("SIGRTMIN"),
            MAX => f.write_str("SIGRTMAX"),
            number @ 35..=63 => write!(f, "SIGRTMIN+{}", number - RTMIN),
            number => write!(f, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("9", 9),
            ("KILL", 9),
            ("sigkill", 9),
            ("SIGTERM", 15),
            ("SIGIOT", 6),
            ("SYS", 31),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("64", 64),
        ] {
            assert_eq!(text.parse::<Signal>().map(Signal::number), Ok(number), "{text}");
        }
        for text in ["0", "-1", "65", "", "SIG", "FOO", "RTMIN+31", "RTMAX-31", "RTMIN3"] {
            assert_eq!(text.parse::<Signal>(), Err(UnknownSignal(text.to_owned())));
        }
    }

    #[test]
    fn what_is_shown_can_be_read_back() {
        for number in (1..=31).chain(34..=64) {
            let signal = Signal::new(number).unwrap();
            assert_eq!(signal.to_string().parse(), Ok(signal));
        }
    }
}
