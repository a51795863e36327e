//! The engine's one error: what happened, what to do, and of which class it is.

use oci::class::Class;

/// A failed verb.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    text: String,
    hint: Option<String>,
    class: Class,
    exit_code: Option<u8>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Result of a verb.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes an error of a class.
    pub fn new(class: Class, text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None, class, exit_code: None, source: None }
    }

    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(Class::NotFound, text)
    }

    pub fn invalid(text: impl Into<String>) -> Self {
        Self::new(Class::Invalid, text)
    }

    pub fn conflict(text: impl Into<String>) -> Self {
        Self::new(Class::Conflict, text)
    }

    pub fn unsupported(text: impl Into<String>) -> Self {
        Self::new(Class::Unsupported, text)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the exit code that Docker's users expect (126, 127).
    #[must_use]
    pub fn exit_code(mut self, code: u8) -> Self {
        self.exit_code = Some(code);
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What to do now, if there is something.
    pub fn remedy(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub fn class(&self) -> Class {
        self.class
    }

    /// The exit code to end with, where the failure has one of its own.
    pub fn code(&self) -> Option<u8> {
        self.exit_code
    }
}

/// Says what was tried when a room below failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| {
            let error = error.into();
            Error {
                hint: error.hint.clone(),
                class: error.class,
                exit_code: error.exit_code,
                text: what(),
                source: Some(Box::new(error)),
            }
        })
    }
}

pub(crate) fn wrap<E: std::error::Error + Send + Sync + 'static>(class: Class, error: E) -> Error {
    let text = error.to_string();
    // The text is the error's own; only its causes are kept as causes.
    match Causes::of(&error) {
        Some(causes) => Error::new(class, text).caused_by(causes),
        None => Error::new(class, text),
    }
}

/// The chain of causes of an error as owned text, so that it crosses crates without borrowing.
#[derive(Debug)]
struct Causes {
    text: String,
    next: Option<Box<Causes>>,
}

impl Causes {
    fn of(error: &dyn std::error::Error) -> Option<Self> {
        let cause = error.source()?;
        Some(Self { text: cause.to_string(), next: Self::of(cause).map(Box::new) })
    }
}

impl std::fmt::Display for Causes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Causes {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.next.as_deref().map(|next| next as _)
    }
}

impl From<sys::Error> for Error {
    fn from(error: sys::Error) -> Self {
        let class =
            error.errno().map_or(Class::Internal, |errno| Class::of_os_error(&std::io::Error::from(errno)));
        wrap(class, error)
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        wrap(error.class(), error)
    }
}

impl From<runtime::Error> for Error {
    fn from(error: runtime::Error) -> Self {
        let code = error.exit_code();
        let class = match &error {
            runtime::Error::Invalid(_) => Class::Invalid,
            runtime::Error::Unsupported(_) => Class::Unsupported,
            _ => Class::Internal,
        };
        wrap(class, error).exit_code(code)
    }
}

impl From<cgroup::Error> for Error {
    fn from(error: cgroup::Error) -> Self {
        let hint = error.hint().map(str::to_owned);
        let mut wrapped = wrap(Class::Invalid, error);
        wrapped.hint = hint;
        wrapped
    }
}

impl From<supervisor::LaunchError> for Error {
    fn from(error: supervisor::LaunchError) -> Self {
        wrap(Class::Internal, error)
    }
}

impl From<seccomp::Error> for Error {
    fn from(error: seccomp::Error) -> Self {
        wrap(Class::Invalid, error)
    }
}
