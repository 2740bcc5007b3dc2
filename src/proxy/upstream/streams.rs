//! Connections that speak HTTP/2: few of them, each shared by many requests.

use super::cause;
use crate::proxy::body::{Body, Progress};
use crate::proxy::rescue::ForwardError;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connection as _, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io};
use tokio::time::timeout;
use tower_service::Service;

/// Requests at once on one connection, whatever more the other side allows: one that breaks fails no more than these.
const STREAMS_MAX: usize = 100;
/// What may be under way to us of one answer: enough for a fast one from afar.
const WINDOW_BYTES: u32 = 256 * 1024;
/// What may be under way to us on one connection: all of its requests' windows, so that visitors who do not read hold up
/// nobody else.
const CONNECTION_WINDOW_BYTES: u32 = WINDOW_BYTES * STREAMS_MAX as u32;
/// The largest list of fields of an answer, as by HTTP/1.1.
const HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;
/// What waits on one request until the other side reads it.
const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How long the other side may be silent while it owes an answer before it is asked whether it is there, and how long it may
/// take to say so.
const PING_AFTER: Duration = Duration::from_secs(20);
const PING_WAIT_MAX: Duration = Duration::from_secs(20);
/// Connections are not used for longer, so that addresses that have changed are noticed.
const AGE_MAX: Duration = Duration::from_secs(600);
/// An idle connection is used again within this time; nginx keeps it for a minute or more.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How long an origin that picked HTTP/1.1 is not asked again.
const PICK_KEPT: Duration = Duration::from_secs(600);

/// The connections to one server.
pub(super) struct Streams {
    connector: HttpsConnector<HttpConnector>,
    server: Uri,
    wait: Duration,
    known: Mutex<Known>,
    /// One connection is opened at a time: most of those who wait find room in it.
    opening: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    connections: Vec<Arc<Connection>>,
    /// Until when the server is taken to speak HTTP/1.1 only.
    http1_until: Option<Instant>,
}

/// How a request goes on.
pub(super) enum Way {
    /// On this connection.
    Http2(Seat),
    /// The server has picked HTTP/1.1.
    Http1,
}

struct Connection {
    sender: http2::SendRequest<Body>,
    begun: Instant,
    /// Requests under way, and how many there may be.
    taken: AtomicUsize,
    room: AtomicUsize,
    ended: AtomicBool,
    idle_since: Mutex<Instant>,
}

/// A request's place on a connection; it is free again when this is dropped.
pub struct Seat(Arc<Connection>);

/// A request that got no answer.
pub(super) struct Unanswered {
    pub(super) error: ForwardError,
    /// Whether the server has said that it did nothing about it (RFC 9113 §8.7), or never got it.
    pub(super) is_unprocessed: bool,
    /// The request itself, where none of it was sent.
    pub(super) unsent: Option<Box<Request<Body>>>,
}

impl Streams {
    /// Prepares the way to `server`; `wait` is for a connection, TLS included.
    pub(super) fn new(connector: HttpsConnector<HttpConnector>, server: Uri, wait: Duration) -> Self {
        Self { connector, server, wait, known: Mutex::default(), opening: tokio::sync::Mutex::default() }
    }

    /// Finds a place for a request, on a new connection if need be.
    pub(super) async fn seat(&self) -> Result<Way, ForwardError> {
        if let Some(way) = self.look() {
            return Ok(way);
        }
        let found = timeout(self.wait, async {
            let _opening = self.opening.lock().await;
            match self.look() {
                Some(way) => Ok(way),
                None => self.open().await,
            }
        });
        found.await.unwrap_or_else(|late| Err(ForwardError::ConnectTimeout(late.into())))
    }

