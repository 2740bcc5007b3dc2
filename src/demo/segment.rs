//! A stand-in for Segment's tracking API, as its HTTP API documentation describes it.

use super::door::{Cut, Door};
use super::script::{Script, json, reply};
use super::seen::{self, Log, Seen};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::Response;
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Arc;

/// What Segment takes as one call; above it the answer is 400 (HTTP API, "Max request size").
pub const CALL_BYTES_MAX: usize = 32 * 1024;

/// What Segment takes as one batch (the same page).
pub const BATCH_BYTES_MAX: usize = 500 * 1024;

/// What is read and remembered of a body, plain or inflated: far above what is accepted, so that a test can look at what a proxy let
/// through.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The last parts of `/v1/…` that take calls: the documented long names and the ones that SDKs use.
const CALLS: [&str; 13] = ["t", "p", "i", "g", "a", "s", "m", "track", "page", "identify", "group", "alias", "screen"];

/// The last parts of `/v1/…` that take batches.
const BATCHES: [&str; 3] = ["b", "batch", "import"];

/// The pixel's answer: a transparent GIF of one pixel.
const GIF: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\0\0\0!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// Segment, on a loopback port. Dropping it stops it.
#[derive(Debug)]
pub struct Segment {
    state: Arc<Shared>,
    door: Door,
}

#[derive(Debug)]
struct Shared {
    log: Log,
    script: Script,
}

impl Segment {
    /// Starts on a free port.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::start_at(0).await
    }

    /// Starts on `port`, so that one that went away can come back.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound.
    pub async fn start_at(port: u16) -> io::Result<Self> {
        let state = Arc::new(Shared { log: Log::new(), script: Script::default() });
        let router = Router::new().fallback(take).with_state(state.clone());
        Ok(Self { state, door: Door::open(port, router).await? })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// What it answers instead of the usual.
    pub fn script(&self) -> &Script {
        &self.state.script
    }

    /// Every request so far, in order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.log.all()
    }

    /// Every request, as soon as there are `count`; after 20 s whatever there is.
    pub async fn wait_for(&self, count: usize) -> Vec<Seen> {
        self.state.log.wait_for(count).await
    }

    /// Forgets what it was sent.
    pub fn forget(&self) {
        self.state.log.clear();
    }
}

/// Takes any request: reads, remembers, answers.
async fn take(State(state): State<Arc<Shared>>, ConnectInfo(cut): ConnectInfo<Cut>, request: Request) -> Response {
    let Some((parts, body)) = seen::read(request, BODY_BYTES_MAX).await else {
        return refuse("request body could not be read");
    };
    let endpoint = Endpoint::of(&parts);
    let plain = inflate(&parts, &body);
    let value = match endpoint {
        Endpoint::Pixel => parts.uri.query().and_then(pixel_data),
        _ => plain.as_deref().and_then(|plain| serde_json::from_slice(plain).ok()),
    };
    state.log.push(Seen::new(&parts, body, value.clone()));
    let mut response = match state.script.take() {
        Some(answer) => answer.perform(&cut).await,
        None => usual(endpoint, plain.map_or(0, |plain| plain.len()), value.as_ref()),
    };
    // Segment answers cross-origin pages itself: a proxy that adds its own fields without dropping these breaks browsers.
    response.headers_mut().append("access-control-allow-origin", HeaderValue::from_static("*"));
    response
}

/// What a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Call,
    Batch,
    Pixel,
    Preflight,
    Unknown,
}

impl Endpoint {
    fn of(parts: &Parts) -> Self {
        let path = parts.uri.path();
        let path = path.strip_suffix('/').unwrap_or(path);
        let Some(name) = path.strip_prefix("/v1/") else {
            return Self::Unknown;
        };
        match (parts.method.as_str(), name) {
            ("OPTIONS", _) => Self::Preflight,
            ("GET", _) if name.strip_prefix("pixel/").is_some_and(|name| CALLS.contains(&name)) => Self::Pixel,
            ("POST", _) if CALLS.contains(&name) => Self::Call,
            ("POST", _) if BATCHES.contains(&name) => Self::Batch,
            _ => Self::Unknown,
        }
    }
}

