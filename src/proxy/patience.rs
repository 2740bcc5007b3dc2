//! How long a body may take: whoever sends it has to go on sending.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Context;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// What is asked of whoever sends a body.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long may be waited for its pieces.
    pub pause: Duration,
    /// How many bytes make good for one second of that; 0: any piece makes good for all.
    pub bytes_per_second: u32,
}

impl Pace {
    /// Any piece will do, as long as it comes.
    pub fn pausing(pause: Duration) -> Self {
        Self { pause, bytes_per_second: 0 }
    }
}

/// The wait for the pieces of one body. Only the time counts in which a piece was asked for and did not come: whoever is
/// slow to take it is another's trouble.
pub(super) struct Patience {
    pace: Pace,
    /// How much was waited, and not made good for.
    debt: Duration,
    waiting: Option<Instant>,
    /// Set once, and again only when it rings too early: most never ring.
    alarm: Option<Pin<Box<Sleep>>>,
    conversation: Option<Arc<Conversation>>,
}

/// Whether a request is being answered already: from then on its sender may wait for the other side's words, and so pause
/// for longer.
#[derive(Debug)]
pub(super) struct Conversation {
    began: AtomicBool,
    pause: Duration,
}

impl Conversation {
    /// One that may come of a request, with this pause.
    pub(super) fn pausing(pause: Duration) -> Arc<Self> {
        Arc::new(Self { began: AtomicBool::new(false), pause })
    }

    /// The answer is there.
    pub(super) fn begin(&self) {
        self.began.store(true, Relaxed);
    }
}

impl Patience {
    pub(super) fn new(pace: Pace, conversation: Option<Arc<Conversation>>) -> Self {
        Self { pace, debt: Duration::ZERO, waiting: None, alarm: None, conversation }
    }

    pub(super) fn conversation(&self) -> Option<&Arc<Conversation>> {
        self.conversation.as_ref()
    }

    /// A piece has come.
    pub(super) fn came(&mut self, bytes: usize, now: impl FnOnce() -> Instant) {
        if let Some(since) = self.waiting.take() {
            self.debt += now().saturating_duration_since(since);
        }
        let worth = match (self.pace.bytes_per_second, u32::try_from(bytes)) {
            (0, _) | (_, Err(_)) => Duration::MAX,
            (rate, Ok(bytes)) => Duration::from_secs(1).saturating_mul(bytes) / rate,
        };
        self.debt = self.debt.saturating_sub(worth);
    }

    /// No piece is there: whether the patience is at its end. If not, the task is woken when it will be.
    pub(super) fn is_over(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let since = *self.waiting.get_or_insert(now);
        let talk = self.conversation.as_ref().filter(|talk| talk.began.load(Relaxed));
        let pause = talk.map_or(self.pace.pause, |talk| talk.pause);
        // It never comes earlier than the alarm: a wait adds no more to the debt than it takes.
        let end = since + pause.saturating_sub(self.debt);
        if end <= now {
            return true;
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if alarm.as_mut().poll(cx).is_pending() {
            return false;
        }
        alarm.as_mut().reset(end);
        alarm.as_mut().poll(cx).is_ready()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits a while for a piece of so many bytes; whether the patience ended before.
    fn is_over_after(patience: &mut Patience, seconds: u64, bytes: usize) -> bool {
        let (mut cx, asked) = (Context::from_waker(std::task::Waker::noop()), Instant::now());
        assert!(!patience.is_over(asked, &mut cx), "at once");
        let later = asked + Duration::from_secs(seconds);
        let over = patience.is_over(later, &mut cx);
        patience.came(bytes, || later);
        over
    }

    #[tokio::test]
    async fn bytes_make_good_for_time() {
        let pace = Pace { pause: Duration::from_secs(30), bytes_per_second: 1000 };
        let mut steady = Patience::new(pace, None);
        for _ in 0..100 {
            assert!(!is_over_after(&mut steady, 29, 29_000));
        }
        assert!(is_over_after(&mut steady, 30, 1));
        // One byte at a time is no body.
        let mut drip = Patience::new(pace, None);
        assert!(!is_over_after(&mut drip, 15, 1));
        assert!(!is_over_after(&mut drip, 14, 1));
        assert!(is_over_after(&mut drip, 2, 1));
        // What came long ago does not make good for what comes now.
        let mut early = Patience::new(pace, None);
        assert!(!is_over_after(&mut early, 1, 1_000_000));
        assert!(is_over_after(&mut early, 31, 1));
        // Any piece will do.
        let mut any = Patience::new(Pace::pausing(Duration::from_secs(60)), None);
        for _ in 0..100 {
            assert!(!is_over_after(&mut any, 59, 1));
        }
        // A conversation has its pauses.
        let conversation = Conversation::pausing(Duration::from_secs(3600));
        let mut talk = Patience::new(pace, Some(conversation.clone()));
        assert!(!is_over_after(&mut talk, 29, 1));
        conversation.begin();
        assert!(!is_over_after(&mut talk, 3000, 1));
    }
}
