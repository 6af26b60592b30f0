//! Finds out whether something other than a master answers at an address.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the probe may take: it follows calls that have failed for longer.
const WITHIN: Duration = Duration::from_millis(500);
/// Length of the header of an HTTP/2 frame, in bytes. Its first three bytes are the frame's length, the fourth its type.
const FRAME_HEADER_BYTES: usize = 9;
/// Type of the frame that an HTTP/2 server, such as a master, sends first.
const SETTINGS: u8 = 4;

/// What answers instead of a master, for a message; `None` if nothing does, or perhaps a master.
pub(super) async fn stranger(address: &str) -> Option<&'static str> {
    let first = timeout(WITHIN, first_bytes(address)).await.ok()??;
    match first {
        [b'H', b'T', b'T', b'P', b'/', ..] => {
            Some("an HTTP server answers there, perhaps a master's web pages")
        }
        [0, _, _, SETTINGS, ..] => None,
        _ => Some("a server that is neither a master nor an HTTP server answers there"),
    }
}

/// The first bytes of an answer to an old request, which only a web server understands.
async fn first_bytes(address: &str) -> Option<[u8; FRAME_HEADER_BYTES]> {
    let mut connection = TcpStream::connect(address).await.ok()?;
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
    let mut first = [0; FRAME_HEADER_BYTES];
    connection.read_exact(&mut first).await.ok()?;
    Some(first)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What is found at an address where each connection gets these bytes.
    async fn found(answer: &'static [u8]) -> Option<&'static str> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            connection.write_all(answer).await.unwrap();
            // It stays open until the test ends.
            connection.read_to_end(&mut Vec::new()).await.unwrap();
        });
        let found = stranger(&address).await;
        serving.abort();
        found
    }

    #[tokio::test]
    async fn web_and_other_servers_differ_from_masters() {
        let web = found(b"HTTP/1.1 404 Not Found\r\n\r\n").await;
        assert_eq!(web, Some("an HTTP server answers there, perhaps a master's web pages"));
        assert_eq!(
            found(b"SSH-2.0-OpenSSH_9.2\r\n").await,
            Some("a server that is neither a master nor an HTTP server answers there")
        );
        assert_eq!(found(&[0, 0, 24, SETTINGS, 0, 0, 0, 0, 0]).await, None);
        assert_eq!(found(b"").await, None);
        assert_eq!(stranger("127.0.0.1:1").await, None);
    }
}
