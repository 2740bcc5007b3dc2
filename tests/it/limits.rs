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
async fn a_connection_that_has_rested_goes_on() {
    let origin = hello().await;
    let (edge, authority) = limited(&origin, "idle = \"10m\"\nfirst_byte = \"10m\"").await.secured(&[&["a"]]);
    let mut edge = edge.run().await;
    let (mut lively, mut silent, mut asking) = (edge.connect().await, edge.connect().await, edge.connect().await);
    let mut secret = shake_hands(authority.client(&[&TLS13], &[]), edge.secure_address(), "a").await.unwrap();
    for _ in 0..2 {
        lively.write(REQUEST).await;
        assert_eq!(lively.answer().await.text(), "hello");
        secret.write_all(REQUEST.as_bytes()).await.unwrap();
        let mut answer = vec![];
        while !answer.ends_with(b"hello") {
            assert!(soon("an answer", secret.read_buf(&mut answer)).await.unwrap() > 0);
        }
        // It is in the middle of a request.
        asking.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1").await;
        // Longer than a connection is kept ready.
        tokio::time::sleep(std::time::Duration::from_millis(2200)).await;
        asking.write("2").await;
        assert_eq!(asking.answer().await.text(), "hello");
    }
    let (first, second) = REQUEST.split_at(9);
    for connection in [&mut lively, &mut silent] {
        connection.write(first).await;
        connection.write(second).await;
        assert_eq!(connection.answer().await.text(), "hello");
    }
    tokio::time::sleep(std::time::Duration::from_millis(2200)).await;
    edge.terminate();
    assert!(lively.rest().await.is_empty());
    // Its end is said, not torn off.
    assert_eq!(soon("the end", secret.read(&mut [0; 4096])).await.unwrap(), 0);
    assert_eq!(edge.ended().await.code(), Some(0));
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

#[tokio::test]
async fn a_connection_that_never_says_anything_is_closed_early() {
    let origin = hello().await;
    let edge = limited(&origin, "first_byte = \"200ms\"\nidle = \"10m\"").await.run().await;
    let mut lively = edge.connect().await;
    lively.write(REQUEST).await;
    lively.answer().await;
    is_closed(edge.connect().await.stream()).await;
    lively.write(REQUEST).await;
    assert_eq!(lively.answer().await.text(), "hello");
}

const UPLOAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n";

#[tokio::test]
async fn a_body_that_stalls_or_drips_is_answered_408_and_an_upload_that_goes_on_is_not() {
    let mut origin = hello().await;
    let edge = limited(&origin, "body_pause = \"400ms\"\nbody_rate = 2000").await.run().await;
    for (head, piece) in
        [(UPLOAD, ""), (UPLOAD, "x"), ("POST /cdp/v1/t HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n", "{")]
    {
        let mut slow = edge.connect().await;
        slow.write(head).await;
        let (mut read, mut write) = slow.stream().split();
        let dripping = async {
            loop {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                if write.write_all(piece.as_bytes()).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let mut answer = [0; 20];
        tokio::select! {
            () = dripping => {}
            read = soon("an answer", read.read_exact(&mut answer)) => drop(read.unwrap()),
        }
        assert!(answer.starts_with(b"HTTP/1.1 408 "), "{head} {:?}", String::from_utf8_lossy(&answer));
    }
    // Longer in all than any pause may be.
    let mut upload = edge.connect().await;
    upload.write(UPLOAD).await;
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        upload.write("x".repeat(200)).await;
    }
    assert_eq!(upload.answer().await.text(), "hello");
    while origin.saw().await.body.len() != 4000 {}
}

/// An origin whose answers of this kind pause within their body.
async fn pausing(kind: &'static str) -> Origin {
    Origin::scripted(move |connection, _| {
        Box::pin(async move {
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n");
            connection.write(head).await;
            tokio::time::sleep(std::time::Duration::from_millis(700)).await;
            // It may be cut by now.
            drop(connection.stream().write_all(b"2\r\nb\n\r\n0\r\n\r\n").await);
            true
        })
    })
    .await
}

#[tokio::test]
async fn an_answer_that_stalls_is_cut_and_an_event_stream_may_be_silent() {
    for (kind, is_whole) in
        [("text/html", false), ("text/event-stream; charset=utf-8", true), ("application/grpc", true)]
    {
        let origin = pausing(kind).await;
        let edge = Edge::start().site_with(&[], origin.address(), "body_timeout = \"200ms\"").run().await;
        let mut visitor = edge.connect().await;
        visitor.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let answer = visitor.rest().await;
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.windows(2).any(|two| two == b"a\n"), "{kind}");
        assert_eq!(answer.ends_with(b"0\r\n\r\n"), is_whole, "{kind}");
    }
}

#[tokio::test]
async fn a_tunnel_through_which_nothing_goes_is_cut() {
    let origin = Origin::scripted(|connection, _| {
        Box::pin(async move {
            connection.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
            let (mut read, mut write) = connection.stream().split();
            // It is the edge that ends it.
            drop(tokio::io::copy(&mut read, &mut write).await);
            false
        })
    })
    .await;
    let edge = limited(&origin, "tunnel_idle = \"300ms\"\nidle = \"100ms\"\nage = \"100ms\"").await.run().await;
    let mut tunnel = edge.connect().await;
    tunnel.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    tunnel.head().await;
    for _ in 0..8 {
        tunnel.write("ping").await;
        tunnel.until(b"ping").await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    is_closed(tunnel.stream()).await;
    eventually("its place", async || (edge.count("selvedge_connections").await == 0).then_some(())).await;
}

#[tokio::test]
async fn as_many_files_may_be_open_as_the_system_gives_and_too_few_are_said() {
    let origin = hello().await;
    let edge = limited(&origin, "connections = 50").await.run().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", edge.pid())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[0], words[1], "{line}");
    assert!(!edge.log().contains("too few files"), "{}", edge.log());

    let folder = tempfile::tempdir().unwrap();
    let text = "[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:9\"\n";
    std::fs::write(folder.path().join("selvedge.toml"), text).unwrap();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -Sn 300; ulimit -Hn 400; exec \"$0\" run", env!("CARGO_BIN_EXE_selvedge")]);
    command.current_dir(folder.path()).stdout(std::process::Stdio::null());
    let mut child = command.stderr(std::fs::File::create(folder.path().join("log")).unwrap()).spawn().unwrap();
    let log = eventually("a warning", async || {
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        log.contains("too few files").then_some(log)
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(log.contains("open_files=400") && log.contains("needed=20256"), "{log}");
}

#[tokio::test]
async fn a_head_is_as_large_as_it_may_be() {
    let origin = hello().await;
    let edge = limited(&origin, "head_size = \"8 KiB\"\nfields = 10").await.run().await;
    let with = |fields: String| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let many = |count: usize| with((0..count).map(|number| format!("X-{number}: y\r\n")).collect());
    let large = |size: usize| with(format!("X: {}\r\n", "y".repeat(size)));
    for (request, expected) in [(many(9), 200), (many(10), 431), (large(6_000), 200), (large(9_000), 431)] {
        assert_eq!(edge.send(&request).await.status(), expected, "{} bytes", request.len());
    }
}

#[tokio::test]
async fn a_connection_of_http2_has_what_the_settings_say() {
    let origin = hello().await;
    let limits = "http2_streams = 7\nhttp2_frames = 5";
    let edge = limited(&origin, limits).await.listening("http2_prior_knowledge = true").run().await;
    let stream = TcpStream::connect(edge.address()).await.unwrap();
    let (send, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let connection = tokio::spawn(connection);
    eventually("the settings", async || (send.current_max_send_streams() == 7).then_some(())).await;
    // Both sides' SETTINGS count, and each PING.
    let mut pongs = 0;
    while pongs < 50 && soon("a pong, or the end", pings.ping(h2::Ping::opaque())).await.is_ok() {
        pongs += 1;
    }
    assert!((1..10).contains(&pongs), "{pongs}");
    drop(soon("the end", connection).await.unwrap());
    assert_eq!(edge.send(REQUEST).await.text(), "hello");
}
