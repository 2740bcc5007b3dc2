//! The envelope that goes on: the referrers that were earned, and the network's own destination switched off for what is
//! delivered here.
//!
//! It is switched off for a call when all that `direct` programs take of it is on disk and no `segment` program takes it (see
//! [`Mode`](crate::destination::impact::config::Mode)). Where it cannot be switched off (`integrations` that are no object,
//! the dotted form of a pixel, a call without room), the call is delivered here all the same and counted as `left`: a
//! conversion that arrives twice has one OrderId, by which impact.com tells, and one that nobody sends is lost.

use super::judge::Judged;
use super::record::Recorded;
use crate::attribution::{Attribution, Basis};
use crate::live::Kind;
use crate::metrics::Label;
use crate::proxy::shared::Shared;
use crate::segment::envelope::{BATCH_BYTES_MAX, CALL_BYTES_MAX};
use crate::segment::integrations::{Suppression, suppress};
use crate::segment::referrer::Kept;
use crate::segment::splice::{self, Edit};
use crate::segment::{Envelope, Expect};

/// What is counted of a delivered call whose destination at Segment stays on, since another program is delivered by it.
#[derive(Clone, Copy)]
struct Needed;

impl Label for Needed {
    fn label(self) -> &'static str {
        "needed"
    }
}

/// An envelope and what was found about its calls.
pub(super) struct Spliced<'a> {
    pub(super) envelope: &'a Envelope<'a>,
    pub(super) judged: &'a [Judged<'a>],
    pub(super) shared: &'a Shared,
    pub(super) expect: Expect,
    /// Whether a call's `integrations` can be set at all.
    pub(super) takes_integrations: bool,
}

impl Spliced<'_> {
    /// Whether what goes on depends on what was recorded; if not, both can happen at once.
    pub(super) fn waits_for_the_record(&self) -> bool {
        self.judged.iter().any(|one| {
            !one.requests.is_empty()
                && matches!(self.suppression(one), Some(Suppression::Edits(_) | Suppression::OptionsReplaced(_)))
        })
    }

    /// What switching off comes to for a call; `None`: a program needs it on.
    fn suppression(&self, one: &Judged<'_>) -> Option<Suppression> {
        match (one.needs_segments(), self.takes_integrations) {
            (true, _) => None,
            (false, false) => Some(Suppression::Left),
            (false, true) => Some(suppress(&one.view, &self.shared.rules.names)),
        }
    }

    /// The bytes that go on; `None`: those that came.
    ///
    /// Where one of Segment's limits does not allow everything, the referrers stay out first: a destination that is not
    /// switched off could report the conversion again.
    pub(super) fn body(&self, recorded: &Recorded) -> Option<Vec<u8>> {
        let (mut referrers, mut off, mut enriched) = (Vec::new(), Vec::new(), Vec::new());
        for (index, one) in self.judged.iter().enumerate() {
            let room = CALL_BYTES_MAX.saturating_sub(one.view.raw().len());
            let switched = if recorded.holds(index) { self.switched_off(one, room) } else { Vec::new() };
            if growth(&switched) + growth(one.edits()) <= room {
                referrers.extend(one.edits().iter().cloned());
                enriched.push(one);
            } else {
                self.shared.metrics.call_untouched(Kept::TooLarge);
            }
            off.extend(switched);
        }
        let text = self.envelope.text();
        let limit = if self.expect == Expect::Batch { BATCH_BYTES_MAX } else { CALL_BYTES_MAX };
        let room = limit.saturating_sub(text.len());
        if growth(&off) + growth(&referrers) > room {
            for _ in self.judged.iter().filter(|one| !one.edits().is_empty()) {
                self.shared.metrics.call_untouched(Kept::TooLarge);
            }
            referrers.clear();
            enriched.clear();
        }
        enriched.into_iter().for_each(|one| self.tell(one));
        if growth(&off) > room {
            off.clear();
        }
        let edits = [referrers, off].concat();
        (!edits.is_empty()).then(|| splice::apply(text, splice::whole(text), &edits))
    }

    /// Tells who watches that a call goes on with a click.
    fn tell(&self, one: &Judged<'_>) {
        let Some(Attribution { click, basis }) = one.attribution.as_ref().filter(|_| !one.edits().is_empty()) else {
            return;
        };
        let kind = if *basis == Basis::Linked { Kind::CallStitched } else { Kind::CallEnriched };
        let words = || format!("{} gets {:?} ({})", one.name(), click.id, basis.label());
        self.shared.live.tell(self.shared.clock.now(), kind, words);
    }

    /// Counts what is delivered here of an envelope in which nothing had to be, or could be, switched off.
    pub(super) fn count_unswitched(&self, recorded: &Recorded) {
        for (_, one) in self.judged.iter().enumerate().filter(|(index, _)| recorded.holds(*index)) {
            self.count(self.suppression(one).as_ref());
        }
    }

    fn count(&self, suppression: Option<&Suppression>) {
        match suppression {
            Some(suppression) => self.shared.metrics.envelope(suppression),
            None => self.shared.metrics.envelope(Needed),
        }
    }

    /// The edits that switch the network's own destination off for a call, if there is room for them.
    fn switched_off(&self, one: &Judged<'_>, room: usize) -> Vec<Edit> {
        let suppression = match self.suppression(one) {
            Some(Suppression::Edits(edits) | Suppression::OptionsReplaced(edits)) if growth(&edits) > room => {
                Some(Suppression::Left)
            }
            suppression => suppression,
        };
        self.count(suppression.as_ref());
        match suppression {
            Some(Suppression::Edits(edits) | Suppression::OptionsReplaced(edits)) => edits,
            Some(Suppression::AlreadyOff | Suppression::Left) | None => Vec::new(),
        }
    }
}

/// By how many bytes these edits make a text longer at the most.
fn growth(edits: &[Edit]) -> usize {
    edits.iter().map(Edit::growth).sum()
}
