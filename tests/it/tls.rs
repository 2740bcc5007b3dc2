//! TLS towards visitors, and HTTP/2 over it.

use crate::harness::{Asked, Authority, Edge, Origin, Seen, Streams, answers, shake_hands, soon};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, date_time_ymd};
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tokio::sync::Semaphore;

const BOTH: [&rustls::SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
const SHOP: &[&str] = &["shop.example", "*.shop.example"];
const OTHER: &[&str] = &["other.example"];

async fn hello() -> Origin {
    Origin::start(answers("200 OK", &["Cache-Control: private"], "hello")).await
}

/// A shop and another site, each with its own certificate, and a name that both share.
async fn two_sites(shop: &Origin, other: &Origin) -> (Edge, Authority) {
    let edge = Edge::start()
        .site(&["shop.example", "www.shop.example"], shop.address())
        .site(&["other.example"], other.address());
    let (edge, authority) = edge.secured(&[SHOP, OTHER]);
    (edge.run().await, authority)
}

/// One request by HTTP/2, on a connection of its own for `name`.
async fn ask(edge: &Edge, authority: &Authority, name: &str, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let stream = shake_hands(authority.client(&BOTH, &["h2"]), edge.secure_address(), name).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    soon("an answer", sender.send_request(request)).await.unwrap()
}

fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

#[tokio::test]
async fn each_version_and_protocol_is_agreed_on() {
    let origin = hello().await;
    let (edge, authority) = two_sites(&origin, &origin).await;
    for (versions, version) in [(&[&TLS12][..], ProtocolVersion::TLSv1_2), (&[&TLS13], ProtocolVersion::TLSv1_3)] {
        for (offered, agreed) in
            [(&["h2", "http/1.1"][..], Some(&b"h2"[..])), (&["http/1.1"], Some(b"http/1.1")), (&[], None)]
        {
            let client = authority.client(versions, offered);
            let stream = shake_hands(client, edge.secure_address(), "shop.example").await.unwrap();
            let (_, session) = stream.get_ref();
            assert_eq!((session.protocol_version(), session.alpn_protocol()), (Some(version), agreed));
        }
    }
    let nothing_in_common = authority.client(&BOTH, &["spdy/3"]);
    assert!(shake_hands(nothing_in_common, edge.secure_address(), "shop.example").await.is_err());
}

#[tokio::test]
async fn a_visit_by_http1_over_tls_is_https_to_the_origin() {
    let mut origin = hello().await;
    let (edge, authority) = two_sites(&origin, &origin).await;
    let stream = shake_hands(authority.client(&BOTH, &[]), edge.secure_address(), "shop.example").await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/?im_ref=abc").header("host", "shop.example").header("accept", "text/html");
    let answer = soon("an answer", sender.send_request(request.body(Full::<Bytes>::default()).unwrap())).await.unwrap();
    let cookies: Vec<_> =
        answer.headers().get_all("set-cookie").iter().map(|one| one.to_str().unwrap().to_owned()).collect();
    assert!(cookies[0].starts_with("im_ref=") && cookies[0].contains("; Secure"), "{cookies:?}");
    assert_eq!(origin.saw().await.fields("x-forwarded-proto"), ["https"]);
}

#[tokio::test]
async fn the_name_chooses_the_certificate() {
    let origin = hello().await;
    let (edge, authority) = two_sites(&origin, &origin).await;
    for name in ["shop.example", "www.shop.example", "other.example"] {
        shake_hands(authority.client(&BOTH, &["h2"]), edge.secure_address(), name).await.unwrap();
    }
    for wrong in ["third.example", "a.b.shop.example"] {
        let refused = shake_hands(authority.client(&BOTH, &["h2"]), edge.secure_address(), wrong).await.unwrap_err();
        assert!(refused.to_string().contains("not valid for name"), "{wrong}: {refused}");
    }
    // Whoever asks for no name gets the first.
    let mut nameless = authority.client(&BOTH, &["h2"]);
    nameless.enable_sni = false;
    shake_hands(nameless, edge.secure_address(), "shop.example").await.unwrap();
}

#[tokio::test]
async fn tickets_resume_a_session_and_early_data_is_not_taken() {
    let origin = hello().await;
    let (edge, authority) = two_sites(&origin, &origin).await;
    let mut client = authority.client(&BOTH, &["http/1.1"]);
    client.enable_early_data = true;
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut stream = shake_hands(client.clone(), edge.secure_address(), "shop.example").await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
        let mut answer = vec![];
        soon("an answer", tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer)).await.unwrap();
        let (_, session) = stream.get_mut();
        assert_eq!(session.handshake_kind(), Some(kind));
        assert!(session.early_data().is_none() && !session.is_early_data_accepted());
    }
}

