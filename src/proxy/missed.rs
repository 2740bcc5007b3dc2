//! Sending on what Segment missed: one after the other, in the order in which they came, each with its `sentAt` moved by
//! its wait.
//!
//! A region that is away does not keep the others waiting: until its pause is over, what waits for it is passed over, and keeps its
//! place.

mod round;

use self::round::Round;

use super::body::Body;
use super::calls::answer;
use super::regions::Regions;
use super::shared::Shared;
use super::upstream::Upstream;
use crate::live::Kind;
use crate::metrics::Label;
use crate::outbox::Forwards;
use crate::outbox::forwards::{EXPIRED, Waiting};
use crate::segment::Envelope;
use crate::segment::delay::delayed;
use crate::segment::endpoint::{Endpoint, endpoint};
use crate::segment::splice::{apply, whole};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The first pause while Segment is away; each later one is twice as long …
const AWAY_MIN: Duration = Duration::from_millis(500);
/// … up to this: what waits goes out soon after Segment is back.
const AWAY_MAX: Duration = Duration::from_secs(15);
/// After so many answers of 5xx in a row an envelope goes behind the others: perhaps it is the envelope, not Segment.
const IN_FRONT_MAX: u32 = 40;
/// How long to wait before a store that refused is asked again.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// Sends on what Segment missed.
pub struct Courier {
    forwards: Forwards,
    regions: Arc<Regions>,
    shared: Arc<Shared>,
    retry_for: Duration,
}

/// What became of an attempt to send one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Segment took it.
    Taken,
    /// Segment does not want it.
    Refused(u16),
    /// Segment asked for a pause.
    Wait(Duration),
    /// Segment is away; `answered` if it was a 5xx that said so.
    Away { answered: bool },
    /// It waited for too long.
    TooOld,
}

impl Label for Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Taken => "sent_on",
            Self::Refused(_) => "sent_on_refused",
            Self::Wait(_) | Self::Away { .. } => "sent_on_again",
            Self::TooOld => "sent_on_too_old",
        }
    }
}

impl Courier {
    /// Sends what `forwards` keeps to the API of its region, each for at most `retry_for`.
    pub fn new(forwards: Forwards, regions: Arc<Regions>, shared: Arc<Shared>, retry_for: Duration) -> Self {
        Self { forwards, regions, shared, retry_for }
    }

