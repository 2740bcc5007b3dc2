//! The smallest HTTP client that a shop's own server needs: one request, one connection, plain text.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

/// How long one exchange may take: a neighbour on the same machine answers in milliseconds.
const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(10);

/// What is read of an answer.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// The status.
    pub(super) status: u16,
    /// The head, line by line, as sent.
    pub(super) head: String,
    /// The body, as sent.
    pub(super) body: Vec<u8>,
}

/// Sends one request and reads the answer until the connection closes.
///
/// # Errors
///
/// When `url` is not plain `http`, nobody listens there, the exchange takes longer than 10 s, or the answer is not HTTP.
pub(super) async fn send(method: &str, url: &Url, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answered> {
    let exchange = exchange(method, url, headers, body);
    tokio::time::timeout(EXCHANGE_TIME_MAX, exchange).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn exchange(method: &str, url: &Url, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answered> {
    let address = match (url.scheme(), url.host_str(), url.port_or_known_default()) {
        ("http", Some(host), Some(port)) => format!("{host}:{port}"),
        _ => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain http URL"));
        }
    };
    let mut stream = TcpStream::connect(&address).await?;
    let mut request = format!("{method} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n", target(url));
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(&[request.as_bytes(), body].concat()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    read(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer"))
}

/// Path and query.
fn target(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

fn read(answer: &[u8]) -> Option<Answered> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n")?;
    let (head, rest) = answer.split_at_checked(end)?;
    let head = String::from_utf8_lossy(head).into_owned();
    let status = head.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()?;
    Some(Answered { status, head, body: rest.strip_prefix(b"\r\n\r\n")?.to_vec() })
}
