//! The events that the admin page and the demo show, as they happen.

use crate::clock::Time;
use crate::metrics::Label;
use tokio::sync::broadcast::{Receiver, Sender, channel, error::RecvError};

/// Tells whoever watches what happens. Telling costs next to nothing while nobody does, and never waits.
#[derive(Clone, Debug)]
pub struct Live(Sender<Event>);

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Time,
    /// What kind of thing.
    pub kind: Kind,
    /// The rest, for people: at most 240 bytes, and never a whole click ID, e-mail address or token.
    pub text: String,
}

/// The kinds of things that happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A landing's click is in the visitor's cookie.
    ClickCaptured,
    /// A Segment call got its click, and goes on with it.
    CallEnriched,
    /// A click is known to belong to an anonymousId or userId.
    LinkLearned,
    /// A call without a click of its own was attributed by its person's link.
    CallStitched,
    /// A delivery is on disk.
    DeliveryRecorded,
    /// The destination took a delivery.
    Delivered,
    /// A delivery failed, and will be tried again.
    Retried,
    /// A delivery was given up.
    Dead,
    /// The destination said what became of a delivery that it took.
    Judged,
    /// The store did not take a delivery in time.
    Unrecorded,
    /// Segment is away, and an envelope is on disk instead.
    EnvelopeKept,
    /// Segment took an envelope that it had missed.
    EnvelopeSentOn,
}

/// A watcher's end.
#[derive(Debug)]
pub struct Watch(Receiver<Event>);

/// How many events a watcher may be behind before it misses the oldest: a few seconds of a busy shop, under a megabyte.
const EVENTS_BEHIND_MAX: usize = 1024;

/// The longest text; a line on a screen.
const TEXT_BYTES_MAX: usize = 240;

impl Live {
    /// Nobody watches yet.
    pub fn new() -> Self {
        Self(channel(EVENTS_BEHIND_MAX).0)
    }

    /// Tells that something happened; `text` is called only when somebody watches.
    pub fn tell(&self, at: Time, kind: Kind, text: impl FnOnce() -> String) {
        if self.0.receiver_count() == 0 {
            return;
        }
        let mut text = text();
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        // The last watcher may have gone in between; then nobody misses it.
        drop(self.0.send(Event { at, kind, text }));
    }

    /// Watches from now on.
    pub fn watch(&self) -> Watch {
        Watch(self.0.subscribe())
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

impl Watch {
    /// The next event; `None` when nothing will ever happen again. A watcher that is too slow misses the oldest ones.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Label for Kind {
    fn label(self) -> &'static str {
        match self {
            Self::ClickCaptured => "click_captured",
            Self::CallEnriched => "call_enriched",
            Self::LinkLearned => "link_learned",
            Self::CallStitched => "call_stitched",
            Self::DeliveryRecorded => "delivery_recorded",
            Self::Delivered => "delivered",
            Self::Retried => "retried",
            Self::Dead => "dead",
            Self::Judged => "judged",
            Self::Unrecorded => "unrecorded",
            Self::EnvelopeKept => "envelope_kept",
            Self::EnvelopeSentOn => "envelope_sent_on",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Time = Time::from_seconds(1_800_000_000);

    #[tokio::test]
    async fn a_watcher_sees_what_happens_from_then_on() {
        let live = Live::new();
        live.tell(AT, Kind::Dead, || panic!("nobody watches"));
        let mut watch = live.watch();
        live.tell(AT, Kind::Delivered, || format!("{}ä", "x".repeat(TEXT_BYTES_MAX - 1)));
        let event = watch.next().await.unwrap();
        assert_eq!((event.at, event.kind), (AT, Kind::Delivered));
        assert_eq!(event.text, "x".repeat(TEXT_BYTES_MAX - 1));
        drop(live);
        assert_eq!(watch.next().await, None);
    }

    #[tokio::test]
    async fn a_slow_watcher_misses_the_oldest() {
        let live = Live::new();
        let mut watch = live.watch();
        for number in 0..EVENTS_BEHIND_MAX + 5 {
            live.tell(AT, Kind::Retried, || number.to_string());
        }
        assert_eq!(watch.next().await.unwrap().text, "5");
    }
}
