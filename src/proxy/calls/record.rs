//! Recording what calls cause: deliveries and lessons, in one commit that is on disk before the call is answered.

use super::judge::Judged;
use crate::attribution::Attribution;
use crate::destination::{Endpoint, Request, Skip};
use crate::live::Kind;
use crate::metrics::Label;
use crate::outbox::{Appended, NewDelivery, OnceKey, Outbox};
use crate::proxy::shared::Shared;
use crate::store::{Change, OnFailure};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a call waits for its deliveries to be on disk: a commit takes a few milliseconds, and a visitor must not
/// notice a disk that is worse.
const RECORD_WAIT_MAX: Duration = Duration::from_millis(250);

/// Writes down what calls cause.
#[derive(Clone)]
pub struct Recorder {
    /// The deliveries.
    pub outbox: Outbox,
    /// What becomes of a call whose deliveries cannot be recorded.
    pub on_store_failure: OnFailure,
    /// What visits and calls share.
    pub shared: Arc<Shared>,
}

/// What became of a delivery that the store answered for.
#[derive(Clone, Copy)]
enum Fate {
    Recorded,
    Duplicate,
    Shed,
}

impl Fate {
    fn of(appended: Appended) -> Self {
        match appended {
            Appended::New(_) => Self::Recorded,
            Appended::Duplicate => Self::Duplicate,
            Appended::Shed => Self::Shed,
        }
    }
}

impl Label for Fate {
    fn label(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
            Self::Shed => "shed",
        }
    }
}

/// What a delivery is called once it is the outbox's.
struct Named {
    program: String,
    endpoint: Endpoint,
    event: String,
}

impl Named {
    fn of(delivery: &NewDelivery) -> Self {
        Self { program: delivery.program.clone(), endpoint: delivery.endpoint, event: delivery.event.clone() }
    }
}

/// Which calls of an envelope have their deliveries on disk.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    calls: HashSet<usize>,
    failed: bool,
}

impl Recorded {
    /// A call counts when none of its deliveries was shed: what is switched off is switched off for all of them.
    fn of(indexes: &[usize], appended: &[Appended]) -> Self {
        let mut recorded: HashSet<usize> = indexes.iter().copied().collect();
        let shed = indexes.iter().zip(appended).filter(|(_, appended)| **appended == Appended::Shed);
        shed.for_each(|(index, _)| _ = recorded.remove(index));
        Self { calls: recorded, failed: false }
    }

    /// Whether the deliveries of the call at `index` are durable.
    pub(super) fn holds(&self, index: usize) -> bool {
        self.calls.contains(&index)
    }

    /// Whether the store did not take them.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }
}

impl Recorder {
    /// Records what `judged` calls cause, and answers whose deliveries are on disk. A failure is counted; the calls go on.
    pub(super) async fn record(&self, judged: &[Judged<'_>], write_key: Option<&str>) -> Recorded {
        for _ in judged.iter().filter(|one| one.is_switched_off()) {
            self.shared.metrics.envelope(Skip::SwitchedOff);
        }
        let lessons = judged.iter().flat_map(|one| self.teach(one)).collect::<Vec<Change>>();
        let caused = || {
            let calls = judged.iter().enumerate();
            let requests = calls.flat_map(|(index, one)| {
                one.requests.iter().map(move |(program, request)| (index, one, program, request))
            });
            requests.map(|(index, one, program, request)| (index, self.delivery(one, program, request, write_key)))
        };
        let (indexes, deliveries): (Vec<usize>, Vec<NewDelivery>) = caused().unzip();
        if deliveries.is_empty() {
            self.shared.store.submit(lessons);
            return Recorded::default();
        }
        let named: Vec<Named> = deliveries.iter().map(Named::of).collect();
        match timeout(RECORD_WAIT_MAX, self.outbox.append(deliveries, lessons)).await {
            Ok(Ok(appended)) => {
                named.iter().zip(&appended).for_each(|(named, appended)| self.appended(named, *appended));
                Recorded::of(&indexes, &appended)
            }
            Ok(Err(error)) => self.unrecorded(caused().map(|(_, new)| new).collect(), &error.to_string()),
            Err(_) => self.unrecorded(caused().map(|(_, new)| new).collect(), "the store takes too long"),
        }
    }

    fn appended(&self, Named { program, endpoint, event }: &Named, appended: Appended) {
        self.shared.metrics.delivery(program, *endpoint, Fate::of(appended));
        if let Appended::New(id) = appended {
            let words = || format!("{event} for {program} ({}) is on disk, number {id}", endpoint.label());
            self.shared.live.tell(self.shared.clock.now(), Kind::DeliveryRecorded, words);
        }
    }

    /// What a call teaches and is not known yet.
    fn teach(&self, one: &Judged<'_>) -> Vec<Change> {
        let learned = self.shared.links.teach(&one.lesson);
        let links = learned.iter().filter(|change| matches!(change, Change::Link { .. })).count();
        if let (Some(click), 1..) = (&one.lesson.click, links) {
            let words = || format!("{:?} belongs to {links} id(s) of {}", click.id, one.name());
            self.shared.live.tell(self.shared.clock.now(), Kind::LinkLearned, words);
        }
        learned
    }

    /// Where the call goes on all the same, its deliveries get a second chance, but for what nobody could tell from the
    /// report of Segment's own destination; where it is refused, its SDK brings it again.
    fn unrecorded(&self, mut deliveries: Vec<NewDelivery>, why: &str) -> Recorded {
        let count = deliveries.len();
        deliveries.retain(|delivery| !delivery.unrepeatable);
        let later = self.on_store_failure == OnFailure::Pass && self.outbox.append_later(deliveries);
        tracing::error!(deliveries = count, why, later, "deliveries are not recorded");
        self.shared.metrics.unrecorded(count as u64);
        let words = || format!("{count} deliveries: {why}");
        self.shared.live.tell(self.shared.clock.now(), Kind::Unrecorded, words);
        Recorded { failed: true, ..Recorded::default() }
    }

    fn delivery(&self, one: &Judged<'_>, program: &str, request: &Request, write_key: Option<&str>) -> NewDelivery {
        let now = self.shared.clock.now();
        let message_id = one.view.message_id().map(String::from);
        let key = write_key.unwrap_or_default();
        let once = OnceKey::all(key, program, message_id.as_deref(), request.order.as_ref(), now);
        NewDelivery {
            program: program.to_owned(),
            endpoint: request.endpoint,
            params: request.params.iter().map(|param| (param.name.to_string(), param.value.clone())).collect(),
            event: one.name().into_owned(),
            message_id,
            order_id: request.order.as_ref().map(|order| order.id.clone()),
            basis: one.basis().map_or("none", Label::label).to_owned(),
            click_id: one.attribution.as_ref().and_then(Attribution::earned).map(|click| click.id.as_str().to_owned()),
            unrepeatable: request.unrepeatable,
            once,
            anonymous: one.anonymous,
            user: one.user,
            arrival: now,
            call: one.kept.clone(),
        }
    }
}
