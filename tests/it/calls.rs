//! Whose calls they are: which fields of a request Segment gets to see, and which it never does.

use crate::harness::Stage;
use selvedge::demo::Seen;

const CALL: &str = r#"{"type":"page","writeKey":"in-the-body"}"#;

/// Everything that a browser, its extensions and the proxies before us may send.
const MANY_FIELDS: &str = "Accept: */*\r\n\
    Accept-Encoding: gzip, br\r\n\
    Accept-Language: de\r\n\
    Authorization: Basic a2V5Og==\r\n\
    Baggage: a=b\r\n\
    CDN-Loop: other\r\n\
    CF-Connecting-IP: 6.6.6.6\r\n\
    Content-Type: text/plain\r\n\
    Cookie: session=s3cret; im_ref=1.1795521600.-.abc\r\n\
    DNT: 1\r\n\
    Forwarded: for=6.6.6.6\r\n\
    If-None-Match: \"x\"\r\n\
    Origin: https://shop.example\r\n\
    Proxy-Authorization: Basic dTpw\r\n\
    Referer: https://shop.example/?token=s3cret\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    TE: trailers\r\n\
    Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
    Tracestate: a=b\r\n\
    True-Client-IP: 6.6.6.6\r\n\
    User-Agent: Mozilla/5.0\r\n\
    Via: 1.1 x\r\n\
    X-Api-Key: s3cret\r\n\
    X-CSRF-Token: s3cret\r\n\
    X-Forwarded-For: 6.6.6.6\r\n\
    X-Forwarded-Host: evil.example\r\n\
    X-Forwarded-Proto: https\r\n\
    X-Real-IP: 6.6.6.6\r\n\
    X-Requested-With: XMLHttpRequest\r\n\
    X-Retry-Count: 2\r\n";

fn fields(seen: &Seen) -> Vec<String> {
    let mut fields: Vec<_> = seen.headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
    fields.sort();
    fields
}

#[tokio::test]
async fn segment_sees_a_few_fields_of_a_browser_and_one_address() {
    let stage = Stage::set().await;
    let host = format!("host: {}", stage.segment.address());
    for path in ["/cdp/v1/p", "/cdp/v1/m", "/cdp/v1/anything"] {
        stage.segment.script().next(selvedge::demo::Answer::status(200));
        let seen = stage.forwarded(path, MANY_FIELDS, r#"{"type":"page","context":7}"#).await;
        let expected = [
            "accept-encoding: gzip, br",
            "accept: */*",
            "authorization: Basic a2V5Og==",
            "content-length: 27",
            "content-type: text/plain",
            &host,
            "origin: https://shop.example",
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "user-agent: Mozilla/5.0",
            "x-forwarded-for: 127.0.0.1",
            "x-retry-count: 2",
        ];
        assert_eq!(fields(&seen), expected, "{path}");
    }
}

#[tokio::test]
async fn a_server_has_no_address_to_be_told() {
    let stage = Stage::set().await;
    let lines = "Content-Type: application/json\r\nUser-Agent: analytics-python/2\r\nX-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n";
    let seen = stage.forwarded("/cdp/v1/page", lines, CALL).await;
    let host = format!("host: {}", stage.segment.address());
    let length = format!("content-length: {}", CALL.len());
    assert_eq!(
        fields(&seen),
        [&length, "content-type: application/json", &host, "user-agent: analytics-python/2"].map(str::to_owned)
    );
}

#[tokio::test]
async fn keys_go_on_and_logins_and_cookies_stay() {
    let stage = Stage::set().await;
    for (line, goes_on) in [
        ("Basic a2V5Og==", true), // key:
        ("basic a2V5", true),     // key
        ("Bearer eyJhbGciOi.x.y", true),
        ("Basic dXNlcjpwYXNz", false), // user:pass
        ("Basic OnBhc3M=", false),     // :pass
        ("Basic ???", false),
        ("Digest username=\"x\"", false),
        ("Negotiate abc", false),
    ] {
        let lines = format!("Authorization: {line}\r\nCookie: session=s3cret\r\nCookie: ajs_user_id=1\r\n");
        let seen = stage.forwarded("/cdp/v1/page", &lines, CALL).await;
        assert_eq!(seen.header("authorization"), goes_on.then_some(line), "{line}");
        assert_eq!(seen.header("cookie"), None);
        assert_eq!(seen.body, CALL, "{line}");
    }
}

#[tokio::test]
async fn behind_a_balancer_the_visitor_is_the_balancers_and_the_cookies_are_secure() {
    let stage = Stage::set_with(|edge| edge.listening("trusted_proxies = [\"127.0.0.0/8\"]")).await;
    let balancer =
        "X-Forwarded-For: 6.6.6.6, 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: www.shop.example\r\n";
    let lines = format!("{balancer}Origin: https://www.shop.example\r\nSec-Fetch-Site: same-origin\r\n");
    let call = r#"{"type":"page","context":{"page":{"url":"https://www.shop.example/?im_ref=abc"}}}"#;
    let answer = stage.call("/cdp/v1/p", &lines, call).await;
    let cookies = answer.fields("set-cookie");
    assert!(cookies[0].starts_with("im_ref=1.") && cookies[0].contains("; Secure"), "{cookies:?}");
    assert!(cookies[0].contains("; Domain=shop.example"), "{cookies:?}");
    let seen = &stage.segment.seen()[0];
    let addresses: Vec<_> = seen.headers.get_all("x-forwarded-for").iter().collect();
    assert_eq!(addresses, ["192.0.2.7"]);

    let landing = stage
        .edge
        .send(format!("GET /?im_ref=abc HTTP/1.1\r\nHost: shop.example\r\nAccept: text/html\r\n{balancer}\r\n"))
        .await;
    assert!(landing.fields("set-cookie")[0].contains("; Secure"), "{:?}", landing.head);
    // What a stranger says of himself is not believed.
    let stranger = Stage::set().await;
    let answer = stranger.call("/cdp/v1/p", &lines, call).await;
    assert!(!answer.fields("set-cookie")[0].contains("Secure"), "{}", answer.head);
    assert_eq!(stranger.segment.seen()[0].header("x-forwarded-for"), Some("127.0.0.1"));
}
