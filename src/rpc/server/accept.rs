//! Accepts connections, with a deadline for the first bytes of each.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::seats::{Limits, Place, Seat, Seats};

/// The first bytes of every HTTP/2 connection.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a connection may take to send them. If it is silent later, it is closed when it does not answer a ping.
const PREFACE_WITHIN: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted, such as for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection that has sent its preface.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    /// Bytes of the preface that were read back.
    given: usize,
    closed: oneshot::Receiver<()>,
    place: Place,
}

/// Accepts connections until the result is dropped. Needs a tokio runtime.
pub(super) fn accept(listener: TcpListener, limits: Limits) -> ReceiverStream<io::Result<Link>> {
    let (sender, links) = mpsc::channel(1);
    tokio::spawn(accept_all(listener, Seats::new(limits), sender));
    ReceiverStream::new(links)
}

async fn accept_all(listener: TcpListener, seats: Seats, sender: mpsc::Sender<io::Result<Link>>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = sender.closed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (place, closed) = seats.wait();
                let (seats, sender) = (seats.clone(), sender.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        _ = closed => {}
                        link = greet(stream, peer, &seats, place) => {
                            if let Some(link) = link {
                                // The server may have stopped.
                                let _served_or_stopped = sender.send(Ok(link)).await;
                            }
                        }
                    }
                });
            }
            Err(_) => {
                seats.make_room();
                sleep(PAUSE).await;
            }
        }
    }
}

/// Reads the preface, and takes a seat.
async fn greet(
    mut stream: TcpStream,
    peer: SocketAddr,
    seats: &Seats,
    waiting: Place,
) -> Option<Link> {
    // Without this, answers arrive a little later.
    let _set_or_not = stream.set_nodelay(true);
    let mut preface = [0; PREFACE.len()];
    let read = timeout(PREFACE_WITHIN, stream.read_exact(&mut preface)).await;
    let is_http2 = matches!(read, Ok(Ok(_))) && preface == *PREFACE;
    if !is_http2 {
        return None;
    }
    let (place, closed) = seats.take(peer.ip())?;
    drop(waiting);
    Some(Link { stream, given: 0, closed, place })
}

impl Connected for Link {
    type ConnectInfo = Seat;

    fn connect_info(&self) -> Seat {
        self.place.seat()
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given < PREFACE.len() {
            let rest = &PREFACE[self.given..];
            let bytes = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..bytes]);
            self.given += bytes;
            return Poll::Ready(Ok(()));
        }
        if Pin::new(&mut self.closed).poll(context).is_ready() {
            let what = "the connection is closed to make room for another one";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, what)));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
