//! Accepting connections, and HTTP/1.1 on each.

use super::drain::{Drain, Phase, Signal};
use crate::proxy::{Body, Edge, Peer};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long a request's head may take, and how long a connection may be idle before it: slow heads pin nothing.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(10);
/// The largest request head; the read buffer never grows beyond it.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// More fields than any browser sends; above it the answer is 431.
const FIELDS_MAX: usize = 100;
/// After a failed accept for want of file descriptors or memory: time for some to come free.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// Why an address cannot be listened on: the operator's fault.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// The address as configured.
    pub address: SocketAddr,
    source: io::Error,
}

/// A bound socket that does not accept yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds `address`; port 0 takes any free port.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// The address that is really bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to accept, in a task of its own that ends when `drain` does. The socket is closed as soon as a stop begins.
    pub fn start(self, edge: Arc<Edge>, drain: &Drain) {
        tokio::spawn(accept(self.socket, edge, drain.signal()));
    }
}

async fn accept(socket: TcpListener, edge: Arc<Edge>, mut stop: Signal) {
    let http = http();
    // Limits on connections, in all and for each address, take their permit here; TLS wraps the stream here.
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = stop.next() => return,
        };
        match accepted {
            Ok((stream, address)) => {
                let connection = serve(http.clone(), stream, address, Arc::clone(&edge), stop.another());
                tokio::spawn(connection);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_BACK_OFF).await;
            }
        }
    }
}

/// Whether an accept failed for a reason that says nothing about the next one.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(FIELDS_MAX)
        .half_close(false);
    http
}

async fn serve(http: http1::Builder, stream: TcpStream, address: SocketAddr, edge: Arc<Edge>, mut stop: Signal) {
    if stream.set_nodelay(true).is_err() {
        // The visitor has gone already.
        return;
    }
    // Shared by the connection's requests alone, so that its count stays in one core's cache.
    let shared = Arc::new((edge, Peer::new(address, false)));
    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    loop {
        tokio::select! {
            biased;
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            phase = stop.next() => match phase {
                Phase::Serving => {}
                Phase::Finishing => connection.as_mut().graceful_shutdown(),
                Phase::Cut => return,
            }
        }
    }
}

async fn answer(shared: Arc<(Arc<Edge>, Peer)>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (edge, peer) = &*shared;
    Ok(edge.handle(request, peer).await)
}
