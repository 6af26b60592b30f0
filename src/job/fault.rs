//! Keeps the framework's first failure until it is reported, even if the job's code drops the error.

/// Error returned to job code that continues after a failure that ends its attempt.
#[derive(Debug, thiserror::Error)]
#[error("this attempt has already failed; its first failure is reported when it ends")]
pub(crate) struct Ended;

/// Keeps the first failure of an object that must not be used after a failure.
#[derive(Debug)]
pub(crate) struct Fault<E> {
    has_failed: bool,
    first: Option<E>,
}

impl<E> Default for Fault<E> {
    fn default() -> Self {
        Fault { has_failed: false, first: None }
    }
}

impl<E> Fault<E> {
    /// Returns whether a failure was ever kept.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Keeps a failure if it is the first.
    #[cold]
    pub(crate) fn keep(&mut self, error: E) {
        if !self.has_failed {
            self.has_failed = true;
            self.first = Some(error);
        }
    }

    /// Returns the first failure, once.
    pub(crate) fn take(&mut self) -> Option<E> {
        self.first.take()
    }
}
