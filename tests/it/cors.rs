//! Pages of other origins that call Segment through us (Fetch, "CORS protocol").

use crate::harness::{Answer, Stage};

const PREFLIGHT: &str = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,content-type,x-retry-count\r\n";

fn preflight(path: &str, origin: &str) -> String {
    format!("OPTIONS {path} HTTP/1.1\r\nHost: events.shop.co.uk\r\nOrigin: {origin}\r\n{PREFLIGHT}\r\n")
}

/// All that an answer says about origins, in the order of its names.
fn says(answer: &Answer) -> Vec<String> {
    let lines = answer.head.split("\r\n").map(str::to_ascii_lowercase);
    let mut lines: Vec<_> =
        lines.filter(|line| line.starts_with("access-control-") || line.starts_with("vary")).collect();
    lines.sort();
    lines
}

async fn stage() -> Stage {
    Stage::set_with(|edge| edge.segment("hosts = [\"events.shop.co.uk\"]\norigins = [\"https://partner.example\"]"))
        .await
}

#[tokio::test]
async fn a_preflight_is_answered_here() {
    let stage = stage().await;
    for (origin, credentials) in [
        ("https://www.shop.co.uk", true),
        ("http://shop.co.uk:8080", true),
        ("https://partner.example", true),
        ("https://other.co.uk", false),
        ("https://www.partner.example", false),
        ("https://partner.example:8443", false),
        ("https://shop.co.uk.evil.example", false),
        ("https://evil-shop.co.uk", false),
        ("null", false),
    ] {
        for path in ["/v1/t", "/cdp/v1/p", "/v1/b", "/v1/m", "/cdp/v1/projects/KEY/settings", "/v1/nothing"] {
            let answer = stage.edge.send(preflight(path, origin)).await;
            assert!(matches!(answer.status(), 200 | 204), "{path}: {}", answer.status());
            let mut expected = vec![
                "access-control-allow-headers: authorization, content-type, x-retry-count".to_owned(),
                "access-control-allow-methods: get, post, options".to_owned(),
                format!("access-control-allow-origin: {origin}"),
                "access-control-expose-headers: retry-after, x-ratelimit-reset".to_owned(),
                "access-control-max-age: 7200".to_owned(),
                "vary: origin".to_owned(),
            ];
            if credentials {
                expected.insert(0, "access-control-allow-credentials: true".to_owned());
            }
            assert_eq!(says(&answer), expected, "{origin}{path}");
        }
    }
    assert!(stage.segment.seen().is_empty());
}

#[tokio::test]
async fn what_segment_says_about_origins_is_replaced() {
    let stage = stage().await;
    let theirs = |status: u16| {
        selvedge::demo::Answer::status(status)
            .header("Access-Control-Allow-Origin", "*")
            .header("Access-Control-Allow-Credentials", "true")
            .header("Access-Control-Allow-Private-Network", "true")
            .header("Access-Control-Max-Age", "1")
            .header("Retry-After", "7")
            .body("{}")
    };
    for status in [200, 400, 429] {
        for (origin, credentials) in [("https://www.shop.co.uk", true), ("https://elsewhere.example", false)] {
            stage.segment.script().next(theirs(status));
            let request = format!(
                "POST /v1/t HTTP/1.1\r\nHost: events.shop.co.uk\r\nOrigin: {origin}\r\nContent-Length: 2\r\n\r\n{{}}"
            );
            let answer = stage.edge.send(request).await;
            let mut expected = vec![
                format!("access-control-allow-origin: {origin}"),
                "access-control-expose-headers: retry-after, x-ratelimit-reset".to_owned(),
                "vary: origin".to_owned(),
            ];
            if credentials {
                expected.insert(0, "access-control-allow-credentials: true".to_owned());
            }
            assert_eq!((answer.status(), says(&answer)), (status, expected), "{origin}");
        }
    }
    // Our own answers say the same, and one to no page says nothing but that it depends.
    let pixel = "GET /v1/pixel/page?x=1 HTTP/1.1\r\nHost: events.shop.co.uk\r\n\r\n";
    assert_eq!(says(&stage.edge.send(pixel).await), ["vary: origin"]);
    drop(stage.segment);
    let away = "POST /v1/t HTTP/1.1\r\nHost: events.shop.co.uk\r\nOrigin: https://www.shop.co.uk\r\nContent-Length: 2\r\n\r\n{}";
    let away = stage.edge.send(away).await;
    assert_eq!((away.status(), away.field("access-control-allow-origin")), (200, Some("https://www.shop.co.uk")));
}

#[tokio::test]
async fn the_sites_own_preflights_are_the_sites() {
    let mut stage = stage().await;
    let answer =
        stage.edge.send("OPTIONS /api HTTP/1.1\r\nHost: www.shop.co.uk\r\nOrigin: https://a.example\r\n\r\n").await;
    assert_eq!((answer.text().as_str(), says(&answer)), ("hello", vec![]));
    assert_eq!(stage.origin.saw().await.line(), "OPTIONS /api HTTP/1.1");
}
