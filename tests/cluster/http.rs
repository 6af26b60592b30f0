//! A minimal HTTP client: one connection per request, read to its end.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::commands::Result;

/// Time limit for an answer and for the next piece of a stream; generous enough for a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).map_err(|error| format!("{error}: {self:?}").into())
    }
}

/// Sends a GET request to a web address, and returns the answer.
pub(crate) fn get(web: &str, path: &str) -> Result<Reply> {
    send(web, &format!("GET {path} HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\n\r\n"))
}

/// Returns the JSON at an address, which must exist.
pub(crate) fn json(web: &str, path: &str) -> Result<Value> {
    let reply = get(web, path)?;
    if reply.status == 200 { reply.json() } else { Err(format!("{path}: {reply:?}").into()) }
}

/// Sends a request unchanged, and reads the whole answer.
pub(crate) fn send(web: &str, request: &str) -> Result<Reply> {
    let mut read = open(web, request)?;
    let (status, headers) = head(&mut read)?;
    let mut body = Vec::new();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    // Some servers keep the connection open.
    let length = length.map_or(Ok(u64::MAX), |(_, length)| length.parse())?;
    // A server that does not read a whole request may cut the connection after its answer.
    if let Err(error) = read.take(length).read_to_end(&mut body)
        && body.is_empty()
    {
        return Err(error.into());
    }
    let mut body = String::from_utf8(body)?;
    let is_chunked =
        |(name, value): &(String, String)| name == "transfer-encoding" && value == "chunked";
    if headers.iter().any(is_chunked) {
        body = unchunked(&body)?;
    }
    Ok(Reply { status, headers, body })
}

fn open(web: &str, request: &str) -> Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(web)?;
    stream.set_read_timeout(Some(WITHIN))?;
    stream.write_all(request.as_bytes())?;
    Ok(BufReader::new(stream))
}

fn head(read: &mut impl BufRead) -> Result<(u16, Vec<(String, String)>)> {
    let mut first = String::new();
    read.read_line(&mut first)?;
    let status = first.split(' ').nth(1).ok_or_else(|| format!("no answer: {first:?}"))?.parse()?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        read.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim_start().to_owned()));
    }
    Ok((status, headers))
}

fn unchunked(body: &str) -> Result<String> {
    let (mut whole, mut rest) = (String::new(), body);
    while let Some((length, more)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16)?;
        whole += &more[..length];
        rest = &more[length + 2..];
    }
    Ok(whole)
}

/// The bytes of a chunked body.
struct Chunks {
    read: BufReader<TcpStream>,
    left: usize,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let mut length = String::new();
            // A line end precedes the next length.
            while length.trim().is_empty() {
                if self.read.read_line(&mut length)? == 0 {
                    return Ok(0);
                }
            }
            let length = usize::from_str_radix(length.trim(), 16);
            self.left = length.map_err(|error| io::Error::other(error.to_string()))?;
        }
        let room = buffer.len().min(self.left);
        let read = self.read.read(&mut buffer[..room])?;
        self.left -= read;
        Ok(read)
    }
}

/// A stream of events.
pub(crate) struct Stream {
    read: BufReader<Chunks>,
}

impl Stream {
    /// Opens a stream, after a known event if one is given.
    pub(crate) fn open(web: &str, path: &str, last: Option<&str>) -> Result<Self> {
        let last = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        let mut read = open(web, &format!("GET {path} HTTP/1.1\r\nHost: {web}\r\n{last}\r\n"))?;
        let (status, headers) = head(&mut read)?;
        if status != 200 {
            return Err(format!("{path}: {status}: {headers:?}").into());
        }
        Ok(Self { read: BufReader::new(Chunks { read, left: 0 }) })
    }

    /// Returns the data of the next event, or `None` once the stream has ended.
    pub(crate) fn next(&mut self) -> Result<Option<Value>> {
        loop {
            let mut line = String::new();
            // An incomplete line does not count.
            if self.read.read_line(&mut line)? == 0 || !line.ends_with('\n') {
                return Ok(None);
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Ok(Some(serde_json::from_str(data)?));
            }
        }
    }

    /// Returns all events up to and including the first one for which `is_last` is true.
    pub(crate) fn until(&mut self, is_last: impl Fn(&Value) -> bool) -> Result<Vec<Value>> {
        let mut events = Vec::new();
        loop {
            let event = self.next()?.ok_or_else(|| format!("it ended after {events:?}"))?;
            events.push(event);
            if events.last().is_some_and(&is_last) {
                return Ok(events);
            }
        }
    }
}
