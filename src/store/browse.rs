//! Reading deliveries: for the worker's alarm clock, for metrics, and for people.

use super::deliveries::{COLUMNS, is_damage, next_due, read_rest, read_row, read_state, read_verdict};
use super::{Cap, DeliveryFilter, DeliveryId, DeliveryRow, Depth, Hash, OwnedRow, ReadError, Store, VerdictCount};
use crate::clock::Time;
use rusqlite::{Connection, OptionalExtension, Row, Statement, ToSql};

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

    /// One delivery; of one that is damaged what can be read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryRow>, ReadError> {
        let read = move |c: &Connection| {
            c.prepare_cached(&format!("SELECT {COLUMNS} FROM delivery WHERE id = ?1"))?
                .query_row([id.0], read_for_people)
                .optional()
        };
        self.readers()?.read(read).await
    }

    /// The deliveries that a filter lets through, the youngest first; of those that are damaged what can be read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<DeliveryRow>, ReadError> {
        self.readers()?.read(move |c: &Connection| list(c, &filter)).await
    }

    /// The deliveries that carry one of these people's ids, those that cannot be read in full included.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn deliveries_of(&self, people: Vec<Hash>) -> Result<Vec<OwnedRow>, ReadError> {
        let read = move |c: &Connection| {
            let sql = "SELECT id, anonymous, user, click_id FROM delivery WHERE anonymous = ?1 OR user = ?1";
            let mut statement = c.prepare_cached(sql)?;
            let mut rows: Vec<OwnedRow> = Vec::new();
            for person in &people {
                rows.extend(statement.query_map([person], read_owned)?.collect::<rusqlite::Result<Vec<_>>>()?);
            }
            rows.sort_by_key(|row| row.id);
            rows.dedup();
            Ok(rows)
        };
        self.readers()?.read(read).await
    }

    /// How many deliveries a filter lets through, and the youngest of them; the filter's limit does not count.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_deliveries(&self, filter: DeliveryFilter) -> Result<(u64, Option<DeliveryId>), ReadError> {
        self.readers()?.read(move |c: &Connection| count(c, &filter)).await
    }

    /// How many deliveries a filter lets through, by program, verdict and reason; the filter's limit does not count.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_verdicts(&self, filter: DeliveryFilter) -> Result<Vec<VerdictCount>, ReadError> {
        self.readers()?.read(move |c: &Connection| count_verdicts(c, &filter)).await
    }
}

fn read_owned(row: &Row<'_>) -> rusqlite::Result<OwnedRow> {
    Ok(OwnedRow {
        id: DeliveryId(row.get(0)?),
        anonymous: row.get(1)?,
        user: row.get(2)?,
        // What the disk has changed is no click.
        click_id: row.get(3).unwrap_or_default(),
    })
}

/// The conditions of a filter, with the parameters that [`bound`] gives them. Only those that are set are spelled out, so
/// that SQLite takes the index of the sharpest.
fn conditions(filter: &DeliveryFilter) -> String {
    // States are text, not parameters, so that the few dead letters are found by the index that holds only them.
    let mut sql = match filter.states.as_slice() {
        [] => "true".to_owned(),
        [one] => format!("state = '{}'", one.name()),
        several => {
            let names: Vec<_> = several.iter().map(|state| format!("'{}'", state.name())).collect();
            format!("state IN ({})", names.join(", "))
        }
    };
    // As for states.
    if let Some(verdict) = filter.verdict {
        sql.push_str(&format!(" AND verdict = '{}'", verdict.name()));
    }
    for (set, condition) in [
        (filter.program.is_some(), " AND program = ?1"),
        (filter.endpoint.is_some(), " AND endpoint = ?2"),
        (filter.order_id.is_some(), " AND order_id = ?3"),
        (filter.message_id.is_some(), " AND message_id = ?4"),
        (filter.person.is_some(), " AND (anonymous = ?5 OR user = ?5)"),
        (filter.before.is_some(), " AND id < ?6"),
        (filter.reason.is_some(), " AND (reason = ?7 OR verdict_reason = ?7)"),
        (filter.since.is_some(), " AND created >= ?8"),
        (filter.until.is_some(), " AND created <= ?9"),
    ] {
        if set {
            sql.push_str(condition);
        }
    }
    sql
}

/// Binds the parameters of [`conditions`] that `statement` has.
fn bound(statement: &mut Statement<'_>, filter: &DeliveryFilter) -> rusqlite::Result<()> {
    let before = filter.before.map(|id| id.0);
    let (since, until) = (filter.since.map(Time::millis), filter.until.map(Time::millis));
    let values: [&dyn ToSql; 9] = [
        &filter.program,
        &filter.endpoint,
        &filter.order_id,
        &filter.message_id,
        &filter.person,
        &before,
        &filter.reason,
        &since,
        &until,
    ];
    let there = statement.parameter_count();
    (1..).zip(values).take(there).try_for_each(|(index, value)| statement.raw_bind_parameter(index, value))
}

fn list(c: &Connection, filter: &DeliveryFilter) -> rusqlite::Result<Vec<DeliveryRow>> {
    let limit = match filter.limit {
        0 => DeliveryFilter::LIMIT_DEFAULT,
        limit => limit.min(DeliveryFilter::LIMIT_MAX),
    };
    let conditions = conditions(filter);
    let sql = format!("SELECT {COLUMNS} FROM delivery WHERE {conditions} ORDER BY id DESC LIMIT {limit}");
    let mut statement = c.prepare_cached(&sql)?;
    bound(&mut statement, filter)?;
    statement.raw_query().mapped(read_for_people).collect()
}

fn read_for_people(row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    read_row(row).or_else(|error| if is_damage(&error) { Ok(read_rest(row, &error)) } else { Err(error) })
}

fn count(c: &Connection, filter: &DeliveryFilter) -> rusqlite::Result<(u64, Option<DeliveryId>)> {
    let sql = format!("SELECT count(*), max(id) FROM delivery WHERE {}", conditions(filter));
    let mut statement = c.prepare_cached(&sql)?;
    bound(&mut statement, filter)?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next()? else { return Ok((0, None)) };
    Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, Option<i64>>(1)?.map(DeliveryId)))
}

fn count_verdicts(c: &Connection, filter: &DeliveryFilter) -> rusqlite::Result<Vec<VerdictCount>> {
    let sql = format!(
        "SELECT program, verdict, verdict_reason, count(*) FROM delivery WHERE {} GROUP BY 1, 2, 3 ORDER BY 1, 2, 4 DESC, 3",
        conditions(filter)
    );
    let mut statement = c.prepare_cached(&sql)?;
    bound(&mut statement, filter)?;
    let read = |row: &Row<'_>| {
        let count = row.get::<_, i64>(3)?.unsigned_abs();
        Ok(VerdictCount { program: row.get(0)?, verdict: read_verdict(row, 1)?, reason: row.get(2)?, count })
    };
    statement.raw_query().mapped(read).collect()
}
