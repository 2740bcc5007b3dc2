//! Calls in the query of an image.

use crate::harness::{Answer, Stage};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use selvedge::clock::Clock;
use selvedge::segment::pixel::GIF;
use serde_json::{Value, json};

/// A call in whose base64 both letters differ that the two alphabets do not share.
const CALL: &str = r#"{"event":"a?>~~?","userId":"customer-1","type":"track"}"#;
const ENRICHED: &str = r#"{"context":{"referrer":{"id":"abc:1","type":"impactRadius"}},"event":"a?>~~?","userId":"customer-1","type":"track"}"#;

fn cookie() -> String {
    format!("Cookie: im_ref=1.{}.-.abc:1", Clock::System.now().seconds())
}

fn assert_is_image(answer: &Answer) {
    assert_eq!((answer.status(), answer.field("content-type")), (200, Some("image/gif")));
    assert_eq!(answer.body, GIF);
    assert_eq!(answer.field("cache-control"), Some("no-store"));
}

impl Stage {
    /// The query that Segment gets of a pixel.
    async fn pixel(&self, kind: &str, query: &str) -> String {
        self.segment.forget();
        let answer = self.edge.get(&format!("/cdp/v1/pixel/{kind}?{query}"), &[&cookie(), "X-Api-Key: x"]).await;
        assert_is_image(&answer);
        let seen = self.segment.seen().pop().unwrap();
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", format!("/v1/pixel/{kind}").as_str()));
        assert_eq!((seen.header("cookie"), seen.header("x-api-key")), (None, None));
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
        seen.query.unwrap()
    }
}

#[tokio::test]
async fn data_keeps_its_alphabet_and_its_padding() {
    let stage = Stage::set().await;
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        let (before, after) = (engine.encode(CALL), engine.encode(ENRICHED).replace('+', "%2B"));
        assert!(before.contains(['+', '-']) && before.contains(['/', '_']), "{before}");
        for (before, query) in [
            (format!("data={}", before.replace('+', "%2B")), format!("data={after}")),
            (format!("v=1&data={before}&z=%20"), format!("v=1&data={after}&z=%20")),
            (format!("data={}", before.replace('/', "%2F").replace('=', "%3D")), format!("data={after}")),
        ] {
            assert_eq!(stage.pixel("track", &before).await, query, "{before}");
        }
    }
    let order = json!({"event": "Order Completed", "messageId": "m", "userId": "customer-1"}).to_string();
    let query = stage.pixel("track/", &format!("data={}", URL_SAFE_NO_PAD.encode(order))).await;
    let call = URL_SAFE_NO_PAD.decode(query.trim_start_matches("data=")).unwrap();
    let call: Value = serde_json::from_slice(&call).unwrap();
    assert_eq!(call["integrations"], json!({"Impact Partnership Cloud": false}));
    assert_eq!(stage.impact.wait_for_conversions(1).await[0].field("ClickId"), Some("abc:1"));
}

#[tokio::test]
async fn dotted_parameters_gain_a_referrer_at_their_end() {
    let stage = Stage::set().await;
    let added = "&context.referrer.id=abc%3A1&context.referrer.type=impactRadius";
    for query in ["event=Email+Opened&userId=customer-1&properties.subject=a%20b", "userId=1&x", ""] {
        let expected =
            if query.is_empty() { added.trim_start_matches('&').to_owned() } else { format!("{query}{added}") };
        let written = stage.pixel("track", query).await;
        assert_eq!(written.trim_start_matches('&'), expected);
    }
    for kept in [
        "userId=1&context.referrer.type=dataxu&context.referrer.id=x",
        "context.referrer.id=mine&context.referrer.type=impactRadius",
    ] {
        assert_eq!(stage.pixel("page", kept).await, kept);
    }
}

#[tokio::test]
async fn a_dotted_order_is_delivered_and_counted_as_one_that_cannot_be_switched_off() {
    let stage = Stage::set().await;
    let order = "event=Order+Completed&messageId=m&userId=customer-1";
    let query = stage.pixel("track", order).await;
    assert!(query.starts_with(order) && !query.contains("integrations"), "{query}");
    assert_eq!(stage.impact.wait_for_conversions(1).await[0].field("CustomerId"), Some("customer-1"));
    assert_eq!(stage.edge.count("selvedge_envelopes_total{outcome=\"left\"}").await, 1);
}

#[tokio::test]
async fn what_cannot_be_read_or_would_get_too_long_is_left() {
    let stage = Stage::set().await;
    let long = format!("data={}", URL_SAFE_NO_PAD.encode(json!({"userId": "1", "a": "x".repeat(6_200)}).to_string()));
    let almost = format!("data={}", URL_SAFE_NO_PAD.encode(json!({"userId": "1", "a": "x".repeat(6_100)}).to_string()));
    assert!(long.len() > 8_192 && almost.len() < 8_192 && almost.len() > 8_100);
    let dotted = format!("userId=1&a={}", "x".repeat(8_150));
    for (query, outcome) in [
        ("data=%25%25%25", "no_call"),
        ("data=", "not_json"),
        ("data=bm90IGpzb24", "not_json"),
        ("data=WzFd", "unknown_shape"),
        (long.as_str(), "too_large"),
        (almost.as_str(), "too_large"),
        (dotted.as_str(), "too_large"),
    ] {
        let series = format!("selvedge_envelopes_total{{outcome=\"{outcome}\"}}");
        let before = stage.edge.count(&series).await;
        assert_eq!(stage.pixel("track", query).await, query);
        assert_eq!(stage.edge.count(&series).await, before + 1, "{outcome} {query:.40}");
    }
}

#[tokio::test]
async fn the_answer_is_an_image_whatever_segment_says() {
    let status = selvedge::demo::Answer::status;
    let stage = Stage::set().await;
    let pixel = format!("/cdp/v1/pixel/page?data={}", STANDARD.encode(CALL));
    for answer in [
        status(500),
        status(503),
        status(400).body("no"),
        status(429),
        status(302).header("Location", "/x"),
        selvedge::demo::Answer::Close,
    ] {
        stage.segment.script().next(answer);
        assert_is_image(&stage.edge.get(&pixel, &[]).await);
    }
    drop(stage.segment);
    assert_is_image(&stage.edge.get(&pixel, &[]).await);
    assert_is_image(&stage.edge.get("/cdp/v1/pixel/page?data=%%%", &[]).await);
    assert_is_image(&stage.edge.get("/cdp/v1/pixel/page", &[]).await);
}

#[tokio::test]
async fn a_picture_in_a_mail_teaches_whose_click_it_is() {
    let stage = Stage::set().await;
    stage.pixel("identify", "userId=customer-1&type=identify").await;
    let order = json!({"type": "track", "event": "Order Completed", "messageId": "m", "userId": "customer-1"});
    assert_eq!(stage.track(order).await, 200);
    assert_eq!(stage.impact.wait_for_conversions(1).await[0].field("ClickId"), Some("abc:1"));
}
