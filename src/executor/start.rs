//! The first steps of an executor: it ties its life to the worker's, and moves the socket out of the author's reach.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::stdio::dup2_stdin;

use super::Error;

/// Asks the kernel for death with the worker, and gives the socket that is standard input; from then on that is empty.
///
/// # Errors
///
/// Standard input is not a socket; what the system says.
pub fn start() -> Result<UnixStream, Error> {
    let cannot = |doing| move |source| Error::System { doing, source };
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|errno| cannot("ask for a death signal")(errno.into()))?;
    let socket = io::stdin().as_fd().try_clone_to_owned().map_err(cannot("take the socket"))?;
    let socket = File::from(socket);
    let facts = socket.metadata().map_err(cannot("inspect standard input"))?;
    if !facts.file_type().is_socket() {
        return Err(Error::NoSocket);
    }
    let empty = File::open("/dev/null").map_err(cannot("open /dev/null"))?;
    dup2_stdin(&empty).map_err(|errno| cannot("close standard input")(errno.into()))?;
    Ok(UnixStream::from(OwnedFd::from(socket)))
}
