//! A stream of HTTP/2 whose visitor lets nothing more of its answer through is reset; the others of its connection go on.
//!
//! hyper spawns each stream as a task of its own and polls the answer's body only when the visitor's windows have room. So a
//! body that has handed something on, and is not asked for more, belongs to a visitor who does not read.

use hyper::rt::Executor;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

tokio::task_local! {
    /// The stream whose task is running.
    static STREAM: Arc<Marks>;
}

/// Runs the streams of connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    /// How long a visitor may let nothing of an answer through.
    pub(super) unread: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        tokio::spawn(guard(stream, self.unread));
    }
}

/// When a stream's answer handed something on and was not asked for more since.
#[derive(Debug)]
pub(super) struct Marks {
    begun: Instant,
    /// Milliseconds since then, and one; 0: it was asked.
    handed_on: AtomicU64,
}

impl Marks {
    fn new() -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), handed_on: AtomicU64::new(0) })
    }

    /// Those of the stream whose task this is; HTTP/1.1 has none.
    pub(super) fn of_task() -> Option<Arc<Self>> {
        STREAM.try_with(Arc::clone).ok()
    }

    /// The answer is asked for more.
    pub(super) fn asked(&self) {
        self.handed_on.store(0, Relaxed);
    }

    /// The answer hands something on.
    pub(super) fn handed_on(&self) {
        let passed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.handed_on.store(passed.saturating_add(1), Relaxed);
    }

    fn waits_since(&self) -> Option<Instant> {
        let passed = self.handed_on.load(Relaxed).checked_sub(1)?;
        self.begun.checked_add(Duration::from_millis(passed))
    }
}

/// Runs a stream to its end, or until it was `unread` for too long: dropped, it is reset. Only a stream that waits for its visitor
/// sets a timer.
async fn guard(stream: impl Future<Output = ()>, unread: Duration) {
    let marks = Marks::new();
    let mut stream = pin!(STREAM.scope(Arc::clone(&marks), stream));
    loop {
        let waiting = poll_fn(|context| match (stream.as_mut().poll(context), marks.waits_since()) {
            (Poll::Ready(()), _) => Poll::Ready(None),
            (Poll::Pending, Some(since)) => Poll::Ready(Some(since)),
            (Poll::Pending, None) => Poll::Pending,
        });
        let Some(since) = waiting.await else { return };
        if since.elapsed() >= unread {
            return tracing::debug!("a stream was not read for too long");
        }
        tokio::select! {
            biased;
            () = stream.as_mut() => return,
            () = sleep_until(since + unread) => {}
        }
    }
}
