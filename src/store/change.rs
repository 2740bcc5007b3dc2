//! What is asked of the writer, and what came of it.

use super::VerdictRow;
use super::rows::{Cap, DeliveryId, DeliveryRow, DraftRow, Hash, MappedRow, NewForward, State};
use crate::click::{Click, ClickId};
use crate::clock::Time;

/// One thing to write. Changes of one batch are written together.
#[derive(Clone, Debug)]
pub enum Change {
    /// A click was seen; only the first sighting counts.
    Sighting {
        /// The click.
        click: ClickId,
        /// When it was seen.
        at: Time,
        /// When this may be forgotten.
        until: Time,
    },
    /// A person's click, if it beats the one on record.
    Link {
        /// Whose it is.
        person: Hash,
        /// The click.
        click: Click,
        /// When the link ends.
        until: Time,
        /// Which of two clicks stays.
        keep: Keep,
    },
    /// Two ids of one person, recorded in both directions.
    Join {
        /// The one.
        one: Hash,
        /// The other.
        other: Hash,
        /// When the join ends.
        until: Time,
        /// How many ids either may be joined to; what comes on top is not recorded.
        limit: u32,
    },
    /// A person's link and joins go.
    Forget {
        /// Whose.
        person: Hash,
    },
    /// A delivery to be made, unless one of its once keys is taken.
    Append(Box<DraftRow>),
    /// Takes due deliveries, the most urgent first; answers [`Effect::Leased`].
    Lease {
        /// How many at most.
        limit: u32,
        /// When the lease ends and the deliveries are due again.
        deadline: Time,
        /// How many may be taken from these lanes; from all others as many as there are.
        caps: Vec<Cap>,
    },
    /// A delivery was taken by its destination.
    Done {
        /// Which.
        id: DeliveryId,
        /// What the destination answered with.
        receipt: Option<String>,
        /// Whether there is a verdict to be asked for; `None`: no.
        verdict: Option<Box<VerdictRow>>,
    },
    /// The destination was asked for the verdict of a delivery that it took.
    Judge {
        /// Which.
        id: DeliveryId,
        /// What is known now.
        verdict: Box<VerdictRow>,
    },
    /// A leased delivery is tried again later.
    Again {
        /// Which.
        id: DeliveryId,
        /// When.
        at: Time,
        /// What happened, for people.
        why: String,
    },
    /// A leased delivery is given up; its once keys are free.
    Dead {
        /// Which.
        id: DeliveryId,
        /// Why, as a label.
        reason: String,
        /// Why, in the destination's words.
        detail: String,
    },
    /// A person wants a waiting or dead delivery to be tried now.
    Retry {
        /// Which.
        id: DeliveryId,
    },
    /// A person wants a waiting or dead delivery to be tried now, mapped in another way.
    Remap {
        /// Which.
        id: DeliveryId,
        /// What it says from now.
        mapped: Box<MappedRow>,
    },
    /// A person gives a waiting delivery up, or removes a dead letter.
    Drop {
        /// Which.
        id: DeliveryId,
    },
    /// Nothing of a delivery stays, but for the once keys of one that is no dead letter.
    Erase {
        /// Which.
        id: DeliveryId,
    },
    /// A click's sighting goes.
    Unsee {
        /// The click.
        click: ClickId,
    },
    /// A request that its target missed is kept, until it can be sent on.
    Keep(Box<NewForward>),
    /// A kept request was taken by its target.
    Taken {
        /// Which.
        id: i64,
    },
    /// A kept request is tried again.
    Forward {
        /// Which.
        id: i64,
        /// Whether all others go before it now.
        behind: bool,
    },
    /// A kept request is given up.
    Refused {
        /// Which.
        id: i64,
        /// Why.
        reason: String,
    },
    /// A person wants a kept request that was given up to be sent.
    Revive {
        /// Which.
        id: i64,
    },
    /// A person gives a kept request up, or removes one that was.
    Discard {
        /// Which.
        id: i64,
    },
    /// A kept request goes on without some people.
    Rewrite {
        /// Which.
        id: i64,
        /// What it is from now.
        record: Vec<u8>,
        /// Who is not in it any more.
        gone: Vec<Hash>,
    },
}

/// What a change did.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// It was written, or there was nothing to write.
    Written,
    /// The delivery is on record.
    Appended(DeliveryId),
    /// Another delivery holds one of the once keys.
    Duplicate,
    /// The store holds as much as it may, and this one can be done without.
    Shed,
    /// The request is kept, under this number.
    Kept(i64),
    /// These deliveries are leased.
    Leased(Vec<DeliveryRow>),
    /// What became of a single delivery.
    Touched(Touched),
}

/// What became of a request about a single delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// It was done.
    Done,
    /// There is no such delivery.
    NotFound,
    /// It is in a state that does not allow it.
    WrongState(State),
    /// Another delivery of the same call or order has been made since.
    Superseded,
}

/// Which of two clicks a link keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The newest.
    Newest,
    /// The oldest that has not ended.
    Oldest,
}
