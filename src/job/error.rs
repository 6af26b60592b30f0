//! Errors of a job's code, with the source line that returned them.

use std::fmt;
use std::panic::Location;

/// Result of a job's code; `Result` alone is `Result<(), Error>`.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Any error, with the `file:line` where `?` or [`Error::new`] converted it.
///
/// It does not implement [`std::error::Error`] itself, so that `?` can convert every type that does.
pub struct Error(Box<Inner>);

struct Inner {
    cause: Box<dyn std::error::Error + Send + Sync>,
    at: &'static Location<'static>,
}

impl Error {
    /// Creates an error from a message or another error.
    #[track_caller]
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error(Box::new(Inner { cause: cause.into(), at: Location::caller() }))
    }

    /// Returns the source line that returned the error.
    pub fn location(&self) -> &'static Location<'static> {
        self.0.at
    }

    /// Returns the error itself.
    pub fn cause(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self.0.cause.as_ref()
    }

    /// Returns the error itself, by value.
    pub fn into_cause(self) -> Box<dyn std::error::Error + Send + Sync> {
        self.0.cause
    }
}

/// Wraps an author's error as a standard error, which the framework expects.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct UserError {
    /// The error, with its source line.
    pub error: Error,
}

impl UserError {
    /// Wraps an author's error.
    #[cold]
    pub(crate) fn boxed(error: Error) -> Box<dyn std::error::Error + Send + Sync> {
        Box::new(UserError { error })
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Error {
    #[track_caller]
    #[cold]
    fn from(cause: E) -> Self {
        Error::new(cause)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cause.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.0.cause, self.0.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<u32> {
        Ok(text.parse::<u32>()?)
    }

    #[test]
    fn error_holds_the_line_of_its_question_mark() {
        let error = parse("x").expect_err("x is not a number");
        assert_eq!(error.location().file(), file!());
        assert_eq!(error.location().line(), line!() - 7);
        assert_eq!(error.to_string(), "invalid digit found in string");
    }
}
