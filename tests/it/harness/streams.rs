//! HTTP/2 by hand: a scripted origin, and a visitor.

use super::soon;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream, client, server};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// A scripted origin that speaks HTTP/2: each request's head is recorded, and its stream is the script's.
pub(crate) struct Streams {
    address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Parts>,
    connections: Arc<AtomicUsize>,
}

/// A request at the origin.
pub(crate) struct Asked {
    /// Its number among those of all connections, from 1.
    pub(crate) number: usize,
    pub(crate) body: RecvStream,
    answer: SendResponse<Bytes>,
    goodbye: mpsc::UnboundedSender<()>,
}

type Script = Arc<dyn Fn(Asked) -> BoxFuture<'static, ()> + Send + Sync>;

impl Streams {
    /// An origin that speaks by prior knowledge, or over TLS.
    pub(crate) async fn scripted<S, F>(tls: Option<ServerConfig>, streams_max: u32, script: S) -> Self
    where
        S: Fn(Asked) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (record, seen) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let script: Script = Arc::new(move |asked| Box::pin(script(asked)));
        let requests = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let (record, script, requests) = (record.clone(), Arc::clone(&script), Arc::clone(&requests));
                let tls = tls.clone().map(|config| TlsAcceptor::from(Arc::new(config)));
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, streams_max, record, script, requests).await,
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            converse(stream, streams_max, record, script, requests).await;
                        }
                    }
                });
            }
        });
        Self { address, seen, connections }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The head of the next request that it saw.
    pub(crate) async fn saw(&mut self) -> Parts {
        soon("a request at the origin", self.seen.recv()).await.unwrap()
    }

    /// Whether it has seen no further request.
    pub(crate) fn saw_nothing(&mut self) -> bool {
        self.seen.try_recv().is_err()
    }

    /// How many connections it has had.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    streams_max: u32,
    record: mpsc::UnboundedSender<Parts>,
    script: Script,
    requests: Arc<AtomicUsize>,
) {
    let mut builder = server::Builder::new();
    builder.max_concurrent_streams(streams_max);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    let (goodbye, mut asked_to_go) = mpsc::unbounded_channel();
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            _ = asked_to_go.recv() => {
                connection.graceful_shutdown();
                continue;
            }
        };
        let Some(Ok((request, answer))) = accepted else { return };
        let (parts, body) = request.into_parts();
        let number = requests.fetch_add(1, Ordering::SeqCst) + 1;
        // The test may have ended already.
        drop(record.send(parts));
        tokio::spawn(script(Asked { number, body, answer, goodbye: goodbye.clone() }));
    }
}

impl Asked {
    /// All that comes, and its trailers.
    pub(crate) async fn read(&mut self) -> (Vec<u8>, Option<HeaderMap>) {
        read(&mut self.body).await.unwrap()
    }

    /// Begins the answer.
    pub(crate) fn head(&mut self, answer: Response<()>) -> SendStream<Bytes> {
        self.answer.send_response(answer, false).unwrap()
    }

    /// Answers with a body.
    pub(crate) fn text(mut self, text: &'static str) {
        self.head(Response::new(())).send_data(Bytes::from_static(text.as_bytes()), true).unwrap();
    }

    /// Breaks off before an answer.
    pub(crate) fn reset(mut self, reason: h2::Reason) {
        self.answer.send_reset(reason);
    }

    /// Its connection takes nothing more.
    pub(crate) fn goodbye(&self) {
        self.goodbye.send(()).unwrap();
    }
}

/// A body to its end, with its trailers; or why it has none.
pub(crate) async fn read(body: &mut RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut whole = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len()).unwrap();
        whole.extend_from_slice(&data);
    }
    Ok((whole, body.trailers().await?))
}

/// A visitor's connection by prior knowledge.
pub(crate) async fn visit(address: SocketAddr) -> client::SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap()
}

/// The same, once the other side's settings have come: they stand before its first answer.
pub(crate) async fn visit_with_settings(address: SocketAddr) -> client::SendRequest<Bytes> {
    let mut sender = visit(address).await;
    let request = Request::get("http://shop.example/cdp").method(Method::TRACE).body(()).unwrap();
    let (answer, _) = sender.send_request(request, true).unwrap();
    assert_eq!(soon("a refusal", answer).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    sender
}