#[tokio::test]
async fn a_host_of_another_site_than_the_handshakes_is_misdirected() {
    let (mut shop, mut other) = (hello().await, hello().await);
    let (edge, authority) = two_sites(&shop, &other).await;
    let status = async |name: &str, url: &str| ask(&edge, &authority, name, get(url)).await.status();
    assert_eq!(status("shop.example", "https://other.example/").await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(status("other.example", "https://shop.example/").await, StatusCode::MISDIRECTED_REQUEST);
    assert!(shop.saw_nothing() && other.saw_nothing());
    let stream =
        shake_hands(authority.client(&BOTH, &["http/1.1"]), edge.secure_address(), "shop.example").await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/").header("host", "other.example").body(Full::<Bytes>::default()).unwrap();
    let answer = soon("an answer", sender.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST);
    assert!(other.saw_nothing());
    // Two names of one site are one site, and browsers share a connection for them.
    assert_eq!(status("shop.example", "https://www.shop.example/").await, StatusCode::OK);
    assert_eq!(status("other.example", "https://OTHER.example:8443/").await, StatusCode::OK);
    assert_eq!(
        (shop.saw().await.fields("host"), other.saw().await.fields("host")),
        (vec!["www.shop.example"], vec!["OTHER.example:8443"])
    );
}

async fn text(answer: Response<Incoming>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_request_by_http2_reaches_the_origin_as_one_by_http1() {
    let mut origin = hello().await;
    let (edge, authority) = two_sites(&origin, &origin).await;
    let request = Request::post("https://shop.example/a%20b?c=d&im_ref=abc")
        .header("cookie", "one=1")
        .header("cookie", "two=2")
        .header("te", "trailers")
        .header("content-type", "text/plain")
        .body(Full::from("a body"))
        .unwrap();
    let answer = ask(&edge, &authority, "shop.example", request).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(text(answer).await, "hello");
    let seen: Seen = origin.saw().await;
    assert_eq!(seen.line(), "POST /a%20b?c=d&im_ref=abc HTTP/1.1");
    assert_eq!(seen.fields("host"), ["shop.example"]);
    assert_eq!(seen.fields("cookie"), ["one=1; two=2"]);
    assert_eq!((seen.fields("content-length"), seen.body.as_slice()), (vec!["6"], &b"a body"[..]));
    assert_eq!(seen.fields("x-forwarded-proto"), ["https"]);
}

#[tokio::test]
async fn two_hosts_in_one_request_are_refused() {
    let mut origin = hello().await;
    let (edge, authority) = two_sites(&origin, &origin).await;
    let request =
        Request::get("https://shop.example/").header("host", "www.shop.example").body(Full::default()).unwrap();
    assert_eq!(ask(&edge, &authority, "shop.example", request).await.status(), StatusCode::BAD_REQUEST);
    assert!(origin.saw_nothing());
}

#[tokio::test]
async fn a_stop_finishes_what_is_under_way() {
    let (release, released) = tokio::sync::watch::channel(false);
    let arrived = Arc::new(Semaphore::new(0));
    let arriving = Arc::clone(&arrived);
    let origin = Origin::scripted(move |connection, _| {
        arriving.add_permits(1);
        let mut released = released.clone();
        Box::pin(async move {
            released.wait_for(|released| *released).await.unwrap();
            connection.write(answers("200 OK", &[], "late")).await;
            true
        })
    })
    .await;
    let (mut edge, authority) = two_sites(&origin, &origin).await;
    let stream = shake_hands(authority.client(&BOTH, &["h2"]), edge.secure_address(), "shop.example").await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let under_way = sender.send_request(get("https://shop.example/"));
    soon("the request", arrived.acquire()).await.unwrap().forget();
    edge.terminate();
    soon("a refusal", async { while tokio::net::TcpStream::connect(edge.secure_address()).await.is_ok() {} }).await;
    release.send_replace(true);
    assert_eq!(text(soon("the answer", under_way).await.unwrap()).await, "late");
    soon("the end of the connection", connection).await.unwrap().unwrap();
    assert!(edge.ended().await.success());
}

/// What a command says, or a word where it is missing.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()),
        Err(error) => {
            eprintln!("!! SKIPPED: {program} cannot be run: {error}");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_and_h2load_get_what_they_ask_for() {
    let origin = hello().await;
    let edge = Edge::start().site(&[], origin.address()).listening("http2_prior_knowledge = true");
    let (edge, authority) = edge.secured(&[SHOP]);
    let edge = edge.run().await;
    let root = authority.file(edge.folder());
    let (secure, plain) = (edge.secure_address(), edge.address());
    let resolve = format!("shop.example:{}:127.0.0.1", secure.port());
    let url = format!("https://shop.example:{}/", secure.port());
    let plain_url = format!("http://{plain}/");
    let print = ["-sS", "-w", " %{http_version} %{http_code}"];
    let root = root.to_str().unwrap();
    for (arguments, expected) in [
        (&["--http2", "--cacert", root, "--resolve", &resolve, &url][..], "hello 2 200"),
        (&["--http1.1", "--cacert", root, "--resolve", &resolve, &url], "hello 1.1 200"),
        (&["--http2-prior-knowledge", &plain_url], "hello 2 200"),
        (&["--http1.1", &plain_url], "hello 1.1 200"),
        // An upgrade to HTTP/2 is none.
        (&["--http2", &plain_url], "hello 1.1 200"),
    ] {
        let Some(said) = run("curl", &[&print[..], arguments].concat()) else { return };
        assert_eq!(said, expected, "{arguments:?}");
    }
    let streams = Streams::scripted(None, 100, async |asked: Asked| asked.text("hello")).await;
    let to_http2 = Edge::start().site_with(&[], streams.address(), "origin_protocol = \"http2\"");
    let to_http2 = to_http2.listening("http2_prior_knowledge = true").run().await;
    let Some(said) = run("curl", &["-sS", &format!("http://{}/", to_http2.address())]) else { return };
    assert_eq!(said, "hello");
    for url in [format!("https://{secure}/"), plain_url, format!("http://{}/", to_http2.address())] {
        let Some(said) = run("h2load", &["-n", "2000", "-c", "8", "-m", "20", &url]) else { return };
        assert!(said.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    }
}

#[tokio::test]
async fn plain_visits_are_sent_to_https_and_calls_are_not() {
    let origin = Origin::start(answers("200 OK", &[], "challenge")).await;
    let edge = Edge::start().site(&[], origin.address()).listening("redirect_to_https = true\nhsts = \"180d\"");
    let (edge, authority) = edge.secured(&[SHOP]);
    let edge = edge.run().await;
    let visit = edge.send("GET /a?im_ref=abc HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n").await;
    assert_eq!((visit.status(), visit.field("location")), (301, Some("https://shop.example/a?im_ref=abc")));
    assert_eq!(visit.fields("set-cookie").len(), 0, "the click comes along in the link");
    assert_eq!(edge.send("POST /a HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n").await.status(), 308);
    assert_eq!(edge.get("/.well-known/acme-challenge/x", &[]).await.text(), "challenge");
    // Segment is away here, but nobody is sent anywhere.
    let call = "POST /cdp/v1/t HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    assert!(!(300..400).contains(&edge.send(call).await.status()));
    let answer = ask(&edge, &authority, "shop.example", get("https://shop.example/")).await;
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=15552000");
}

/// What `check` says of a configuration with these certificates.
fn checked(folder: &Path, certificates: &str) -> String {
    let text = format!(
        "[listen]\nhttps = {{ address = \"127.0.0.1:0\", certificates = [{certificates}] }}\n[[site]]\norigin = \"http://a\"\n"
    );
    std::fs::write(folder.join("selvedge.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    let output = command.args(["check", "--config", "selvedge.toml"]).current_dir(folder).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let [good, other] = [0, 1].map(|number| authority.certify(SHOP, folder.path(), number));
    let mut old = CertificateParams::new(vec!["shop.example".to_owned()]).unwrap();
    (old.not_before, old.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let expired = authority.write(&old, folder.path(), 2);
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    assert!(checked(folder.path(), &[good.as_str(), &other].join(", ")).contains("fine"));
    for (certificates, says) in [
        (good.replace("key-0", "key-1"), "key-1.pem is not the key of cert-0.pem"),
        (expired, "cert-2.pem expired at 2021-01-01T00:00:00.000Z"),
        (good.replace("cert-0", "gone"), "gone.pem cannot be read: No such file"),
        (good.replace("key-0", "gone"), "gone.pem cannot be read: No such file"),
        (good.replace("cert-0", "empty"), "empty.pem holds no certificate"),
        (good.replace("key-0", "cert-0"), "cert-0.pem holds nothing of the kind"),
        (String::new(), "no certificate is listed"),
    ] {
        let said = checked(folder.path(), &certificates);
        assert!(said.contains(says) && said.contains("selvedge.toml:2:"), "{says}\n{said}");
    }
}
