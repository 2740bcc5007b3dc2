//! Origins that speak HTTP/2.

use crate::harness::{Asked, Authority, Connection, Edge, Origin, Streams, answers, soon, visit};
use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Request, Response};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

const HTTP2: &str = "origin_protocol = \"http2\"";
const ROOM: u32 = 1000;

async fn before(origin: &Streams) -> Edge {
    let edge = Edge::start().site_with(&[], origin.address(), &format!("{HTTP2}\nresponse_timeout = \"500ms\""));
    edge.listening("http2_prior_knowledge = true").run().await
}

async fn hello() -> Streams {
    Streams::scripted(None, ROOM, async |asked: Asked| asked.text("hello")).await
}

fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_visit_by_http1_reaches_an_origin_by_http2() {
    let mut origin = hello().await;
    let edge = before(&origin).await;
    let lines = ["Cookie: a=1; b=2", "TE: trailers", "Connection: TE, X-Mine", "X-Mine: 1", "Keep-Alive: 5"];
    let answer = edge.get("/a%7e//../?q=%20+&im_ref", &lines).await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "hello"));
    let seen = origin.saw().await;
    assert_eq!(seen.uri.to_string(), "http://shop.example/a%7e//../?q=%20+&im_ref");
    for (name, expected) in [
        ("cookie", &["a=1; b=2"][..]),
        ("te", &["trailers"]),
        ("x-forwarded-host", &["shop.example"]),
        ("host", &[]),
        ("connection", &[]),
        ("x-mine", &[]),
        ("keep-alive", &[]),
    ] {
        assert_eq!(values(&seen.headers, name), expected, "{name}");
    }
    let rewriting = Edge::start().site_with(&[], origin.address(), &format!("{HTTP2}\nhost = \"rewrite\""));
    rewriting.run().await.get("/", &[]).await;
    assert_eq!(origin.saw().await.uri.authority().unwrap().as_str(), origin.address().to_string());
}

#[tokio::test]
async fn bodies_and_trailers_stream_both_ways() {
    let origin = Streams::scripted(None, ROOM, async |mut asked: Asked| {
        // What comes goes back piece by piece, the trailers last.
        let head = Response::builder().header("trailer", "x-sum").body(()).unwrap();
        let mut answer = asked.head(head);
        while let Some(data) = asked.body.data().await {
            let data = data.unwrap();
            asked.body.flow_control().release_capacity(data.len()).unwrap();
            answer.send_data(data, false).unwrap();
        }
        answer.send_trailers(asked.body.trailers().await.unwrap().unwrap()).unwrap();
    })
    .await;
    let edge = before(&origin).await;
    let mut visitor = edge.connect().await;
    visitor.write("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    visitor.head().await;
    for piece in ["one", "two"] {
        visitor.write(format!("3\r\n{piece}\r\n")).await;
        visitor.until(format!("3\r\n{piece}\r\n").as_bytes()).await;
    }
    visitor.write("0\r\nX-Sum: 6\r\n\r\n").await;
    assert_eq!(visitor.until(b"\r\n\r\n").await, b"0\r\nx-sum: 6\r\n\r\n");

    let request = Request::post("http://a/").body(()).unwrap();
    let (answer, mut body) = visit(edge.address()).await.send_request(request, false).unwrap();
    let mut answer = soon("a head", answer).await.unwrap().into_body();
    body.send_data(Bytes::from_static(b"one"), false).unwrap();
    assert_eq!(soon("a piece", answer.data()).await.unwrap().unwrap(), "one");
    body.send_trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), "3".parse().unwrap())])).unwrap();
    assert!(soon("the end", answer.data()).await.is_none());
    assert_eq!(answer.trailers().await.unwrap().unwrap()["x-sum"], "3");
}

