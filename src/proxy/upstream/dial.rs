//! Opening connections, and what can go wrong then.

use crate::proxy::rescue::ForwardError;
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::io;
use tokio::net::TcpStream;
use tower_service::Service;

/// What connections are opened by.
pub(super) type Connector = HttpsConnector<HttpConnector>;

/// What is spoken on: TCP, or TLS over it.
pub(super) type Wire = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Opens a connection to `server`.
pub(super) async fn dial(connector: &Connector, server: &Uri) -> Result<Wire, ForwardError> {
    let mut connector = connector.clone();
    poll_fn(|cx| connector.poll_ready(cx)).await.map_err(failed)?;
    connector.call(server.clone()).await.map_err(failed)
}

/// There is no connection.
pub(super) fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ForwardError {
    let error = error.into();
    let mut sources = std::iter::successors(Some(&*error as &(dyn std::error::Error + 'static)), |one| one.source());
    let late =
        sources.any(|one| one.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut));
    if late { ForwardError::ConnectTimeout(error) } else { ForwardError::Connect(error) }
}
