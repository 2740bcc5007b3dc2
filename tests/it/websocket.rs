//! WebSockets, whichever HTTP they come by.

use crate::harness::{Edge, Origin, Seen, answers, read_stream, soon, visit_with_settings};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ON: &str = "http2_prior_knowledge = true\nhttp2_websocket = true";

fn accept(seen: &Seen) -> String {
    let key = seen.fields("sec-websocket-key")[0].to_owned();
    assert_eq!(STANDARD.decode(&key).unwrap().len(), 16);
    let salted = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, salted.as_bytes()))
}

/// An origin that switches and sends back what it gets, and says so when nothing more comes.
async fn echo() -> Origin {
    Origin::scripted(|connection, seen| {
        let accept = accept(seen);
        Box::pin(async move {
            let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
            let chosen = "Sec-WebSocket-Protocol: chat\r\n";
            connection.write(format!("{switch}{chosen}Sec-WebSocket-Accept: {accept}\r\n\r\n")).await;
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = connection.stream().read(&mut piece).await {
                connection.write(&piece[..read]).await;
            }
            connection.write("bye").await;
            connection.stream().shutdown().await.unwrap();
            false
        })
    })
    .await
}

fn connect(protocol: &'static str) -> Request<()> {
    let request = Request::builder().method(Method::CONNECT).uri("http://shop.example/chat?a=b");
    let request = request.header("sec-websocket-version", "13").header("sec-websocket-protocol", "chat");
    request.extension(Protocol::from_static(protocol)).body(()).unwrap()
}

async fn ask(
    visitor: &mut SendRequest<Bytes>,
    request: Request<()>,
) -> Result<(Response<RecvStream>, SendStream<Bytes>), h2::Error> {
    let (answer, stream) = visitor.send_request(request, false)?;
    Ok((soon("an answer", answer).await?, stream))
}

#[tokio::test]
async fn a_stream_of_http2_becomes_a_tunnel() {
    let mut origin = echo().await;
    let edge = Edge::start().site(&[], origin.address()).listening(ON);
    // A tunnel is no silence.
    let edge = edge.with("[limits]\nidle = \"100ms\"").run().await;
    let mut visitor = visit_with_settings(edge.address()).await;
    assert!(visitor.is_extended_connect_protocol_enabled());
    let (answer, mut sends) = ask(&mut visitor, connect("websocket")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
    for gone in ["sec-websocket-accept", "upgrade", "connection", "transfer-encoding", "content-length"] {
        assert!(!answer.headers().contains_key(gone), "{gone}");
    }
    let mut receives = answer.into_body();
    for word in ["hallo", "\0\u{ff} binary"] {
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        sends.send_data(Bytes::from_static(word.as_bytes()), false).unwrap();
        let back = soon("the echo", receives.data()).await.unwrap().unwrap();
        receives.flow_control().release_capacity(back.len()).unwrap();
        assert_eq!(back, word);
    }
    // One side's end is not the other's.
    sends.send_data(Bytes::new(), true).unwrap();
    let (rest, _) = soon("the other side's end", read_stream(&mut receives)).await.unwrap();
    assert_eq!(rest, b"bye");
    let seen = origin.saw().await;
    assert_eq!(seen.line(), "GET /chat?a=b HTTP/1.1");
    for (name, value) in [
        ("host", "shop.example"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
    ] {
        assert_eq!(seen.fields(name), [value], "{name}");
    }
}

#[tokio::test]
async fn what_is_no_tunnel_is_told_so() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    for (origin_says, status, text) in [
        (answers("403 Forbidden", &[], "not you"), 403, "not you"),
        (answers("200 OK", &[], "a page"), 502, "502 "),
        (format!("{switch}Sec-WebSocket-Accept: wrong\r\n\r\n").into_bytes(), 502, "502 "),
        (format!("{switch}\r\n").into_bytes(), 502, "502 "),
    ] {
        let origin = Origin::start(origin_says).await;
        let edge = Edge::start().site(&[], origin.address()).listening(ON).run().await;
        let mut visitor = visit_with_settings(edge.address()).await;
        let (answer, _sends) = ask(&mut visitor, connect("websocket")).await.unwrap();
        assert_eq!(answer.status(), status);
        let (body, _) = read_stream(&mut answer.into_body()).await.unwrap();
        assert!(body.starts_with(text.as_bytes()), "{body:?}");
    }
}

#[tokio::test]
async fn no_other_tunnel_is_dug() {
    let mut origin = echo().await;
    let edge = Edge::start().site(&[], origin.address()).listening(ON).run().await;
    let mut visitor = visit_with_settings(edge.address()).await;
    let plain = Request::builder().method(Method::CONNECT).uri("shop.example:443").body(()).unwrap();
    let mut call = connect("websocket");
    *call.uri_mut() = "http://shop.example/cdp/v1/t".parse().unwrap();
    for (request, status) in [(connect("connect-udp"), 501), (connect("WebSocket"), 501), (call, 501), (plain, 405)] {
        let (answer, _sends) = ask(&mut visitor, request).await.unwrap();
        assert_eq!(answer.status(), status);
    }
    // Where it is off it is not announced, and who asks all the same is not heard.
    let off = Edge::start().site(&[], origin.address()).listening("http2_prior_knowledge = true").run().await;
    let mut visitor = visit_with_settings(off.address()).await;
    assert!(!visitor.is_extended_connect_protocol_enabled());
    assert!(ask(&mut visitor, connect("websocket")).await.is_err());
    assert!(origin.saw_nothing());
}
