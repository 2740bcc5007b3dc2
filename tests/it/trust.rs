//! TLS towards origins and Segment: whom the edge believes, and what it asks for.

use crate::harness::{Authority, Edge};
use rcgen::{CertificateParams, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A server that speaks HTTP/1.1 over TLS, and remembers which names it was asked for.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Option<String>>>>,
    folder: TempDir,
}

impl Server {
    /// With a certificate of this kind, from an authority whose own is `authority.pem` in its folder.
    async fn start(params: &CertificateParams) -> Self {
        Self::picking(params, &[]).await
    }

    /// That picks one of these protocols.
    async fn picking(params: &CertificateParams, protocols: &[&[u8]]) -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        authority.file(folder.path());
        authority.write(params, folder.path(), 0);
        let chain = CertificateDer::pem_file_iter(folder.path().join("cert-0.pem")).unwrap().map(Result::unwrap);
        let key = PrivateKeyDer::from_pem_file(folder.path().join("key-0.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_no_client_auth().with_single_cert(chain.collect(), key).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let names = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                // Whoever does not believe it goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let name = stream.get_ref().1.server_name().map(str::to_owned);
                let mut head = vec![];
                while !head.windows(4).any(|end| end == b"\r\n\r\n")
                    && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0)
                {}
                // Nor has anything to ask whoever wanted to know only which protocol it picks.
                if head.is_empty() {
                    continue;
                }
                names.lock().unwrap().push(name);
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret";
                stream.write_all(answer).await.unwrap();
                drop(stream.shutdown().await);
            }
        });
        Self { address, asked, folder }
    }

    fn root(&self) -> String {
        self.folder.path().join("authority.pem").display().to_string()
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

fn named(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

/// An edge before this server, which believes those roots.
async fn before(server: &Server, roots: &[&str], site: &str) -> Edge {
    let sections = format!("[trust]\nroots = {roots:?}\n[[site]]\norigin = \"{}\"\n{site}", server.url());
    Edge::start().with(&sections).run().await
}

#[tokio::test]
async fn an_origin_is_believed_by_the_configured_roots_and_asked_for_by_its_name() {
    let server = Server::start(&named(&["localhost"])).await;
    for roots in [&[server.root().as_str()][..], &["system", &server.root()]] {
        let edge = before(&server, roots, "").await;
        assert_eq!(edge.get("/", &[]).await.text(), "secret");
    }
    assert_eq!(*server.asked.lock().unwrap(), [Some("localhost".to_owned()), Some("localhost".to_owned())]);

    let server = Server::start(&named(&["shop.internal"])).await;
    let edge = before(&server, &[&server.root()], "tls_name = \"shop.internal\"").await;
    assert_eq!(edge.get("/", &[]).await.text(), "secret");
    assert_eq!(*server.asked.lock().unwrap(), [Some("shop.internal".to_owned())]);
}

#[tokio::test]
async fn an_origin_by_http2_is_believed_by_the_same_roots_and_asked_for_by_its_name() {
    let server = Server::picking(&named(&["shop.internal"]), &[b"h2"]).await;
    let other = tempfile::tempdir().unwrap();
    let stranger = Authority::new().file(other.path()).display().to_string();
    let name = "tls_name = \"shop.internal\"\norigin_protocol = \"http2\"";
    for (root, asked) in [(stranger, None), (server.root(), Some("shop.internal"))] {
        let edge = before(&server, &[&root], name).await;
        // Its answer is none of HTTP/2; what counts is whether it was asked.
        assert_eq!(edge.get("/", &[]).await.status(), 502);
        assert_eq!(server.asked.lock().unwrap().first().cloned().flatten().as_deref(), asked);
    }
}

#[tokio::test]
async fn an_origin_that_cannot_be_believed_is_a_502_that_says_why() {
    let stranger = Server::start(&named(&["localhost"])).await;
    let mut expired = named(&["localhost"]);
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let (wrong, expired) = (Server::start(&named(&["shop.internal"])).await, Server::start(&expired).await);
    for (server, root, why) in [
        (&stranger, "system".to_owned(), "UnknownIssuer"),
        // Another authority of the same name.
        (&stranger, wrong.root(), "BadSignature"),
        (&wrong, wrong.root(), "not valid for name"),
        (&expired, expired.root(), "certificate expired"),
    ] {
        let edge = before(server, &[&root], "").await;
        let answer = edge.get("/", &[]).await;
        assert_eq!(answer.status(), 502, "{why}");
        assert!(!answer.text().contains("certificate"), "visitors are not told: {}", answer.text());
        let log = edge.log();
        assert!(log.contains("invalid peer certificate") && log.contains(why), "{why}\n{log}");
        assert!(server.asked.lock().unwrap().is_empty(), "{why}: a request went out");
    }
}

#[tokio::test]
async fn segment_is_believed_by_the_same_roots() {
    let server = Server::start(&named(&["localhost"])).await;
    for (root, status) in [(server.root(), 200), ("system".to_owned(), 503)] {
        let edge =
            Edge::start().with(&format!("[trust]\nroots = [\"{root}\"]\n[[site]]\norigin = \"http://127.0.0.1:9\""));
        let edge = edge.segment_at(&server.url()).run().await;
        let answer = edge.get("/cdp/v1/projects/k/other", &[]).await;
        assert_eq!(answer.status(), status, "{}", answer.text());
    }
}

#[test]
fn roots_that_are_none_are_told_at_their_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    std::fs::write(folder.path().join("no.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    for (roots, says) in [
        ("\"gone.pem\"", "gone.pem cannot be read: No such file"),
        ("\"empty.pem\"", "empty.pem holds no certificate of an authority"),
        ("\"system\", \"no.pem\"", "no.pem holds no certificate of an authority"),
        ("", "lists nobody"),
    ] {
        let said = checked(folder.path(), roots);
        assert!(said.contains(says) && said.contains("selvedge.toml:4:"), "{says}\n{said}");
    }
}

fn checked(folder: &Path, roots: &str) -> String {
    let text =
        format!("[listen]\nhttp = \"127.0.0.1:0\"\n[trust]\nroots = [{roots}]\n[[site]]\norigin = \"https://a\"\n");
    std::fs::write(folder.join("selvedge.toml"), text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_selvedge"));
    let output = command.args(["check", "--config", "selvedge.toml"]).current_dir(folder).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}