#[tokio::test]
async fn over_tls_the_origin_picks() {
    let authority = Authority::new();
    let tls = authority.server(&["h2", "http/1.1"]);
    let mut both = Streams::scripted(Some(tls), ROOM, async |asked: Asked| asked.text("by http/2")).await;
    let edge = Edge::start().site_over_tls(both.address(), &authority, "").run().await;
    for _ in 0..2 {
        assert_eq!(edge.get("/", &[]).await.text(), "by http/2");
        assert_eq!(both.saw().await.uri.to_string(), "https://shop.example/");
    }
    assert_eq!(both.connections(), 1);

    for (protocols, lines) in [(&["http/1.1"][..], ""), (&[], ""), (&["h2", "http/1.1"], "origin_protocol = \"http1\"")]
    {
        let plain = Origin::start(answers("200 OK", &[], "by http/1.1")).await;
        let address = before_tls(&authority, protocols, plain).await;
        let edge = Edge::start().site_over_tls(address, &authority, lines).run().await;
        for _ in 0..2 {
            assert_eq!(edge.get("/", &[]).await.text(), "by http/1.1", "{protocols:?} {lines}");
        }
    }
    // Nobody trusts this one.
    let stranger = Authority::new();
    let tls = stranger.server(&["h2"]);
    let origin = Streams::scripted(Some(tls), ROOM, async |asked: Asked| asked.text("secrets")).await;
    let edge = Edge::start().site_over_tls(origin.address(), &authority, "").run().await;
    assert_eq!(edge.get("/", &[]).await.status(), 502);
}

#[tokio::test]
async fn an_upgrade_goes_by_http1_to_an_origin_that_would_pick_http2() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let authority = Authority::new();
    let address = before_tls(&authority, &["h2", "http/1.1"], Origin::closing(switch).await).await;
    let edge = Edge::start().site_over_tls(address, &authority, "").run().await;
    let upgrade = ["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"];
    assert_eq!(edge.get("/", &upgrade).await.status(), 101);
    // By HTTP/2 alone there is none: it is an ordinary visit.
    let mut origin = hello().await;
    assert_eq!(before(&origin).await.get("/", &upgrade).await.text(), "hello");
    assert!(!origin.saw().await.headers.contains_key("upgrade"));
}

/// Ends TLS before an origin.
async fn before_tls(authority: &Authority, protocols: &[&str], origin: Origin) -> std::net::SocketAddr {
    let tls = TlsAcceptor::from(Arc::new(authority.server(protocols)));
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = socket.accept().await.unwrap();
            let (tls, origin) = (tls.clone(), origin.address());
            tokio::spawn(async move {
                let Ok(mut near) = tls.accept(stream).await else { return };
                let mut far = tokio::net::TcpStream::connect(origin).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
            });
        }
    });
    address
}

#[tokio::test]
async fn what_was_not_processed_is_sent_again_and_nothing_else() {
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (reason, request, status, sent) in [
        (Reason::REFUSED_STREAM, post, 200, 2),
        (Reason::REFUSED_STREAM, get, 200, 2),
        (Reason::INTERNAL_ERROR, post, 502, 1),
        (Reason::CANCEL, post, 502, 1),
        (Reason::INTERNAL_ERROR, get, 200, 2),
    ] {
        let mut origin = Streams::scripted(None, ROOM, move |asked: Asked| async move {
            match asked.number {
                1 => asked.reset(reason),
                _ => asked.text("hello"),
            }
        })
        .await;
        let edge = before(&origin).await;
        assert_eq!(edge.send(request).await.status(), status, "{reason:?} {request}");
        for _ in 0..sent {
            origin.saw().await;
        }
        assert!(origin.saw_nothing(), "{reason:?} {request}");
    }
    // One that refuses for ever is not asked for ever.
    let mut origin = Streams::scripted(None, ROOM, async |asked: Asked| asked.reset(Reason::REFUSED_STREAM)).await;
    let edge = before(&origin).await;
    assert_eq!(edge.send(get).await.status(), 502);
    for _ in 0..4 {
        origin.saw().await;
    }
    assert!(origin.saw_nothing());
}

