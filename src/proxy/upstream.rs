//! The way to another server: pooled connections, time limits, and one more try where that is safe.

use super::body::{Body, BodyError, Progress};
use super::headers;
use super::rescue::ForwardError;
use super::trust::Trust;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, Error as ClientError, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::ServerName;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Idle connections are closed before the other side does it: Node, the hastiest of the common servers, waits 5 s.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// Idle connections kept for each host; enough for the bursts of a busy page, few enough for small origins.
const IDLE_CONNECTIONS_MAX: usize = 256;
/// The largest head of an answer, and the read buffer of its body. Set-Cookie lines of big sites reach 16 KiB.
const READ_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How long a connection may be silent before the kernel asks whether the other side still lives.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(60);

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
    client: Client<HttpsConnector<HttpConnector>, Body>,
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
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .http1_max_buf_size(READ_BUFFER_BYTES_MAX)
            .set_host(false)
            .build(connector(&scheme, waits.connect, trust, tls_name)?);
        Ok(Self { client, scheme, authority, host, response_wait: waits.response })
    }

    /// The way to another server of the same scheme, with the same limits and in the same pool; `None`: it has another scheme.
    pub fn toward(&self, target: &Uri) -> Option<Self> {
        let authority = target.authority().filter(|_| target.scheme() == Some(&self.scheme))?;
        let host = HeaderValue::from_str(authority.as_str()).ok()?;
        Some(Self {
            client: self.client.clone(),
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
    pub async fn forward(&self, mut request: Request<Body>) -> Result<Response<Incoming>, ForwardError> {
        *request.uri_mut() = self.address(request.uri().path_and_query());
        *request.version_mut() = Version::HTTP_11;
        if !request.headers().contains_key(HOST) {
            request.headers_mut().insert(HOST, self.host.clone());
        }
        if !request.body().is_end_stream() {
            return self.send_body(request).await;
        }
        let again = is_idempotent(request.method()).then(|| copy(&request));
        match (self.send(request).await, again) {
            (Err(ForwardError::Closed(_)), Some(request)) => self.send(request).await,
            (outcome, _) => outcome,
        }
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, ForwardError> {
        match timeout(self.response_wait, self.client.request(request)).await {
            Ok(outcome) => read(outcome),
            Err(_) => Err(ForwardError::ResponseTimeout),
        }
    }

    /// As [`Self::send`], but the time starts anew as long as pieces of the body move.
    async fn send_body(&self, mut request: Request<Body>) -> Result<Response<Incoming>, ForwardError> {
        let progress: Progress = request.body_mut().track();
        let mut answer = self.client.request(request);
        loop {
            let before = progress.frames();
            match timeout(self.response_wait, &mut answer).await {
                Ok(outcome) => return read(outcome),
                Err(_) if progress.frames() == before => return Err(ForwardError::ResponseTimeout),
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

fn connector(
    scheme: &Scheme,
    connect: Duration,
    trust: &Trust,
    tls_name: Option<&ServerName<'static>>,
) -> Result<HttpsConnector<HttpConnector>, UpstreamError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect));
    tcp.set_keepalive(Some(TCP_KEEP_ALIVE));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let builder = HttpsConnectorBuilder::new();
    // A plain upstream needs no certificates, and must start on a machine that has none.
    let builder = if *scheme == Scheme::HTTPS {
        builder.with_tls_config(trust.client().map_err(UpstreamError::Tls)?).https_only()
    } else {
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| UpstreamError::Tls(io::Error::other(error)))?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        builder.with_tls_config(config).https_or_http()
    };
    let builder = match tls_name {
        Some(name) => builder.with_server_name_resolver(FixedServerNameResolver::new(name.clone())),
        None => builder,
    };
    Ok(builder.enable_http1().wrap_connector(tcp))
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
fn read(outcome: Result<Response<Incoming>, ClientError>) -> Result<Response<Incoming>, ForwardError> {
    let answer = outcome.map_err(classify)?;
    if headers::is_readable(answer.headers()) { Ok(answer) } else { Err(ForwardError::BadAnswer(None)) }
}

fn classify(error: ClientError) -> ForwardError {
    let io_kind = cause::<io::Error>(&error).map(io::Error::kind);
    if error.is_connect() {
        return match io_kind {
            Some(io::ErrorKind::TimedOut) => ForwardError::ConnectTimeout(error),
            _ => ForwardError::Connect(error),
        };
    }
    match cause::<hyper::Error>(&error) {
        Some(http) if http.is_user() => match cause(&error) {
            Some(BodyError::Slow) => ForwardError::SlowBody(error),
            _ => ForwardError::RequestBody(error),
        },
        Some(http) if http.is_parse() || http.is_parse_too_large() || http.is_parse_status() => {
            ForwardError::BadAnswer(Some(error))
        }
        _ => ForwardError::Closed(error),
    }
}

fn cause<E: Error + 'static>(error: &ClientError) -> Option<&E> {
    std::iter::successors(error.source(), |error| (*error).source()).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: Waits = Waits { connect: Duration::from_secs(1), response: Duration::from_secs(1) };

    #[test]
    fn the_target_is_a_scheme_and_an_authority() {
        assert!(Upstream::new(&Uri::from_static("http://127.0.0.1:3000"), WAITS, &Trust::default(), None).is_ok());
        for wrong in ["ftp://127.0.0.1", "/path", "127.0.0.1:3000"] {
            assert!(
                matches!(
                    Upstream::new(&wrong.parse().unwrap(), WAITS, &Trust::default(), None),
                    Err(UpstreamError::Target(_))
                ),
                "{wrong}"
            );
        }
    }

    #[test]
    fn path_and_query_stay_to_the_byte() {
        let upstream =
            Upstream::new(&Uri::from_static("http://127.0.0.1:3000"), WAITS, &Trust::default(), None).unwrap();
        for target in ["/", "//a%7e/../?q=%20+&im_ref", "/?", "/a?b?c=/%zz", "/%C3%BC"] {
            let uri: Uri = target.parse().unwrap();
            assert_eq!(upstream.address(uri.path_and_query()).path_and_query().unwrap().as_str(), target);
        }
    }
}
