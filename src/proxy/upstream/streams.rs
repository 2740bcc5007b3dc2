//! Connections that speak HTTP/2: few of them, each shared by many requests.

use super::dial::{Connector, Wire, dial, failed};
use crate::proxy::body::Body;
use crate::proxy::rescue::ForwardError;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::timeout;

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
    connector: Connector,
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
    Http2(Stream),
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
pub struct Stream(Arc<Connection>);

impl Streams {
    /// Prepares the way to `server`; `wait` is for a connection, TLS included.
    pub(super) fn new(connector: Connector, server: Uri, wait: Duration) -> Self {
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
        let wire = dial(&self.connector, &self.server).await?;
        let is_http2 = self.server.scheme_str() == Some("http") || wire.connected().is_negotiated_h2();
        let way = if is_http2 { Some(shake_hands(wire).await?) } else { None };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match way {
            Some((connection, stream)) => {
                known.http1_until = None;
                known.connections.push(connection);
                Ok(Way::Http2(stream))
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

async fn shake_hands(wire: Wire) -> Result<(Arc<Connection>, Stream), ForwardError> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .initial_max_send_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_WAIT_MAX);
    let (sender, driver) = http.handshake(wire).await.map_err(failed)?;
    let connection = Arc::new(Connection {
        sender,
        begun: Instant::now(),
        taken: AtomicUsize::new(1),
        room: AtomicUsize::new(STREAMS_MAX),
        ended: AtomicBool::new(false),
        idle_since: Mutex::new(Instant::now()),
    });
    let stream = Stream(Arc::clone(&connection));
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
    Ok((connection, stream))
}

impl Connection {
    /// Whether further requests go here.
    fn is_of_use(&self) -> bool {
        let idle_since = *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner);
        let has_ended = self.ended.load(Relaxed) || self.sender.is_closed();
        let is_fresh = self.taken.load(Relaxed) > 0 || idle_since.elapsed() < IDLE_MAX;
        is_fresh && !has_ended && self.begun.elapsed() < AGE_MAX
    }

    fn take(self: &Arc<Self>) -> Option<Stream> {
        let room = self.room.load(Relaxed);
        let more = |taken| (taken < room).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, more).ok().map(|_| Stream(Arc::clone(self)))
    }
}

impl Stream {
    /// Sends a request.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        self.0.sender.clone().try_send_request(request).await
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        *self.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.taken.fetch_sub(1, Relaxed);
    }
}
