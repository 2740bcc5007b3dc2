//! Stopping: what is in flight is finished, what takes too long is cut.

use crate::harness::{Edge, Origin, answers, soon};
use std::sync::Arc;
use tokio::sync::Semaphore;

#[tokio::test]
async fn a_slow_request_is_finished_and_then_nothing_listens() {
    let (arrived, release) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let gates = (Arc::clone(&arrived), Arc::clone(&release));
    let origin = Origin::scripted(move |connection, _| {
        let (arrived, release) = gates.clone();
        Box::pin(async move {
            arrived.add_permits(1);
            release.acquire().await.unwrap().forget();
            connection.write(answers("200 OK", &[], "late")).await;
            true
        })
    })
    .await;
    let mut edge = Edge::before(&origin).await;
    let address = edge.address();
    let mut idle = edge.connect().await;
    let mut busy = edge.connect().await;
    busy.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    soon("the request", arrived.acquire()).await.unwrap().forget();

    edge.terminate();
    // The idle connection ends at once: the stop has begun.
    assert!(idle.rest().await.is_empty());
    release.add_permits(1);
    let answer = busy.answer().await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "late"));
    assert_eq!(edge.ended().await.code(), Some(0));
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_takes_longer_than_the_grace_time_is_cut() {
    let origin = Origin::scripted(|connection, seen| {
        let tunnel = seen.line().contains("/ws");
        Box::pin(async move {
            if tunnel {
                connection
                    .write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                    .await;
            } else {
                connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
            }
            std::future::pending().await
        })
    })
    .await;
    let mut edge = Edge::start().site(&[], origin.address()).listening("grace = \"200ms\"").run().await;
    let mut tunnel = edge.connect().await;
    tunnel.write("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    tunnel.head().await;
    let mut stuck = edge.connect().await;
    stuck.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    stuck.until(b"half").await;
    edge.terminate();
    assert!(tunnel.rest().await.is_empty());
    assert!(stuck.rest().await.is_empty());
    assert_eq!(edge.ended().await.code(), Some(0));
}
