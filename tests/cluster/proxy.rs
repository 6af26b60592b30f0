//! A proxy between a worker and its master, which can hold back the master's answers, or change the worker's
//! messages.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Limit on the bytes that are forwarded at once.
const PIECE_BYTES: usize = 64 << 10;

/// Forwards connections from its own address to another one, in both directions.
pub(crate) struct Proxy {
    address: String,
    gate: Arc<Gate>,
}

/// Whether answers are let through.
#[derive(Default)]
struct Gate {
    is_shut: Mutex<bool>,
    has_changed: Condvar,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_shut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self) {
        let is_shut = self.lock();
        // A thread that waits here forever ends with this process.
        let _open = self.has_changed.wait_while(is_shut, |is_shut| *is_shut);
    }
}

/// A text, and the text that replaces it. Both have the same length.
type Instead = Option<(&'static str, &'static str)>;

impl Proxy {
    pub(crate) fn start(target: &str) -> io::Result<Self> {
        Self::start_with(target, None)
    }

    /// Starts a proxy that also replaces a text in requests.
    pub(crate) fn start_with(target: &str, instead: Instead) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let gate = Arc::new(Gate::default());
        let (target, shared) = (target.to_owned(), Arc::clone(&gate));
        thread::spawn(move || {
            for asker in listener.incoming() {
                // A client that gets no answer tries again.
                let _joined_or_refused =
                    asker.and_then(|asker| join(asker, &target, &shared, instead));
            }
        });
        Ok(Self { address, gate })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Holds back all answers from now on. Requests still pass.
    pub(crate) fn keep_answers_back(&self) {
        *self.gate.lock() = true;
    }

    /// Forwards the answers that were held back, and all later ones.
    pub(crate) fn let_answers_through(&self) {
        *self.gate.lock() = false;
        self.gate.has_changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.let_answers_through();
    }
}

/// Forwards both directions of a connection.
fn join(asker: TcpStream, target: &str, gate: &Arc<Gate>, instead: Instead) -> io::Result<()> {
    let answerer = TcpStream::connect(target)?;
    asker.set_nodelay(true)?;
    answerer.set_nodelay(true)?;
    let (questions, answers) = (asker.try_clone()?, answerer.try_clone()?);
    thread::spawn(move || carry(questions, answerer, |piece| replace(piece, instead)));
    let gate = Arc::clone(gate);
    thread::spawn(move || carry(answers, asker, |_| gate.pass()));
    Ok(())
}

/// Forwards bytes until one end is closed, and then closes both.
fn carry(mut from: TcpStream, mut to: TcpStream, meet: impl Fn(&mut [u8])) {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(bytes @ 1..) = from.read(&mut piece) {
        meet(&mut piece[..bytes]);
        if to.write_all(&piece[..bytes]).is_err() {
            break;
        }
    }
    for end in [from, to] {
        let _closed_or_gone = end.shutdown(Shutdown::Both);
    }
}

/// Replaces a text wherever it lies completely inside a piece.
fn replace(piece: &mut [u8], instead: Instead) {
    let Some((that, this)) = instead else { return };
    let that = that.as_bytes();
    for at in 0..piece.len().saturating_sub(that.len()) {
        let here = &mut piece[at..at + that.len()];
        if here == that {
            here.copy_from_slice(this.as_bytes());
        }
    }
}
