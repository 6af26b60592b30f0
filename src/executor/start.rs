//! Starts an executor: makes sure that it ends with its worker, and moves the socket away from standard input.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::process::Pid;
use rustix::stdio::dup2_stdin;

use super::supervisor::split;
use super::{Error, HELLO_WITHIN};

/// An executor that is ready to serve.
#[derive(Debug)]
pub struct Started {
    pub(super) socket: UnixStream,
    /// The process that ends what user code leaves behind, if there is one.
    pub(super) supervisor: Option<Pid>,
}

/// Splits off a supervisor, asks the kernel to kill this process when the supervisor dies, and takes the socket from
/// standard input, which is empty from then on. In the supervisor this does not return.
///
/// # Errors
///
/// Standard input is not a socket, or what the system reports.
pub fn start() -> Result<Started, Error> {
    let cannot = |doing| move |source| Error::System { doing, source };
    let stdin = io::stdin();
    let facts = fstat(&stdin).map_err(|errno| cannot("inspect standard input")(errno.into()))?;
    if FileType::from_raw_mode(facts.st_mode) != FileType::Socket {
        return Err(Error::NoSocket);
    }
    // The worker sends its first message after it has put this process into a control group. A process that is split
    // off earlier would stay outside the group.
    let within = Timespec { tv_sec: HELLO_WITHIN.as_secs().cast_signed(), tv_nsec: 0 };
    let _spoken_or_late = poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&within));
    let supervisor = split().map_err(cannot("start the supervisor process"))?;
    let socket = stdin
        .as_fd()
        .try_clone_to_owned()
        .map_err(cannot("take the socket from standard input"))?;
    let empty = File::open("/dev/null").map_err(cannot("open /dev/null"))?;
    dup2_stdin(&empty).map_err(|errno| cannot("close standard input")(errno.into()))?;
    Ok(Started { socket: UnixStream::from(socket), supervisor })
}
