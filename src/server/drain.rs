//! Stopping: no new connections, then what is in flight is finished, then what remains is cut.

use crate::proxy::Edge;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Tells every listener and connection when to finish. Each holds a `Signal`; when all of them are gone, so is the work.
#[derive(Debug)]
pub struct Drain {
    phase: watch::Sender<Phase>,
}

/// A listener's or connection's ear for the stop.
#[derive(Debug)]
pub(super) struct Signal(watch::Receiver<Phase>);

/// How far a stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Business as usual.
    Serving,
    /// Requests in flight are finished, and no new ones begun.
    Finishing,
    /// Time is up.
    Cut,
}

/// How a stop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut with a request in flight.
    pub connections_cut: usize,
    /// Tunnels that were cut.
    pub tunnels_cut: usize,
}

impl Drain {
    /// Business as usual.
    pub fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Serving) }
    }

    /// Stops accepting, waits until requests and tunnels in flight have ended, `grace` at most, and cuts what remains.
    pub async fn finish(self, edge: &Edge, grace: Duration) -> Drained {
        let deadline = Instant::now() + grace;
        self.phase.send_replace(Phase::Finishing);
        let (connections_cut, tunnels_cut) =
            tokio::join!(self.finish_connections(deadline), edge.tunnels().finish(grace));
        Drained { connections_cut, tunnels_cut }
    }

    async fn finish_connections(&self, deadline: Instant) -> usize {
        if timeout_at(deadline, self.phase.closed()).await.is_ok() {
            return 0;
        }
        let remaining = self.phase.receiver_count();
        self.phase.send_replace(Phase::Cut);
        self.phase.closed().await;
        remaining
    }

    pub(super) fn signal(&self) -> Signal {
        Signal(self.phase.subscribe())
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Signal {
    /// Another ear, which has heard what this one has.
    pub(super) fn another(&self) -> Self {
        Self(self.0.clone())
    }

    /// The next phase, as soon as it begins.
    pub(super) async fn next(&mut self) -> Phase {
        match self.0.changed().await {
            Ok(()) => *self.0.borrow_and_update(),
            // The `Drain` was dropped without a stop: nobody waits for us any more.
            Err(_) => Phase::Cut,
        }
    }
}
