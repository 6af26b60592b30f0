//! Counts lines, but its executor announces a protocol version that workers do not know yet.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use gristmill::frame::{Connection, EXECUTOR_ARG, FromExecutor, ToExecutor, VERSION};
use gristmill::prelude::*;

/// Counts equal lines.
#[derive(Args, Serialize, Deserialize)]
pub struct Skewed {}

impl Job for Skewed {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = u64;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        out.emit(line, 1)
    }

    fn reduce(&self, line: &Text, numbers: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((line, numbers.sum()?))
    }
}

/// Greets a worker, and waits until the worker closes the connection.
fn greet() -> Result {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut connection = Connection::new(socket);
    connection.receive::<ToExecutor>()?;
    connection.send(&FromExecutor::Hello { version: VERSION + 1 })?;
    while connection.receive::<ToExecutor>()?.is_some() {}
    Ok(())
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(EXECUTOR_ARG) {
        return if greet().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    gristmill::launch::<Skewed>()
}
