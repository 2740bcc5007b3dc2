//! Bodies on their way through.

use super::patience::{Conversation, Pace, Patience};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// A body that passes through, or one of ours. It never buffers: a frame is asked for when the next side has room.
pub struct Body {
    source: Source,
    progress: Option<Progress>,
    patience: Option<Patience>,
}

/// Why a body did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It broke off, or is framed wrongly.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// Its pieces came too slowly.
    #[error("the body came too slowly")]
    Slow,
}

enum Source {
    Empty,
    Bytes(Bytes),
    Stream(Incoming),
    /// What was read of a stream, then the rest of it.
    Prefixed(Bytes, Incoming),
    /// It was given up.
    Slow,
}

/// How many frames of a body have gone out; a wait for an answer starts anew as long as it moves.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicUsize>);

impl Progress {
    /// The number of frames so far; only ever compared with an earlier one.
    pub fn frames(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Body {
    /// No body at all.
    pub fn empty() -> Self {
        Source::Empty.into()
    }

    /// These bytes and nothing more. The caller sets `Content-Length`, or lets hyper do it.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::empty() } else { Source::Bytes(bytes).into() }
    }

    /// `prefix`, which was already read from `rest`, and then the rest of it as it comes.
    pub fn prefixed(prefix: impl Into<Bytes>, rest: Self) -> Self {
        let prefix = prefix.into();
        match rest.source {
            Source::Stream(stream) if !prefix.is_empty() => Self { source: Source::Prefixed(prefix, stream), ..rest },
            source => Self { source, ..rest },
        }
    }

    /// Gives it up when its pieces come too slowly. One that has come already stays as it is.
    pub(super) fn at_pace(mut self, pace: Pace, pause_of_conversation: Duration) -> Self {
        if matches!(self.source, Source::Stream(_)) && !self.is_end_stream() {
            self.patience = Some(Patience::new(pace, pause_of_conversation));
        }
        self
    }

    /// What to tell when the request with this body is being answered.
    pub(super) fn conversation(&self) -> Option<Conversation> {
        self.patience.as_ref().map(|patience| patience.conversation().clone())
    }

    /// Counts the frames that go out from now on.
    pub(super) fn track(&mut self) -> Progress {
        self.progress.get_or_insert_with(Progress::default).clone()
    }
}

impl From<Incoming> for Body {
    fn from(stream: Incoming) -> Self {
        Source::Stream(stream).into()
    }
}

impl From<Source> for Body {
    fn from(source: Source) -> Self {
        Self { source, progress: None, patience: None }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = match (this.source.poll_next(cx), &mut this.patience) {
            (Poll::Ready(frame), None) => frame,
            (Poll::Ready(frame), Some(patience)) => {
                let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                patience.came(data.map_or(0, Bytes::len));
                frame
            }
            (Poll::Pending, Some(patience)) => {
                if !patience.is_over(cx) {
                    return Poll::Pending;
                }
                this.source = Source::Slow;
                return Poll::Ready(Some(Err(BodyError::Slow)));
            }
            (Poll::Pending, None) => return Poll::Pending,
        };
        if let Some(Progress(frames)) = &this.progress {
            frames.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Bytes(_) | Source::Prefixed(..) | Source::Slow => false,
            Source::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Slow => SizeHint::default(),
            Source::Bytes(bytes) => SizeHint::with_exact(length(bytes)),
            Source::Stream(stream) => stream.size_hint(),
            Source::Prefixed(prefix, rest) => after(length(prefix), &rest.size_hint()),
        }
    }
}

impl Source {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Self::Stream(stream) = self {
            return Pin::new(stream).poll_frame(cx);
        }
        let bytes = match std::mem::replace(self, Self::Empty) {
            Self::Empty | Self::Stream(_) | Self::Slow => return Poll::Ready(None),
            Self::Bytes(bytes) => bytes,
            Self::Prefixed(prefix, rest) => {
                *self = Self::Stream(rest);
                prefix
            }
        };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
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
