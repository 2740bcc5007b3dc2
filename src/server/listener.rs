//! Accepting connections: TLS where it is spoken, and HTTP/1.1 or HTTP/2 on each.

use super::bounds::Bounds;
use super::config::Config;
use super::crowd::{Crowd, Full, Place};
use super::drain::{Drain, Phase, Signal};
use super::frames::Frames;
use super::limits::Limits;
use super::proxy_protocol::{self, Header};
use super::streams::Streams;
use super::tls;
use super::watch::{Answering, BreaksOff, Due, Overdue, Pulse, Watched};
use crate::metrics::{InFlight, Metrics};
use crate::proxy::{Edge, Hold, Peer};
use http::{Method, Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How long between looks at a preface that came in pieces.
const PREFACE_PAUSE: Duration = Duration::from_millis(5);
/// What HTTP/2 begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The limit that a connection meets which does not say whose it is.
const PROXY_PROTOCOL: &str = "proxy_protocol";
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
    speaks: Speaks,
}

/// What a listener's connections begin with.
#[derive(Clone)]
pub enum Speaks {
    /// HTTP/1.1, or HTTP/2 by prior knowledge where that is allowed.
    Plain {
        /// Whether HTTP/2 is taken too (RFC 9113 §3.3).
        http2: bool,
    },
    /// TLS; what follows is agreed on in its handshake.
    Tls(TlsAcceptor),
}

impl fmt::Debug for Speaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain { http2 } => f.debug_struct("Plain").field("http2", http2).finish(),
            Self::Tls(_) => f.write_str("Tls"),
        }
    }
}

impl Listener {
    /// Binds `address`; port 0 takes any free port.
    pub async fn bind(address: SocketAddr, speaks: Speaks) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address, speaks })
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        let scheme = if matches!(self.speaks, Speaks::Tls(_)) { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Starts to accept, in a task of its own that ends when `drain` does. The socket is closed as soon as a stop begins.
    pub fn start(self, hall: &Hall, drain: &Drain) {
        let (http1, http2) = (http1(&hall.limits.bounds), http2(&hall.limits, hall.http2_websocket));
        let speaker = Speaker { http1, http2, speaks: self.speaks, hall: hall.clone() };
        tokio::spawn(accept(self.socket, speaker, hall.clone(), drain.signal()));
    }
}

/// What all listeners lead to, and how many may come.
#[derive(Clone)]
pub struct Hall {
    edge: Arc<Edge>,
    metrics: Arc<Metrics>,
    limits: Limits,
    crowd: Arc<Crowd>,
    /// Whether WebSockets may come as streams of HTTP/2.
    http2_websocket: bool,
    /// Who says whose each connection is; empty: everybody comes for himself.
    proxy_protocol: Arc<[IpNet]>,
}

/// A connection's place among all.
pub(super) type Seat = (Place, InFlight);

impl Hall {
    /// The hall before `edge`; of trusted proxies each may bring as many as all together may be.
    pub fn new(edge: Arc<Edge>, metrics: Arc<Metrics>, limits: Limits, listen: &Config) -> Self {
        let crowd = Crowd::new(limits, listen.trusted_proxies.clone());
        let proxy_protocol = listen.proxy_protocol.as_slice().into();
        Self { edge, metrics, limits, crowd, http2_websocket: listen.http2_websocket, proxy_protocol }
    }

    /// A place for a connection from this address, which may not be its visitor's yet; or which limit it met.
    fn admit(&self, ip: IpAddr) -> Result<Place, &'static str> {
        if self.proxy_protocol.is_empty() {
            return self.crowd.enter().and_then(|place| place.of(ip)).map_err(Full::label);
        }
        let ip = ip.to_canonical();
        if !self.proxy_protocol.iter().any(|net| net.contains(&ip)) {
            return Err(PROXY_PROTOCOL);
        }
        self.crowd.enter().map_err(Full::label)
    }
}

