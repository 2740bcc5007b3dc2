//! The envelope that goes on: the referrers that were earned, and the network's own destination switched off for what is
//! delivered here.

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

/// An envelope and what was found about its calls.
pub(super) struct Spliced<'a> {
    pub(super) envelope: &'a Envelope<'a>,
    pub(super) judged: &'a [Judged<'a>],
    pub(super) shared: &'a Shared,
    pub(super) expect: Expect,
}

impl Spliced<'_> {
    /// Whether what goes on depends on what was recorded; if not, both can happen at once.
    pub(super) fn waits_for_the_record(&self) -> bool {
        self.judged.iter().any(|one| {
            let suppression = || suppress(&one.view, &self.shared.rules.names);
            !one.requests.is_empty() && matches!(suppression(), Suppression::Edits(_) | Suppression::OptionsReplaced(_))
        })
    }

    /// The bytes that go on; `None`: those that came.
    ///
    /// Where Segment's limit does not allow everything, the referrers stay out first: a destination that is not switched
    /// off could report the conversion again.
    pub(super) fn body(&self, recorded: &Recorded) -> Option<Vec<u8>> {
        let off = self.switched_off(recorded);
        let referrers = || self.judged.iter().flat_map(|one| one.edits().iter().cloned());
        let all: Vec<Edit> = referrers().chain(off.iter().cloned()).collect();
        let edits = if self.fits(&all) {
            self.tell();
            all
        } else {
            self.shared.metrics.call_untouched(Kept::TooLarge);
            if self.fits(&off) { off } else { Vec::new() }
        };
        let text = self.envelope.text();
        (!edits.is_empty()).then(|| splice::apply(text, splice::whole(text), &edits))
    }

    fn switched_off(&self, recorded: &Recorded) -> Vec<Edit> {
        let delivered =
            self.judged.iter().enumerate().filter(|(index, one)| !one.requests.is_empty() && recorded.holds(*index));
        let mut edits = Vec::new();
        for (_, one) in delivered {
            let suppression = suppress(&one.view, &self.shared.rules.names);
            self.shared.metrics.envelope(&suppression);
            if let Suppression::Edits(more) | Suppression::OptionsReplaced(more) = suppression {
                edits.extend(more);
            }
        }
        edits
    }

    /// Tells who watches which calls go on with a click.
    fn tell(&self) {
        for one in self.judged.iter().filter(|one| !one.edits().is_empty()) {
            let Some(Attribution { click, basis }) = &one.attribution else { continue };
            let kind = if *basis == Basis::Linked { Kind::CallStitched } else { Kind::CallEnriched };
            let words = || format!("{} gets {:?} ({})", one.name(), click.id, basis.label());
            self.shared.live.tell(self.shared.clock.now(), kind, words);
        }
    }

    fn fits(&self, edits: &[Edit]) -> bool {
        let limit = if self.expect == Expect::Batch { BATCH_BYTES_MAX } else { CALL_BYTES_MAX };
        let grown: usize = edits.iter().map(Edit::growth).sum();
        edits.is_empty() || self.envelope.text().len() + grown <= limit
    }
}
