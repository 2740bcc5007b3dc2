//! One request in, one request out; one answer in, one answer out.

use crate::harness::{Edge, Origin, answers};
use std::sync::Arc;
use tokio::sync::Semaphore;

#[tokio::test]
async fn what_no_two_parsers_read_alike_is_refused_and_the_connection_closed() {
    let mut origin = Origin::start(answers("200 OK", &[], "")).await;
    let edge = Edge::before(&origin).await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\nxx", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nxx", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ] {
        let mut connection = edge.connect().await;
        connection.write(request).await;
        assert_eq!(connection.answer().await.status(), status, "{request:?}");
        assert!(connection.rest().await.is_empty(), "not closed after {request:?}");
        assert!(origin.saw_nothing(), "{request:?}");
    }
}

#[tokio::test]
async fn a_body_of_both_framings_reaches_the_origin_with_one() {
    let mut origin = Origin::start(answers("200 OK", &[], "")).await;
    let edge = Edge::before(&origin).await;
    edge.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
    let seen = origin.saw().await;
    assert!(seen.fields("content-length").is_empty());
    assert_eq!(seen.fields("transfer-encoding"), ["chunked"]);
}

#[tokio::test]
async fn a_broken_request_body_is_the_visitors_fault() {
    let origin = Origin::scripted(|connection, _| {
        Box::pin(async move {
            connection.rest().await;
            false
        })
    })
    .await;
    let edge = Edge::before(&origin).await;
    let answer =
        edge.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nxx\r\n0\r\n\r\n").await;
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head() {
    for (method, status, lines, length) in [
        ("HEAD", "200 OK", &["Content-Length: 1234", "ETag: \"x\""][..], Some("1234")),
        ("GET", "204 No Content", &["ETag: \"x\""], None),
        ("GET", "304 Not Modified", &["ETag: \"x\""], None),
        // A 304 may tell the length of what it does not send (RFC 9110 §8.6); hyper leaves it out, which is as right.
        ("GET", "304 Not Modified", &["ETag: \"x\"", "Content-Length: 99"], None),
        ("HEAD", "200 OK", &["ETag: \"x\"", "Transfer-Encoding: chunked"], None),
    ] {
        let origin = Origin::start(format!("HTTP/1.1 {status}\r\n{}\r\n\r\n", lines.join("\r\n"))).await;
        let edge = Edge::before(&origin).await;
        let mut connection = edge.connect().await;
        // The second answer comes only if nothing of the first is left over.
        for _ in 0..2 {
            connection.write(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            let head = connection.head().await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
            let head = head.to_ascii_lowercase();
            assert!(head.contains("etag: \"x\""), "{head}");
            let said = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
            assert_eq!(said, length, "{method} {status}");
        }
    }
}

#[tokio::test]
async fn an_interim_answer_is_not_taken_for_the_final_one() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let origin = Origin::start(interim).await;
    let answer = Edge::before(&origin).await.get("/", &[]).await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "hi"));
}

#[tokio::test]
async fn a_visitor_that_expects_100_gets_it_and_then_the_answer() {
    let mut origin = Origin::start(answers("200 OK", &[], "ok")).await;
    let edge = Edge::before(&origin).await;
    let mut connection = edge.connect().await;
    connection.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(connection.head().await, "HTTP/1.1 100 Continue");
    connection.write("hallo").await;
    assert_eq!(connection.answer().await.text(), "ok");
    let seen = origin.saw().await;
    assert_eq!(seen.body, b"hallo");
    assert!(seen.fields("expect").is_empty());
}

#[tokio::test]
async fn half_an_answer_is_never_passed_off_as_a_whole() {
    for answer in ["Content-Length: 100\r\n\r\nonly this", "Transfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n"] {
        // An end that comes with the head would leave the visitor without either.
        let arrived = Arc::new(Semaphore::new(0));
        let gate = Arc::clone(&arrived);
        let origin = Origin::scripted(move |connection, _| {
            let gate = Arc::clone(&gate);
            Box::pin(async move {
                connection.write(format!("HTTP/1.1 200 OK\r\n{answer}")).await;
                gate.acquire().await.unwrap().forget();
                false
            })
        })
        .await;
        let edge = Edge::before(&origin).await;
        let mut connection = edge.connect().await;
        connection.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(connection.head().await.starts_with("HTTP/1.1 200 "));
        connection.until(b"only this").await;
        arrived.add_permits(1);
        let rest = connection.rest().await;
        assert!(matches!(rest.as_slice(), b"" | b"\r\n"), "{rest:?}");
    }
}
