//! An origin that records what reaches it, to the byte.

use crate::case::Case;
use crate::harness::find;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the canary gets, and nobody else.
pub(crate) const CANARY_BODY: &str = "the canary's own answer";

/// The origin of one lane. It answers by the script of the case that is under way.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    now: Arc<Mutex<Arc<Record>>>,
}

/// A case, and what the origin saw of it.
pub(crate) struct Record {
    case: Case,
    seen: Mutex<Vec<Seen>>,
}

/// A request as it reached the origin.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Request line and fields, with the empty line.
    pub(crate) head: Vec<u8>,
    /// The body as it came, with its framing.
    pub(crate) body: Vec<u8>,
    /// Whether it came to its end.
    pub(crate) is_whole: bool,
}

impl Origin {
    /// Starts one, with a case that nobody waits for.
    pub(crate) async fn start(case: &Case) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let now = Arc::new(Mutex::new(Record::of(case)));
        let record = Arc::clone(&now);
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(converse(stream, Arc::clone(&record)));
            }
        });
        Self { address, now }
    }

    /// From now on this case is under way.
    pub(crate) fn play(&self, case: &Case) -> Arc<Record> {
        let record = Record::of(case);
        *self.now.lock().unwrap() = Arc::clone(&record);
        record
    }
}

impl Record {
    fn of(case: &Case) -> Arc<Self> {
        Arc::new(Self { case: case.clone(), seen: Mutex::default() })
    }

    /// What came, the canary's requests apart.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|seen| !seen.is_canary()).cloned().collect()
    }

    fn begin(&self, head: &[u8]) -> usize {
        let mut seen = self.seen.lock().unwrap();
        seen.push(Seen { head: head.to_vec(), body: Vec::new(), is_whole: false });
        seen.len() - 1
    }

    fn end(&self, at: usize, body: Vec<u8>, is_whole: bool) {
        let seen = &mut self.seen.lock().unwrap()[at];
        (seen.body, seen.is_whole) = (body, is_whole);
    }
}

impl Seen {
    pub(crate) fn is_canary(&self) -> bool {
        self.head.starts_with(b"GET /canary ")
    }

    /// The values of a field.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        values(&self.head, name)
    }
}

/// The values of a field in a head.
pub(crate) fn values(head: &[u8], name: &str) -> Vec<String> {
    let text: String = head.iter().map(|byte| char::from(*byte)).collect();
    let fields = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    let named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.trim().to_owned()).collect()
}

async fn converse(mut stream: TcpStream, now: Arc<Mutex<Arc<Record>>>) {
    let mut unread = Vec::new();
    loop {
        let Some(end) = until(&mut stream, &mut unread, |bytes| find(bytes, b"\r\n\r\n").map(|at| at + 4)).await else {
            if !unread.is_empty() {
                let record = Arc::clone(&now.lock().unwrap());
                record.begin(&unread);
            }
            return;
        };
        let record = Arc::clone(&now.lock().unwrap());
        let head: Vec<u8> = unread.drain(..end).collect();
        let at = record.begin(&head);
        let is_canary = head.starts_with(b"GET /canary ");
        let early = record.case.answers_early && !is_canary;
        if early && !answer(&mut stream, &record).await {
            return;
        }
        if values(&head, "expect") == ["100-continue"]
            && stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err()
        {
            return;
        }
        let end = until(&mut stream, &mut unread, |bytes| body_end(&head, bytes)).await;
        let body: Vec<u8> = unread.drain(..end.unwrap_or(unread.len())).collect();
        record.end(at, body, end.is_some());
        if end.is_none() {
            return;
        }
        if is_canary {
            let canary = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{CANARY_BODY}", CANARY_BODY.len());
            if stream.write_all(canary.as_bytes()).await.is_err() {
                return;
            }
        } else if !early && !answer(&mut stream, &record).await {
            return;
        }
    }
}

/// Answers by the script; whether the connection goes on.
async fn answer(stream: &mut TcpStream, record: &Record) -> bool {
    stream.write_all(&record.case.answer).await.is_ok() && !record.case.origin_closes
}

/// Reads until `end` says where it is; `None`: the other side closed before.
async fn until(stream: &mut TcpStream, unread: &mut Vec<u8>, end: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
    loop {
        if let Some(end) = end(unread) {
            return Some(end);
        }
        if stream.read_buf(unread).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// Where a request's body ends, as a strict reader sees it.
fn body_end(head: &[u8], bytes: &[u8]) -> Option<usize> {
    if let Some(encoding) = values(head, "transfer-encoding").last() {
        let is_chunked = encoding.rsplit(',').next().unwrap().trim().eq_ignore_ascii_case("chunked");
        return if is_chunked { chunks_end(bytes) } else { Some(0) };
    }
    let length = values(head, "content-length").first().and_then(|length| length.parse().ok()).unwrap_or(0);
    (bytes.len() >= length).then_some(length)
}

/// Where a chunked body ends, trailers included; bytes that are no chunks have no end.
pub(crate) fn chunks_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = find(&bytes[at..], b"\r\n")?;
        let size = bytes[at..at + line].split(|byte| *byte == b';').next().unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?.trim(), 16).ok()?;
        at += line + 2;
        if size == 0 {
            loop {
                let line = find(&bytes[at..], b"\r\n")?;
                at += line + 2;
                if line == 0 {
                    return Some(at);
                }
            }
        }
        at += size + 2;
        if at > bytes.len() {
            return None;
        }
    }
}
