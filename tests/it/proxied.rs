//! Behind a proxy that passes connections on, and says first whose each is.

use crate::harness::{Connection, Edge, Origin, answers, eventually, soon};
use rustls::version::TLS13;
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
const REFUSED: &str = r#"selvedge_connections_refused_total{limit="proxy_protocol"}"#;
const LINE: &[u8] = b"PROXY TCP4 192.0.2.77 127.0.0.1 4711 80\r\n";
/// TCP over IPv6 from 2001:db8::7, with the host name that was asked for as a further field.
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x2a\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08\x12\x34\0\x50\x02\0\x03a.b";
const OWN: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

async fn hello() -> Origin {
    Origin::start(answers("200 OK", &[], "hello")).await
}

/// Whose a request is that comes behind this header, as its origin hears it.
async fn visitor(edge: &Edge, origin: &mut Origin, header: &[u8]) -> String {
    assert_eq!(edge.send([header, REQUEST.as_bytes()].concat()).await.text(), "hello");
    origin.saw().await.fields("x-forwarded-for").join(", ")
}

#[tokio::test]
async fn a_connection_is_whose_its_proxy_says_it_is() {
    let mut origin = hello().await;
    let edge = Edge::start().site(&[], origin.address()).listening("proxy_protocol = [\"private_ranges\"]");
    let (edge, authority) = edge.with("[log]\naccess = true").secured(&[&["shop.example"]]);
    let edge = edge.run().await;
    assert_eq!(visitor(&edge, &mut origin, LINE).await, "192.0.2.77");
    assert_eq!(visitor(&edge, &mut origin, BINARY).await, "2001:db8::7");
    assert_eq!(visitor(&edge, &mut origin, OWN).await, "127.0.0.1");
    // Piece by piece, too.
    let mut slow = edge.connect().await;
    for byte in [LINE, REQUEST.as_bytes()].concat() {
        slow.write([byte]).await;
    }
    assert_eq!(slow.answer().await.text(), "hello");
    assert_eq!(origin.saw().await.fields("x-forwarded-for"), ["192.0.2.77"]);
    // Before TLS.
    let mut stream = TcpStream::connect(edge.secure_address()).await.unwrap();
    stream.write_all(BINARY).await.unwrap();
    let connector = TlsConnector::from(std::sync::Arc::new(authority.client(&[&TLS13], &["http/1.1"])));
    let mut stream = soon("a handshake", connector.connect("shop.example".try_into().unwrap(), stream)).await.unwrap();
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let seen = origin.saw().await;
    assert_eq!(
        (seen.fields("x-forwarded-for"), seen.fields("x-forwarded-proto")),
        (vec!["2001:db8::7"], vec!["https"])
    );
    // The log knows the networks only.
    let log =
        eventually("the log", async || Some(edge.log()).filter(|log| log.matches("2001:db8::/48").count() == 2)).await;
    assert!(log.contains("192.0.2.0/24"), "{log}");
    assert!(!log.contains("192.0.2.77") && !log.contains("2001:db8::7"), "{log}");
}

#[tokio::test]
async fn a_visitor_behind_a_proxy_that_is_trusted_can_be_a_proxy_too() {
    let mut origin = hello().await;
    let edge = Edge::start().site(&[], origin.address()).with("[log]\naccess = true\nvisitor_ip = \"full\"");
    let lines = "proxy_protocol = [\"127.0.0.1\"]\ntrusted_proxies = [\"192.0.2.77\"]";
    let edge = edge.listening(lines).run().await;
    assert_eq!(visitor(&edge, &mut origin, LINE).await, "6.6.6.6, 192.0.2.77");
    assert_eq!(visitor(&edge, &mut origin, BINARY).await, "2001:db8::7");
    eventually("the log", async || edge.log().contains("6.6.6.6").then_some(())).await;
    assert!(edge.log().contains("2001:db8::7"), "{}", edge.log());
}

