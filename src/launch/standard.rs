//! Standard input and output as they were when the process started. Using a stream that was closed is an error.
//!
//! Before `main`, Rust's standard library opens `/dev/null` in place of each closed standard descriptor. If a
//! descriptor is open in the wrong direction, the library treats the error of using it as success. In both cases, a
//! result would be lost, or an input would be read as empty, without an error.
//!
//! A stream that the user has redirected to `/dev/null` must keep working. In `main`, it may look exactly like a closed
//! stream: if Python or Node.js starts the process, they open `/dev/null` for reading and writing, as the library does.
//! Therefore a function in `.init_array`, which runs before the library starts, records which descriptors are closed.

use std::fmt;
use std::fs::File;
use std::io::{self, StdoutLock};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::fcntl_getfd;

static INPUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);
static OUTPUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Records which of the two descriptors are closed. It only makes system calls and stores flags, so it may run before
/// the standard library is ready.
extern "C" fn note() {
    let is_closed = |fd: BorrowedFd<'_>| fcntl_getfd(fd).is_err();
    INPUT_WAS_CLOSED.store(is_closed(rustix::stdio::stdin()), Ordering::Relaxed);
    OUTPUT_WAS_CLOSED.store(is_closed(rustix::stdio::stdout()), Ordering::Relaxed);
}

// SAFETY: each entry of `.init_array` must be a pointer to a function of the C ABI. The C library calls it once, with
// arguments that it may ignore. `note` does nothing that needs the standard library to be initialised.
#[expect(unsafe_code, reason = "later, a closed descriptor looks like a redirection to /dev/null")]
#[used]
#[unsafe(link_section = ".init_array")]
static NOTE: extern "C" fn() = note;

/// Why standard input or output cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It was closed when the process started.
    Closed,
    /// It is open in the other direction only.
    WrongDirection(&'static str),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("it is closed"),
            Self::WrongDirection(only) => write!(f, "it is open for {only} only"),
        }
    }
}

impl std::error::Error for Unusable {}

/// Locks standard output. Fails if it is closed, or open for reading only.
pub(crate) fn output() -> io::Result<StdoutLock<'static>> {
    check_output().map_err(io::Error::other)?;
    Ok(io::stdout().lock())
}

/// Reserves standard output for the result, and returns it. From here on, everything that this process prints goes to
/// standard error.
pub(super) fn set_output_aside() -> io::Result<File> {
    /// The first descriptor that is not a standard one.
    const FIRST: i32 = 3;
    let output = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), FIRST)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(File::from(output))
}

/// Refuses a standard output that is closed or open for reading only.
pub(crate) fn check_output() -> Result<(), Unusable> {
    check(&OUTPUT_WAS_CLOSED, rustix::stdio::stdout(), OFlags::RDONLY, "reading")
}

/// Refuses a standard input that is closed or open for writing only.
pub(super) fn check_input() -> Result<(), Unusable> {
    check(&INPUT_WAS_CLOSED, rustix::stdio::stdin(), OFlags::WRONLY, "writing")
}

fn check(
    was_closed: &AtomicBool,
    fd: BorrowedFd<'_>,
    wrong: OFlags,
    only: &'static str,
) -> Result<(), Unusable> {
    if was_closed.load(Ordering::Relaxed) {
        return Err(Unusable::Closed);
    }
    match fcntl_getfl(fd) {
        Ok(flags) if flags.contains(OFlags::PATH) => Err(Unusable::WrongDirection("its path")),
        Ok(flags) if flags & OFlags::RWMODE == wrong => Err(Unusable::WrongDirection(only)),
        Ok(_) => Ok(()),
        Err(_) => Err(Unusable::Closed),
    }
}
