use super::{Seen, soon};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client's connection: it writes what it is told and reads what comes.
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// An answer: its head as text, and its body with the framing taken off.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status line and fields, without the empty line.
    pub(crate) head: String,
    /// The body, dechunked.
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// Connects to `address`.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = soon("a connection", TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// The server's end of a connection.
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// Reads a request's head and the body that its Content-Length announces; `None` when the connection ends. It may
    /// stay idle, so nothing is timed here.
    pub(crate) async fn request(&mut self) -> Option<Seen> {
        let end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at;
            }
            if self.stream.read_buf(&mut self.unread).await.unwrap_or(0) == 0 {
                return None;
            }
        };
        let head: Vec<u8> = self.unread.drain(..end + 4).collect();
        let head = text(&head[..end]);
        let length = fields(&head, "content-length").first().map_or(0, |length| length.parse().unwrap());
        // Bodies of gigabytes are the script's to read.
        if length > 1 << 20 {
            return Some(Seen { head, body: vec![] });
        }
        while self.unread.len() < length && self.more().await > 0 {}
        let end = length.min(self.unread.len());
        Some(Seen { head, body: self.unread.drain(..end).collect() })
    }

    /// Writes bytes as they are.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        soon("a write", self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Reads until `needle` has come, and returns all up to its end.
    pub(crate) async fn until(&mut self, needle: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = find(&self.unread, needle) {
                return self.unread.drain(..at + needle.len()).collect();
            }
            assert!(self.more().await > 0, "closed before {:?} came: {:?}", text(needle), text(&self.unread));
        }
    }

    /// Reads a head: up to and without the empty line.
    pub(crate) async fn head(&mut self) -> String {
        let head = self.until(b"\r\n\r\n").await;
        text(&head[..head.len() - 4])
    }

    /// Reads an answer to anything but HEAD; its body comes to the end that its framing promises.
    pub(crate) async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let mut answer = Answer { head, body: vec![] };
        if answer.field("transfer-encoding").is_some() {
            assert!(self.chunks(&mut answer.body).await, "half a body after {:?}", answer.head);
        } else if let Some(length) = answer.field("content-length") {
            let length: usize = length.parse().unwrap();
            while self.unread.len() < length && self.more().await > 0 {}
            let end = length.min(self.unread.len());
            answer.body = self.unread.drain(..end).collect();
            assert_eq!(answer.body.len(), length, "half a body after {:?}", answer.head);
        } else if answer.status() != 204 && answer.status() != 304 {
            answer.body = self.rest().await;
        }
        answer
    }

    /// Everything until the other side closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await > 0 {}
        std::mem::take(&mut self.unread)
    }

    /// Forgets what was read but not asked for, and returns how much it was.
    pub(crate) fn take_unread(&mut self) -> usize {
        std::mem::take(&mut self.unread).len()
    }

    /// The stream itself, for what needs no parsing.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        assert!(self.unread.is_empty(), "unread: {:?}", text(&self.unread));
        &mut self.stream
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            while find(&self.unread, b"\r\n").is_none() {
                if self.more().await == 0 {
                    return false;
                }
            }
            let line = self.until(b"\r\n").await;
            let size = usize::from_str_radix(text(&line).trim(), 16).unwrap();
            while self.unread.len() < size + 2 {
                if self.more().await == 0 {
                    return false;
                }
            }
            body.extend(self.unread.drain(..size));
            self.unread.drain(..2);
            if size == 0 {
                return true;
            }
        }
    }

    async fn more(&mut self) -> usize {
        // A reset ends a connection just as well.
        soon("bytes", self.stream.read_buf(&mut self.unread)).await.unwrap_or(0)
    }
}

impl Answer {
    /// The status.
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The first value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).into_iter().next()
    }

    /// All values of a field.
    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        fields(&self.head, name)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        text(&self.body)
    }
}

/// All values of a field in a head.
pub(crate) fn fields<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

/// Where `needle` begins.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// Bytes as Latin-1, so that none is lost.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
