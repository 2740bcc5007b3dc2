//! The way to another server: pooled connections, time limits, and one more try where that is safe.

mod dial;
mod lines;
mod seat;
mod streams;

use self::lines::Lines;
use self::seat::Unanswered;
use self::streams::{Streams, Way};
use super::body::{Body, Progress};
use super::headers;
use super::http2::as_http2;
use super::rescue::ForwardError;
use super::trust::Trust;
use http::header::{HOST, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_rustls::{DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, ResolveServerName};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

pub use self::seat::Seat;

/// How long a connection may be silent before the kernel asks whether the other side still lives.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(60);
/// What TLS offers where HTTP/2 is spoken (RFC 7301), the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// How often a request may be sent that was not processed: a server that restarts ends all its connections at once.
const SENT_MAX: usize = 4;

/// Which HTTP a server is spoken to with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Over TLS the one that it picks, HTTP/2 or HTTP/1.1; without TLS, where nothing is picked, HTTP/1.1.
    #[default]
    Picked,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS by prior knowledge (RFC 9113 §3.3).
    Http2,
}

/// How long an upstream may take.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// Until the head of the answer, counted from the last piece of the request.
    pub response: Duration,
}

/// Why there is no way to an upstream: the operator's fault.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The target is not `http://host[:port]` or `https://host[:port]`.
    #[error("{0} is not of the form http://host or https://host")]
    Target(Uri),
    /// TLS cannot be set up: the machine has no usable root certificates.
    #[error("TLS towards upstreams cannot be set up")]
    Tls(#[source] io::Error),
}

/// The way to one server. Cheap to share by reference; it holds the connections.
#[derive(Debug)]
pub struct Upstream {
    http1: Arc<Lines>,
    /// Where HTTP/2 may be spoken.
    http2: Option<Streams>,
    protocol: Protocol,
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    response_wait: Duration,
}

impl Upstream {
    /// Prepares the way to `target` (scheme and authority); connects to nothing yet. Its certificate must be for
    /// `tls_name`, or for its own host.
    pub fn new(
        target: &Uri,
        protocol: Protocol,
        waits: Waits,
        trust: &Trust,
        tls_name: Option<&ServerName<'static>>,
    ) -> Result<Self, UpstreamError> {
        let wrong = || UpstreamError::Target(target.clone());
        let scheme = target.scheme().cloned().ok_or_else(wrong)?;
        let authority = target.authority().cloned().ok_or_else(wrong)?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(wrong());
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?;
        let tcp = tcp(waits.connect);
        let mut tls = tls(&scheme, trust)?;
        let resolver: Arc<dyn ResolveServerName + Send + Sync> = match tls_name {
            Some(name) => Arc::new(FixedServerNameResolver::new(name.clone())),
            None => Arc::new(DefaultServerNameResolver::default()),
        };
        let connector = |tls| HttpsConnector::new(tcp.clone(), tls, scheme == Scheme::HTTPS, resolver.clone());
        let http1 = Lines::new(connector(tls.clone()), target.clone(), waits.connect);
        let offered = match protocol {
            Protocol::Http2 => PROTOCOLS.get(..1),
            Protocol::Picked if scheme == Scheme::HTTPS => PROTOCOLS.get(..),
            Protocol::Picked | Protocol::Http1 => None,
        };
        let http2 = offered.map(|offered| {
            tls.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
            Streams::new(connector(tls), target.clone(), waits.connect)
        });
        Ok(Self { http1, http2, protocol, scheme, authority, host, response_wait: waits.response })
    }

    /// The way to another server of the same scheme by HTTP/1.1, with the same limits; `None`: it has another scheme.
    pub fn toward(&self, target: &Uri) -> Option<Self> {
        let authority = target.authority().filter(|_| target.scheme() == Some(&self.scheme))?;
        let host = HeaderValue::from_str(authority.as_str()).ok()?;
        Some(Self {
            http1: self.http1.toward(target.clone()),
            http2: None,
            protocol: Protocol::Http1,
            scheme: self.scheme.clone(),
            authority: authority.clone(),
            host,
            ..*self
        })
    }

    /// The target's own authority, as a Host.
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Sends `request` on and returns the answer as soon as its head is there.
    ///
    /// Path and query go as they are; Host too, or the target's own when there is none. What was not processed is sent again.
    /// A request without a body whose repetition is harmless (RFC 9110 §9.2.2) is sent once more when its connection broke
    /// without an answer: most often that is an idle connection which the other side was just closing.
    pub async fn forward(&self, mut request: Box<Request<Body>>) -> Result<Response<Body>, ForwardError> {
        // What HTTP/1.1 switches to, HTTP/2 does not know.
        let may_be_http1_only = self.protocol == Protocol::Picked && request.headers().contains_key(UPGRADE);
        let mut seat = self.seat(may_be_http1_only).await?;
        self.ready(&mut request, &seat);
        let is_over = request.body().is_end_stream();
        let progress = (!is_over).then(|| request.body_mut().track());
        let mut is_repeatable = is_idempotent(request.method());
        let copied = (is_over && (is_repeatable || seat.is_stream())).then(|| copy(&request));
        let mut sent = 0;
        loop {
            let outcome = {
                let answer = pin!(seat.send(request, progress.as_ref()));
                self.patiently(answer, progress.as_ref()).await?
            };
            let Unanswered { error, is_unprocessed, unsent } = match outcome {
                Ok(answer) => return read(answer, seat),
                Err(unanswered) => unanswered,
            };
            sent += 1;
            // What may have been processed is sent once more only.
            let goes_again = is_unprocessed || error.is_closed() && std::mem::take(&mut is_repeatable);
            let again = unsent.or_else(|| copied.as_deref().map(copy));
            request = match again {
                Some(again) if goes_again && sent < SENT_MAX => again,
                _ => return Err(error),
            };
            let was_stream = seat.is_stream();
            drop(seat);
            seat = self.seat(may_be_http1_only).await?;
            if seat.is_stream() != was_stream {
                return Err(error);
            }
        }
    }

