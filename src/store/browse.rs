//! Reading deliveries: for the worker's alarm clock, for metrics, and for people.

use super::deliveries::{COLUMNS, is_damage, next_due, read_row, read_state};
use super::{Cap, DeliveryFilter, DeliveryId, DeliveryRow, Depth, ReadError, Store};
use crate::clock::Time;
use rusqlite::{Connection, OptionalExtension, params};

impl Store {
    /// When the next delivery is due, or the next lease ends, in lanes that are not capped at nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next_due(&self, caps: Vec<Cap>) -> Result<Option<Time>, ReadError> {
        self.readers()?.read(move |c: &Connection| next_due(c, &caps)).await
    }

    /// How many deliveries there are, by program, endpoint and state, and how old the oldest is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn depth(&self) -> Result<Vec<Depth>, ReadError> {
        let read = |c: &Connection| {
            let sql = "SELECT program, endpoint, state, count, CASE WHEN state IN ('waiting', 'leased')
                THEN (SELECT min(created) FROM delivery WHERE ended IS NULL AND endpoint = tally.endpoint)
                ELSE (SELECT min(ended) FROM delivery WHERE ended IS NOT NULL AND state = tally.state) END
                FROM tally WHERE count > 0";
            c.prepare_cached(sql)?
                .query_map([], |row| {
                    let count: i64 = row.get(3)?;
                    Ok(Depth {
                        program: row.get(0)?,
                        endpoint: row.get(1)?,
                        state: read_state(row, 2)?,
                        count: count.unsigned_abs(),
                        oldest: Time::from_millis(row.get::<_, Option<i64>>(4)?.unwrap_or_default()),
                    })
                })?
                .collect()
        };
        self.readers()?.read(read).await
    }

    /// One delivery.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryRow>, ReadError> {
        let read = move |c: &Connection| {
            c.prepare_cached(&format!("SELECT {COLUMNS} FROM delivery WHERE id = ?1"))?
                .query_row([id.0], read_row)
                .optional()
        };
        self.readers()?.read(read).await
    }

    /// The deliveries that a filter lets through, the youngest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<DeliveryRow>, ReadError> {
        self.readers()?.read(move |c: &Connection| list(c, &filter)).await
    }
}

fn list(c: &Connection, filter: &DeliveryFilter) -> rusqlite::Result<Vec<DeliveryRow>> {
    // Only the conditions that are set are spelled out, so that SQLite takes the index of the sharpest.
    let mut sql = format!("SELECT {COLUMNS} FROM delivery WHERE true");
    if let Some(state) = filter.state {
        // As text, not as a parameter, so that the few dead letters are found by the index that holds only them.
        sql.push_str(&format!(" AND state = '{}'", state.name()));
    }
    for (set, condition) in [
        (filter.program.is_some(), " AND program = ?1"),
        (filter.endpoint.is_some(), " AND endpoint = ?2"),
        (filter.order_id.is_some(), " AND order_id = ?3"),
        (filter.message_id.is_some(), " AND message_id = ?4"),
        (filter.person.is_some(), " AND (anonymous = ?5 OR user = ?5)"),
        (filter.before.is_some(), " AND id < ?6"),
    ] {
        if set {
            sql.push_str(condition);
        }
    }
    sql.push_str(" ORDER BY id DESC LIMIT ?7");
    let limit = match filter.limit {
        0 => DeliveryFilter::LIMIT_DEFAULT,
        limit => limit.min(DeliveryFilter::LIMIT_MAX),
    };
    c.prepare_cached(&sql)?
        .query_map(
            params![
                filter.program,
                filter.endpoint,
                filter.order_id,
                filter.message_id,
                filter.person,
                filter.before.map(|id| id.0),
                limit,
            ],
            read_row,
        )?
        // What the disk has changed cannot be shown; it is set aside when its turn comes.
        .filter(|row| !row.as_ref().is_err_and(is_damage))
        .collect()
}
