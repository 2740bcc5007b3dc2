//! Reading kept requests, for people.

use super::{COLUMNS, read_row};
use crate::clock::Time;
use crate::store::{DeliveryFilter, ForwardRow, ReadError, State, Store};
use rusqlite::{Connection, OptionalExtension, named_params};

/// What of a filter a kept request can meet: its states, reason, times and numbers. A reason is met by what explains it,
/// too: `refused` by `refused: 400`.
fn conditions(filter: &DeliveryFilter) -> String {
    let state = |state: &State| if *state == State::Dead { "ended IS NOT NULL" } else { "ended IS NULL" };
    let states = match filter.states.as_slice() {
        [] => "true".to_owned(),
        states => states.iter().map(state).collect::<Vec<_>>().join(" OR "),
    };
    format!(
        "({states}) AND (:reason IS NULL OR reason = :reason OR substr(reason, 1, length(:reason) + 1) = :reason || ':')
        AND (:since IS NULL OR arrival >= :since) AND (:until IS NULL OR arrival <= :until)
        AND (:before IS NULL OR id < :before)"
    )
}

impl Store {
    /// What `look` makes of the kept requests that a filter lets through, the youngest first; one is read at a time.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn forwards<T: Send + 'static>(
        &self,
        filter: DeliveryFilter,
        mut look: impl FnMut(ForwardRow) -> T + Send + 'static,
    ) -> Result<Vec<T>, ReadError> {
        let read = move |c: &Connection| {
            let limit = filter.limit.min(DeliveryFilter::LIMIT_MAX);
            let conditions = conditions(&filter);
            let sql = format!("SELECT {COLUMNS} FROM forward WHERE {conditions} ORDER BY id DESC LIMIT {limit}");
            c.prepare_cached(&sql)?
                .query_map(
                    named_params! {
                        ":reason": filter.reason, ":since": filter.since.map(Time::millis),
                        ":until": filter.until.map(Time::millis), ":before": filter.before.map(|id| id.0),
                    },
                    |row| read_row(row).map(&mut look),
                )?
                .collect()
        };
        self.readers()?.read(read).await
    }

    /// How many kept requests a filter lets through, and the youngest of them; the filter's limit does not count.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_forwards(&self, filter: DeliveryFilter) -> Result<(u64, Option<i64>), ReadError> {
        let read = move |c: &Connection| {
            let sql = format!("SELECT count(*), max(id) FROM forward WHERE {}", conditions(&filter));
            c.prepare_cached(&sql)?.query_row(
                named_params! {
                    ":reason": filter.reason, ":since": filter.since.map(Time::millis),
                    ":until": filter.until.map(Time::millis), ":before": filter.before.map(|id| id.0),
                },
                |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)),
            )
        };
        self.readers()?.read(read).await
    }

    /// One kept request.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn forward(&self, id: i64) -> Result<Option<ForwardRow>, ReadError> {
        let read = move |c: &Connection| {
            let sql = format!("SELECT {COLUMNS} FROM forward WHERE id = ?1");
            c.prepare_cached(&sql)?.query_row([id], read_row).optional()
        };
        self.readers()?.read(read).await
    }
}
