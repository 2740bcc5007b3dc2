//! A connection to a target: opened when it is needed, kept, and opened again when the other side has closed it.

use super::target::Target;
use super::trust::Belief;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

/// Requests in flight on one connection of HTTP/2.
pub(super) const STREAMS: usize = 8;

/// Once for a connection that was closed while it was idle, and once on a new one.
const TRIES: usize = 2;

type Payload = Full<Bytes>;

/// Why a request has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection, or no TLS on it.
    Connect(String),
    /// No whole answer in time.
    TimeOut,
    /// An answer of 400 or more.
    Status(StatusCode),
    /// The connection ended before the answer did.
    Reset,
    /// What came is no HTTP.
    Protocol,
}

/// The way to a target.
pub(super) struct Way {
    addresses: Vec<SocketAddr>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    http2: bool,
}

impl Way {
    /// Finds the target's addresses, once: names are not what is measured.
    pub(super) async fn to(target: &Target, http2: bool, belief: &Belief) -> Result<Self, String> {
        let (host, port) = target.place();
        let found = tokio::net::lookup_host((host, port)).await;
        let addresses: Vec<SocketAddr> = found.map_err(|error| format!("{host} is not found: {error}"))?.collect();
        let tls = match target.secure {
            false => None,
            true => {
                let config = belief.client(http2).map_err(|error| format!("TLS cannot be set up: {error}"))?;
                let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("{host} is no name for TLS"))?;
                Some((TlsConnector::from(Arc::new(config)), name))
            }
        };
        Ok(Self { addresses, tls, http2 })
    }

    /// Connections for so many, each with as many requests in flight as its protocol lets it have.
    pub(super) fn connections(self: &Arc<Self>, count: usize) -> Vec<Connection> {
        let mut all = Vec::new();
        for _ in 0..count {
            if self.http2 {
                let shared = Arc::new(Mutex::new(None));
                all.extend((0..STREAMS).map(|_| Connection { way: self.clone(), line: Line::Second(shared.clone()) }));
            } else {
                all.push(Connection { way: self.clone(), line: Line::First(None) });
            }
        }
        all
    }

    async fn connect(&self) -> Result<Sender, Trouble> {
        let failed = |error: &dyn std::fmt::Display| Trouble::Connect(error.to_string());
        let stream = TcpStream::connect(self.addresses.as_slice()).await.map_err(|error| failed(&error))?;
        // Only speed is lost without it.
        stream.set_nodelay(true).ok();
        let Some((connector, name)) = &self.tls else { return self.shake_hands(stream).await };
        let stream = connector.connect(name.clone(), stream).await.map_err(|error| failed(&error))?;
        if self.http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(failed(&"it does not speak HTTP/2"));
        }
        self.shake_hands(stream).await
    }

    async fn shake_hands<S>(&self, stream: S) -> Result<Sender, Trouble>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let failed = |error: hyper::Error| Trouble::Connect(error.to_string());
        let io = TokioIo::new(stream);
        // How a connection ends is told by the request on it.
        if self.http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            let (sender, connection) = builder.timer(TokioTimer::new()).handshake(io).await.map_err(failed)?;
            tokio::spawn(async { connection.await.ok() });
            Ok(Sender::Second(sender))
        } else {
            let (sender, connection) = http1::handshake(io).await.map_err(failed)?;
            tokio::spawn(async { connection.await.ok() });
            Ok(Sender::First(sender))
        }
    }
}

/// Where requests go in.
enum Sender {
    First(http1::SendRequest<Payload>),
    Second(http2::SendRequest<Payload>),
}

impl Sender {
    /// Whether the next request can go in; not, when the connection has ended.
    async fn is_ready(&mut self) -> bool {
        match self {
            Self::First(sender) => sender.ready().await.is_ok(),
            Self::Second(sender) => sender.ready().await.is_ok(),
        }
    }

    async fn send(&mut self, request: Request<Payload>) -> Result<Response<Incoming>, TrySendError<Request<Payload>>> {
        match self {
            Self::First(sender) => sender.try_send_request(request).await,
            Self::Second(sender) => sender.try_send_request(request).await,
        }
    }
}

/// Room for one request in flight.
pub(super) struct Connection {
    way: Arc<Way>,
    line: Line,
}

/// HTTP/1 has a connection for each request in flight; HTTP/2 shares one.
enum Line {
    First(Option<Sender>),
    Second(Arc<Mutex<Option<http2::SendRequest<Payload>>>>),
}

impl Connection {
    /// Connects, unless that is done.
    pub(super) async fn open(&mut self) -> Result<(), Trouble> {
        let sender = self.sender().await?;
        self.keep(sender);
        Ok(())
    }

    /// Sends a request and reads the whole answer; its status, if it is a good one. A request that never left is sent on a new
    /// connection. If this is dropped half-way, so is the connection, or its stream.
    pub(super) async fn exchange(&mut self, mut request: Request<Payload>) -> Result<StatusCode, Trouble> {
        for _ in 0..TRIES {
            let mut sender = self.sender().await?;
            let response = match sender.send(request).await {
                Ok(response) => response,
                Err(mut error) => match error.take_message() {
                    Some(unsent) => {
                        request = unsent;
                        continue;
                    }
                    None => return Err(trouble(error.error())),
                },
            };
            let status = response.status();
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                frame.map_err(|error| trouble(&error))?;
            }
            self.keep(sender);
            return if status.as_u16() < 400 { Ok(status) } else { Err(Trouble::Status(status)) };
        }
        Err(Trouble::Reset)
    }

    async fn sender(&mut self) -> Result<Sender, Trouble> {
        match &mut self.line {
            Line::First(kept) => {
                if let Some(mut sender) = kept.take()
                    && sender.is_ready().await
                {
                    return Ok(sender);
                }
                self.way.connect().await
            }
            Line::Second(shared) => {
                let mut shared = shared.lock().await;
                if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
                    let mut sender = Sender::Second(sender.clone());
                    if sender.is_ready().await {
                        return Ok(sender);
                    }
                }
                let sender = self.way.connect().await?;
                if let Sender::Second(sender) = &sender {
                    *shared = Some(sender.clone());
                }
                Ok(sender)
            }
        }
    }

    /// The next request goes by the same connection. One of HTTP/2 is kept where it is shared.
    fn keep(&mut self, sender: Sender) {
        if let Line::First(kept) = &mut self.line {
            *kept = Some(sender);
        }
    }
}

fn trouble(error: &hyper::Error) -> Trouble {
    let by_io = error.source().is_some_and(|source| source.is::<std::io::Error>());
    if error.is_parse() && !by_io { Trouble::Protocol } else { Trouble::Reset }
}