#[tokio::test]
async fn an_origin_that_goes_away_finishes_and_others_go_elsewhere() {
    let gate = Arc::new(Semaphore::new(0));
    let released = Arc::clone(&gate);
    let mut origin = Streams::scripted(None, ROOM, move |asked: Asked| {
        let released = Arc::clone(&released);
        async move {
            if asked.number == 1 {
                asked.goodbye();
                drop(released.acquire().await);
            }
            asked.text("hello");
        }
    })
    .await;
    let edge = before(&origin).await;
    let mut first = edge.connect().await;
    first.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.saw().await;
    for _ in 0..3 {
        assert_eq!(edge.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await.text(), "hello");
    }
    gate.add_permits(1);
    assert_eq!(first.answer().await.text(), "hello");
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn more_requests_than_a_connection_takes_have_more_connections() {
    let gate = Arc::new(Semaphore::new(0));
    let released = Arc::clone(&gate);
    let mut origin = Streams::scripted(None, 3, move |asked: Asked| {
        let released = Arc::clone(&released);
        async move {
            released.acquire().await.unwrap().forget();
            asked.text("hello");
        }
    })
    .await;
    let edge = before(&origin).await;
    // The first brings the origin's own limit along.
    let mut visitors: Vec<Connection> = Vec::new();
    for _ in 0..7 {
        let mut visitor = edge.connect().await;
        visitor.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        visitors.push(visitor);
        origin.saw().await;
    }
    gate.add_permits(7);
    for mut visitor in visitors {
        assert_eq!(visitor.answer().await.text(), "hello");
    }
    assert!((2..=4).contains(&origin.connections()), "{}", origin.connections());
}

#[tokio::test]
async fn a_truncated_body_is_never_delivered_as_whole() {
    for (length, reason) in [
        (Some("10"), None),
        (Some("10"), Some(Reason::NO_ERROR)),
        (None, Some(Reason::NO_ERROR)),
        (None, Some(Reason::CANCEL)),
        (None, Some(Reason::INTERNAL_ERROR)),
    ] {
        let origin = Streams::scripted(None, ROOM, move |mut asked: Asked| async move {
            let mut head = Response::builder();
            if let Some(length) = length {
                head = head.header("content-length", length);
            }
            let mut answer = asked.head(head.body(()).unwrap());
            answer.send_data(Bytes::from_static(b"five!"), reason.is_none()).unwrap();
            if let Some(reason) = reason {
                // The reset would overtake what waits.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                answer.send_reset(reason);
            }
        })
        .await;
        let edge = before(&origin).await;
        let mut visitor = edge.connect().await;
        visitor.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let got = String::from_utf8(visitor.rest().await).unwrap();
        assert!(!got.ends_with("0\r\n\r\n"), "{length:?} {reason:?}: {got}");
        assert!(length.is_none() || !got.contains("200 OK") || got.contains("content-length: 10"), "{got}");
        let request = Request::get("http://a/").body(()).unwrap();
        let (answer, _) = visit(edge.address()).await.send_request(request, true).unwrap();
        let outcome = match soon("a head", answer).await {
            Ok(answer) => crate::harness::read_stream(&mut answer.into_body()).await.map(drop),
            Err(error) => Err(error),
        };
        assert!(outcome.is_err(), "{length:?} {reason:?}");
    }
}

#[tokio::test]
async fn whose_fault_it_is() {
    // The visitor's.
    let origin = Streams::scripted(None, ROOM, async |mut asked: Asked| {
        while asked.body.data().await.is_some_and(|data| data.is_ok()) {}
        asked.text("never");
    })
    .await;
    let edge = before(&origin).await;
    let bad = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n";
    assert_eq!(edge.send(bad).await.status(), 400);
    // The origin's: it is silent, it is not there, it speaks something else.
    let silent = Streams::scripted(None, ROOM, async |asked: Asked| {
        std::future::pending::<()>().await;
        drop(asked);
    })
    .await;
    assert_eq!(before(&silent).await.get("/", &[]).await.status(), 504);
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let away = Edge::start().site_with(&[], free, HTTP2).run().await;
    assert_eq!(away.get("/", &[]).await.status(), 502);
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = other.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = other.accept().await {
            stream.write_all(&answers("400 Bad Request", &[], "what?")).await.unwrap();
        }
    });
    let strange = Edge::start().site_with(&[], address, HTTP2).run().await;
    assert_eq!(strange.get("/", &[]).await.status(), 502);
}
