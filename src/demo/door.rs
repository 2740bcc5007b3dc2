//! How a stand-in is reached: a loopback port whose connections can be cut in mid-request.

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How long to wait before the next connection is taken when the system has no room for one (out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An open loopback port; dropping it closes the port and cuts every connection.
#[derive(Debug)]
pub(super) struct Door {
    address: SocketAddr,
    closed: CancellationToken,
    task: JoinHandle<()>,
}

impl Door {
    /// Serves `router` on `port` of 127.0.0.1; 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound.
    pub(super) async fn open(port: u16, router: Router) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let closed = CancellationToken::new();
        let entrance = Entrance { listener, closed: closed.clone() };
        let service = router.into_make_service_with_connect_info::<Cut>();
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(entrance, service).await {
                tracing::warn!(%error, "a stand-in stopped");
            }
        });
        Ok(Self { address, closed, task })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closed.cancel();
        self.task.abort();
    }
}

/// Cuts the connection that a request came on; handlers get it as `ConnectInfo<Cut>`.
#[derive(Clone, Debug)]
pub(super) struct Cut(CancellationToken);

impl Cut {
    /// Cuts the connection: the peer reads its end without a byte of an answer.
    pub(super) fn now(&self) {
        self.0.cancel();
    }
}

impl Connected<IncomingStream<'_, Entrance>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Entrance>) -> Self {
        stream.remote_addr().clone()
    }
}

/// The listening socket, whose connections are [`Wire`]s.
pub(super) struct Entrance {
    listener: TcpListener,
    closed: CancellationToken,
}

impl Listener for Entrance {
    type Io = Wire;
    type Addr = Cut;

    async fn accept(&mut self) -> (Wire, Cut) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    // Only speed is lost without it.
                    stream.set_nodelay(true).ok();
                    let cut = self.closed.child_token();
                    return (Wire { stream, cut: Box::pin(cut.clone().cancelled_owned()) }, Cut(cut));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Cut> {
        Ok(Cut(self.closed.clone()))
    }
}

/// A connection that ends when it is cut.
pub(super) struct Wire {
    stream: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
