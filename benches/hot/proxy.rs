//! What forwarding a request costs before a byte of it is sent: whose it is, where it goes, and the fields that go with it.

use divan::{Bencher, black_box};
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use selvedge::click::hygiene::is_bot;
use selvedge::config;
use selvedge::proxy::forwarded::{Peer, introduce};
use selvedge::proxy::headers::{check_framing, check_loop, ready_request, ready_response};
use selvedge::proxy::host::Host;
use selvedge::proxy::route::{Route, Routes};
use selvedge::proxy::site::Served;
use selvedge::secret::Secrets;
use std::path::Path;

/// What a browser sends with a request for a document.
const REQUEST: &[(&str, &str)] = &[
    ("host", "www.shop.example"),
    ("connection", "keep-alive"),
    ("sec-ch-ua", r#""Chromium";v="141", "Not?A_Brand";v="8""#),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", r#""macOS""#),
    ("upgrade-insecure-requests", "1"),
    ("user-agent", BROWSER),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("sec-fetch-site", "none"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-user", "?1"),
    ("sec-fetch-dest", "document"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
    ("cookie", "_ga=GA1.1.1362859401.1795000000; cart=ck-7; session=Zm9vYmFyYmF6cXV4"),
];

/// What a shop answers with.
const ANSWER: &[(&str, &str)] = &[
    ("server", "shop"),
    ("date", "Tue, 24 Nov 2026 08:15:30 GMT"),
    ("content-type", "text/html; charset=utf-8"),
    ("connection", "keep-alive"),
    ("keep-alive", "timeout=65"),
    ("transfer-encoding", "chunked"),
    ("cache-control", "private, no-cache"),
    ("vary", "Accept-Encoding"),
    ("content-encoding", "gzip"),
    ("x-frame-options", "SAMEORIGIN"),
];

const BROWSER: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";

const CRAWLER: &str = "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)";

/// A site's page, and a call under Segment's prefix.
#[divan::bench(sample_size = 1000, args = ["/products/scarf-no-1", "/cdp/v1/t"])]
fn find_a_route(bencher: Bencher, path: &str) {
    let routes = routes();
    let is_call = |path| matches!(routes.find(black_box("www.shop.example"), black_box(path)), Route::Call { .. });
    assert_eq!(is_call(path), path.starts_with("/cdp"));
    bencher.bench_local(|| is_call(path));
}

/// The first has to be read to its end.
#[divan::bench(sample_size = 100, args = ["a browser", "a crawler"])]
fn judge_a_user_agent(bencher: Bencher, whose: &str) {
    let agent = if whose == "a browser" { BROWSER } else { CRAWLER };
    assert_eq!(is_bot(agent.as_bytes(), &[]), agent == CRAWLER);
    bencher.bench_local(|| is_bot(black_box(agent.as_bytes()), &[]));
}

/// That it is one request and not in a circle, and what goes on of its fields.
#[divan::bench(sample_size = 100)]
fn ready_a_request(bencher: Bencher) {
    let came = fields(REQUEST);
    bencher.with_inputs(|| came.clone()).bench_local_values(|mut headers| {
        check_framing(&headers).and_then(|()| check_loop(&headers)).unwrap();
        ready_request(&mut headers, Version::HTTP_11);
        headers
    });
}

#[divan::bench(sample_size = 100)]
fn ready_an_answer(bencher: Bencher) {
    let came = fields(ANSWER);
    bencher.with_inputs(|| came.clone()).bench_local_values(|mut headers| {
        ready_response(&mut headers);
        headers
    });
}

/// The visitor itself, or one behind a balancer that is believed.
#[divan::bench(sample_size = 100, args = ["a stranger", "a balancer"])]
fn introduce_the_visitor(bencher: Bencher, peer: &str) {
    let mut came = fields(REQUEST);
    if peer == "a balancer" {
        came.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.7"));
        came.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    }
    let address = if peer == "a balancer" { "10.0.0.1:9" } else { "192.0.2.1:9" };
    let (peer, trusted) = (Peer::new(address.parse().unwrap(), None), ["10.0.0.0/8".parse().unwrap()]);
    bencher
        .with_inputs(|| (came.clone(), Host::parse(&came["host"]).unwrap()))
        .bench_local_values(|(mut headers, host)| (introduce(&mut headers, &peer, host, &trusted), headers));
}

fn fields(listed: &[(&'static str, &'static str)]) -> HeaderMap {
    let field =
        |(name, value): &(&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let fields: HeaderMap = listed.iter().map(field).collect();
    assert!(listed.len() == fields.len() && (fields.contains_key(USER_AGENT) || fields.contains_key("server")));
    fields
}

/// Two sites, one of them by its names, and Segment under its prefix.
fn routes() -> Routes {
    let text = "[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:3000\"\n[[site]]\n\
        hosts = [\"www.shop.example\", \"shop.example\"]\norigin = \"http://127.0.0.1:3001\"\n";
    let config = config::parse(text, "bench.toml", Path::new(""), Secrets::Optional).unwrap().config;
    let sites = config.sites.into_iter().map(|site| Served::new(site, &config.trust).unwrap());
    Routes::new(sites.collect(), &config.segment)
}
