//! What a destination says later of a delivery that it took.

use super::{DeliveryRow, ReadError, Store};
use crate::clock::Time;
use crate::metrics::Label;
use crate::store::deliveries::{COLUMNS, is_damage, read_row};
use rusqlite::{Connection, params};

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nothing yet: it is asked again.
    Pending,
    /// The destination credited it.
    Accepted,
    /// It did not, and said why.
    Refused,
    /// Nobody will know.
    Unknown,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Accepted, Self::Refused, Self::Unknown];

    /// Its name: `pending`, `accepted`, `refused` or `unknown`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

impl Label for Verdict {
    fn label(self) -> &'static str {
        self.name()
    }
}

/// A delivery's verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictRow {
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is refused or unknown.
    pub reason: Option<String>,
    /// What the destination calls the thing that the delivery became.
    pub action_id: Option<String>,
    /// When it is asked next; only of a pending one.
    pub ask_at: Option<Time>,
    /// How often it was asked.
    pub asked: u32,
}

impl VerdictRow {
    /// A verdict to be asked for, first at `ask_at`.
    pub fn pending(ask_at: Time) -> Self {
        Self { verdict: Verdict::Pending, reason: None, action_id: None, ask_at: Some(ask_at), asked: 0 }
    }

    /// One that nobody will know, and why.
    pub fn unknown(reason: &str) -> Self {
        let reason = Some(reason.to_owned());
        Self { verdict: Verdict::Unknown, reason, action_id: None, ask_at: None, asked: 0 }
    }
}

/// How many deliveries have a verdict for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictCount {
    /// The program's name.
    pub program: String,
    /// The verdict; `None`: nobody asks for one.
    pub verdict: Option<Verdict>,
    /// Why.
    pub reason: Option<String>,
    /// How many.
    pub count: u64,
}

impl Store {
    /// The programs with verdicts to ask for, and when the next of each is due.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn asks(&self) -> Result<Vec<(String, Time)>, ReadError> {
        let read = |c: &Connection| {
            let sql = "SELECT program, min(ask_at) FROM delivery WHERE ask_at IS NOT NULL GROUP BY program";
            c.prepare_cached(sql)?.query_map([], |row| Ok((row.get(0)?, Time::from_millis(row.get(1)?))))?.collect()
        };
        self.readers()?.read(read).await
    }

    /// At most `limit` deliveries of a program whose verdict is to be asked for at `now`, the longest due first. What the
    /// disk has damaged is left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn to_ask(&self, program: String, now: Time, limit: u32) -> Result<Vec<DeliveryRow>, ReadError> {
        let read = move |c: &Connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM delivery WHERE ask_at IS NOT NULL AND program = ?1 AND ask_at <= ?2
                ORDER BY ask_at, id LIMIT ?3"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement.query_map(params![program, now.millis(), limit], read_row)?;
            rows.filter(|row| !row.as_ref().is_err_and(is_damage)).collect()
        };
        self.readers()?.read(read).await
    }
}