async fn accept(socket: TcpListener, speaker: Speaker, hall: Hall, mut stop: Signal) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = stop.next() => return,
        };
        match accepted {
            Ok((stream, address)) => match hall.admit(address.ip()) {
                Ok(place) => {
                    let seat = (place, hall.metrics.connection_began());
                    tokio::spawn(speaker.clone().receive(stream, address, seat, stop.another()));
                }
                // Those who are there are served; whoever comes now is better off elsewhere, or later.
                Err(limit) => hall.metrics.connection_refused(limit),
            },
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

fn http1(bounds: &Bounds) -> http1::Builder {
    let mut http = http1::Builder::new();
    // Hyper's own wait for a head would set a timer for each request; the connection's watchman waits for less.
    http.header_read_timeout(None).max_buf_size(bounds.head_size).max_headers(bounds.fields).half_close(false);
    http
}

fn http2(limits: &Limits, takes_websockets: bool) -> http2::Builder<Streams> {
    let bounds = &limits.bounds;
    let mut http = http2::Builder::new(Streams { unread: limits.unread });
    http.timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams)
        .max_pending_accept_reset_streams(bounds.resets)
        .max_local_error_reset_streams(bounds.errors)
        .max_header_list_size(bounds.header_list)
        .initial_stream_window_size(bounds.stream_window)
        .initial_connection_window_size(bounds.connection_window)
        .max_send_buf_size(bounds.send_buffer)
        .keep_alive_interval(bounds.ping)
        .keep_alive_timeout(bounds.ping);
    if takes_websockets {
        http.enable_connect_protocol();
    }
    http
}

/// What speaks with each new connection of a listener.
#[derive(Clone)]
struct Speaker {
    http1: http1::Builder,
    http2: http2::Builder<Streams>,
    speaks: Speaks,
    hall: Hall,
}

impl Speaker {
    /// Finds out whose a connection is, and goes on with that. Each step is boxed: one that is over, or of another kind, takes no
    /// room while the connection lasts.
    async fn receive(self, mut stream: TcpStream, address: SocketAddr, (place, open): Seat, stop: Signal) {
        if self.hall.proxy_protocol.is_empty() {
            return Box::pin(self.greet(stream, address, (place, open), stop)).await;
        }
        let header = timeout(self.hall.limits.handshake, proxy_protocol::read(&mut stream)).await;
        let visitor = match header.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(Header::Visitor(visitor)) => visitor,
            Ok(Header::Own) => address,
            Err(error) => {
                tracing::debug!(%error, peer = %address.ip(), "a proxy did not say whose its connection is");
                return self.hall.metrics.connection_refused(PROXY_PROTOCOL);
            }
        };
        match place.of(visitor.ip()) {
            Ok(place) => Box::pin(self.greet(stream, visitor, (place, open), stop)).await,
            Err(full) => self.hall.metrics.connection_refused(full.label()),
        }
    }

    async fn greet(self, stream: TcpStream, address: SocketAddr, seat: Seat, stop: Signal) {
        if stream.set_nodelay(true).is_err() {
            // The visitor has gone already.
            return;
        }
        let Limits { head, handshake, .. } = self.hall.limits;
        let shown = || self.hall.edge.shown(address.ip());
        match &self.speaks {
            Speaks::Plain { http2 } => {
                let is_http2 = *http2 && timeout(head, begins_http2(&stream)).await.unwrap_or(false);
                Box::pin(self.serve(stream, is_http2, Peer::new(address, None), seat, stop)).await;
            }
            Speaks::Tls(acceptor) => match Box::pin(timeout(handshake, acceptor.accept(stream))).await {
                Ok(Ok(stream)) => {
                    let (_, agreed) = stream.get_ref();
                    let is_http2 = agreed.alpn_protocol() == Some(tls::HTTP2);
                    let name = agreed.server_name().unwrap_or_default().to_ascii_lowercase();
                    let peer = Peer::new(address, Some(name.into()));
                    Box::pin(self.serve(stream, is_http2, peer, seat, stop)).await;
                }
                Ok(Err(error)) => tracing::debug!(%error, ip = shown(), "a TLS handshake failed"),
                Err(_) => tracing::debug!(ip = shown(), "a TLS handshake took too long"),
            },
        }
    }

    async fn serve<S>(&self, stream: S, is_http2: bool, peer: Peer, seat: Seat, mut stop: Signal)
    where
        S: AsyncRead + AsyncWrite + BreaksOff + Unpin + Send + 'static,
    {
        let pulse = Pulse::new(self.hall.limits);
        let frames = is_http2.then(|| Frames::new(self.hall.limits.bounds.frames));
        let stream = Watched::new(stream, Arc::clone(&pulse), frames, seat);
        // Shared by the connection's requests alone, so that its count stays in one core's cache.
        let shared = Arc::new((Arc::clone(&self.hall.edge), peer, Arc::clone(&pulse)));
        // What a request needs is large, and a connection is idle most of its time.
        let service = service_fn(move |request| Box::pin(answer(Arc::clone(&shared), request)));
        if is_http2 {
            // Boxed, so that not every connection has room for it.
            let mut connection = Box::pin(self.http2.serve_connection(TokioIo::new(stream), service));
            finish(connection.as_mut(), http2::Connection::graceful_shutdown, &pulse, &mut stop, false).await;
        } else {
            self.serve_http1(stream, service, &pulse, stop).await;
        }
    }

    /// Serves HTTP/1.1. While a connection rests it is its socket and nothing else; its state is made anew when something comes.
    async fn serve_http1<S, H>(&self, mut stream: Watched<S>, mut service: H, pulse: &Pulse, mut stop: Signal)
    where
        S: AsyncRead + AsyncWrite + BreaksOff + Unpin + Send + 'static,
        H: HttpService<Incoming, ResBody = Answering, Error = Infallible, Future: Send> + Unpin,
    {
        loop {
            let connection = self.http1.serve_connection(TokioIo::new(stream), service).with_upgrades();
            let mut connection = Box::new(connection);
            let shut_down = http1::UpgradeableConnection::graceful_shutdown;
            let end = finish(Pin::new(&mut *connection), shut_down, pulse, &mut stop, true).await;
            let (End::Resting, Some(parts)) = (end, connection.into_parts()) else { return };
            (stream, service) = (parts.io.into_inner(), parts.service);
            stream.unread(parts.read_buf);
            if rest(&mut stream, pulse, &mut stop).await == End::Over {
                return;
            }
        }
    }
}

