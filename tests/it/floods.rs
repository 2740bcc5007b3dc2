//! Floods and slow clients: memory stays bounded, and whoever comes meanwhile is served.

use crate::harness::{Edge, Origin, answers, eventually, soon};
use bytes::Bytes;
use http::Request;
use selvedge::server::{Limits, descriptors};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const MIB: u64 = 1 << 20;
/// A flood that is neither cut nor held up ends after so many bytes.
const FLOOD_BYTES_MAX: usize = 4 << 20;

/// How a flood ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The edge closed the connection.
    Cut,
    /// All of it was taken.
    Taken,
}

async fn guarded(limits: &str) -> (Edge, Origin) {
    let origin = Origin::start(answers("200 OK", &[], "hello")).await;
    let edge = Edge::start().site(&[], origin.address()).listening("http2_prior_knowledge = true");
    (edge.with(&format!("[limits]\nrequests = 1000000\n{limits}")).run().await, origin)
}

/// Lets `flood` happen while a visitor comes again and again: what came of it, and by how much the memory grew at the most.
async fn during<T>(edge: &Edge, flood: impl Future<Output = T>) -> (T, u64) {
    // What every process needs for its first connections is no flood's doing.
    let mut visitor = edge.connect().await;
    for _ in 0..50 {
        visitor.write(REQUEST).await;
        assert_eq!(visitor.answer().await.text(), "hello");
    }
    let before = edge.resident_bytes();
    let over = AtomicBool::new(false);
    let visits = async {
        let (mut visits, mut most) = (0, 0);
        while visits < 10 || !over.load(Ordering::Relaxed) {
            visitor.write(REQUEST).await;
            assert_eq!(visitor.answer().await.text(), "hello");
            visits += 1;
            most = edge.resident_bytes().max(most);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        most
    };
    let flood = async {
        let end = flood.await;
        over.store(true, Ordering::Relaxed);
        end
    };
    let (end, most) = tokio::join!(flood, visits);
    (end, most.saturating_sub(before))
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// GET / or POST /, http, and the host a.
const GET: &[u8] = &[0x82, 0x84, 0x86, 0x41, 1, b'a'];
const POST: &[u8] = &[0x83, 0x84, 0x86, 0x41, 1, b'a'];

/// A connection that speaks HTTP/2, and sends `opening` and then `next` again and again; what comes back is read or not.
async fn pour(edge: &Edge, reads: bool, opening: &[u8], mut next: impl FnMut(u32) -> Vec<u8>) -> End {
    let stream = TcpStream::connect(edge.address()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let reading = tokio::spawn(async move {
        while reads && read.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
        (!reads).then_some(read)
    });
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, b"")[..], opening].concat();
    let mut poured = preface.len();
    let mut cut = write.write_all(&preface).await.is_err();
    let mut number = 0;
    while !cut && poured < FLOOD_BYTES_MAX {
        let mut wave = Vec::new();
        while wave.len() < 8192 {
            wave.extend(next(number));
            number += 1;
        }
        poured += wave.len();
        cut = soon("the end of a flood", write.write_all(&wave)).await.is_err();
    }
    // Much of it may have been under way when it was cut.
    cut |= reads && tokio::time::timeout(Duration::from_secs(1), reading).await.is_ok();
    if cut { End::Cut } else { End::Taken }
}

/// The id of the client's nth stream.
fn stream(number: u32) -> u32 {
    2 * number + 1
}

#[tokio::test]
async fn floods_of_frames_are_cut() {
    let (edge, _origin) = guarded("unread = \"300ms\"").await;
    let reset = |number| {
        [
            frame(HEADERS, END_HEADERS | END_STREAM, stream(number), GET),
            frame(RST_STREAM, 0, stream(number), &8_u32.to_be_bytes()),
        ]
        .concat()
    };
    let opened = frame(HEADERS, END_HEADERS, 1, POST);
    let begun = frame(HEADERS, 0, 1, GET);
    // A field of 4,000 bytes is put into the table, and then taken from it as often as fits into a frame.
    let mut field = [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e][..], &[b'y'; 4000]].concat();
    field.splice(0..0, GET.iter().copied());
    let bomb = [GET, &[0xbe; 16_000]].concat();
    let stuffed = frame(HEADERS, END_HEADERS | END_STREAM, 1, &field);
    let ends = async {
        let continued = |size: usize| move |_| frame(CONTINUATION, 0, 1, &vec![0; size]);
        [
            ("resets", pour(&edge, true, b"", reset).await),
            ("continuations", pour(&edge, true, &begun, continued(16_000)).await),
            ("empty continuations", pour(&edge, true, &begun, continued(0)).await),
            ("pings", pour(&edge, false, b"", |_| frame(PING, 0, 0, &[7; 8])).await),
            ("settings", pour(&edge, false, b"", |_| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9])).await),
            ("empty data", pour(&edge, true, &opened, |_| frame(DATA, 0, 1, b"")).await),
            (
                "tables",
                pour(&edge, true, &stuffed, |number| {
                    frame(HEADERS, END_HEADERS | END_STREAM, stream(number + 1), &bomb)
                })
                .await,
            ),
        ]
    };
    let (ends, growth) = during(&edge, ends).await;
    eprintln!("floods of frames: {ends:?}, {} KiB", growth >> 10);
    // The tables are bounded, and what is made of them is refused, one by one.
    assert!(ends.iter().all(|(flood, end)| *end == End::Cut || *flood == "tables"), "{ends:?}");
    assert!(growth < 24 * MIB, "{growth}");
    eventually("the end of all", async || (edge.count("selvedge_connections").await == 0).then_some(())).await;
}

