//! Where Segment's endpoints are: under the prefix, on hosts of their own, and at a site's root if that is said.

use crate::harness::Stage;

/// Every path that an SDK calls with a body, and whether it takes a batch.
const PATHS: [(&str, bool); 15] = [
    ("t", false),
    ("p", false),
    ("i", false),
    ("g", false),
    ("a", false),
    ("s", false),
    ("track", false),
    ("page", false),
    ("identify", false),
    ("group", false),
    ("alias", false),
    ("screen", false),
    ("b", true),
    ("batch", true),
    ("import", true),
];

/// A call with a click in its URL, as it comes and as it goes on.
const CALL: &str = r#"{"type":"page","context":{"page":{"url":"https://shop.example/?im_ref=abc"}}}"#;
const ENRICHED: &str = r#"{"type":"page","context":{"referrer":{"id":"abc","type":"impactRadius"},"page":{"url":"https://shop.example/?im_ref=abc"}}}"#;

fn request(host: &str, path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn every_path_of_every_sdk_is_taken_under_the_prefix() {
    let stage = Stage::set().await;
    for (name, batch) in PATHS {
        let envelope = |call: &str| if batch { format!(r#"{{"batch":[{call}]}}"#) } else { call.to_owned() };
        for slash in ["", "/"] {
            let seen = stage.forwarded(&format!("/cdp/v1/{name}{slash}"), "", envelope(CALL)).await;
            assert_eq!(seen.path, format!("/v1/{name}{slash}"));
            assert_eq!(String::from_utf8_lossy(&seen.body), envelope(ENRICHED), "{name}{slash}");
        }
    }
    assert_eq!(stage.edge.count(r#"selvedge_calls_total{type="screen",basis="url"}"#).await, 4);
}

#[tokio::test]
async fn metrics_of_the_sdks_pass_unread() {
    let stage = Stage::set().await;
    let lines = "Cookie: im_ref=1.1795521600.-.abc\r\nContent-Type: text/plain\r\n";
    for (path, body) in [("/cdp/v1/m", CALL), ("/cdp/v1/m/", r#"{"series":[{"type":"Counter","metric":"x"}]}"#)] {
        let seen = stage.forwarded(path, lines, body).await;
        assert_eq!((seen.path.as_str(), String::from_utf8_lossy(&seen.body).as_ref()), (&path[4..], body));
        assert_eq!(seen.header("cookie"), None);
    }
    let page = stage.edge.admin("/metrics").await.text();
    assert!(!page.contains("selvedge_calls_total{") && !page.contains("selvedge_envelopes_total{"), "{page}");
}

#[tokio::test]
async fn the_prefix_answers_on_every_host_and_the_site_on_its_own() {
    let mut stage = Stage::under(&["shop.example"], |edge| edge).await;
    let bare = stage.edge.address().to_string();
    for host in ["shop.example", "SHOP.example.:8080", "other.example", "127.0.0.1", "[::1]:80", bare.as_str()] {
        stage.segment.forget();
        assert_eq!(stage.edge.send(request(host, "/cdp/v1/p", CALL)).await.status(), 200, "{host}");
        assert_eq!(stage.segment.seen()[0].body, ENRICHED, "{host}");
    }
    for host in ["other.example", "127.0.0.1", "[::1]:80", bare.as_str()] {
        for path in ["/", "/v1/p", "/cdp", "/cdpx/v1/p"] {
            assert_eq!(stage.edge.send(request(host, path, CALL)).await.status(), 421, "{host}{path}");
        }
    }
    assert!(stage.origin.saw_nothing());
    assert_eq!(stage.edge.send(request("shop.example", "/cdpx/v1/p", CALL)).await.status(), 200);
    assert_eq!(stage.origin.saw().await.body, CALL.as_bytes());
}

#[tokio::test]
async fn a_host_of_its_own_has_the_api_at_its_v1() {
    let settings = "hosts = [\"events.example\"]";
    let mut stage = Stage::under(&["shop.example"], |edge| edge.segment(settings)).await;
    for (host, path) in [
        ("events.example", "/v1/p"),
        ("EVENTS.example:8443", "/v1/page/"),
        ("events.example", "/cdp/v1/p"),
        ("shop.example", "/cdp/v1/p"),
    ] {
        stage.segment.forget();
        assert_eq!(stage.edge.send(request(host, path, CALL)).await.status(), 200, "{host}{path}");
        let seen = &stage.segment.seen()[0];
        assert_eq!(seen.path, path.trim_start_matches("/cdp"));
        assert_eq!(seen.body, ENRICHED, "{host}{path}");
    }
    assert!(stage.origin.saw_nothing());
    // The site's own /v1 stays the site's.
    assert_eq!(stage.edge.send(request("shop.example", "/v1/p", CALL)).await.text(), "hello");
    assert_eq!(stage.origin.saw().await.line(), "POST /v1/p HTTP/1.1");
}

#[tokio::test]
async fn the_root_of_a_site_is_the_origins_unless_it_is_given_away() {
    let given = Stage::under(&["shop.example"], |edge| edge.segment("root_paths = true")).await;
    for (mut stage, is_given) in [(given, true), (Stage::under(&["shop.example"], |edge| edge).await, false)] {
        for (name, batch) in PATHS {
            let body = if batch { format!(r#"{{"batch":[{CALL}]}}"#) } else { CALL.to_owned() };
            stage.segment.forget();
            let answer = stage.edge.send(request("shop.example", &format!("/v1/{name}"), &body)).await;
            let to_segment = answer.text() == r#"{"success":true}"# && stage.segment.seen().len() == 1;
            assert_eq!(to_segment, is_given, "{name}");
            if !is_given {
                assert_eq!(stage.origin.saw().await.body, body.as_bytes());
            }
        }
        let pixel = "GET /v1/pixel/page?data=e30 HTTP/1.1\r\nHost: shop.example\r\n\r\n";
        assert_eq!(stage.edge.send(pixel).await.field("content-type") == Some("image/gif"), is_given);
        // What is none of the API's paths is the origin's either way, and so is nobody's host nobody's.
        assert_eq!(stage.edge.send(request("shop.example", "/v1/orders", "{}")).await.text(), "hello");
        assert_eq!(stage.edge.send(request("other.example", "/v1/p", CALL)).await.status(), 421);
    }
}
