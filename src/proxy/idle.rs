//! Tunnels through which nothing goes any more.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Whether bytes have moved lately, either way.
#[derive(Clone, Debug, Default)]
pub(super) struct Moves(Arc<AtomicBool>);

impl Moves {
    /// Waits until nothing has moved for `limit`; twice that at the most.
    pub(super) async fn cease(&self, limit: Duration) {
        loop {
            tokio::time::sleep(limit).await;
            if !self.0.swap(false, Relaxed) {
                return;
            }
        }
    }

    /// The stream, with its bytes noticed.
    pub(super) fn of<S>(&self, stream: S) -> Noticed<S> {
        Noticed { stream, moves: self.clone() }
    }
}

/// A stream whose bytes are noticed as they are read.
pub(super) struct Noticed<S> {
    stream: S,
    moves: Moves,
}

impl<S: AsyncRead + Unpin> AsyncRead for Noticed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.moves.0.store(true, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noticed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
