//! Sources: which are delivered, in which region each is at home, and the settings that SDKs fetch.

use crate::harness::{Answer, Edge, Origin, Stage, answers, eventually, soon};
use selvedge::demo::{Answer as Scripted, Segment};
use serde_json::json;

/// A neighbourhood with a second Segment: the region of the write key `eu`.
struct Regions {
    stage: Stage,
    eu: Segment,
}

impl Regions {
    async fn set(settings: &str) -> Self {
        let eu = Segment::start().await.unwrap();
        let source = format!("[[segment.source]]\nwrite_key = \"eu\"\napi = \"{}\"\n", eu.url());
        let stage = Stage::set_with(|edge| edge.segment(settings).with(&source)).await;
        Self { stage, eu }
    }

    /// How many requests each of both has seen: the default, and the EU's.
    fn seen(&self) -> (usize, usize) {
        (self.stage.segment.seen().len(), self.eu.seen().len())
    }
}

fn call(write_key: &str) -> String {
    json!({"type": "track", "event": "Viewed", "userId": "customer-1", "messageId": write_key, "writeKey": write_key})
        .to_string()
}

const BASIC_EU: &str = "Authorization: Basic ZXU6\r\n";

#[tokio::test]
async fn each_write_keys_calls_go_to_its_own_region() {
    let regions = Regions::set("").await;
    let stage = &regions.stage;
    let batch = |key: &str| format!(r#"{{"batch":[{}],"writeKey":"{key}"}}"#, call("x"));
    let item = format!(r#"{{"batch":[{},{}]}}"#, call("eu"), call("us"));
    for (path, lines, body, is_eu) in [
        ("t", "", call("eu"), true),
        ("t", "", call("us"), false),
        ("t", BASIC_EU, r#"{"event":"Viewed"}"#.to_owned(), true),
        // The body says it first.
        ("t", BASIC_EU, call("us"), false),
        ("b", "", batch("eu"), true),
        ("b", BASIC_EU, batch("us"), false),
        // An envelope is one source's: the first that it names.
        ("b", "", item, true),
        // What cannot be read goes by its credentials, and what has none by default.
        ("t", BASIC_EU, "no json".to_owned(), true),
        ("t", "", "no json".to_owned(), false),
        ("t", BASIC_EU, "x".repeat(2_100_000), true),
        ("m", BASIC_EU, "{}".to_owned(), true),
        ("m", "", "{}".to_owned(), false),
    ] {
        let before = regions.seen();
        stage.post(&format!("/cdp/v1/{path}"), lines, &body).await;
        let expected = if is_eu { (before.0, before.1 + 1) } else { (before.0 + 1, before.1) };
        assert_eq!(regions.seen(), expected, "{path} {lines} {body:.60}");
    }
    let before = regions.seen();
    stage.edge.get("/cdp/v1/pixel/track?event=Viewed&userId=u&writeKey=eu", &[]).await;
    assert_eq!(regions.seen(), (before.0, before.1 + 1));
}

#[tokio::test]
async fn what_a_region_missed_reaches_that_region_later() {
    let mut regions = Regions::set("").await;
    regions.eu.script().always(Scripted::status(503));
    assert_eq!(regions.stage.post("/cdp/v1/t", "", call("eu")).await, 200);
    regions.stage.edge.kill_and_run_again().await;
    regions.eu.forget();
    regions.eu.script().usual();
    let seen = soon("the call in its region", regions.eu.wait_for(1)).await;
    assert_eq!(seen[0].calls()[0]["messageId"], "eu");
    eventually("that nothing waits", async || {
        (regions.stage.edge.count("selvedge_envelopes_waiting").await == 0).then_some(())
    })
    .await;
    assert!(regions.stage.segment.seen().is_empty());
}

#[tokio::test]
async fn a_region_that_is_away_keeps_no_other_waiting() {
    let regions = Regions::set("").await;
    let stage = &regions.stage;
    regions.eu.script().always(Scripted::status(503));
    stage.segment.script().always(Scripted::status(503));
    for key in ["eu", "us", "eu", "us"] {
        assert_eq!(stage.post("/cdp/v1/t", "", call(key)).await, 200);
    }
    stage.segment.script().usual();
    let sent_on = "selvedge_envelopes_total{outcome=\"sent_on\"}";
    eventually("both calls of the other region", async || (stage.edge.count(sent_on).await == 2).then_some(())).await;
    let waiting = async || (stage.edge.count("selvedge_envelopes_waiting").await == 2).then_some(());
    eventually("those of the region that is away", waiting).await;
    regions.eu.script().usual();
    eventually("the rest", async || (stage.edge.count(sent_on).await == 4).then_some(())).await;
}

#[tokio::test]
async fn calls_of_write_keys_that_are_not_listed_pass_and_are_delivered_only_if_that_is_said() {
    for (settings, delivered) in [("", false), ("deliver_unlisted = true", true)] {
        let regions = Regions::set(settings).await;
        let stage = &regions.stage;
        for key in ["eu", "other"] {
            let order = json!({"type": "track", "event": "Order Completed", "userId": "u", "messageId": key, "writeKey": key,
                "properties": {"order_id": key}, "context": {"page": {"search": "?im_ref=abc"}}});
            assert_eq!(stage.track(order).await, 200);
        }
        let other = &stage.segment.wait_for(1).await[0].calls()[0];
        assert_eq!(other["context"]["referrer"]["id"], "abc", "it is enriched all the same");
        let off = other.pointer("/integrations/Impact Partnership Cloud") == Some(&json!(false));
        assert_eq!(off, delivered);
        let recorded = "selvedge_deliveries_total{program=\"us\",endpoint=\"conversions\",outcome=\"recorded\"}";
        assert_eq!(stage.edge.count(recorded).await, if delivered { 2 } else { 1 });
    }
}

const SETTINGS: &str = "/cdp/v1/projects/web/settings";

/// Settings as the CDN has them, with these hosts.
fn settings(api: &str, metrics: &str) -> String {
    format!(
        r#"{{"integrations":{{"Actions Amplitude":{{"versionSettings":{{}}}}, "Segment.io":{{"apiKey":"web","apiHost":"{api}","unbundledIntegrations":[],"retryQueue":true}}}},"plan":{{"track":{{"__default":{{"enabled":true}}}}}},"metrics":{{"sampleRate":0.10,"host":"{metrics}"}},"remotePlugins":[]}}"#
    )
}

fn from_the_cdn(text: impl Into<Vec<u8>>) -> Scripted {
    let answer = Scripted::status(200).body(text).header("Content-Type", "application/json; charset=utf-8");
    let validators = [("ETag", "\"v1\""), ("Content-MD5", "x"), ("Last-Modified", "Tue, 24 Nov 2026 12:00:00 GMT")];
    let answer = validators.into_iter().fold(answer, |answer, (name, value)| answer.header(name, value));
    answer.header("Cache-Control", "public, max-age=120").header("X-Amz-Version-Id", "y")
}

async fn fetch(edge: &Edge, path: &str, host: &str, lines: &str) -> Answer {
    edge.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")).await
}

#[tokio::test]
async fn settings_name_the_place_where_they_were_fetched() {
    let stage = Stage::under(&["shop.example"], |edge| {
        edge.listening("trusted_proxies = [\"127.0.0.1\"]").segment("hosts = [\"events.example\"]")
    })
    .await;
    let original = settings("api.segment.io/v1", "api.segment.io/v1");
    stage.segment.script().always(from_the_cdn(original.as_str()));
    for (path, host, lines, own) in [
        (SETTINGS, "shop.example", "", "shop.example/cdp/v1"),
        (SETTINGS, "Shop.example:8443", "", "Shop.example:8443/cdp/v1"),
        (SETTINGS, "127.0.0.1", "X-Forwarded-Host: www.shop.example\r\n", "www.shop.example/cdp/v1"),
        ("/v1/projects/web/settings", "events.example", "", "events.example/v1"),
        ("/cdp/v1/projects/web/settings/?x=1", "events.example", "", "events.example/cdp/v1"),
    ] {
        let conditions = "If-None-Match: \"v1\"\r\nIf-Modified-Since: Tue, 24 Nov 2026 12:00:00 GMT\r\nRange: bytes=0-5\r\nAccept-Encoding: gzip, br\r\n";
        let answer = fetch(&stage.edge, path, host, &format!("{lines}{conditions}")).await;
        let expected = original.replace("api.segment.io/v1", own);
        assert_eq!((answer.status(), answer.text()), (200, expected.clone()), "{host}{path}");
        let length = expected.len().to_string();
        assert_eq!(answer.fields("content-length"), [length.as_str()]);
        for gone in ["etag", "content-md5", "last-modified", "content-encoding"] {
            assert_eq!(answer.field(gone), None, "{gone}");
        }
        assert_eq!(answer.field("cache-control"), Some("public, max-age=120"));
        assert_eq!(answer.field("content-type"), Some("application/json; charset=utf-8"));
        let asked = stage.segment.seen().pop().unwrap();
        assert_eq!((asked.method.as_str(), asked.header("accept-encoding")), ("GET", Some("identity")));
        for unasked in ["if-none-match", "if-modified-since", "range"] {
            assert_eq!(asked.header(unasked), None, "{unasked}");
        }
        // A HEAD says the same and has no body: the next answer begins right behind it.
        let mut connection = stage.edge.connect().await;
        connection.write(format!("HEAD {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")).await;
        let head = connection.head().await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains(&format!("content-length: {length}")), "{head}");
        assert!(!head.to_lowercase().contains("etag"), "{head}");
        connection.write(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")).await;
        assert_eq!(connection.answer().await.text(), expected);
    }
    assert_eq!(stage.edge.count("selvedge_settings_total{outcome=\"rewritten\"}").await, 15);
}

#[tokio::test]
async fn settings_that_cannot_be_rewritten_pass_as_they_came() {
    let stage = Stage::set().await;
    let foreign = settings("collector.example/v1", "api.segment.io/v1");
    let large = format!("{}{}", settings("api.segment.io/v1", ""), " ".repeat(2_100_000));
    for (outcome, answer, body) in [
        ("not_json", from_the_cdn("{"), "{".as_bytes()),
        ("not_settings", from_the_cdn("{}"), b"{}"),
        ("other_host", from_the_cdn(foreign.as_str()), foreign.as_bytes()),
        ("encoding", from_the_cdn([31, 139, 8]).header("Content-Encoding", "gzip"), &[31, 139, 8]),
        ("too_large", from_the_cdn(large.as_str()), large.as_bytes()),
    ] {
        stage.segment.script().next(answer);
        let got = fetch(&stage.edge, SETTINGS, "shop.example", "").await;
        assert!(got.status() == 200 && got.body == body, "{outcome}: {}", got.head);
        assert_eq!((got.field("etag"), got.field("content-md5")), (Some("\"v1\""), Some("x")), "{outcome}");
        let series = format!("selvedge_settings_total{{outcome=\"{outcome}\"}}");
        assert_eq!(stage.edge.count(&series).await, 1, "{outcome}");
    }
    stage.segment.script().next(Scripted::status(404).body("no such source"));
    let got = fetch(&stage.edge, SETTINGS, "shop.example", "").await;
    assert_eq!((got.status(), got.text().as_str()), (404, "no such source"));
    stage.segment.script().next(Scripted::Close).next(Scripted::Close);
    assert_eq!(fetch(&stage.edge, SETTINGS, "shop.example", "").await.status(), 503);
    // What stands beside the settings is the CDN's own.
    let library = settings("api.segment.io/v1", "api.segment.io/v1");
    for path in ["/cdp/analytics.js/v1/web/analytics.min.js", "/cdp/v1/projects/web/integrations"] {
        stage.segment.script().next(from_the_cdn(library.as_str()));
        assert_eq!(fetch(&stage.edge, path, "shop.example", "").await.text(), library);
    }

    let off = Stage::set_with(|edge| edge.segment("rewrite_settings = false")).await;
    off.segment.script().always(from_the_cdn(library.as_str()));
    let got = fetch(&off.edge, SETTINGS, "shop.example", "Accept-Encoding: br\r\n").await;
    assert_eq!((got.text(), got.field("etag")), (library, Some("\"v1\"")));
    assert_eq!(off.segment.seen()[0].header("accept-encoding"), Some("br"));
}

#[tokio::test]
async fn the_host_that_settings_name_is_where_the_calls_of_their_write_key_go() {
    let regions = Regions::set("").await;
    let stage = &regions.stage;
    let eu = format!("{}/v1", regions.eu.address());
    stage.segment.script().next(from_the_cdn(settings(&eu, &eu)));
    let got = fetch(&stage.edge, SETTINGS, "shop.example", "").await;
    assert_eq!(got.text(), settings("shop.example/cdp/v1", "shop.example/cdp/v1"));
    // A stranger's settings send nobody's calls to a host of their own, and the configuration stands.
    let origin = Origin::start(answers("200 OK", &[], "{}")).await;
    for (key, host) in
        [("stranger", format!("{}/v1", origin.address())), ("eu", format!("{}/v1", stage.segment.address()))]
    {
        stage.segment.script().next(from_the_cdn(settings(&host, &host)));
        fetch(&stage.edge, &format!("/cdp/v1/projects/{key}/settings"), "shop.example", "").await;
    }
    stage.segment.forget();
    for (key, is_eu) in [("web", true), ("stranger", false), ("eu", true), ("third", false)] {
        let before = regions.seen();
        assert_eq!(stage.post("/cdp/v1/t", "", call(key)).await, 200);
        let expected = if is_eu { (before.0, before.1 + 1) } else { (before.0 + 1, before.1) };
        assert_eq!(regions.seen(), expected, "{key}");
    }
}
