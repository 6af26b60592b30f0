//! Limits the memory that incomplete messages use on all connections together.
//!
//! gRPC sends the length of a message before its content, and the server buffers the content until
//! all of it has arrived. A slow message would hold memory for a long time, so each message has a
//! deadline. When all incomplete messages together use too much memory, the oldest one is dropped.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

use crate::rpc::refusal::Refusal;
use crate::rpc::status::status;

/// Bytes of all incomplete messages together.
pub(super) const UNFINISHED_BYTES_MAX: usize = 256 << 20;
/// How long a message may take from its first byte to its last: enough for the largest at 4 MiB a second.
const MESSAGE_WITHIN: Duration = Duration::from_secs(30);
/// Bytes before each message: a flag, and its length as a big-endian number.
const PREFIX_BYTES: usize = 5;

/// The incomplete messages of a server. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Unfinished(Arc<Mutex<Messages>>);

#[derive(Debug)]
struct Messages {
    bytes_max: usize,
    bytes: usize,
    next: u64,
    /// By the time when they began.
    all: BTreeMap<u64, (usize, oneshot::Sender<()>)>,
}

/// A message that has begun to arrive.
#[derive(Debug)]
struct Entry {
    messages: Unfinished,
    id: u64,
    given_up: oneshot::Receiver<()>,
    late: Pin<Box<Sleep>>,
}

/// A request's body, which is watched.
#[derive(Debug)]
pub(super) struct Watched {
    body: Body,
    messages: Unfinished,
    framing: Framing,
    entry: Option<Entry>,
}

/// The position of a body in its sequence of messages.
#[derive(Debug, Default)]
struct Framing {
    prefix: [u8; PREFIX_BYTES],
    /// Bytes of the prefix that have arrived.
    known: usize,
    /// Bytes of the message that are missing, once the prefix is complete.
    missing: usize,
    /// Bytes of the message that have arrived.
    held: usize,
}

impl Unfinished {
    pub(super) fn new(bytes_max: usize) -> Self {
        let messages = Messages { bytes_max, bytes: 0, next: 0, all: BTreeMap::new() };
        Self(Arc::new(Mutex::new(messages)))
    }

    /// Watches a request's body.
    pub(super) fn watch(&self, body: Body) -> Body {
        let (messages, framing) = (self.clone(), Framing::default());
        Body::new(Watched { body, messages, framing, entry: None })
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.0.lock().expect("code that holds this lock cannot panic")
    }

    fn begin(&self) -> Entry {
        let (give_up, given_up) = oneshot::channel();
        let mut messages = self.messages();
        let id = messages.next;
        messages.next += 1;
        messages.all.insert(id, (0, give_up));
        let late = Box::pin(sleep(MESSAGE_WITHIN));
        Entry { messages: self.clone(), id, given_up, late }
    }
}

impl Messages {
    /// Sets the length of a message. If there is no room, the oldest messages are dropped.
    fn hold(&mut self, id: u64, held: usize) {
        if let Some((before, _)) = self.all.get_mut(&id) {
            self.bytes = self.bytes - *before + held;
            *before = held;
        }
        while self.bytes > self.bytes_max
            && let Some((_, (bytes, give_up))) = self.all.pop_first()
        {
            self.bytes -= bytes;
            // It may have ended by itself.
            let _told_or_ended = give_up.send(());
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut messages = self.messages.messages();
        if let Some((bytes, _)) = messages.all.remove(&self.id) {
            messages.bytes -= bytes;
        }
    }
}

impl Framing {
    /// Counts bytes that have arrived, and returns how much of an incomplete message is there.
    fn take(&mut self, mut bytes: &[u8]) -> usize {
        while !bytes.is_empty() {
            if self.known < PREFIX_BYTES {
                self.prefix[self.known] = bytes[0];
                (self.known, bytes) = (self.known + 1, &bytes[1..]);
                if self.known == PREFIX_BYTES {
                    let [_, length @ ..] = self.prefix;
                    self.missing =
                        usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                }
            } else {
                let taken = bytes.len().min(self.missing);
                (self.missing, self.held) = (self.missing - taken, self.held + taken);
                bytes = &bytes[taken..];
            }
            if self.known == PREFIX_BYTES && self.missing == 0 {
                *self = Self::default();
            }
        }
        self.known + self.held
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(entry) = &mut self.entry {
            if Pin::new(&mut entry.given_up).poll(context).is_ready() {
                return Poll::Ready(Some(Err(refused(
                    "the message was dropped, because incomplete messages use too much of the server's memory",
                ))));
            }
            if entry.late.as_mut().poll(context).is_ready() {
                return Poll::Ready(Some(Err(refused("the message took too long to arrive"))));
            }
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let held = self.framing.take(data);
            if held == 0 {
                self.entry = None;
            } else {
                let messages = self.messages.clone();
                let entry = self.entry.get_or_insert_with(|| messages.begin());
                messages.messages().hold(entry.id, held);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn refused(what: &str) -> axum::Error {
    axum::Error::new(status(Refusal::Limit {
        message: format!("{what}\nhint: send the message again"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_counts_what_is_unfinished_however_it_is_cut() {
        let message = |bytes: usize| {
            let mut message = vec![0];
            message.extend(u32::try_from(bytes).unwrap().to_be_bytes());
            message.resize(PREFIX_BYTES + bytes, 7);
            message
        };
        let all = [message(0), message(10), message(300)].concat();
        for cut in 1..all.len() {
            let mut framing = Framing::default();
            let held: Vec<usize> = all.chunks(cut).map(|bytes| framing.take(bytes)).collect();
            assert_eq!(held.last(), Some(&0), "{cut}");
            assert!(held.iter().all(|&held| held < PREFIX_BYTES + 300), "{cut}: {held:?}");
        }
        assert_eq!(Framing::default().take(&all[..15]), 10);
        assert_eq!(Framing::default().take(&all[..20]), 0);
        assert_eq!(Framing::default().take(&all[..120]), 100);
    }

    #[tokio::test]
    async fn oldest_message_is_given_up_when_all_hold_too_much() {
        let unfinished = Unfinished::new(100);
        let mut entries: Vec<Entry> = (0..3).map(|_| unfinished.begin()).collect();
        let hold = |entry: &Entry, bytes| unfinished.messages().hold(entry.id, bytes);
        hold(&entries[1], 60);
        hold(&entries[0], 40);
        hold(&entries[2], 1);
        let given_up = |entry: &mut Entry| entry.given_up.try_recv().is_ok();
        assert!(given_up(&mut entries[0]) && !given_up(&mut entries[1]));
        hold(&entries[2], 50);
        assert!(given_up(&mut entries[1]) && !given_up(&mut entries[2]));
        drop(entries);
        let messages = unfinished.messages();
        assert!(messages.bytes == 0 && messages.all.is_empty());
    }
}
