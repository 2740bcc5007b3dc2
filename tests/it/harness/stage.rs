use super::{Answer, Edge, Origin, Starting, answers};
use selvedge::demo::{Impact, Seen, Segment};
use serde_json::Value;

/// The edge between its neighbours: a shop's origin, Segment and impact.com.
pub(crate) struct Stage {
    pub(crate) edge: Edge,
    pub(crate) segment: Segment,
    pub(crate) impact: Impact,
    pub(crate) origin: Origin,
}

impl Stage {
    /// A stage with nothing but defaults.
    pub(crate) async fn set() -> Self {
        Self::set_with(|edge| edge).await
    }

    /// A stage whose edge has further settings.
    pub(crate) async fn set_with(settings: impl FnOnce(Starting) -> Starting) -> Self {
        Self::under(&[], settings).await
    }

    /// A stage whose site has these hosts only.
    pub(crate) async fn under(hosts: &[&str], settings: impl FnOnce(Starting) -> Starting) -> Self {
        let origin = Origin::start(answers("200 OK", &["Cache-Control: public, max-age=60"], "hello")).await;
        let (segment, impact) = (Segment::start().await.unwrap(), Impact::start().await.unwrap());
        let edge = Edge::between(&segment.url(), &impact.url()).site(hosts, origin.address());
        let edge = settings(edge).run().await;
        Self { edge, segment, impact, origin }
    }

    /// Posts a call; `lines` are further fields, each with its CRLF.
    pub(crate) async fn call(&self, path: &str, lines: &str, body: impl AsRef<[u8]>) -> Answer {
        let body = body.as_ref();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: shop.example\r\n{lines}Content-Length: {}\r\n\r\n", body.len());
        self.edge.send([head.as_bytes(), body].concat()).await
    }

    /// Posts a call; the status of the answer.
    pub(crate) async fn post(&self, path: &str, lines: &str, body: impl AsRef<[u8]>) -> u16 {
        self.call(path, lines, body).await.status()
    }

    /// Posts a call, and returns what Segment got of it.
    pub(crate) async fn forwarded(&self, path: &str, lines: &str, body: impl AsRef<[u8]>) -> Seen {
        self.segment.forget();
        let answer = self.call(path, lines, body).await;
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        self.segment.seen().pop().unwrap()
    }

    /// Tracks an event as a shop's own server does.
    pub(crate) async fn track(&self, call: Value) -> u16 {
        self.post("/cdp/v1/track", "Content-Type: application/json\r\n", call.to_string()).await
    }
}
