//! A visitor that sends a case's bytes, and reads what comes.

use crate::case::{Case, End};
use crate::harness::find;
use crate::origin::{CANARY_BODY, chunks_end, values};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// After this nobody will answer any more.
const SILENCE: Duration = Duration::from_secs(6);
const CANARY: &[u8] = b"GET /canary HTTP/1.1\r\nHost: shop.example\r\n\r\n";

/// What the visitor got.
#[derive(Debug, Default)]
pub(crate) struct Got {
    /// Everything, to the byte.
    pub(crate) bytes: Vec<u8>,
    /// The statuses of the answers that are no interim ones.
    pub(crate) finals: Vec<u16>,
    /// Whether the last of them came to the end that its framing promises.
    pub(crate) is_whole: bool,
    /// Nobody answered, nobody closed.
    pub(crate) is_silent: bool,
    /// What was wrong with the canary.
    pub(crate) canary: Option<String>,
}

/// Plays a case, with a canary on the same connection, if it is still there, and one on the next.
pub(crate) async fn play(address: SocketAddr, case: &Case) -> Got {
    let mut visit = Visit::begin(address).await;
    let mut got = visit.play(case).await;
    let goes_on = !visit.has_ended && !got.is_silent && got.is_whole && !case.leaves_bytes;
    if goes_on && got.finals.last() != Some(&101) {
        got.canary = visit.canary(true).await;
    }
    if got.canary.is_none() {
        got.canary = Visit::begin(address).await.canary(false).await;
    }
    got
}

struct Visit {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// Up to where the bytes belong to answers that were read.
    read: usize,
    has_ended: bool,
    /// Whether it ended in a way that no answer ends.
    is_reset: bool,
}

/// An answer in the bytes.
struct Answer {
    status: u16,
    head: Vec<u8>,
    body: std::ops::Range<usize>,
    is_whole: bool,
}

impl Visit {
    async fn begin(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, bytes: Vec::new(), read: 0, has_ended: false, is_reset: false }
    }

    async fn play(&mut self, case: &Case) -> Got {
        let deadline = Instant::now() + SILENCE;
        let mut got = Got::default();
        // The other side may refuse, and close, before all is written.
        drop(self.stream.write_all(&case.sends).await);
        if !case.sends_later.is_empty() {
            self.more(deadline).await;
            drop(self.stream.write_all(&case.sends_later).await);
        }
        if case.end == End::HalfCloses {
            drop(self.stream.shutdown().await);
        }
        while got.finals.len() < case.answers {
            let Some(answer) = self.answer(case.is_head, deadline, &mut got.is_silent).await else { break };
            (got.is_whole, got.finals) = (answer.is_whole, [got.finals, vec![answer.status]].concat());
            if answer.status == 101 {
                // What belongs to the tunnel comes with its end, or with the switch.
                while !case.visitor_has.iter().all(|wanted| find(&lower(&self.bytes), wanted).is_some())
                    && self.more(deadline).await
                {}
                break;
            }
            if values(&answer.head, "connection").iter().any(|value| value.eq_ignore_ascii_case("close")) {
                while self.more(deadline).await {}
                if self.bytes.len() > self.read && !case.is_head && got.finals.len() == case.answers {
                    got.canary = Some(format!("{} bytes after the last answer", self.bytes.len() - self.read));
                }
            }
        }
        got.bytes = std::mem::take(&mut self.bytes);
        self.read = 0;
        got
    }

    /// Asks for what only the canary gets; what is wrong with the answer. An old connection may be closed instead.
    async fn canary(&mut self, may_be_closed: bool) -> Option<String> {
        let deadline = Instant::now() + SILENCE;
        drop(self.stream.write_all(CANARY).await);
        let mut is_silent = false;
        let which = if may_be_closed { "on the same connection" } else { "on the next connection" };
        match self.answer(false, deadline, &mut is_silent).await {
            Some(answer) => {
                let is_own = self.bytes.get(answer.body.clone()) == Some(CANARY_BODY.as_bytes());
                (!is_own).then(|| format!("the canary {which} gets another answer"))
            }
            None if self.has_ended && self.bytes.is_empty() && may_be_closed => None,
            None => Some(format!("the canary {which} gets no answer")),
        }
    }

    /// The next answer that is no interim one.
    async fn answer(&mut self, is_head: bool, deadline: Instant, is_silent: &mut bool) -> Option<Answer> {
        loop {
            if let Some(answer) = self.parsed(is_head) {
                self.read = answer.body.end.min(self.bytes.len());
                if (100..200).contains(&answer.status) && answer.status != 101 {
                    continue;
                }
                return Some(answer);
            }
            if self.has_ended {
                return None;
            }
            if !self.more(deadline).await && !self.has_ended {
                *is_silent = true;
                return None;
            }
        }
    }

    fn parsed(&self, is_head: bool) -> Option<Answer> {
        let unread = &self.bytes[self.read..];
        let Some(end) = find(unread, b"\r\n\r\n").map(|at| at + 4) else {
            // Bytes that are no answer are one without a status, when nothing more can come.
            let is_odd = self.has_ended && !unread.is_empty();
            let body = self.read..self.bytes.len();
            return is_odd.then(|| Answer { status: 0, head: Vec::new(), body, is_whole: false });
        };
        let head = unread[..end].to_vec();
        let first = head.split(|byte| *byte == b'\r').next().unwrap();
        let status = first.split(|byte| *byte == b' ').nth(1).and_then(|status| std::str::from_utf8(status).ok());
        let status = status.and_then(|status| status.trim().parse().ok()).unwrap_or(0);
        let rest = &unread[end..];
        let (length, is_whole) = if is_head || (100..200).contains(&status) || status == 204 || status == 304 {
            (0, true)
        } else if !values(&head, "transfer-encoding").is_empty() {
            let end = chunks_end(rest);
            (end.unwrap_or(rest.len()), end.is_some())
        } else if let Some(length) = values(&head, "content-length").first() {
            let length = length.parse().unwrap_or(usize::MAX);
            (length.min(rest.len()), rest.len() >= length)
        } else {
            (rest.len(), self.has_ended && !self.is_reset)
        };
        let begin = self.read + end;
        (is_whole || self.has_ended).then(|| Answer { status, head, body: begin..begin + length, is_whole })
    }

    /// Whether more came before the end, and before the deadline.
    async fn more(&mut self, deadline: Instant) -> bool {
        match timeout_at(deadline, self.stream.read_buf(&mut self.bytes)).await {
            Ok(ended @ (Ok(0) | Err(_))) => {
                (self.has_ended, self.is_reset) = (true, ended.is_err());
                false
            }
            Ok(Ok(_)) => true,
            Err(_) => false,
        }
    }
}

/// Names, and what is looked for, in lower case.
pub(crate) fn lower(bytes: &[u8]) -> Vec<u8> {
    bytes.to_ascii_lowercase()
}