/// Segment's own answer to a body of `length` plain bytes.
fn usual(endpoint: Endpoint, length: usize, value: Option<&Value>) -> Response {
    let limit = match endpoint {
        Endpoint::Unknown => {
            return json(404, &serde_json::json!({"success": false, "code": "not_found"}));
        }
        Endpoint::Preflight => return reply(200, &[], ""),
        // A pixel is a picture whatever it says.
        Endpoint::Pixel => {
            return reply(200, &[("content-type".to_owned(), "image/gif".to_owned())], GIF);
        }
        Endpoint::Call => CALL_BYTES_MAX,
        Endpoint::Batch => BATCH_BYTES_MAX,
    };
    if length > limit {
        return refuse("request body too large");
    }
    match value {
        Some(Value::Object(_)) => json(200, &serde_json::json!({"success": true})),
        _ => refuse("malformed JSON"),
    }
}

/// 400, in the words that the SDKs look for: python reads `code` and `message`, ruby reads `error`.
fn refuse(message: &str) -> Response {
    let body = serde_json::json!({"success": false, "code": "invalid_request", "message": message, "error": message});
    json(400, &body)
}

/// The body without its compression; `None` when it cannot be undone.
fn inflate(parts: &Parts, body: &Bytes) -> Option<Vec<u8>> {
    match parts.headers.get("content-encoding").map(|value| value.as_bytes().to_ascii_lowercase()) {
        None => Some(body.to_vec()),
        Some(coding) if coding == b"gzip" => {
            let mut plain = Vec::new();
            let mut limited = GzDecoder::new(body.as_ref()).take(BODY_BYTES_MAX as u64);
            limited.read_to_end(&mut plain).ok()?;
            Some(plain)
        }
        Some(_) => None,
    }
}

