//! The way to another server: pooled connections, time limits, and one more try where that is safe.

mod streams;

use self::streams::{Streams, Unanswered, Way};
use super::body::{Body, BodyError, Progress};
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
use hyper_util::client::legacy::{Client, Error as ClientError, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

pub use self::streams::Seat;

/// Idle connections are closed before the other side does it: Node, the hastiest of the common servers, waits 5 s.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// Idle connections kept for each host; enough for the bursts of a busy page, few enough for small origins.
const IDLE_CONNECTIONS_MAX: usize = 256;
/// The largest head of an answer, and the read buffer of its body. Set-Cookie lines of big sites reach 16 KiB; bodies are
/// read in half as many pieces as with 64 KiB.
const READ_BUFFER_BYTES_MAX: usize = 128 * 1024;
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
    http1: Client<HttpsConnector<HttpConnector>, Body>,
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
        let http1 = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .http1_max_buf_size(READ_BUFFER_BYTES_MAX)
            .set_host(false)
            .build(connector(tls.clone()));
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

    /// The way to another server of the same scheme by HTTP/1.1, with the same limits and in the same pool; `None`: it has
    /// another scheme.
    pub fn toward(&self, target: &Uri) -> Option<Self> {
        let authority = target.authority().filter(|_| target.scheme() == Some(&self.scheme))?;
        let host = HeaderValue::from_str(authority.as_str()).ok()?;
        Some(Self {
            http1: self.http1.clone(),
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
    /// Path and query go as they are; Host too, or the target's own when there is none. A request without a body whose
    /// repetition is harmless (RFC 9110 §9.2.2) is sent once more when its connection broke without an answer: most often
    /// that is an idle connection which the other side was just closing.
    pub async fn forward(&self, mut request: Request<Body>) -> Result<Response<Body>, ForwardError> {
        *request.uri_mut() = self.address(request.uri().path_and_query());
        *request.version_mut() = Version::HTTP_11;
        if !request.headers().contains_key(HOST) {
            request.headers_mut().insert(HOST, self.host.clone());
        }
        // What HTTP/1.1 switches to, HTTP/2 does not know.
        let streams = match self.protocol {
            Protocol::Picked if request.headers().contains_key(UPGRADE) => None,
            _ => self.http2.as_ref(),
        };
        let Some(streams) = streams else { return self.forward_http1(request).await };
        // Boxed, so that requests by HTTP/1.1 are not moved about with room for it.
        match Box::pin(streams.seat()).await? {
            Way::Http1 => self.forward_http1(request).await,
            Way::Http2(seat) => Box::pin(self.forward_http2(request, seat, streams)).await,
        }
    }

    async fn forward_http1(&self, mut request: Request<Body>) -> Result<Response<Body>, ForwardError> {
        let is_over = request.body().is_end_stream();
        let progress = (!is_over).then(|| request.body_mut().track());
        let again = (is_over && is_idempotent(request.method())).then(|| copy(&request));
        let send = async |request| match self.patiently(self.http1.request(request), progress.as_ref()).await? {
            Ok(answer) => read(answer),
            Err(error) => Err(classify(error)),
        };
        match (send(request).await, again) {
            (Err(error), Some(request)) if error.is_closed() => send(request).await,
            (outcome, _) => outcome,
        }
    }

    /// By HTTP/2 a request is also sent again, whatever it is, when the other side has not processed it.
    async fn forward_http2(
        &self,
        mut request: Request<Body>,
        mut seat: Seat,
        streams: &Streams,
    ) -> Result<Response<Body>, ForwardError> {
        as_http2(&mut request);
        let is_over = request.body().is_end_stream();
        let progress = (!is_over).then(|| request.body_mut().track());
        let copied = is_over.then(|| copy(&request));
        let mut is_repeatable = is_idempotent(request.method());
        let mut sent = 0;
        loop {
            let answer = self.patiently(seat.send(request, progress.as_ref()), progress.as_ref()).await?;
            let Unanswered { error, is_unprocessed, unsent } = match answer {
                Ok(answer) => return read(answer).map(|answer| answer.map(|body| body.seated(seat))),
                Err(unanswered) => unanswered,
            };
            sent += 1;
            // What may have been processed is sent once more only.
            let goes_again = is_unprocessed || error.is_closed() && std::mem::take(&mut is_repeatable);
            let again = unsent.map(|unsent| *unsent).or_else(|| copied.as_ref().map(copy));
            request = match again {
                Some(again) if goes_again && sent < SENT_MAX => again,
                _ => return Err(error),
            };
            drop(seat);
            seat = match streams.seat().await? {
                Way::Http2(seat) => seat,
                Way::Http1 => return Err(error),
            };
        }
    }

    /// Waits for an answer; the time starts anew as long as pieces of the request's body move.
    async fn patiently<T>(
        &self,
        answer: impl Future<Output = T>,
        progress: Option<&Progress>,
    ) -> Result<T, ForwardError> {
        let mut answer = pin!(answer);
        loop {
            let before = progress.map(Progress::frames);
            match timeout(self.response_wait, &mut answer).await {
                Ok(outcome) => return Ok(outcome),
                Err(_) if progress.map(Progress::frames) == before => return Err(ForwardError::ResponseTimeout),
                Err(_) => {}
            }
        }
    }

    /// The target's address with the request's own path and query, byte for byte.
    fn address(&self, path_and_query: Option<&PathAndQuery>) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path_and_query.cloned().unwrap_or(PathAndQuery::from_static("/")));
        // A scheme, an authority and a path are all that an address needs.
        Uri::from_parts(parts).unwrap_or_default()
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
fn copy(request: &Request<Body>) -> Request<Body> {
    let mut again = Request::new(Body::empty());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    again
}

/// An answer whose body can be passed on; or what is wrong.
fn read(answer: Response<Incoming>) -> Result<Response<Body>, ForwardError> {
    if !headers::is_readable(answer.headers()) {
        return Err(ForwardError::BadAnswer(None));
    }
    let version = answer.version();
    Ok(answer.map(|body| Body::came(version, body)))
}

fn classify(error: ClientError) -> ForwardError {
    let io_kind = cause::<io::Error>(&error).map(io::Error::kind);
    if error.is_connect() {
        return match io_kind {
            Some(io::ErrorKind::TimedOut) => ForwardError::ConnectTimeout(error.into()),
            _ => ForwardError::Connect(error.into()),
        };
    }
    match cause::<hyper::Error>(&error) {
        Some(http) if http.is_user() => match cause(&error) {
            Some(BodyError::Slow) => ForwardError::SlowBody(error.into()),
            _ => ForwardError::RequestBody(error.into()),
        },
        Some(http) if http.is_parse() || http.is_parse_too_large() || http.is_parse_status() => {
            ForwardError::BadAnswer(Some(error.into()))
        }
        _ => ForwardError::Closed(error.into()),
    }
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
            let uri: Uri = target.parse().unwrap();
            assert_eq!(upstream.address(uri.path_and_query()).path_and_query().unwrap().as_str(), target);
        }
    }
}