    /// A place on a connection, on a new one if need be. What is rare is boxed, so that requests are not moved about with room for it.
    async fn seat(&self, by_http1: bool) -> Result<Seat, ForwardError> {
        let streams = self.http2.as_ref().filter(|_| !by_http1);
        if let Some(streams) = streams
            && let Way::Http2(stream) = Box::pin(streams.seat()).await?
        {
            return Ok(Seat::Stream(stream));
        }
        match self.http1.look() {
            Some(line) => Ok(Seat::Line(line)),
            None => Box::pin(self.http1.open()).await.map(Seat::Line),
        }
    }

    /// Addresses a request to this server, in the words of the connection that it goes on.
    fn ready(&self, request: &mut Request<Body>, seat: &Seat) {
        *request.version_mut() = Version::HTTP_11;
        if !request.headers().contains_key(HOST) {
            request.headers_mut().insert(HOST, self.host.clone());
        }
        let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        match seat {
            Seat::Line(_) => *request.uri_mut() = path.into(),
            Seat::Stream(_) => {
                *request.uri_mut() = self.address(path);
                as_http2(request);
            }
        }
    }

    /// This server's address with a request's own path and query, byte for byte.
    fn address(&self, path_and_query: PathAndQuery) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path_and_query);
        // A scheme, an authority and a path are all that an address needs.
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// Waits for an answer; the time starts anew as long as pieces of the request's body move.
    async fn patiently<T>(
        &self,
        mut answer: Pin<&mut impl Future<Output = T>>,
        progress: Option<&Progress>,
    ) -> Result<T, ForwardError> {
        loop {
            let before = progress.map(Progress::frames);
            match timeout(self.response_wait, answer.as_mut()).await {
                Ok(outcome) => return Ok(outcome),
                Err(_) if progress.map(Progress::frames) == before => return Err(ForwardError::ResponseTimeout),
                Err(_) => {}
            }
        }
    }
}

fn tcp(connect: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect));
    tcp.set_keepalive(Some(TCP_KEEP_ALIVE));
    tcp
}

fn tls(scheme: &Scheme, trust: &Trust) -> Result<ClientConfig, UpstreamError> {
    if *scheme == Scheme::HTTPS {
        return trust.client().map_err(UpstreamError::Tls);
    }
    // A plain upstream needs no certificates, and must start on a machine that has none.
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| UpstreamError::Tls(io::Error::other(error)))?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

/// Names and values are shared, not copied.
fn copy(request: &Request<Body>) -> Box<Request<Body>> {
    let mut again = Request::new(Body::empty());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Box::new(again)
}

/// An answer whose body can be passed on, and keeps its place until then; or what is wrong.
fn read(answer: Response<Incoming>, seat: Seat) -> Result<Response<Body>, ForwardError> {
    if !headers::is_readable(answer.headers()) {
        return Err(ForwardError::BadAnswer(None));
    }
    let version = answer.version();
    Ok(answer.map(|body| Body::came(version, body).seated(seat)))
}

fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(error.source(), |error| (*error).source()).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: Waits = Waits { connect: Duration::from_secs(1), response: Duration::from_secs(1) };

    #[test]
    fn the_target_is_a_scheme_and_an_authority() {
        let way = |target: &Uri| Upstream::new(target, Protocol::Picked, WAITS, &Trust::default(), None);
        assert!(way(&Uri::from_static("http://127.0.0.1:3000")).is_ok());
        for wrong in ["ftp://127.0.0.1", "/path", "127.0.0.1:3000"] {
            assert!(matches!(way(&wrong.parse().unwrap()), Err(UpstreamError::Target(_))), "{wrong}");
        }
    }

    #[test]
    fn path_and_query_stay_to_the_byte() {
        let target = Uri::from_static("http://127.0.0.1:3000");
        let upstream = Upstream::new(&target, Protocol::Picked, WAITS, &Trust::default(), None).unwrap();
        for target in ["/", "//a%7e/../?q=%20+&im_ref", "/?", "/a?b?c=/%zz", "/%C3%BC"] {
            let path: PathAndQuery = target.parse().unwrap();
            assert_eq!(upstream.address(path.clone()).path_and_query().unwrap().as_str(), target);
            assert_eq!(Uri::from(path).to_string(), target);
        }
    }
}
