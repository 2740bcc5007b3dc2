//! What a request costs: its whole time, and how much of it was somebody else's.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time of one request.
#[derive(Debug)]
pub struct Stopwatch {
    began: Instant,
    upstream_micros: AtomicU64,
}

impl Stopwatch {
    /// The request begins.
    pub fn start() -> Self {
        Self { began: Instant::now(), upstream_micros: AtomicU64::new(0) }
    }

    /// Waits for somebody else's server. What is waited for stays where it is: it is large.
    pub async fn waiting<T>(&self, answer: Pin<&mut impl Future<Output = T>>) -> T {
        let asked = Instant::now();
        let answer = answer.await;
        let micros = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.upstream_micros.fetch_add(micros, Ordering::Relaxed);
        answer
    }

    /// The time since the start.
    pub fn total(&self) -> Duration {
        self.began.elapsed()
    }

    /// The part of it that was spent waiting for others.
    pub fn upstream(&self) -> Duration {
        Duration::from_micros(self.upstream_micros.load(Ordering::Relaxed))
    }
}
