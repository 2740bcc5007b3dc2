//! gRPC and WebSocket by the programs of others. `.ci/run` installs them; without them these tests say so and pass.

use crate::harness::sdk::protocols;
use crate::harness::{Edge, read_stream, soon, visit_with_settings};
use bytes::Bytes;
use http::{Method, Request};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

/// A server of `tests/sdk/protocols`; it is killed when the test lets go of it.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(script: &str) -> Option<Self> {
        let mut child = protocols(script, &["serve"])?.stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Some(Self { child, address: SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap())) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a client of `tests/sdk/protocols` says.
fn call(script: &str, arguments: &[&str]) -> String {
    let output = protocols(script, &[&["call"], arguments].concat()).unwrap().output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[tokio::test]
async fn grpc_passes_plain_and_over_tls() {
    let Some(server) = Server::start("grpc_echo.py") else { return };
    let edge = Edge::start().site_with(&[], server.address, "origin_protocol = \"http2\"");
    let (edge, authority) = edge.listening("http2_prior_knowledge = true").secured(&[&["shop.example"]]);
    let edge = edge.run().await;
    let root = authority.file(edge.folder());
    let (plain, secure) = (edge.address().to_string(), edge.secure_address().to_string());
    assert_eq!(call("grpc_echo.py", &[&server.address.to_string()]), "all calls\n", "without a proxy");
    assert_eq!(call("grpc_echo.py", &[&plain]), "all calls\n", "plain");
    assert_eq!(call("grpc_echo.py", &[&secure, root.to_str().unwrap()]), "all calls\n", "over TLS");
}

#[tokio::test]
async fn websockets_pass_by_http1_and_by_http2() {
    let Some(server) = Server::start("websocket_echo.py") else { return };
    let edge = Edge::start().site(&[], server.address);
    let edge = edge.listening("http2_prior_knowledge = true\nhttp2_websocket = true").run().await;
    assert_eq!(call("websocket_echo.py", &[&format!("ws://{}/", edge.address())]), "all messages\n");

    let mut visitor = visit_with_settings(edge.address()).await;
    let request = Request::builder().method(Method::CONNECT).uri("http://shop.example/");
    let request = request.header("sec-websocket-version", "13").header("sec-websocket-protocol", "chat");
    let request = request.extension(h2::ext::Protocol::from_static("websocket")).body(()).unwrap();
    let (answer, mut sends) = visitor.send_request(request, false).unwrap();
    let answer = soon("an answer", answer).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["sec-websocket-protocol"]),
        (200, &"chat".parse().unwrap())
    );
    let mut receives = answer.into_body();
    // A text of two bytes, with a mask of zeros; and a close. Neither comes back masked.
    for (frame, back) in
        [(&b"\x81\x82\0\0\0\0hi"[..], &b"\x81\x02hi"[..]), (b"\x88\x82\0\0\0\0\x03\xe8", b"\x88\x02\x03\xe8")]
    {
        sends.send_data(Bytes::from_static(frame), false).unwrap();
        let mut got = Vec::new();
        while got.len() < back.len() {
            got.extend_from_slice(&soon("a frame", receives.data()).await.unwrap().unwrap());
        }
        assert_eq!(got, back);
    }
    let (rest, _) = soon("the end", read_stream(&mut receives)).await.unwrap();
    assert!(rest.is_empty());
}