#[tokio::test]
async fn frames_that_are_answered_and_read_are_a_flood_all_the_same() {
    let (edge, _origin) = guarded("").await;
    let ends = async {
        [
            pour(&edge, true, b"", |_| frame(PING, 0, 0, &[7; 8])).await,
            pour(&edge, true, b"", |_| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9])).await,
            pour(&edge, true, b"", |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])).await,
        ]
    };
    let (ends, growth) = during(&edge, ends).await;
    eprintln!("frames that are read: {ends:?}, {} KiB", growth >> 10);
    assert_eq!(ends, [End::Cut, End::Cut, End::Cut]);
    assert!(growth < 24 * MIB, "{growth}");
}

#[tokio::test]
async fn whoever_measures_the_line_and_asks_for_something_goes_on() {
    let (edge, _origin) = guarded("").await;
    let mut stream = TcpStream::connect(edge.address()).await.unwrap();
    let pings = frame(PING, 0, 0, &[7; 8]).repeat(900);
    let visit = frame(HEADERS, END_HEADERS | END_STREAM, 1, GET);
    let sent = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, b"")[..], &pings, &visit].concat();
    stream.write_all(&sent).await.unwrap();
    let mut got = Vec::new();
    while !got.windows(5).any(|part| part == b"hello") {
        let read = soon("the answer", stream.read_buf(&mut got)).await.unwrap();
        assert!(read > 0, "cut after {} bytes", got.len());
    }
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_reset_and_the_others_go_on() {
    let origin = large_and_small().await;
    let edge = Edge::start().site(&[], origin.address()).listening("http2_prior_knowledge = true");
    let edge = edge.with("[limits]\nunread = \"400ms\"").run().await;
    for window in [0, 65_535] {
        let stream = TcpStream::connect(edge.address()).await.unwrap();
        let mut client = h2::client::Builder::new();
        client.initial_window_size(window).initial_connection_window_size(10 << 20);
        let (send, connection) = client.handshake::<_, Bytes>(stream).await.unwrap();
        tokio::spawn(connection);
        let ask = |path: &str| {
            let request = Request::get(format!("http://a{path}")).body(()).unwrap();
            let send = send.clone();
            async move { send.ready().await.unwrap().send_request(request, true).unwrap().0.await.unwrap() }
        };
        let mut unread = ask("/large").await.into_body();
        let end = eventually("the end of an answer that is not read", async || match unread.data().await {
            Some(Ok(_)) => None,
            end => Some(end),
        });
        let error = end.await.unwrap().unwrap_err();
        assert!(error.is_reset() && error.is_remote(), "{window}: {error}");
        assert_eq!(ask("/").await.status(), 200);
    }
}