/// The call in a pixel's `data`: base64 of either alphabet, padded or not.
fn pixel_data(query: &str) -> Option<Value> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let (_, data) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "data")?;
    // A `+` that was not percent-encoded has become a space by now.
    let data = data.replace('-', "+").replace('_', "/").replace(' ', "+");
    let bytes = GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(data).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::super::Answer;
    use super::super::exchange::{Answered, send};
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    async fn post(segment: &Segment, path: &str, body: &[u8]) -> Answered {
        let url = format!("{}{path}", segment.url()).parse().unwrap();
        send("POST", &url, &[("content-type", "text/plain")], body).await.unwrap()
    }

    #[tokio::test]
    async fn every_path_that_an_sdk_calls_is_taken() {
        let segment = Segment::start().await.unwrap();
        let mut sent = 0;
        for name in CALLS.iter().chain(&BATCHES) {
            for path in [format!("/v1/{name}"), format!("/v1/{name}/")] {
                let answer = post(&segment, &path, br#"{"type":"track"}"#).await;
                assert_eq!((answer.status, answer.body.as_slice()), (200, &br#"{"success":true}"#[..]), "{path}");
                sent += 1;
            }
        }
        let seen = segment.wait_for(sent).await;
        assert_eq!(seen.len(), sent);
        assert!(seen.iter().all(|one| one.calls().len() == 1 && one.method == "POST"));
    }

    #[tokio::test]
    async fn bad_bodies_are_refused_and_remembered() {
        let segment = Segment::start().await.unwrap();
        let call = |bytes: usize| format!("{{\"e\":\"{}\"}}", "x".repeat(bytes - 8)).into_bytes();
        let cases: [(&str, Vec<u8>, u16); 8] = [
            ("/v1/t", b"{".to_vec(), 400),
            ("/v1/t", b"[]".to_vec(), 400),
            ("/v1/t", vec![0xff, 0xfe], 400),
            ("/v1/t", call(CALL_BYTES_MAX), 200),
            ("/v1/t", call(CALL_BYTES_MAX + 1), 400),
            ("/v1/b", call(BATCH_BYTES_MAX), 200),
            ("/v1/b", call(BATCH_BYTES_MAX + 1), 400),
            ("/v2/t", b"{}".to_vec(), 404),
        ];
        for (path, body, status) in &cases {
            let answer = post(&segment, path, body).await;
            assert_eq!(answer.status, *status, "{path} with {} bytes", body.len());
            assert_eq!(segment.seen().last().unwrap().body, body.as_slice());
        }
    }

    #[tokio::test]
    async fn a_compressed_body_is_read_and_kept_as_it_came() {
        let segment = Segment::start().await.unwrap();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(br#"{"batch":[{"type":"page"},{"type":"track"}]}"#).unwrap();
        let body = encoder.finish().unwrap();
        let url = format!("{}/v1/batch", segment.url()).parse().unwrap();
        let answer = send("POST", &url, &[("content-encoding", "gzip")], &body).await.unwrap();
        assert_eq!(answer.status, 200);
        let seen = segment.seen();
        assert_eq!(seen[0].body, body);
        assert_eq!(seen[0].calls().len(), 2);
        assert_eq!(send("POST", &url, &[("content-encoding", "br")], b"{}").await.unwrap().status, 400);
    }

    #[tokio::test]
    async fn a_pixel_is_a_picture_whatever_it_says() {
        let segment = Segment::start().await.unwrap();
        for (query, read) in [
            ("data=eyJldmVudCI6IsOkIn0", true),
            ("data=eyJldmVudCI6IsOkIn0=", true),
            ("data=%25%25", false),
            ("event=Opened&writeKey=k", false),
        ] {
            let url = format!("{}/v1/pixel/track?{query}", segment.url()).parse().unwrap();
            let answer = send("GET", &url, &[], b"").await.unwrap();
            assert_eq!((answer.status, answer.body.as_slice()), (200, GIF), "{query}");
            assert_eq!(segment.seen().last().unwrap().json.is_some(), read, "{query}");
        }
    }

    #[tokio::test]
    async fn answers_are_as_ordered_and_then_as_usual() {
        let segment = Segment::start().await.unwrap();
        let busy = Answer::status(429).header("Retry-After", "3").body("slow down").after(Duration::from_millis(1));
        segment.script().next(busy).next(Answer::Close).always(Answer::status(503));
        let answer = post(&segment, "/v1/t", b"{}").await;
        assert_eq!((answer.status, answer.body.as_slice()), (429, &b"slow down"[..]));
        assert!(answer.head.contains("retry-after: 3"), "{}", answer.head);
        let url = format!("{}/v1/t", segment.url()).parse().unwrap();
        assert!(send("POST", &url, &[], b"{}").await.is_err(), "the connection is cut");
        assert_eq!(post(&segment, "/v1/t", b"{}").await.status, 503);
        assert_eq!(post(&segment, "/v1/t", b"{}").await.status, 503);
        segment.script().usual();
        assert_eq!(post(&segment, "/v1/t", b"{}").await.status, 200);
        segment.script().next(Answer::Hang);
        let hung = tokio::time::timeout(Duration::from_millis(100), send("POST", &url, &[], b"{}")).await;
        assert!(hung.is_err(), "no answer comes");
        assert_eq!(segment.seen().len(), 6);
        segment.forget();
        assert!(segment.seen().is_empty());
    }

    #[tokio::test]
    async fn one_that_was_stopped_can_come_back_on_its_port() {
        let segment = Segment::start().await.unwrap();
        let (port, url) = (segment.address().port(), format!("{}/v1/t", segment.url()).parse().unwrap());
        segment.script().next(Answer::Hang);
        let waiting = tokio::spawn({
            let url: url::Url = url;
            async move { (send("POST", &url, &[], b"{}").await, url) }
        });
        segment.wait_for(1).await;
        drop(segment);
        let (cut, url) = waiting.await.unwrap();
        assert!(cut.is_err(), "what was under way is cut");
        let back = loop {
            // The old listener goes when its task is dropped, a moment after the handle.
            match Segment::start_at(port).await {
                Ok(back) => break back,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert_eq!(send("POST", &url, &[], b"{}").await.unwrap().status, 200);
        assert_eq!(back.seen().len(), 1);
    }
}
