//! A connection's watchman: it is cut when it takes too long, and retired when it is old.
//!
//! Its stream and its requests leave marks, and the watchman looks at them now and then: nothing sets a timer for each
//! request.

use super::frames::Frames;
use super::limits::Limits;
use super::listener::Seat;
use super::streams::Marks;
use crate::proxy::Body;
use http::Version;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Bytes;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;

/// How much later than its limit a connection is cut at the most.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(5);
/// How long a connection is kept ready for the next request. Buffers are cheap to make, and dear to hold by the thousand.
const READY_FOR: Duration = Duration::from_secs(1);
/// A time that is not.
const NEVER: u64 = u64::MAX;

/// The marks of a connection. Times are milliseconds since it began.
#[derive(Debug)]
pub(super) struct Pulse {
    begun: Instant,
    limits: Limits,
    in_flight: AtomicU32,
    requests: AtomicU32,
    /// Anything came at all.
    heard: AtomicBool,
    /// When the last request ended.
    silent_since: AtomicU64,
    /// When the head began that is being read.
    head_since: AtomicU64,
    /// When a write first found no room.
    stuck_since: AtomicU64,
    /// The last request had a body, which may still be on its way.
    has_body: AtomicBool,
    /// An answer broke off, and nothing but the connection's end can tell.
    broke_off: AtomicBool,
    retire: Notify,
}

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It finishes what is under way, and takes nothing more.
    Retire,
    /// It is cut.
    Cut(Overdue),
    /// Nothing is under way: all that it needs is its socket.
    Rest,
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// Nothing came.
    Idle,
    /// A head did not come to its end.
    Head,
    /// An answer was not read.
    Unread,
}

