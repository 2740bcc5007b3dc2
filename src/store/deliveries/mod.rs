//! Deliveries on record: append, lease, done, again, dead, and what a person may do to them.
//!
//! A once key is taken by a delivery that is not dead; a delivery that was swept or made still holds it until its end.

mod append;
mod end;
mod lease;
mod line;
mod remap;
mod sum;
mod sweep;
mod verdict;

pub(super) use append::{Room, append, size};
pub(super) use end::{again, dead, done, erase, give_up, retry};
pub(super) use lease::{free_leases, lease, next_due};
pub(super) use remap::remap;
pub(super) use sweep::{Kept, sweep};
pub(super) use verdict::judge;

use super::people::damaged;
use super::{DeliveryId, DeliveryRow, DraftRow, State, Verdict, VerdictRow};
use crate::clock::Time;
use rusqlite::Row;

/// The urgencies there are, the most urgent first.
const URGENCIES: [u8; 2] = [0, 1];
/// The reason of a dead letter that may have been taken and must not be sent twice.
const AMBIGUOUS: &str = "ambiguous";
/// The reason of a dead letter whose row the disk has changed: nobody knows what it said.
const DAMAGED: &str = "damaged";
/// The reason of a dead letter that a person gave up.
const DROPPED: &str = "dropped";

/// The columns of [`read_row`], in its order.
pub(super) const COLUMNS: &str =
    "id, state, program, endpoint, urgency, params, event, message_id, order_id, basis, click_id,
    unrepeatable, anonymous, user, arrival, attempts, due, created, ended, reason, last_error, receipt, ordered, call, sum,
    verdict, verdict_reason, action_id, ask_at, asked";

/// Reads a row of [`COLUMNS`].
///
/// # Errors
/// Beside the database's own: [`damaged`], where the row does not say what was written.
pub(super) fn read_row(row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    let time = |column: usize| row.get(column).map(Time::from_millis);
    let draft = DraftRow {
        program: row.get(2)?,
        endpoint: row.get(3)?,
        urgency: row.get(4)?,
        params: row.get(5)?,
        event: row.get(6)?,
        message_id: row.get(7)?,
        order_id: row.get(8)?,
        basis: row.get(9)?,
        click_id: row.get(10)?,
        unrepeatable: row.get(11)?,
        once: Vec::new(),
        anonymous: row.get(12)?,
        user: row.get(13)?,
        arrival: time(14)?,
        ordered: row.get(22)?,
        follows: false,
        call: row.get(23)?,
    };
    if row.get::<_, Option<i64>>(24)?.is_some_and(|written| written != sum::sum(&draft)) {
        return Err(damaged(24, "a sum that does not fit".to_owned()));
    }
    Ok(DeliveryRow {
        id: DeliveryId(row.get(0)?),
        draft,
        state: read_state(row, 1)?,
        attempts: row.get(15)?,
        due: time(16)?,
        created: time(17)?,
        ended: row.get::<_, Option<i64>>(18)?.map(Time::from_millis),
        reason: row.get(19)?,
        last_error: row.get(20)?,
        receipt: row.get(21)?,
        verdict: read_verdicts(row)?,
    })
}

/// What is left of a row that does not say what was written, for people: dead, and why.
pub(super) fn read_rest(row: &Row<'_>, error: &rusqlite::Error) -> DeliveryRow {
    let text = |column: usize| row.get::<_, String>(column).unwrap_or_default();
    let maybe = |column: usize| row.get::<_, Option<String>>(column).unwrap_or_default();
    let time = |column: usize| Time::from_millis(row.get(column).unwrap_or_default());
    DeliveryRow {
        id: DeliveryId(row.get(0).unwrap_or_default()),
        draft: DraftRow {
            program: text(2),
            endpoint: text(3),
            urgency: 0,
            params: text(5),
            event: text(6),
            message_id: maybe(7),
            order_id: maybe(8),
            basis: text(9),
            click_id: maybe(10),
            unrepeatable: true,
            once: Vec::new(),
            anonymous: row.get(12).unwrap_or_default(),
            user: row.get(13).unwrap_or_default(),
            arrival: time(14),
            ordered: false,
            follows: false,
            call: None,
        },
        state: read_state(row, 1).unwrap_or(State::Dead),
        attempts: row.get(15).unwrap_or_default(),
        due: time(16),
        created: time(17),
        ended: row.get::<_, Option<i64>>(18).unwrap_or_default().map(Time::from_millis),
        reason: Some(DAMAGED.to_owned()),
        last_error: Some(error.to_string()),
        receipt: maybe(21),
        verdict: read_verdicts(row).unwrap_or_default(),
    }
}

pub(super) fn read_state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    let name: String = row.get(column)?;
    State::ALL.into_iter().find(|state| state.name() == name).ok_or_else(|| damaged(column, name))
}

fn read_verdicts(row: &Row<'_>) -> rusqlite::Result<Option<VerdictRow>> {
    let Some(verdict) = read_verdict(row, 25)? else { return Ok(None) };
    let (reason, action_id) = (row.get(26)?, row.get(27)?);
    let ask_at = row.get::<_, Option<i64>>(28)?.map(Time::from_millis);
    Ok(Some(VerdictRow { verdict, reason, action_id, ask_at, asked: row.get(29)? }))
}

pub(super) fn read_verdict(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Verdict>> {
    let Some(name) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.name() == name);
    verdict.map(Some).ok_or_else(|| damaged(column, name))
}

/// Whether a row was read but does not say what was written; the others can still be read.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..))
}
