//! Bytes that come one by one, and connections that become something else.

use crate::harness::{Edge, Origin, read_stream, soon, visit};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n";

#[tokio::test]
async fn events_arrive_one_by_one() {
    let next = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&next);
    let origin = Origin::scripted(move |connection, _| {
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            connection
                .write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
                .await;
            for event in ["one", "two", "six"] {
                connection.write(format!("b\r\ndata: {event}\n\n\r\n")).await;
                gate.acquire().await.unwrap().forget();
            }
            connection.write("0\r\n\r\n").await;
            true
        })
    })
    .await;
    let edge = Edge::before(&origin).await;
    let mut connection = edge.connect().await;
    connection.write("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
    connection.head().await;
    for event in ["one", "two", "six"] {
        // The origin sends the next event only after this one has arrived.
        connection.until(format!("data: {event}\n\n").as_bytes()).await;
        next.add_permits(1);
    }
    connection.until(b"0\r\n\r\n").await;
}

#[tokio::test]
async fn trailers_of_http1_pass_to_whoever_takes_them() {
    let head = "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut origin = Origin::start(format!("{head}3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n")).await;
    let edge = Edge::start().site(&[], origin.address()).listening("http2_prior_knowledge = true").run().await;
    for (asks, ends) in [("TE: trailers\r\nConnection: te\r\n", "0\r\nx-sum: 3\r\n\r\n"), ("", "0\r\n\r\n")] {
        let mut connection = edge.connect().await;
        connection.write(format!("GET / HTTP/1.1\r\nHost: a\r\n{asks}\r\n")).await;
        connection.head().await;
        assert_eq!(connection.until(b"\r\n\r\n").await, format!("3\r\nabc\r\n{ends}").as_bytes());
        assert_eq!(origin.saw().await.fields("te"), if asks.is_empty() { vec![] } else { vec!["trailers"] });
    }
    let request = http::Request::get("http://a/").header("te", "trailers").body(()).unwrap();
    let (answer, _) = visit(edge.address()).await.send_request(request, true).unwrap();
    let (body, trailers) = read_stream(&mut soon("a head", answer).await.unwrap().into_body()).await.unwrap();
    assert_eq!((body.as_slice(), &trailers.unwrap()["x-sum"]), (&b"abc"[..], &"3".parse().unwrap()));
    assert_eq!(origin.saw().await.fields("te"), ["trailers"]);
}

/// An origin that switches protocols and then sends back what it gets.
async fn echo() -> Origin {
    Origin::scripted(|connection, _| {
        Box::pin(async move {
            connection.write(SWITCH).await;
            let (mut read, mut write) = connection.stream().split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
            false
        })
    })
    .await
}

#[tokio::test]
async fn a_websocket_becomes_a_tunnel() {
    let mut origin = echo().await;
    let edge = Edge::before(&origin).await;
    let mut connection = edge.connect().await;
    connection.write(UPGRADE).await;
    let head = connection.head().await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(
        head.contains("upgrade: websocket")
            && head.contains("connection: upgrade")
            && head.contains("sec-websocket-accept: y"),
        "{head}"
    );
    for word in [&b"hallo"[..], b"\x00\xff binary", &[7; 100_000]] {
        let (mut read, mut write) = connection.stream().split();
        let mut back = vec![0; word.len()];
        let (sent, received) =
            soon("the echo", async { tokio::join!(write.write_all(word), read.read_exact(&mut back)) }).await;
        sent.unwrap();
        received.unwrap();
        assert_eq!(back, word);
    }
    // The origin records a request only when its conversation is over: the end passes through as well.
    connection.stream().shutdown().await.unwrap();
    assert!(connection.rest().await.is_empty());
    let seen = origin.saw().await;
    assert_eq!(seen.fields("upgrade"), ["websocket"]);
    assert_eq!(seen.fields("connection"), ["upgrade"]);
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_no_answer() {
    let origin = echo().await;
    let edge = Edge::before(&origin).await;
    assert_eq!(edge.get("/", &[]).await.status(), 502);
    assert_eq!(edge.get("/", &["Connection: upgrade", "Upgrade: h2c"]).await.status(), 502);
}
