//! HTTP/2 by hand-made frames: what is malformed (RFC 9113 §8.1.1) ends its stream or gets a 400, and never reaches the origin.

use crate::harness::{Edge, Origin, answers, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status` in HPACK's static table.
const STATUS_200: u8 = 0x88;
const STATUS_400: u8 = 0x8c;

const GET: &[(&str, &str)] = &[(":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/")];

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Each field as a literal that is not indexed (RFC 7541 §6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Status(u8),
    Reset,
    Closed,
}

/// What becomes of the first stream.
async fn fate(edge: &Edge, frames: &[u8]) -> Fate {
    let mut stream = TcpStream::connect(edge.address()).await.unwrap();
    let begins = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(4, 0, 0, &[])[..], frames].concat();
    stream.write_all(&begins).await.unwrap();
    loop {
        let mut head = [0; 9];
        if soon("a frame", stream.read_exact(&mut head)).await.is_err() {
            return Fate::Closed;
        }
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload).await.unwrap();
        match (head[3], head[8]) {
            (HEADERS, 1) => return Fate::Status(payload[0]),
            (RST_STREAM, 1) => return Fate::Reset,
            (GOAWAY, _) => return Fate::Closed,
            _ => {}
        }
    }
}

/// The request's fields without one of them, and with more behind them.
fn changed(without: &str, more: &[(&'static str, &'static str)]) -> Vec<u8> {
    let kept = GET.iter().filter(|(name, _)| *name != without);
    block(&kept.chain(more).copied().collect::<Vec<_>>())
}

#[tokio::test]
async fn what_is_malformed_reaches_nobody() {
    let mut origin = Origin::start(answers("200 OK", &[], "hello")).await;
    let edge = Edge::start().site(&[], origin.address()).listening("http2_prior_knowledge = true").run().await;
    let whole = END_STREAM | END_HEADERS;
    assert_eq!(fate(&edge, &frame(HEADERS, whole, 1, &block(GET))).await, Fate::Status(STATUS_200));
    origin.saw().await;
    let early = [&[("x-a", "1")][..], GET].concat();
    let with = |more: &[(&'static str, &'static str)]| changed("", more);
    let mut cases = vec![
        ("a length without a body", with(&[("content-length", "5")])),
        ("two lengths", with(&[("content-length", "0"), ("content-length", "5")])),
        ("a length that is none", with(&[("content-length", "+0")])),
        ("a name in upper case", with(&[("X-Upper", "1")])),
        ("a name with a space", with(&[("x a", "1")])),
        ("an empty name", with(&[("", "1")])),
        ("a line's end in a value", with(&[("x-a", "1\r\nx-b: 2")])),
        ("a NUL in a value", with(&[("x-a", "1\0")])),
        ("connection", with(&[("connection", "close")])),
        ("keep-alive", with(&[("keep-alive", "5")])),
        ("proxy-connection", with(&[("proxy-connection", "x")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("upgrade", with(&[("upgrade", "websocket")])),
        ("te that is not trailers", with(&[("te", "gzip")])),
        ("a pseudo field behind a field", block(&early)),
        ("an unknown pseudo field", with(&[(":unknown", "1")])),
        ("a response's pseudo field", with(&[(":status", "200")])),
        ("a protocol without a CONNECT", with(&[(":protocol", "websocket")])),
        ("another host", with(&[("host", "other.example")])),
        ("two hosts", with(&[("host", "shop.example"), ("host", "shop.example")])),
    ];
    for (name, value) in GET {
        cases.push((*name, changed(name, &[])));
        cases.push((*name, with(&[(*name, *value)])));
    }
    for (name, values) in [
        (":path", &["", "a", "?a", "*", "/a b", "/a\r\nb", "http://shop.example/"][..]),
        (":scheme", &["", "ftp", "h t"]),
        (":authority", &["", "user@shop.example", "a b", "shop.example, b", "a/b"]),
        (":method", &["", "G T", "CONNECT", "TRACE"]),
    ] {
        for value in values {
            let fields: Vec<_> = GET.iter().map(|(own, v)| (*own, if *own == name { *value } else { *v })).collect();
            cases.push((name, block(&fields)));
        }
    }
    for (what, block) in cases {
        let got = fate(&edge, &frame(HEADERS, whole, 1, &block)).await;
        // 405 is no index of the table: its name is one, and its value a literal.
        let is_refused = matches!(got, Fate::Reset | Fate::Closed | Fate::Status(STATUS_400 | 0x08 | 0x48 | 0x58));
        assert!(is_refused, "{what}: {got:?} {:?}", String::from_utf8_lossy(&block));
        assert!(origin.saw_nothing(), "{what}: {:?}", String::from_utf8_lossy(&block));
    }
    assert_eq!(edge.get("/", &[]).await.text(), "hello");
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_it_said_is_not_whole_at_the_origin() {
    let origin = Origin::start(answers("200 OK", &[], "hello")).await;
    let edge = Edge::start().site(&[], origin.address()).listening("http2_prior_knowledge = true").run().await;
    let post = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/"), ("content-length", "5")];
    let head = frame(HEADERS, END_HEADERS, 1, &block(&post));
    for data in ["four", "sixsix"] {
        let frames = [head.clone(), frame(0, END_STREAM, 1, data.as_bytes())].concat();
        let got = fate(&edge, &frames).await;
        assert!(matches!(got, Fate::Reset | Fate::Closed | Fate::Status(STATUS_400)), "{data}: {got:?}");
    }
    let frames = [head, frame(0, END_STREAM, 1, b"fives")].concat();
    assert_eq!(fate(&edge, &frames).await, Fate::Status(STATUS_200));
}

#[tokio::test]
async fn an_upload_that_is_taken_back_is_not_whole_at_the_origin() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let origin = Origin::scripted(move |connection, _| {
        let tell = tell.clone();
        Box::pin(async move {
            connection.until(b"fives\r\n").await;
            tell.send(Vec::new()).unwrap();
            tell.send(connection.rest().await).unwrap();
            false
        })
    })
    .await;
    let edge = Edge::start().site(&[], origin.address()).listening("http2_prior_knowledge = true").run().await;
    for reason in [0, 8] {
        let post = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
        let mut stream = TcpStream::connect(edge.address()).await.unwrap();
        let begins = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(4, 0, 0, &[])[..]].concat();
        let request = [frame(HEADERS, END_HEADERS, 1, &block(&post)), frame(0, 0, 1, b"fives")].concat();
        stream.write_all(&[begins, request].concat()).await.unwrap();
        soon("the first half", told.recv()).await.unwrap();
        stream.write_all(&frame(RST_STREAM, 0, 1, &[0, 0, 0, reason])).await.unwrap();
        let rest = soon("the end of it", told.recv()).await.unwrap();
        assert!(rest.is_empty(), "{reason}: {:?}", String::from_utf8_lossy(&rest));
    }
}