/// An origin that has a large answer under one path, and a small one elsewhere.
async fn large_and_small() -> Origin {
    Origin::scripted(|connection, seen| {
        let large = seen.line().starts_with("GET /large");
        Box::pin(async move {
            let body = if large { "x".repeat(8 << 20) } else { "hello".to_owned() };
            // Whoever does not read is cut, and its origin too.
            drop(connection.stream().write_all(&answers("200 OK", &[], &body)).await);
            true
        })
    })
    .await
}

/// Connections that have sent the same.
async fn crowd(edge: &Edge, size: usize, sends: &[u8]) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..size {
        let mut stream = soon("a connection", TcpStream::connect(edge.address())).await.unwrap();
        stream.write_all(sends).await.unwrap();
        crowd.push(stream);
    }
    crowd
}

#[tokio::test]
async fn slow_heads_bodies_and_readers_are_cut_and_hold_little() {
    let origin = large_and_small().await;
    let limits = "connections_per_client = 1000\nhead = \"1500ms\"\nbody_pause = \"1500ms\"\nunread = \"1500ms\"";
    let edge = Edge::start().site(&[], origin.address()).listening("http2_prior_knowledge = true");
    let edge = edge.with(&format!("[limits]\nrequests = 1000000\n{limits}")).run().await;
    // One that opens the window of its connection, but never that of its stream, and one that opens neither.
    let mut stalled = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    stalled.extend(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    for number in 0..50 {
        let path = [&[0x82, 0x86, 0x41, 1, b'a', 0x44, 6][..], b"/large"].concat();
        stalled.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream(number), &path));
    }
    for (name, size, sends, each) in [
        ("heads", 200, &b"GET / HTTP/1.1\r\nHost: a\r\nX-A: "[..], 128 << 10),
        ("bodies", 200, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc", 128 << 10),
        ("readers", 60, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n", 1 << 20),
        ("windows", 4, &stalled, 12 << 20),
    ] {
        let (crowd, growth) = during(&edge, async {
            let crowd = crowd(&edge, size, sends).await;
            eventually("all of them", async || (edge.count("selvedge_connections").await >= size as u64).then_some(()))
                .await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            crowd
        })
        .await;
        eprintln!("slow {name}: {} KiB each", (growth / size as u64) >> 10);
        assert!(growth / (size as u64) < each, "{name}: {growth}");
        if name != "windows" {
            eventually("their end", async || (edge.count("selvedge_connections").await == 0).then_some(())).await;
        }
        drop(crowd);
    }
}

/// How many idle connections the ordinary test has.
const IDLE: u32 = 2000;

#[tokio::test]
async fn idle_connections_hold_little_and_at_the_limit_the_others_are_served() {
    descriptors::raise(&Limits::default());
    let size: u32 = std::env::var("SELVEDGE_IDLE").map_or(IDLE, |size| size.parse().unwrap());
    let limits =
        format!("connections = {}\nconnections_per_client = 100000\nidle = \"5m\"\nfirst_byte = \"5m\"", size + 1);
    let (edge, _origin) = guarded(&limits).await;
    let ((silent, served), growth) = during(&edge, async {
        let silent = crowd(&edge, size as usize / 2, b"").await;
        let mut served = crowd(&edge, size as usize / 2, REQUEST.as_bytes()).await;
        for stream in &mut served {
            soon("an answer", stream.read(&mut [0; 1024])).await.unwrap();
        }
        // Everybody is there: nobody else comes in, and those who are there are served.
        eventually("a refusal", async || {
            let mut late = TcpStream::connect(edge.address()).await.unwrap();
            drop(late.write_all(REQUEST.as_bytes()).await);
            (late.read(&mut [0; 16]).await.unwrap_or(0) == 0).then_some(())
        })
        .await;
        let refused = r#"selvedge_connections_refused_total{limit="all"}"#;
        assert!(edge.count(refused).await > 0);
        (silent, served)
    })
    .await;
    let each = growth / u64::from(size);
    eprintln!("{size} idle connections: {each} bytes each");
    // Unoptimized futures are larger than those of a release.
    assert!(each < 32 << 10, "{each}");
    drop((silent, served));
}
