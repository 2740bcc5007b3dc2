//! What stands behind Selvedge when it measures itself: it reads each request and answers at once.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A document of 1 KB.
const DOCUMENT: &[u8] = &[b'.'; 1024];
const TAKEN: &[u8] = b"{\"success\":true}";

/// Serves on a loopback port, with a thread of its own, until the program ends.
pub(super) fn start() -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("origin".to_owned()).spawn(move || runtime.block_on(serve(listener)))?;
    Ok(address)
}

async fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        // Only speed is lost without it.
        stream.set_nodelay(true).ok();
        // How a connection ends is its client's business.
        tokio::spawn(async {
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await.ok()
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (kind, body) = match *request.method() {
        Method::GET => ("text/html", DOCUMENT),
        _ => ("application/json", TAKEN),
    };
    let mut rest = request.into_body();
    while let Some(frame) = rest.frame().await {
        frame?;
    }
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}