impl Pulse {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            limits,
            in_flight: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            heard: AtomicBool::new(false),
            silent_since: AtomicU64::new(0),
            head_since: AtomicU64::new(NEVER),
            stuck_since: AtomicU64::new(NEVER),
            has_body: AtomicBool::new(false),
            broke_off: AtomicBool::new(false),
            retire: Notify::new(),
        })
    }

    /// A request's head is there; it is in flight until what is returned is dropped.
    pub(super) fn request(self: &Arc<Self>, has_body: bool) -> InFlight {
        self.has_body.store(has_body, Relaxed);
        self.head_since.store(NEVER, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        if self.requests.fetch_add(1, Relaxed) + 1 >= self.limits.requests {
            self.retire.notify_one();
        }
        InFlight(Arc::clone(self))
    }

    /// Waits until something is due; a connection that `may_rest` does so when nothing is under way.
    pub(super) async fn due(&self, may_rest: bool) -> Due {
        let Limits { first_byte, head, idle, unread, .. } = self.limits;
        let longest = if may_rest { READY_FOR } else { LOOK_EVERY_MAX };
        let look_every = [first_byte, head, idle, unread, longest].into_iter().min().unwrap_or(longest);
        loop {
            tokio::select! {
                () = self.retire.notified() => return Due::Retire,
                () = tokio::time::sleep(look_every) => {}
            }
            if let Some(overdue) = self.overdue(self.now()) {
                return Due::Cut(overdue);
            }
            if self.begun.elapsed() >= self.limits.age {
                return Due::Retire;
            }
            if may_rest && self.is_idle(self.now()) {
                return Due::Rest;
            }
        }
    }

    /// Whether nothing is under way, and nothing has been for a while.
    fn is_idle(&self, now: u64) -> bool {
        let is_silent = u128::from(now.saturating_sub(self.silent_since.load(Relaxed))) >= READY_FOR.as_millis();
        let has_marks = [&self.head_since, &self.stuck_since].iter().any(|since| since.load(Relaxed) != NEVER);
        is_silent && !has_marks && self.in_flight.load(Relaxed) == 0 && !self.has_body.load(Relaxed)
    }

    fn overdue(&self, now: u64) -> Option<Overdue> {
        let passed = |since: &AtomicU64, limit: Duration| {
            let since = since.load(Relaxed);
            since != NEVER && u128::from(now.saturating_sub(since)) >= limit.as_millis()
        };
        if passed(&self.stuck_since, self.limits.unread) {
            Some(Overdue::Unread)
        } else if self.in_flight.load(Relaxed) > 0 {
            None
        } else if passed(&self.head_since, self.limits.head) {
            Some(Overdue::Head)
        } else {
            let Limits { idle, first_byte, .. } = self.limits;
            let limit = if self.heard.load(Relaxed) { idle } else { idle.min(first_byte) };
            passed(&self.silent_since, limit).then_some(Overdue::Idle)
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(NEVER)
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Pulse>);

impl InFlight {
    /// Another of the same request, for what outlives its answer.
    pub(super) fn another(&self) -> Self {
        self.0.in_flight.fetch_add(1, Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.silent_since.store(self.0.now(), Relaxed);
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// An answer's body; its request is under way until it is sent.
pub(super) struct Answering {
    body: Body,
    request: InFlight,
    /// Whether it is the connection's end that ends it: to HTTP/1.0 there are no chunks.
    ends_with_connection: bool,
    /// Of its stream, if it is one of HTTP/2's.
    marks: Option<Arc<Marks>>,
}

impl Answering {
    pub(super) fn new(body: Body, request: InFlight, version: Version) -> Self {
        let ends_with_connection = version == Version::HTTP_10 && body.size_hint().exact().is_none();
        let marks = Marks::of_task();
        // With its head it waits to be asked for its body.
        marks.iter().for_each(|marks| marks.handed_on());
        Self { body, request, ends_with_connection, marks }
    }
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.marks.iter().for_each(|marks| marks.asked());
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.marks.iter().filter(|_| frame.is_some()).for_each(|marks| marks.handed_on());
        if self.ends_with_connection && matches!(frame, Some(Err(_))) {
            self.request.0.broke_off.store(true, Relaxed);
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

/// A stream that can end in a way that nobody takes for the end of an answer.
pub(super) trait BreaksOff {
    /// Makes its end look like what it is.
    fn break_off(&self);

    /// What it comes by.
    fn socket(&self) -> &TcpStream;
}

impl BreaksOff for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }

    fn break_off(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!(%error, "a connection ends as if its answer were whole");
        }
    }
}

impl BreaksOff for TlsStream<TcpStream> {
    /// An end without `close_notify` says it already.
    fn break_off(&self) {}

    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A stream that leaves marks.
pub(super) struct Watched<S: BreaksOff> {
    stream: S,
    pulse: Arc<Pulse>,
    /// What HTTP/2 is made of; in HTTP/1.1, where there is none, bytes between requests begin a head.
    frames: Option<Box<Frames>>,
    /// What was read already, and is read again.
    unread: Bytes,
    /// Held as long as the stream is, also when it has become a tunnel.
    _seat: Seat,
}

impl<S: BreaksOff> Drop for Watched<S> {
    fn drop(&mut self) {
        if self.pulse.broke_off.load(Relaxed) {
            self.stream.break_off();
        }
    }
}

impl<S: BreaksOff> Watched<S> {
    pub(super) fn new(stream: S, pulse: Arc<Pulse>, frames: Option<Frames>, seat: Seat) -> Self {
        Self { stream, pulse, frames: frames.map(Box::new), unread: Bytes::new(), _seat: seat }
    }

    /// Puts back what was read too early.
    pub(super) fn unread(&mut self, bytes: Bytes) {
        self.unread = bytes;
    }

    /// Waits until there is something to read, or the other side has gone.
    pub(super) async fn readable(&self) -> io::Result<()> {
        if self.unread.is_empty() { self.stream.socket().readable().await } else { Ok(()) }
    }

    /// So much was written, to whoever may send frames for it.
    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Some(frames), Poll::Ready(Ok(bytes))) = (&mut self.frames, &written) {
            frames.passed(*bytes);
        }
        self.written(written)
    }

    fn written<T>(&self, written: Poll<T>) -> Poll<T> {
        let stuck = &self.pulse.stuck_since;
        match (written.is_pending(), stuck.load(Relaxed)) {
            (true, NEVER) => stuck.store(self.pulse.now(), Relaxed),
            (true, _) | (false, NEVER) => {}
            (false, _) => stuck.store(NEVER, Relaxed),
        }
        written
    }
}

impl<S: AsyncRead + BreaksOff + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.unread.is_empty() {
            let fits = self.unread.len().min(buffer.remaining());
            buffer.put_slice(&self.unread.split_to(fits));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let Self { pulse, frames, .. } = &mut *self;
        if !pulse.heard.load(Relaxed) {
            pulse.heard.store(true, Relaxed);
        }
        let came = buffer.filled().get(before..).unwrap_or_default();
        if let Some(frames) = frames {
            let is_flood = frames.are_flood(came, pulse.now());
            return Poll::Ready(if is_flood { Err(io::Error::other("a flood of frames")) } else { Ok(()) });
        }
        if !came.is_empty() && pulse.in_flight.load(Relaxed) == 0 && pulse.head_since.load(Relaxed) == NEVER {
            pulse.head_since.store(pulse.now(), Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + BreaksOff + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.wrote(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_overdue() {
        let pulse = Pulse::new(Limits::default());
        let seconds = |seconds: u64| pulse.overdue(seconds * 1000);
        assert_eq!((seconds(9), seconds(10)), (None, Some(Overdue::Idle)));
        pulse.heard.store(true, Relaxed);
        assert_eq!((seconds(59), seconds(60)), (None, Some(Overdue::Idle)));
        pulse.head_since.store(3000, Relaxed);
        assert_eq!((seconds(12), seconds(13)), (None, Some(Overdue::Head)));
        let request = pulse.request(false);
        assert_eq!(seconds(9999), None);
        pulse.stuck_since.store(1000, Relaxed);
        assert_eq!((seconds(60), seconds(61)), (None, Some(Overdue::Unread)));
        pulse.stuck_since.store(NEVER, Relaxed);
        drop(request);
        assert_eq!((seconds(59), seconds(61)), (None, Some(Overdue::Idle)));
    }

    #[test]
    fn a_connection_rests_when_nothing_is_under_way() {
        let pulse = Pulse::new(Limits::default());
        assert_eq!((pulse.is_idle(999), pulse.is_idle(1000)), (false, true));
        for mark in [&pulse.head_since, &pulse.stuck_since] {
            mark.store(0, Relaxed);
            assert!(!pulse.is_idle(9999));
            mark.store(NEVER, Relaxed);
        }
        let request = pulse.request(false);
        assert!(!pulse.is_idle(9999));
        drop(request);
        assert!(pulse.is_idle(9999));
        // An answer may be whole before its request is.
        drop(pulse.request(true));
        assert!(!pulse.is_idle(9999));
    }

    #[tokio::test]
    async fn a_connection_that_has_had_its_requests_retires() {
        let pulse = Pulse::new(Limits { requests: 2, ..Limits::default() });
        drop(pulse.request(false));
        assert!(tokio::time::timeout(Duration::from_millis(1), pulse.due(false)).await.is_err());
        drop(pulse.request(false));
        assert_eq!(pulse.due(false).await, Due::Retire);
    }
}
