//! Recording what calls cause: deliveries and lessons, in one commit that is on disk before the call is answered.

use super::judge::Judged;
use crate::attribution::Attribution;
use crate::destination::{Endpoint, Request};
use crate::metrics::Label;
use crate::outbox::{Appended, NewDelivery, OnceKey, Outbox};
use crate::proxy::shared::Shared;
use crate::store::Change;
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
    /// What visits and calls share.
    pub shared: Arc<Shared>,
}

/// What became of a delivery that the store answered for.
#[derive(Clone, Copy)]
enum Fate {
    Recorded,
    Duplicate,
}

impl Fate {
    fn of(appended: Appended) -> Self {
        match appended {
            Appended::New(_) => Self::Recorded,
            Appended::Duplicate => Self::Duplicate,
        }
    }
}

impl Label for Fate {
    fn label(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
        }
    }
}

/// Which calls of an envelope have their deliveries on disk.
#[derive(Debug, Default)]
pub(super) struct Recorded(HashSet<usize>);

impl Recorded {
    /// Whether the deliveries of the call at `index` are durable.
    pub(super) fn holds(&self, index: usize) -> bool {
        self.0.contains(&index)
    }
}

impl Recorder {
    /// Records what `judged` calls cause, and answers whose deliveries are on disk. A failure is counted; the calls go on.
    pub(super) async fn record(&self, judged: &[Judged<'_>], write_key: Option<&str>) -> Recorded {
        let lessons = judged.iter().flat_map(|one| self.shared.links.teach(&one.lesson)).collect::<Vec<Change>>();
        let (indexes, deliveries): (Vec<usize>, Vec<NewDelivery>) = judged
            .iter()
            .enumerate()
            .flat_map(|(index, one)| one.requests.iter().map(move |(program, request)| (index, program, request, one)))
            .map(|(index, program, request, one)| (index, self.delivery(one, program, request, write_key)))
            .unzip();
        if deliveries.is_empty() {
            self.shared.store.submit(lessons);
            return Recorded::default();
        }
        let labels: Vec<_> = deliveries.iter().map(|delivery| (delivery.program.clone(), delivery.endpoint)).collect();
        match timeout(RECORD_WAIT_MAX, self.outbox.append(deliveries, lessons)).await {
            Ok(Ok(appended)) => {
                for ((program, endpoint), appended) in labels.iter().zip(&appended) {
                    self.shared.metrics.delivery(program, *endpoint, Fate::of(*appended));
                }
                Recorded(indexes.into_iter().collect())
            }
            Ok(Err(error)) => self.unrecorded(&labels, &error.to_string()),
            Err(_) => self.unrecorded(&labels, "the store takes too long"),
        }
    }

    fn unrecorded(&self, labels: &[(String, Endpoint)], why: &str) -> Recorded {
        tracing::error!(
            deliveries = labels.len(),
            why,
            "deliveries are not recorded; Segment's own destination is left on"
        );
        self.shared.metrics.unrecorded(labels.len() as u64);
        Recorded::default()
    }

    fn delivery(&self, one: &Judged<'_>, program: &str, request: &Request, write_key: Option<&str>) -> NewDelivery {
        let now = self.shared.clock.now();
        let message_id = one.view.message_id().map(String::from);
        let message = message_id.as_deref().map(|id| OnceKey::message(write_key.unwrap_or_default(), program, id, now));
        let order = request.order.as_ref().map(|order| OnceKey::order(program, &order.event_type, &order.id, now));
        NewDelivery {
            program: program.to_owned(),
            endpoint: request.endpoint,
            params: request.params.iter().map(|param| (param.name.to_string(), param.value.clone())).collect(),
            event: one.view.event().map_or_else(|| one.view.kind.label().to_owned(), String::from),
            message_id,
            order_id: request.order.as_ref().map(|order| order.id.clone()),
            basis: one.basis().map_or("none", Label::label).to_owned(),
            click_id: one.attribution.as_ref().and_then(Attribution::earned).map(|click| click.id.as_str().to_owned()),
            unrepeatable: request.unrepeatable,
            once: message.into_iter().chain(order).collect(),
            anonymous: one.anonymous,
            user: one.user,
            arrival: now,
        }
    }
}
