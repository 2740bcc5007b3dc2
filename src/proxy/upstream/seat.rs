//! A request's place on a connection, and what may become of it there.

use super::cause;
use super::lines::Line;
use super::streams::Stream;
use crate::proxy::body::{Body, Progress};
use crate::proxy::rescue::ForwardError;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

/// A place on a connection; another request may have it when this is dropped.
pub enum Seat {
    /// One of HTTP/1.1.
    Line(Line),
    /// A stream on one of HTTP/2.
    Stream(Stream),
}

/// A request that got no answer.
pub(super) struct Unanswered {
    pub(super) error: ForwardError,
    /// Whether the server has said that it did nothing about it (RFC 9113 §8.7), or never got it.
    pub(super) is_unprocessed: bool,
    /// The request itself, where none of it was sent.
    pub(super) unsent: Option<Box<Request<Body>>>,
}

impl Seat {
    /// Whether it is one of HTTP/2.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Sends a request, whose body leaves its marks in `progress`.
    pub(super) async fn send(
        &self,
        request: Box<Request<Body>>,
        progress: Option<&Progress>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let answer = match self {
            Self::Line(line) => line.send(*request).await,
            // Boxed, so that requests by HTTP/1.1 are not moved about with room for it.
            Self::Stream(stream) => Box::pin(stream.send(*request)).await,
        };
        answer.map_err(|failure| Unanswered::new(failure, progress))
    }
}

impl Unanswered {
    fn new(mut failure: TrySendError<Request<Body>>, progress: Option<&Progress>) -> Self {
        let unsent = failure.take_message().map(Box::new);
        let error = failure.into_error();
        let h2 = cause::<h2::Error>(&error);
        let is_unprocessed = unsent.is_some() || h2.is_some_and(is_refusal);
        let is_malformed = error.is_parse() || error.is_parse_too_large() || error.is_parse_status();
        let error = if progress.is_some_and(Progress::was_slow) {
            ForwardError::SlowBody(error.into())
        } else if progress.is_some_and(Progress::broke) || error.is_user() {
            ForwardError::RequestBody(error.into())
        } else if is_malformed || h2.is_some_and(h2::Error::is_library) {
            ForwardError::BadAnswer(Some(error.into()))
        } else {
            ForwardError::Closed(error.into())
        };
        Self { error, is_unprocessed, unsent }
    }
}

/// Whether the other side did nothing about a request: it refused the stream, or goes away and names an earlier one as its last;
/// only those after that one get to hear of it.
fn is_refusal(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}
