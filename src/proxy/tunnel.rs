//! Upgraded connections (WebSocket and others): bytes both ways until one side ends.

use super::idle::Moves;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Every open tunnel, so that a stop can wait for them and then cut them.
#[derive(Clone, Debug)]
pub struct Tunnels {
    open: TaskTracker,
    cut: CancellationToken,
    idle: Duration,
}

/// What a visitor's connection is held by while one of its streams is a tunnel: dropped, it may be idle.
#[derive(Clone)]
pub struct Hold {
    _held: Arc<dyn Send + Sync>,
}

impl Hold {
    /// Holds by this.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self { _held: Arc::new(held) }
    }
}

impl Tunnels {
    /// None yet; each ends when nothing has gone through it for `idle`.
    pub(super) fn new(idle: Duration) -> Self {
        Self { open: TaskTracker::new(), cut: CancellationToken::new(), idle }
    }

    /// Connects both sides as soon as each has switched, and copies until one of them ends.
    pub(super) fn join(&self, visitor: OnUpgrade, origin: OnUpgrade, hold: Option<Hold>) {
        let (cut, idle) = (self.cut.clone(), self.idle);
        self.open.spawn(async move {
            let _hold = hold;
            let outcome = cut.run_until_cancelled(copy(visitor, origin, idle)).await;
            if let Some(Err(error)) = outcome {
                tracing::debug!(%error, "a tunnel broke");
            }
        });
    }

    /// Waits until all tunnels have ended, `grace` at most; then cuts those that remain and returns their number.
    pub async fn finish(&self, grace: Duration) -> usize {
        self.open.close();
        if tokio::time::timeout(grace, self.open.wait()).await.is_ok() {
            return 0;
        }
        let remaining = self.open.len();
        self.cut.cancel();
        self.open.wait().await;
        remaining
    }
}

async fn copy(
    visitor: OnUpgrade,
    origin: OnUpgrade,
    idle: Duration,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (visitor, origin) = tokio::try_join!(visitor, origin)?;
    let moves = Moves::default();
    let (mut visitor, mut origin) = (moves.of(TokioIo::new(visitor)), moves.of(TokioIo::new(origin)));
    tokio::select! {
        copied = tokio::io::copy_bidirectional(&mut visitor, &mut origin) => copied.map(drop)?,
        () = moves.cease(idle) => tracing::debug!("a tunnel was idle for too long"),
    }
    Ok(())
}
