//! Bodies on their way through.

use super::patience::{Conversation, Pace, Patience};
use super::upstream::Seat;
use bytes::Bytes;
use http::Version;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// A body that passes through, or one of ours. It never buffers: a frame is asked for when the next side has room.
pub struct Body {
    /// What was read of the source already.
    prefix: Bytes,
    source: Source,
    progress: Option<Progress>,
    patience: Option<Patience>,
    /// Only held.
    _seat: Option<Seat>,
}

enum Source {
    Empty,
    Stream(Incoming),
    /// One that came by HTTP/2, and whether its trailers came.
    Http2(Incoming, bool),
    /// It was given up.
    Slow,
}

/// Why a body does not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Its connection broke, or it is framed wrongly.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// Its stream was reset as if nothing were wrong, and before its end.
    #[error("the stream was reset before its end")]
    Reset,
    /// Its pieces came too slowly.
    #[error("the body came too slowly")]
    Slow,
}

/// How a body goes out: a wait for an answer starts anew as long as it moves.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Marks>);

#[derive(Debug, Default)]
struct Marks {
    frames: AtomicUsize,
    broke: AtomicBool,
    slow: AtomicBool,
}

impl Progress {
    /// The number of frames so far; only ever compared with an earlier one.
    pub fn frames(&self) -> usize {
        self.0.frames.load(Ordering::Relaxed)
    }

    /// Whether it was the body itself that broke off.
    pub(super) fn broke(&self) -> bool {
        self.0.broke.load(Ordering::Relaxed)
    }

    /// Whether it was given up.
    pub(super) fn was_slow(&self) -> bool {
        self.0.slow.load(Ordering::Relaxed)
    }

    fn mark<T>(&self, frame: Option<&Result<T, BodyError>>) {
        self.0.frames.fetch_add(1, Ordering::Relaxed);
        if let Some(Err(error)) = frame {
            self.0.slow.store(matches!(error, BodyError::Slow), Ordering::Relaxed);
            self.0.broke.store(true, Ordering::Relaxed);
        }
    }
}

impl Body {
    /// No body at all.
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// These bytes and nothing more. The caller sets `Content-Length`, or lets hyper do it.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self { prefix: bytes.into(), source: Source::Empty, progress: None, patience: None, _seat: None }
    }

    /// The body of a message that came by `version`.
    pub fn came(version: Version, stream: Incoming) -> Self {
        let source = match version {
            Version::HTTP_2 => Source::Http2(stream, false),
            _ => Source::Stream(stream),
        };
        Self { source, ..Self::empty() }
    }

    /// `prefix`, which was already read from `rest`, and then the rest of it as it comes.
    pub fn prefixed(prefix: impl Into<Bytes>, rest: Self) -> Self {
        Self { prefix: prefix.into(), ..rest }
    }

    /// Gives it up when its pieces come too slowly. One that has come already stays as it is.
    pub(super) fn at_pace(mut self, pace: Pace) -> Self {
        if !self.source.is_end_stream() {
            self.patience = Some(Patience::new(pace, None));
        }
        self
    }

    /// A request's body, whose sender may pause for longer as soon as he is answered.
    pub(super) fn conversing(mut self, pace: Pace, pause: Duration) -> Self {
        if !self.source.is_end_stream() {
            self.patience = Some(Patience::new(pace, Some(Conversation::pausing(pause))));
        }
        self
    }

    /// What to tell when the request with this body is being answered.
    pub(super) fn conversation(&self) -> Option<Arc<Conversation>> {
        self.patience.as_ref().and_then(Patience::conversation).cloned()
    }

    /// Counts the frames that go out from now on.
    pub(super) fn track(&mut self) -> Progress {
        self.progress.get_or_insert_with(Progress::default).clone()
    }

    /// Keeps the place of its request until it is gone.
    pub(super) fn seated(self, seat: Seat) -> Self {
        Self { _seat: Some(seat), ..self }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.source.poll_next(cx);
        let Some(patience) = &mut self.patience else { return polled };
        if let Poll::Ready(frame) = &polled {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            patience.came(data.map_or(0, Bytes::len), Instant::now);
        } else if patience.is_over(Instant::now(), cx) {
            self.source = Source::Slow;
            return Poll::Ready(Some(Err(BodyError::Slow)));
        }
        polled
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = if this.prefix.is_empty() {
            ready!(this.poll_source(cx))
        } else {
            Some(Ok(Frame::data(std::mem::take(&mut this.prefix))))
        };
        if let Some(progress) = &this.progress {
            progress.mark(frame.as_ref());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.prefix.is_empty() && self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        after(length(&self.prefix), &self.source.size_hint())
    }
}

impl Source {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Empty | Self::Slow => Poll::Ready(None),
            Self::Stream(stream) => Pin::new(stream).poll_frame(cx).map_err(BodyError::Broken),
            Self::Http2(stream, had_trailers) => {
                let frame = ready!(Pin::new(&mut *stream).poll_frame(cx));
                *had_trailers |= matches!(&frame, Some(Ok(frame)) if frame.is_trailers());
                Poll::Ready(match frame {
                    None if !*had_trailers && !has_ended(stream) => Some(Err(BodyError::Reset)),
                    frame => frame.map(|frame| frame.map_err(BodyError::Broken)),
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Slow => false,
            Self::Stream(stream) | Self::Http2(stream, _) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Slow => SizeHint::default(),
            Self::Stream(stream) | Self::Http2(stream, _) => stream.size_hint(),
        }
    }
}

/// Whether a stream of HTTP/2 that gives nothing more has come to its end. Hyper takes a reset with NO_ERROR for one (RFC 9113
/// §8.1 has it follow a whole answer), but some servers break off in just this way.
fn has_ended(stream: &Incoming) -> bool {
    stream.is_end_stream() || stream.size_hint().exact() == Some(0)
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn after(prefix: u64, rest: &SizeHint) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_lower(prefix.saturating_add(rest.lower()));
    if let Some(upper) = rest.upper() {
        hint.set_upper(prefix.saturating_add(upper));
    }
    hint
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn full_bytes_come_once_and_know_their_length() {
        let mut body = Body::full("hallo");
        let progress = body.track();
        assert_eq!(body.size_hint().exact(), Some(5));
        assert!(!body.is_end_stream());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "hallo");
        assert_eq!(progress.frames(), 1);
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }

    #[test]
    fn an_empty_body_has_ended_before_it_is_read() {
        for body in [Body::empty(), Body::full("")] {
            assert!(body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(0));
        }
    }
}
