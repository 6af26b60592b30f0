//! Turns errors and panics of the author's code into structured failures, which hold the error, the
//! source line and the record.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;

use super::{ListError, PlanError};
use crate::job::{Ended, Error, KeepsState, UserError};
use crate::model::{About, Cause, Failure, split_hint};
use crate::record::{SERDE_HINT, value};
use crate::storage::{self, Lack};
use crate::{format, shuffle};

/// Most causes of an error that are reported.
const CAUSES_MAX: usize = 50;

/// Why an attempt failed or stopped.
#[derive(Debug)]
pub(crate) enum AttemptError {
    /// The author's code returned an error of its own or of the framework.
    Error(Error),
    /// The author's code panicked.
    Panic { message: String, at: Option<String> },
    /// The framework itself could not continue.
    Framework(Box<dyn std::error::Error + Send + Sync>),
    /// The run was asked to stop.
    Stopped,
}

impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        AttemptError::Error(error)
    }
}

impl From<shuffle::Error> for AttemptError {
    fn from(error: shuffle::Error) -> Self {
        match error {
            shuffle::Error::Stopped => AttemptError::Stopped,
            other => AttemptError::Error(Error::new(other)),
        }
    }
}

impl From<format::Error> for AttemptError {
    fn from(error: format::Error) -> Self {
        AttemptError::Framework(Box::new(error))
    }
}

impl From<storage::Error> for AttemptError {
    fn from(error: storage::Error) -> Self {
        AttemptError::Framework(Box::new(error))
    }
}

thread_local! {
    /// Whether a panic on this thread is in the author's code, and is reported as a failure.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Records the place of a panic in an author's code instead of printing the panic.
fn hook_panics() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if IS_CAUGHT.get() {
                let at = info.location().map(|l| format!("{}:{}", l.file(), l.line()));
                PANICKED_AT.with_borrow_mut(|place| *place = at);
            } else {
                before(info);
            }
        }));
    });
}

/// Runs an author's code, and returns a panic in it as an error.
pub(crate) fn guard<T>(code: impl FnOnce() -> Result<T, AttemptError>) -> Result<T, AttemptError> {
    hook_panics();
    let outside = IS_CAUGHT.replace(true);
    let done = catch_unwind(AssertUnwindSafe(code));
    IS_CAUGHT.set(outside);
    done.unwrap_or_else(|panic| {
        let at = PANICKED_AT.with_borrow_mut(Option::take);
        Err(AttemptError::Panic { message: message_of(panic.as_ref()), at })
    })
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("the code panicked without a message")
        .into()
}

impl AttemptError {
    /// Whether the cause is the author's code, and perhaps the record that it was called with.
    pub(super) fn is_users(&self) -> bool {
        match self {
            AttemptError::Panic { .. } => true,
            AttemptError::Error(error) => !is_ours(error.cause()),
            AttemptError::Framework(error) => {
                error.downcast_ref::<format::Error>().is_some_and(format::Error::spoils_one_record)
            }
            AttemptError::Stopped => false,
        }
    }

    /// Whether the run was asked to stop, even if the author's code passed that error on.
    pub(super) fn is_stop(&self) -> bool {
        match self {
            AttemptError::Stopped => true,
            AttemptError::Error(error) => {
                matches!(error.cause().downcast_ref(), Some(shuffle::Error::Stopped))
            }
            _ => false,
        }
    }

    /// Returns the failure to report.
    pub(crate) fn into_failure(self) -> Failure {
        if self.is_stop() {
            return Failure::new(Cause::Killed, "stopped");
        }
        let mut failure = match self {
            AttemptError::Panic { message, at } => {
                Failure { at, ..Failure::new(Cause::Panic, message) }
            }
            AttemptError::Error(error) => of_error(error),
            AttemptError::Framework(error) => Failure {
                details: causes(error.as_ref()),
                about: about(error.as_ref()),
                ..Failure::new(blame(error.as_ref()), error.to_string())
            },
            AttemptError::Stopped => Failure::new(Cause::Killed, "stopped"),
        };
        // An author's message may hold whole records.
        failure.cut();
        failure
    }
}

/// Whether an error that the author's code passed on comes from the framework: from a spill, or from a part.
fn is_ours(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    // Many pairs are combined at once, so the current record need not be the one that made the combiner fail.
    if cause.is::<shuffle::Error>() || cause.is::<KeepsState>() || cause.is::<Ended>() {
        return true;
    }
    let part = cause.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
    part.is_some_and(|inner| inner.is::<storage::Error>()) || cause.is::<storage::Error>()
}

