//! How many visitors at once, and how long each may take.

use crate::harness::{Connection, Edge, Origin, Starting, answers, eventually, shake_hands, soon};
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn limited(origin: &Origin, limits: &str) -> Starting {
    Edge::start().site(&[], origin.address()).with(&format!("[limits]\n{limits}"))
}

async fn hello() -> Origin {
    Origin::start(answers("200 OK", &[], "hello")).await
}

/// Waits until the other side has closed.
async fn is_closed(stream: &mut TcpStream) {
    let mut rest = [0; 1024];
    soon("the end of the connection", async { while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {} }).await;
}

#[tokio::test]
async fn at_the_limit_new_connections_are_closed_and_the_others_served() {
    let origin = hello().await;
    for (limits, metric) in [
        ("connections = 2\nconnections_per_client = 9", r#"selvedge_connections_refused_total{limit="all"}"#),
        ("connections = 9\nconnections_per_client = 2", r#"selvedge_connections_refused_total{limit="client"}"#),
    ] {
        let edge = limited(&origin, limits).await.run().await;
        let mut first = edge.connect().await;
        let second = edge.connect().await;
        eventually("both", async || (edge.count("selvedge_connections").await == 2).then_some(())).await;
        is_closed(edge.connect().await.stream()).await;
        assert_eq!(edge.count(metric).await, 1);
        first.write(REQUEST).await;
        assert_eq!(first.answer().await.text(), "hello");
        drop(second);
        eventually("a place", async || (edge.count("selvedge_connections").await == 1).then_some(())).await;
        assert_eq!(edge.send(REQUEST).await.text(), "hello");
    }
}

#[tokio::test]
async fn what_takes_too_long_is_cut_and_what_does_not_is_not() {
    let origin = hello().await;
    let edge = limited(&origin, "idle = \"600ms\"\nhead = \"300ms\"\nhandshake = \"300ms\"").await;
    let (edge, authority) = edge.secured(&[&["shop.example"]]);
    let edge = edge.run().await;
    // It has said nothing; it has said half a head; it has not shaken hands to the end.
    let mut silent = edge.connect().await;
    let mut slow = edge.connect().await;
    slow.write("GET / HTTP/1.1\r\nHo").await;
    let mut unshaken = TcpStream::connect(edge.secure_address()).await.unwrap();
    unshaken.write_all(&[0x16, 3, 1]).await.unwrap();
    let client = authority.client(&[&TLS13], &["h2"]);
    let mut speechless = shake_hands(client, edge.secure_address(), "shop.example").await.unwrap();
    // Meanwhile others come and go.
    let mut lively = edge.connect().await;
    for _ in 0..8 {
        lively.write(REQUEST).await;
        assert_eq!(lively.answer().await.text(), "hello");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    is_closed(silent.stream()).await;
    is_closed(slow.stream()).await;
    is_closed(&mut unshaken).await;
    let mut rest = vec![];
    drop(soon("the end of the connection", speechless.read_to_end(&mut rest)).await);
    lively.write(REQUEST).await;
    assert_eq!(lively.answer().await.text(), "hello");
}

#[tokio::test]
async fn an_answer_that_takes_its_time_is_no_silence() {
    let origin = Origin::scripted(|connection, _| {
        Box::pin(async move {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            connection.write(answers("200 OK", &[], "late")).await;
            true
        })
    })
    .await;
    let edge = limited(&origin, "idle = \"100ms\"\nhead = \"100ms\"").await.run().await;
    assert_eq!(edge.send(REQUEST).await.text(), "late");
}

#[tokio::test]
async fn who_does_not_read_is_cut() {
    let origin = Origin::start(answers("200 OK", &[], &"x".repeat(32 << 20))).await;
    let edge = limited(&origin, "unread = \"200ms\"").await.run().await;
    let mut deaf = edge.connect().await;
    deaf.write(REQUEST).await;
    eventually("the end of it", async || (edge.count("selvedge_connections").await == 0).then_some(())).await;
    // What was on its way already still comes, but not all of it.
    let mut read = 0;
    let mut piece = vec![0; 1 << 16];
    while let Ok(more @ 1..) = deaf.stream().read(&mut piece).await {
        read += more;
    }
    assert!(read < 32 << 20, "{read}");
}

#[tokio::test]
async fn a_connection_ends_with_its_last_request_or_at_its_age() {
    let origin = hello().await;
    let edge = limited(&origin, "requests = 2").await.run().await;
    let mut connection: Connection = edge.connect().await;
    connection.write(REQUEST).await;
    assert_eq!(connection.answer().await.field("connection"), None);
    connection.write(REQUEST).await;
    assert_eq!(connection.answer().await.text(), "hello");
    is_closed(connection.stream()).await;

    let edge = limited(&origin, "age = \"200ms\"\nidle = \"100ms\"").await.run().await;
    let mut connection: Connection = edge.connect().await;
    let mut answered = 0;
    let ends = async {
        loop {
            if connection.stream().write_all(REQUEST.as_bytes()).await.is_err() {
                return;
            }
            match connection.stream().read(&mut [0; 4096]).await {
                Ok(1..) => answered += 1,
                _ => return,
            }
        }
    };
    soon("the end of an old connection", ends).await;
    assert!(answered > 2, "{answered}");
}
