//! What kind of failure an error is: the one thing a face needs to choose an exit code or an HTTP status.

/// The class of an error. Every public error of the project answers `class()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The object does not exist.
    NotFound,
    /// An object of this name exists already.
    AlreadyExists,
    /// What was asked for, or handed in, is malformed.
    Invalid,
    /// The object is in a state that forbids it.
    Conflict,
    /// The kernel or a policy forbids it.
    Denied,
    /// This engine, kernel or format version cannot do it.
    Unsupported,
    /// It may work later: disk full, peer unreachable, lock busy.
    Unavailable,
    /// The caller gave up.
    Cancelled,
    /// A bug or a damaged store.
    Internal,
}

impl Class {
    /// Classifies an answer of the kernel where the caller has nothing better to say.
    pub fn of_os_error(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        match error.kind() {
            Kind::NotFound => Self::NotFound,
            Kind::AlreadyExists => Self::AlreadyExists,
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Self::Denied,
            Kind::StorageFull
            | Kind::QuotaExceeded
            | Kind::WouldBlock
            | Kind::ResourceBusy
            | Kind::OutOfMemory => Self::Unavailable,
            Kind::Unsupported => Self::Unsupported,
            _ => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::Class;

    #[test]
    fn kernel_answers_are_classified() {
        for (errno, class) in [
            (2, Class::NotFound),
            (17, Class::AlreadyExists),
            (1, Class::Denied),
            (13, Class::Denied),
            (28, Class::Unavailable),
            (5, Class::Internal),
        ] {
            assert_eq!(Class::of_os_error(&Error::from_raw_os_error(errno)), class, "errno {errno}");
        }
    }
}