fn of_error(error: Error) -> Failure {
    match error.cause().downcast_ref() {
        Some(shuffle::Error::Fold { key, source }) => {
            return of_key(source.as_ref(), "combining values of", key);
        }
        Some(shuffle::Error::Partition { key, source }) => {
            return of_key(source.as_ref(), "choosing the partition of", key);
        }
        _ => {}
    }
    if let Some(shuffle) = error.cause().downcast_ref::<shuffle::Error>()
        && shuffle.blames_disk()
    {
        return of_disk(shuffle);
    }
    let at = (!is_ours(error.cause())).then(|| place(&error));
    let cause = if at.is_none() { blame(error.cause()) } else { Cause::UserError };
    let (details, about) = (causes(error.cause()), about(error.cause()));
    Failure { at, details, about, ..Failure::new(cause, error.to_string()) }
}

/// Describes an error of a job's combiner or partitioner, or of the values that it was called with.
fn of_key(
    source: &(dyn std::error::Error + Send + Sync + 'static),
    doing: &str,
    key: &[u8],
) -> Failure {
    let key = crate::model::escape(key, crate::model::TEXT_CHARS_MAX);
    let mut failure = match source.downcast_ref() {
        Some(UserError { error }) => {
            Failure { at: Some(place(error)), ..Failure::new(Cause::UserError, error.to_string()) }
        }
        None => {
            let unread = source.is::<value::Error>();
            let hint = if unread { format!("\nhint: {SERDE_HINT}") } else { String::new() };
            Failure::new(Cause::UserError, format!("{source}{hint}"))
        }
    };
    failure.details = vec![format!("while {doing} key \"{key}\"")];
    failure
}

/// A spill could not be written, or was damaged.
fn of_disk(error: &shuffle::Error) -> Failure {
    let first = std::error::Error::source(error);
    let causes = std::iter::successors(first, |error| error.source());
    let system = causes.clone().find_map(|cause| cause.downcast_ref::<io::Error>());
    let why: String = causes.map(|cause| format!(": {cause}")).collect();
    let folder = match error {
        shuffle::Error::Create { path, .. } | shuffle::Error::Write { path, .. } => path.parent(),
        _ => None,
    };
    let lack = system.and_then(|system| Lack::of(system, folder.unwrap_or(Path::new("/"))));
    let hint = match (lack, system) {
        (Some(Lack::Bytes), _) => {
            "free some space there, or choose a larger disk for spills (--data of a worker, --scratch of a local run)"
        }
        (Some(Lack::Inodes), _) => {
            "no inodes are left: remove files there (df -i shows the free inodes), or choose another disk for spills (--data of a worker, --scratch of a local run)"
        }
        (_, Some(system)) => storage::hint(system),
        _ => "check the disk: it does not return the data that was written to it",
    };
    let about = if lack.is_some() { About::FullDisk } else { About::Nothing };
    let cause = match system {
        Some(system) if storage::is_shortage(system) => Cause::WorkerError,
        _ => Cause::Disk,
    };
    Failure::new(cause, format!("{error}{why}\nhint: {hint}")).about(about)
}

/// Decides the cause of an error that the framework met: the machine, if it lacks something that another machine may
/// have.
fn blame(error: &(dyn std::error::Error + 'static)) -> Cause {
    let mut chain = std::iter::successors(Some(error), |error| error.source());
    let lacks = |error: &(dyn std::error::Error + 'static)| match error.downcast_ref() {
        // This error's text includes the system's error, so the system's error is not the next one in the chain.
        Some(format::Error::Read { cause, .. }) => storage::is_shortage(cause),
        _ => error.downcast_ref().is_some_and(storage::is_shortage),
    };
    if chain.any(lacks) { Cause::WorkerError } else { Cause::UserError }
}

/// Returns what an error is about, according to the first error in its chain of causes that says so.
fn about(error: &(dyn std::error::Error + 'static)) -> About {
    let says = |error: &(dyn std::error::Error + 'static)| {
        let within = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
        let of_storage = within.and_then(|within| within.downcast_ref::<storage::Error>());
        if let Some(error) = error.downcast_ref::<storage::Error>().or(of_storage) {
            return error.about();
        }
        let of_list = match error.downcast_ref() {
            Some(ListError::Storage(error)) => return error.about(),
            Some(ListError::Content(error)) => Some(error),
            _ => None,
        };
        match error.downcast_ref::<format::Error>().or(of_list) {
            Some(format::Error::Storage(error)) => error.about(),
            Some(error) if error.blames_input() => About::BadInput,
            Some(format::Error::Read { .. }) => About::Input,
            _ if matches!(error.downcast_ref(), Some(PlanError::Version { .. })) => About::Version,
            _ => About::Nothing,
        }
    };
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(says).find(|&about| about != About::Nothing).unwrap_or_default()
}

fn place(error: &Error) -> String {
    let location = error.location();
    format!("{}:{}", location.file(), location.line())
}

/// Returns the causes of an error, one line each.
fn causes(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    std::iter::successors(error.source(), |error| error.source())
        .take(CAUSES_MAX)
        .map(|error| format!("because: {}", split_hint(&error.to_string()).0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_keeps_its_place_and_message() {
        let line = line!() + 1;
        let attempt_error = guard::<()>(|| panic!("no {}", "luck")).expect_err("it panics");
        let failure = attempt_error.into_failure();
        assert_eq!((failure.cause, failure.message.as_str()), (Cause::Panic, "no luck"));
        assert_eq!(failure.at, Some(format!("{}:{line}", file!())));
    }

    #[test]
    fn a_full_disk_is_not_blamed_on_the_author() {
        let source = io::Error::from(io::ErrorKind::StorageFull);
        let error = shuffle::Error::Write { path: "/full/spill".into(), written: 7, source };
        let failure = AttemptError::from(error).into_failure();
        assert_eq!(failure.cause, Cause::Disk);
        let message = failure.message;
        let said = "failed to write to spill file /full/spill after 7 bytes: no storage space\nhint: free some space there";
        assert!(message.starts_with(said), "{message}");
    }

    #[test]
    fn what_a_process_lacks_is_neither_the_disks_nor_the_users_fault() {
        for number in [libc::EMFILE, libc::ENFILE, libc::EFBIG] {
            let source = || io::Error::from_raw_os_error(number);
            let spill = shuffle::Error::Create { path: "/full/spill".into(), source: source() };
            let input = format::Error::Read { location: "in".into(), offset: 7, cause: source() };
            for attempt_error in [AttemptError::from(spill), AttemptError::from(input)] {
                let failure = attempt_error.into_failure();
                assert_eq!(failure.cause, Cause::WorkerError, "{failure:?}");
            }
        }
    }

    #[test]
    fn the_subject_of_an_error_is_found_in_its_causes() {
        let missing = || storage::Error::InputMissing { path: "/in".into() };
        let passed_on = io::Error::other(missing());
        let changed = storage::Error::InputChanged { path: "/in".into(), change: "".into() };
        let too_long = || {
            let (location, offset, limit) = (crate::model::Location::from("/in"), 0, 1);
            format::Error::RecordTooLong { location, offset, limit }
        };
        let unreadable = format::Error::Read {
            location: crate::model::Location::from("/in"),
            offset: 0,
            cause: io::Error::from_raw_os_error(libc::EIO),
        };
        let version = PlanError::Version { path: "/plan".into(), found: 7 };
        let table = [
            (AttemptError::from(missing()), About::Input),
            (AttemptError::from(format::Error::Storage(missing())), About::Input),
            (AttemptError::Framework(Box::new(ListError::Storage(missing()))), About::Input),
            (AttemptError::Error(Error::new(passed_on)), About::Input),
            (AttemptError::Framework(Box::new(version)), About::Version),
            (AttemptError::from(format::Error::Storage(changed)), About::BadInput),
            (AttemptError::from(too_long()), About::BadInput),
            (AttemptError::Framework(Box::new(ListError::Content(too_long()))), About::BadInput),
            (AttemptError::from(unreadable), About::Input),
            (AttemptError::Error(Error::new("mine")), About::Nothing),
        ];
        for (attempt_error, about) in table {
            let failure = attempt_error.into_failure();
            assert_eq!(failure.about, about, "{failure:?}");
        }
    }

    #[test]
    fn a_spill_error_that_the_author_passed_on_is_the_frameworks() {
        let ours = AttemptError::Error(Error::new(shuffle::Error::Stopped));
        assert!(ours.is_stop() && !ours.is_users());
        assert!(AttemptError::Error(Error::new("mine")).is_users());
    }
}