    fn look(&self) -> Option<Way> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.http1_until.is_some_and(|until| Instant::now() < until) {
            return Some(Way::Http1);
        }
        known.connections.retain(|connection| connection.is_of_use());
        known.connections.iter().find_map(Connection::take).map(Way::Http2)
    }

    async fn open(&self) -> Result<Way, ForwardError> {
        let mut connector = self.connector.clone();
        poll_fn(|cx| connector.poll_ready(cx)).await.map_err(failed)?;
        let stream = connector.call(self.server.clone()).await.map_err(failed)?;
        let is_http2 = self.server.scheme_str() == Some("http") || stream.connected().is_negotiated_h2();
        let way = if is_http2 { Some(shake_hands(stream).await?) } else { None };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match way {
            Some((connection, seat)) => {
                known.http1_until = None;
                known.connections.push(connection);
                Ok(Way::Http2(seat))
            }
            None => {
                known.http1_until = Some(Instant::now() + PICK_KEPT);
                Ok(Way::Http1)
            }
        }
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("server", &self.server).finish_non_exhaustive()
    }
}

async fn shake_hands<S>(stream: S) -> Result<(Arc<Connection>, Seat), ForwardError>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .initial_max_send_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_WAIT_MAX);
    let (sender, driver) = http.handshake(stream).await.map_err(failed)?;
    let connection = Arc::new(Connection {
        sender,
        begun: Instant::now(),
        taken: AtomicUsize::new(1),
        room: AtomicUsize::new(STREAMS_MAX),
        ended: AtomicBool::new(false),
        idle_since: Mutex::new(Instant::now()),
    });
    let seat = Seat(Arc::clone(&connection));
    // Who drives it must not keep it: it ends when nobody has a use for it any more.
    let watched = Arc::downgrade(&connection);
    tokio::spawn(async move {
        let mut driver = pin!(driver);
        let ended = poll_fn(|cx| {
            let polled = driver.as_mut().poll(cx);
            if let Some(connection) = watched.upgrade() {
                connection.room.store(driver.current_max_send_streams().clamp(1, STREAMS_MAX), Relaxed);
                connection.ended.store(polled.is_ready(), Relaxed);
            }
            polled
        });
        if let Err(error) = ended.await {
            tracing::debug!(%error, "a connection to an origin broke");
        }
    });
    Ok((connection, seat))
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ForwardError {
    let error = error.into();
    let mut sources = std::iter::successors(Some(&*error as &(dyn std::error::Error + 'static)), |one| one.source());
    let late =
        sources.any(|one| one.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut));
    if late { ForwardError::ConnectTimeout(error) } else { ForwardError::Connect(error) }
}

impl Connection {
    /// Whether further requests go here.
    fn is_of_use(&self) -> bool {
        let idle_since = *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner);
        let has_ended = self.ended.load(Relaxed) || self.sender.is_closed();
        let is_fresh = self.taken.load(Relaxed) > 0 || idle_since.elapsed() < IDLE_MAX;
        is_fresh && !has_ended && self.begun.elapsed() < AGE_MAX
    }

    fn take(self: &Arc<Self>) -> Option<Seat> {
        let room = self.room.load(Relaxed);
        let more = |taken| (taken < room).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, more).ok().map(|_| Seat(Arc::clone(self)))
    }
}

impl Seat {
    /// Sends a request, whose body leaves its marks in `progress`.
    pub(super) async fn send(
        &self,
        request: Request<Body>,
        progress: Option<&Progress>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let mut sender = self.0.sender.clone();
        let mut failure = match sender.try_send_request(request).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let unsent = failure.take_message().map(Box::new);
        let error = failure.into_error();
        let h2 = cause::<h2::Error>(&error);
        let is_unprocessed = unsent.is_some() || h2.is_some_and(is_refusal);
        let error = if progress.is_some_and(Progress::was_slow) {
            ForwardError::SlowBody(error.into())
        } else if progress.is_some_and(Progress::broke) {
            ForwardError::RequestBody(error.into())
        } else if h2.is_some_and(h2::Error::is_library) {
            ForwardError::BadAnswer(Some(error.into()))
        } else {
            ForwardError::Closed(error.into())
        };
        Err(Unanswered { error, is_unprocessed, unsent })
    }
}

/// Whether the other side did nothing about a request: it refused the stream, or goes away and names an earlier one as its last;
/// only those after that one get to hear of it.
fn is_refusal(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

impl Drop for Seat {
    fn drop(&mut self) {
        *self.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").finish_non_exhaustive()
    }
}
