//! What reaches the origin, and what the visitor gets.

use crate::harness::{Edge, Origin, answers};

#[tokio::test]
async fn the_target_reaches_the_origin_to_the_byte() {
    let mut origin = Origin::start(answers("200 OK", &[], "hi")).await;
    let edge = Edge::before(&origin).await;
    for target in ["/", "//a%7e/../?q=%20+&im_ref", "/?", "/a//b/./c?x=1?y=2&&", "/%C3%BC%zz;p=1"] {
        let answer = edge.get(target, &[]).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "hi"), "{target}");
        assert_eq!(origin.saw().await.line(), format!("GET {target} HTTP/1.1"));
    }
}

#[tokio::test]
async fn fields_pass_both_ways_as_often_and_as_odd_as_they_are() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Odd: caf\xe9\r\nVary: a\r\nVary: b\r\n\r\n";
    let mut origin = Origin::start(*head).await;
    let edge = Edge::before(&origin).await;
    let answer = edge.send(b"GET / HTTP/1.1\r\nHost: shop.example\r\nX-A: 1\r\nX-A: 2\r\nX-Odd: \xfc\xff\r\nCookie: a=1; b=\"2\"\r\n\r\n").await;
    assert_eq!(answer.fields("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.fields("vary"), ["a", "b"]);
    assert_eq!(answer.field("x-odd"), Some("café"));
    assert!(answer.field("via").is_none());
    let seen = origin.saw().await;
    assert_eq!(seen.fields("x-a"), ["1", "2"]);
    assert_eq!(seen.fields("x-odd"), ["\u{fc}\u{ff}"]);
    assert_eq!(seen.fields("cookie"), ["a=1; b=\"2\""]);
    assert_eq!(seen.fields("host"), ["shop.example"]);
    assert_eq!(seen.fields("cdn-loop"), ["selvedge"]);
    assert!(seen.fields("via").is_empty());
}

#[tokio::test]
async fn fields_of_one_hop_stay_there() {
    let lines = ["Connection: keep-alive, X-Inner", "Keep-Alive: timeout=5", "X-Inner: 1", "X-Outer: 2"];
    let mut origin = Origin::start(answers("200 OK", &lines, "")).await;
    let edge = Edge::before(&origin).await;
    let asked = [
        "Connection: keep-alive, X-Mine",
        "X-Mine: 1",
        "Keep-Alive: 5",
        "TE: gzip",
        "Proxy-Connection: x",
        "Upgrade: h2c",
        "X-Kept: 3",
    ];
    let answer = edge.get("/", &asked).await;
    for gone in ["connection", "keep-alive", "x-inner"] {
        assert!(answer.field(gone).is_none(), "{gone}");
    }
    assert_eq!(answer.field("x-outer"), Some("2"));
    let seen = origin.saw().await;
    for gone in ["connection", "x-mine", "keep-alive", "te", "proxy-connection", "upgrade"] {
        assert!(seen.fields(gone).is_empty(), "{gone}");
    }
    assert_eq!(seen.fields("x-kept"), ["3"]);
}

#[tokio::test]
async fn strangers_are_not_believed_and_trusted_proxies_are() {
    let lines = [
        "X-Forwarded-For: 192.0.2.7",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: x.example",
        "X-Real-IP: 192.0.2.7",
    ];
    let mut origin = Origin::start(answers("200 OK", &[], "")).await;
    let stranger = Edge::before(&origin).await;
    stranger.get("/", &lines).await;
    let seen = origin.saw().await;
    assert_eq!(seen.fields("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.fields("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.fields("x-forwarded-host"), ["shop.example"]);
    assert!(seen.fields("x-real-ip").is_empty());

    let trusted =
        Edge::start().site(&[], origin.address()).listening("trusted_proxies = [\"127.0.0.0/8\"]").run().await;
    trusted.get("/", &lines).await;
    let seen = origin.saw().await;
    assert_eq!(seen.fields("x-forwarded-for"), ["192.0.2.7", "127.0.0.1"]);
    assert_eq!(seen.fields("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.fields("x-forwarded-host"), ["x.example"]);
    assert_eq!(seen.fields("x-real-ip"), ["192.0.2.7"]);
}

#[tokio::test]
async fn a_circle_is_noticed() {
    let mut origin = Origin::start(answers("200 OK", &[], "")).await;
    let edge = Edge::before(&origin).await;
    assert_eq!(edge.get("/", &["CDN-Loop: other, selvedge"]).await.status(), 508);
    assert!(origin.saw_nothing());
    assert_eq!(edge.get("/", &["CDN-Loop: other"]).await.status(), 200);
    assert_eq!(origin.saw().await.fields("cdn-loop"), ["other", "selvedge"]);

    // An edge that is its own origin's edge answers, and does not turn for ever.
    let inner = Edge::start().site(&[], origin.address()).run().await;
    let outer = Edge::start().site(&[], inner.address()).run().await;
    assert_eq!(outer.get("/", &[]).await.status(), 508);
}

#[tokio::test]
async fn sites_are_chosen_by_host() {
    let (one, two) =
        (Origin::start(answers("200 OK", &[], "one")).await, Origin::start(answers("200 OK", &[], "two")).await);
    let edge = Edge::start()
        .site(&["one.example"], one.address())
        .site(&["two.example", "deux.example"], two.address())
        .run()
        .await;
    for (host, status, body) in [
        ("one.example", 200, "one"),
        ("TWO.example:8080", 200, "two"),
        ("deux.example.", 200, "two"),
        ("three.example", 421, "421 "),
    ] {
        let answer = edge.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(answer.status(), status, "{host}");
        assert!(answer.text().starts_with(body), "{host}: {}", answer.text());
    }
}

#[tokio::test]
async fn the_origin_may_want_its_own_host() {
    let mut origin = Origin::start(answers("200 OK", &[], "")).await;
    let edge = Edge::start().site_with(&[], origin.address(), "host = \"rewrite\"").run().await;
    edge.get("/", &[]).await;
    let seen = origin.saw().await;
    assert_eq!(seen.fields("host"), [origin.address().to_string()]);
    assert_eq!(seen.fields("x-forwarded-host"), ["shop.example"]);
}

#[tokio::test]
async fn an_origin_that_is_away_is_said_so_with_an_id() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let away = Edge::start().site(&[], free).run().await;
    let silent = Origin::scripted(|_, _| Box::pin(std::future::pending())).await;
    let slow = Edge::start().site_with(&[], silent.address(), "response_timeout = \"200ms\"").run().await;
    let garbage = Origin::closing("SSH-2.0-OpenSSH\r\n\r\n").await;
    let mut mute = Origin::closing("").await;
    for (edge, status) in
        [(away, 502), (slow, 504), (Edge::before(&garbage).await, 502), (Edge::before(&mute).await, 502)]
    {
        let answer = edge.get("/", &[]).await;
        assert_eq!(answer.status(), status);
        let id = answer.field("x-request-id").unwrap();
        assert_eq!(id.len(), 36);
        assert!(answer.text().contains(id) && answer.body.len() < 200, "{}", answer.text());
        assert!(edge.log().contains(id), "{}", edge.log());
    }
    // A GET that got no answer was sent once more; a POST may have done something, and was not.
    mute.saw().await;
    mute.saw().await;
    let edge = Edge::before(&mute).await;
    assert_eq!(edge.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await.status(), 502);
    assert_eq!(mute.saw().await.body, b"hi");
    assert!(mute.saw_nothing());
}