    /// Sends on until `stop` is cancelled. An envelope that is under way then is sent once more after the start: Segment
    /// knows it by its messageIds.
    pub async fn run(self, stop: CancellationToken) {
        let mut round = Round::default();
        while let Some(pause) = stop.run_until_cancelled(self.next(&mut round)).await {
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Sends the next one on; how long to wait after it.
    async fn next(&self, round: &mut Round) -> Duration {
        let too_old = self.shared.clock.now().minus(self.retry_for);
        let waiting = match self.forwards.next(round.after(), too_old).await {
            Ok(Some(waiting)) => waiting,
            Ok(None) => {
                if let Some(pause) = round.again(self.shared.clock.now()) {
                    return pause;
                }
                self.forwards.news().await;
                return Duration::ZERO;
            }
            Err(_) => return STORE_RETRY,
        };
        let api = self.regions.of(waiting.missed.write_key.as_deref());
        let now = self.shared.clock.now();
        if round.is_away(api.host(), now) {
            return round.pass_over(waiting.place, now);
        }
        let outcome = self.send(&waiting, &api).await;
        self.tell(&waiting, outcome);
        if let Err(error) = self.record(&waiting, outcome).await {
            tracing::warn!(%error, "what became of a kept envelope is not recorded; it is sent once more");
            return STORE_RETRY;
        }
        let failures = round.failures(api.host(), matches!(outcome, Outcome::Away { .. }));
        let pause = pause(outcome, failures, fastrand::f64());
        if pause.is_zero() || !self.regions.are_several() {
            return pause;
        }
        let now = self.shared.clock.now();
        round.wait(api.host(), now.plus(pause));
        round.pass_over(waiting.place, now)
    }

    async fn send(&self, waiting: &Waiting, api: &Upstream) -> Outcome {
        let now = self.shared.clock.now();
        let wait = now.since(waiting.missed.arrival);
        if wait >= self.retry_for && !waiting.is_wanted {
            return Outcome::TooOld;
        }
        let Some(request) = self.request(waiting, wait) else { return Outcome::Refused(0) };
        match api.forward(request).await {
            Err(_) => Outcome::Away { answered: false },
            Ok(response) => judge(response.status(), response.headers()),
        }
    }

    /// The request as it goes on now.
    fn request(&self, waiting: &Waiting, wait: Duration) -> Option<Box<Request<Body>>> {
        let missed = &waiting.missed;
        let mut headers = HeaderMap::new();
        for (name, value) in &missed.fields {
            headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?);
        }
        let body = self.moved(waiting, &headers, wait);
        if headers.contains_key(CONTENT_LENGTH) || !body.is_empty() {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let mut request = Box::new(Request::new(Body::full(body)));
        *request.method_mut() = Method::from_bytes(missed.method.as_bytes()).ok()?;
        *request.uri_mut() = missed.path.parse().ok()?;
        *request.headers_mut() = headers;
        Some(request)
    }

    /// The body with its times moved; one that is encoded, or no envelope, as it came.
    fn moved(&self, waiting: &Waiting, headers: &HeaderMap, wait: Duration) -> Bytes {
        let missed = &waiting.missed;
        let path = missed.path.split('?').next().unwrap_or_default();
        let (Endpoint::Calls(expect), false) = (endpoint(path), headers.contains_key(CONTENT_ENCODING)) else {
            return missed.body.clone();
        };
        let Ok(envelope) = Envelope::read(&missed.body, expect, &self.shared.rules.names) else {
            return missed.body.clone();
        };
        let edits = delayed(&envelope, missed.arrival, wait);
        Bytes::from(apply(&missed.body, whole(&missed.body), &edits))
    }

    async fn record(&self, waiting: &Waiting, outcome: Outcome) -> Result<(), crate::store::CommitError> {
        match outcome {
            Outcome::Taken => self.forwards.taken(waiting.id).await,
            Outcome::Refused(status) => self.forwards.refuse(waiting.id, &format!("refused: {status}")).await,
            Outcome::TooOld => self.forwards.refuse(waiting.id, EXPIRED).await,
            Outcome::Away { answered: true } => self.forwards.again(waiting.id, waiting.attempts >= IN_FRONT_MAX).await,
            Outcome::Wait(_) | Outcome::Away { answered: false } => Ok(()),
        }
    }

    fn tell(&self, waiting: &Waiting, outcome: Outcome) {
        self.shared.metrics.envelope(outcome);
        let path = waiting.missed.path.split('?').next().unwrap_or_default();
        let now = self.shared.clock.now();
        match outcome {
            Outcome::Taken => self.shared.live.tell(now, Kind::EnvelopeSentOn, || {
                format!("{path}, {} s late", now.since(waiting.missed.arrival).as_secs())
            }),
            Outcome::Refused(_) | Outcome::TooOld => {
                tracing::error!(id = waiting.id, ?outcome, "a kept envelope is given up");
            }
            Outcome::Wait(_) | Outcome::Away { .. } => {}
        }
    }
}

fn judge(status: StatusCode, headers: &HeaderMap) -> Outcome {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Outcome::Wait(answer::wait(headers)),
        status if answer::is_away(status) => Outcome::Away { answered: true },
        status if status.is_success() => Outcome::Taken,
        status => Outcome::Refused(status.as_u16()),
    }
}

fn pause(outcome: Outcome, failures: u32, jitter: f64) -> Duration {
    match outcome {
        Outcome::Taken | Outcome::Refused(_) | Outcome::TooOld => Duration::ZERO,
        Outcome::Wait(wait) => wait,
        Outcome::Away { .. } => {
            (AWAY_MIN * (1 << failures.saturating_sub(1).min(6))).min(AWAY_MAX).mul_f64(0.5 + jitter / 2.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_means_for_a_kept_envelope() {
        let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static("7"))]);
        for (status, outcome) in [
            (200, Outcome::Taken),
            (400, Outcome::Refused(400)),
            (302, Outcome::Refused(302)),
            (501, Outcome::Refused(501)),
            (429, Outcome::Wait(Duration::from_secs(7))),
            (500, Outcome::Away { answered: true }),
            (503, Outcome::Away { answered: true }),
        ] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap(), &headers), outcome, "{status}");
        }
    }

    #[test]
    fn pauses_grow_while_segment_is_away_and_end_with_it() {
        let away = Outcome::Away { answered: false };
        let waits: Vec<f64> = (1..=7).map(|failures| pause(away, failures, 0.999_999).as_secs_f64().round()).collect();
        assert_eq!(waits, [0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0].map(|wait: f64| if wait == 0.0 { 0.0 } else { wait }));
        assert_eq!(pause(Outcome::Taken, 0, 0.5), Duration::ZERO);
    }
}
