//! Connections that speak HTTP/1.1: each serves one request at a time, and waits for the next one in between.

use super::dial::{Connector, dial, failed};
use crate::proxy::body::Body;
use crate::proxy::rescue::ForwardError;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Idle connections are closed before the other side does it: Node, the hastiest of the common servers, waits 5 s.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// Idle connections that are kept; enough for the bursts of a busy page, few enough for small origins.
const IDLE_CONNECTIONS_MAX: usize = 256;
/// The largest head of an answer, and the read buffer of its body. Set-Cookie lines of big sites reach 16 KiB; bodies are
/// read in half as many pieces as with 64 KiB.
const READ_BUFFER_BYTES_MAX: usize = 128 * 1024;

/// The connections to one server.
pub(super) struct Lines {
    connector: Connector,
    server: Uri,
    wait: Duration,
    idle: Mutex<Idle>,
    /// One has come back.
    returned: Notify,
}

#[derive(Default)]
struct Idle {
    /// The one that came back last is at the end, and is taken first: those that are not needed grow old.
    connections: Vec<(Arc<Connection>, Instant)>,
    /// Whether somebody will come to close the old ones.
    is_swept: bool,
}

struct Connection(Mutex<http1::SendRequest<Body>>);

/// A connection that serves a request; when this is dropped, it waits for the next one.
pub struct Line {
    connection: Arc<Connection>,
    home: Arc<Lines>,
}

impl Lines {
    /// Prepares the way to `server`; `wait` is for a connection, TLS included.
    pub(super) fn new(connector: Connector, server: Uri, wait: Duration) -> Arc<Self> {
        Arc::new(Self { connector, server, wait, idle: Mutex::default(), returned: Notify::new() })
    }

    /// The way to another server, with the same limits.
    pub(super) fn toward(&self, server: Uri) -> Arc<Self> {
        Self::new(self.connector.clone(), server, self.wait)
    }

    /// An idle connection, if there is one.
    pub(super) fn look(self: &Arc<Self>) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.forget_old();
        // One that has only just come back may not be ready yet.
        let place = idle.connections.iter().rposition(|(connection, _)| connection.sender().is_ready())?;
        let (connection, _) = idle.connections.remove(place);
        Some(Line { connection, home: Arc::clone(self) })
    }

    /// A new connection, or the first that comes back: whichever is there earlier. The other one waits for the next request.
    pub(super) async fn open(self: &Arc<Self>) -> Result<Line, ForwardError> {
        let mut opening = tokio::spawn(Arc::clone(self).connect());
        loop {
            let returned = self.returned.notified();
            if let Some(line) = self.look() {
                return Ok(line);
            }
            tokio::select! {
                opened = &mut opening => return opened.unwrap_or_else(|broken| Err(ForwardError::Connect(broken.into()))),
                () = returned => {}
            }
        }
    }

    async fn connect(self: Arc<Self>) -> Result<Line, ForwardError> {
        let opened = timeout(self.wait, async {
            let wire = dial(&self.connector, &self.server).await?;
            let mut http = http1::Builder::new();
            http.max_buf_size(READ_BUFFER_BYTES_MAX).handshake(wire).await.map_err(failed)
        });
        let (sender, driver) = opened.await.unwrap_or_else(|late| Err(ForwardError::ConnectTimeout(late.into())))?;
        tokio::spawn(async move {
            if let Err(error) = driver.with_upgrades().await {
                tracing::debug!(%error, "a connection to an origin broke");
            }
        });
        Ok(Line { connection: Arc::new(Connection(Mutex::new(sender))), home: self })
    }

    fn take_back(self: &Arc<Self>, connection: Arc<Connection>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Without a runtime nobody has a use for it any more.
        let Ok(runtime) = Handle::try_current() else { return };
        if connection.sender().is_closed() || idle.connections.len() >= IDLE_CONNECTIONS_MAX {
            return;
        }
        idle.connections.push((connection, Instant::now()));
        if !std::mem::replace(&mut idle.is_swept, true) {
            runtime.spawn(sweep(Arc::downgrade(self)));
        }
        drop(idle);
        self.returned.notify_waiters();
    }
}

impl Idle {
    fn forget_old(&mut self) {
        let is_old = |(connection, since): &(Arc<Connection>, Instant)| {
            since.elapsed() >= IDLE_MAX || connection.sender().is_closed()
        };
        // The oldest stands in front, and mostly it is not old.
        if self.connections.first().is_some_and(is_old) {
            self.connections.retain(|one| !is_old(one));
        }
    }
}

/// Closes what is idle for too long, as long as anything is idle.
async fn sweep(lines: Weak<Lines>) {
    loop {
        tokio::time::sleep(IDLE_MAX).await;
        let Some(lines) = lines.upgrade() else { return };
        let mut idle = lines.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.forget_old();
        if idle.connections.is_empty() {
            idle.is_swept = false;
            return;
        }
    }
}

impl Connection {
    fn sender(&self) -> MutexGuard<'_, http1::SendRequest<Body>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Sends a request.
    pub(super) fn send(
        &self,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>> + use<> {
        self.connection.sender().try_send_request(request)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.home.take_back(Arc::clone(&self.connection));
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("server", &self.server).finish_non_exhaustive()
    }
}