/// How far a connection has come.
#[derive(PartialEq, Eq)]
enum End {
    /// It has ended.
    Over,
    /// Nothing is under way.
    Resting,
}

/// Whether a connection begins with the preface of HTTP/2 (RFC 9113 §3.4): it is looked at as soon as it differs from it,
/// and stays unread.
async fn begins_http2(stream: &TcpStream) -> bool {
    let mut seen = [0; PREFACE.len()];
    loop {
        let Ok(read @ 1..) = stream.peek(&mut seen).await else { return false };
        let (read, wanted) = (seen.get(..read).unwrap_or_default(), PREFACE.get(..read).unwrap_or_default());
        if read != wanted || read.len() == PREFACE.len() {
            return read == wanted;
        }
        // What is there can be read again at once: only time brings more.
        tokio::time::sleep(PREFACE_PAUSE).await;
    }
}

/// Serves a connection to its end, or to the end that its limits or a stop set; one that `may_rest` until it does.
async fn finish<C>(
    mut connection: Pin<&mut C>,
    shut_down: impl Fn(Pin<&mut C>),
    pulse: &Pulse,
    stop: &mut Signal,
    may_rest: bool,
) -> End
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut due = pin!(pulse.due(may_rest));
    loop {
        tokio::select! {
            biased;
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a connection broke");
                }
                return End::Over;
            }
            phase = stop.next() => match phase {
                Phase::Serving => {}
                Phase::Finishing => shut_down(connection.as_mut()),
                Phase::Cut => return End::Over,
            },
            what = due.as_mut() => {
                due.set(pulse.due(may_rest));
                match what {
                    Due::Rest => return End::Resting,
                    Due::Retire => shut_down(connection.as_mut()),
                    Due::Cut(overdue) => return cut(overdue),
                }
            }
        }
    }
}

fn cut(overdue: Overdue) -> End {
    tracing::debug!(?overdue, "a connection took too long");
    End::Over
}

/// Waits beside a connection that rests until something comes on it.
async fn rest<S>(stream: &mut Watched<S>, pulse: &Pulse, stop: &mut Signal) -> End
where
    S: AsyncRead + AsyncWrite + BreaksOff + Unpin,
{
    loop {
        tokio::select! {
            biased;
            ready = stream.readable() => return if ready.is_ok() { End::Resting } else { End::Over },
            phase = stop.next() => match phase {
                Phase::Serving => {}
                Phase::Finishing => break,
                Phase::Cut => return End::Over,
            },
            what = pulse.due(false) => match what {
                Due::Rest => {}
                Due::Retire => break,
                Due::Cut(overdue) => return cut(overdue),
            },
        }
    }
    if let Err(error) = stream.shutdown().await {
        tracing::debug!(%error, "a connection broke");
    }
    End::Over
}

async fn answer(
    shared: Arc<(Arc<Edge>, Peer, Arc<Pulse>)>,
    mut request: Request<Incoming>,
) -> Result<Response<Answering>, Infallible> {
    let (edge, peer, pulse) = &*shared;
    let in_flight = pulse.request(!request.body().is_end_stream());
    let version = request.version();
    if *request.method() == Method::CONNECT {
        request.extensions_mut().insert(Hold::new(in_flight.another()));
    }
    let response = edge.handle(request, peer).await;
    Ok(response.map(|body| Answering::new(body, in_flight, version)))
}