#[tokio::test]
async fn who_does_not_say_whose_he_is_or_may_not_say_it_is_refused() {
    let mut origin = hello().await;
    let site = || Edge::start().site(&[], origin.address());
    let edge = site().listening("proxy_protocol = [\"10.0.0.0/8\"]").run().await;
    assert!(edge.connect().await.rest().await.is_empty());
    assert_eq!(edge.count(REFUSED).await, 1);

    let edge = site().listening("proxy_protocol = [\"127.0.0.1\"]").with("[limits]\nhandshake = \"300ms\"").run().await;
    let wrong = b"PROXY TCP4 192.0.2.7 127.0.0.1 99999 80\r\n";
    for (number, opening) in [REQUEST.as_bytes(), wrong, &BINARY[..20], b"PROXY TCP4 192.", b""].into_iter().enumerate()
    {
        let mut connection = edge.connect().await;
        connection.write(opening).await;
        assert!(connection.rest().await.is_empty());
        eventually("the count", async || (edge.count(REFUSED).await == number as u64 + 1).then_some(())).await;
    }
    assert!(origin.saw_nothing());
}

#[tokio::test]
async fn the_limit_of_a_client_is_the_visitors() {
    let origin = hello().await;
    let edge = Edge::start().site(&[], origin.address()).listening("proxy_protocol = [\"127.0.0.1\"]");
    let edge = edge.with("[limits]\nconnections_per_client = 1").run().await;
    let request = |header: &[u8]| [header, REQUEST.as_bytes()].concat();
    let mut first: Connection = edge.connect().await;
    first.write(request(LINE)).await;
    first.answer().await;
    let mut second = edge.connect().await;
    second.write(request(LINE)).await;
    assert!(second.rest().await.is_empty());
    assert_eq!(edge.count(r#"selvedge_connections_refused_total{limit="client"}"#).await, 1);
    assert_eq!(edge.send(request(BINARY)).await.text(), "hello");
    drop(first);
    eventually("a place", async || (edge.count("selvedge_connections").await == 0).then_some(())).await;
    assert_eq!(edge.send(request(LINE)).await.text(), "hello");
}

/// A program that runs until the test lets go of it; `None`, with a word, where it is missing.
fn start(program: &str, arguments: &[&str]) -> Option<Killed> {
    match Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        Ok(child) => Some(Killed(child)),
        Err(error) => {
            eprintln!("!! SKIPPED: {program} cannot be run: {error}");
            None
        }
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_and_curl_are_understood() {
    let mut origin = hello().await;
    let edge = Edge::start().site(&[], origin.address()).listening("proxy_protocol = [\"127.0.0.1\"]").run().await;
    let folder = tempfile::tempdir().unwrap();
    for (version, option) in [(1, "send-proxy"), (2, "send-proxy-v2 proxy-v2-options crc32c,unique-id")] {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n\
             frontend f\n bind 127.0.0.1:{port}\n unique-id-format %ci\n default_backend b\n\
             backend b\n source 127.0.0.1\n server s {} {option}\n",
            edge.address()
        );
        let file = folder.path().join(format!("{version}.cfg"));
        std::fs::write(&file, configuration).unwrap();
        let Some(_haproxy) = start("haproxy", &["-db", "-f", file.to_str().unwrap()]) else { return };
        let mut stream = eventually("haproxy", async || {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            // Another address than HAProxy's own.
            socket.bind("127.0.0.9:0".parse().unwrap()).unwrap();
            socket.connect(([127, 0, 0, 1], port).into()).await.ok()
        })
        .await;
        stream.write_all(REQUEST.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        soon("an answer", stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        assert_eq!(origin.saw().await.fields("x-forwarded-for"), ["127.0.0.9"], "version {version}");
    }
    let url = format!("http://{}/", edge.address());
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--haproxy-protocol", "--interface", "127.0.0.1", &url]);
    let Ok(said) = curl.output() else {
        eprintln!("!! SKIPPED: curl cannot be run");
        return;
    };
    assert_eq!(said.stdout, b"hello");
    assert_eq!(origin.saw().await.fields("x-forwarded-for"), ["127.0.0.1"]);
}

#[tokio::test]
async fn a_tunnel_keeps_its_place() {
    let origin = Origin::start("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    let edge = Edge::start().site(&[], origin.address()).with("[limits]\nconnections_per_client = 1").run().await;
    let mut tunnel = edge.connect().await;
    tunnel.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    assert!(tunnel.head().await.starts_with("HTTP/1.1 101 "));
    assert!(edge.connect().await.rest().await.is_empty());
    assert_eq!(edge.count("selvedge_connections").await, 1);
    drop(tunnel);
    eventually("a place", async || (edge.count("selvedge_connections").await == 0).then_some(())).await;
}
