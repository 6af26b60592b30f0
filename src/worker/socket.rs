//! Sends and receives frames over an executor's socket, on the worker's side.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::frame::{FRAME_BYTES_MAX, FromExecutor, ToExecutor, encode};

/// Bytes by which a buffer grows, so that memory depends on the bytes that arrive and not on the claimed length.
const READ_BYTES: u64 = 64 << 10;

/// Sends a message.
pub(super) async fn send(
    socket: &mut (impl AsyncWrite + Unpin + ?Sized),
    message: &ToExecutor,
) -> io::Result<()> {
    // Sent in one piece, so that the other side wakes up only once.
    let frame = encode(message).map_err(io::Error::other)?;
    socket.write_all(&frame).await?;
    socket.flush().await
}

/// Receives the next message. Returns `None` if the executor has closed its end.
pub(super) async fn receive(
    socket: &mut (impl AsyncRead + Unpin + ?Sized),
) -> io::Result<Option<FromExecutor>> {
    let mut length = [0; 4];
    match socket.read_exact(&mut length).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    };
    let length = u32::from_le_bytes(length);
    if length > FRAME_BYTES_MAX {
        let message =
            format!("a frame of {length} bytes exceeds the limit of {FRAME_BYTES_MAX} bytes");
        return Err(io::Error::other(message));
    }
    let mut body = Vec::new();
    while (body.len() as u64) < u64::from(length) {
        let want = READ_BYTES.min(u64::from(length) - body.len() as u64);
        if (&mut *socket).take(want).read_to_end(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    bincode::deserialize(&body).map(Some).map_err(|error| {
        io::Error::other(format!("a frame of {length} bytes holds no known message: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Done;

    #[tokio::test]
    async fn messages_arrive_and_garbage_is_refused() {
        let (mut ours, mut theirs) = tokio::io::duplex(64);
        let sent = FromExecutor::Done(Done::Commit { records: 1, bytes: 2 });
        let body = bincode::serialize(&sent).unwrap();
        theirs.write_all(&(body.len() as u32).to_le_bytes()).await.unwrap();
        theirs.write_all(&body).await.unwrap();
        assert_eq!(receive(&mut ours).await.unwrap(), Some(sent));

        send(&mut ours, &ToExecutor::Hello { version: 7 }).await.unwrap();
        let mut frame = [0; 12];
        theirs.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame, [8, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0]);

        theirs.write_all(&[4, 0, 0, 0, 9, 0, 0, 0]).await.unwrap();
        let error = receive(&mut ours).await.unwrap_err().to_string();
        assert!(error.contains("holds no known message"), "{error}");
        theirs.write_all(&[0xff; 4]).await.unwrap();
        let error = receive(&mut ours).await.unwrap_err().to_string();
        assert_eq!(error, "a frame of 4294967295 bytes exceeds the limit of 268435456 bytes");
        drop(theirs);
        assert_eq!(receive(&mut ours).await.unwrap(), None);
    }
}
