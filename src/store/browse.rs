//! Reading deliveries: for the worker's alarm clock, for metrics, and for people.

use super::deliveries::{COLUMNS, read_row, read_state};
use super::{DeliveryFilter, DeliveryId, DeliveryRow, Depth, Lane, ReadError, Store};
use crate::clock::Time;
use rusqlite::{Connection, OptionalExtension, params};

impl Store {
    /// When the next delivery is due, or the next lease ends, in lanes that are not paused.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next_due(&self, paused: Vec<Lane>) -> Result<Option<Time>, ReadError> {
        let read = move |c: &Connection| {
            let mut earliest = None;
            for urgency in [0, 1] {
                let paused: Vec<&str> =
                    paused.iter().filter(|l| l.urgency == urgency).map(|l| l.program.as_str()).collect();
                let paused = serde_json::Value::from(paused).to_string();
                let sql = "SELECT due FROM delivery WHERE ended IS NULL AND urgency = ?1
                    AND program NOT IN (SELECT value FROM json_each(?2)) ORDER BY due LIMIT 1";
                let due = c.prepare_cached(sql)?.query_row(params![urgency, paused], |row| row.get(0)).optional()?;
                earliest = [earliest, due.map(Time::from_millis)].into_iter().flatten().min();
            }
            Ok(earliest)
        };
        self.readers()?.read(read).await
    }

    /// How many deliveries there are, by endpoint and state.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn depth(&self) -> Result<Vec<Depth>, ReadError> {
        let read = |c: &Connection| {
            c.prepare_cached("SELECT endpoint, state, count(*), min(created) FROM delivery GROUP BY endpoint, state")?
                .query_map([], |row| {
                    let count: i64 = row.get(2)?;
                    Ok(Depth {
                        endpoint: row.get(0)?,
                        state: read_state(row, 1)?,
                        count: count.unsigned_abs(),
                        oldest: Time::from_millis(row.get(3)?),
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
        .collect()
}
