//! The writer's statements, each prepared once.
//!
//! rusqlite's own cache finds a statement by what it says, and copies its text on every use: that costs as much as a small
//! insert does. These are found by where their text stands in the program.

use rusqlite::{Connection, Params, PrepFlags, Row, Statement};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;

/// A connection, and the statements that were used on it: as many as the program holds texts of.
pub(super) struct Statements<'c> {
    connection: &'c Connection,
    idle: RefCell<HashMap<(usize, usize), Statement<'c>>>,
}

impl Deref for Statements<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl<'c> Statements<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, idle: RefCell::default() }
    }

    /// How many rows it changed.
    pub(super) fn execute(&self, sql: &'static str, params: impl Params) -> rusqlite::Result<usize> {
        self.with(sql, |statement| statement.execute(params))
    }

    /// The number of the row that it added.
    pub(super) fn insert(&self, sql: &'static str, params: impl Params) -> rusqlite::Result<i64> {
        self.with(sql, |statement| statement.insert(params))
    }

    /// Its only row.
    pub(super) fn row<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.with(sql, |statement| statement.query_row(params, read))
    }

    /// All its rows.
    pub(super) fn rows<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.with(sql, |statement| statement.query_map(params, read)?.collect())
    }

    fn with<T>(
        &self,
        sql: &'static str,
        ask: impl FnOnce(&mut Statement<'c>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let place = (sql.as_ptr().addr(), sql.len());
        let idle = self.idle.borrow_mut().remove(&place);
        let mut statement = match idle {
            Some(statement) => statement,
            None => self.connection.prepare_with_flags(sql, PrepFlags::SQLITE_PREPARE_PERSISTENT)?,
        };
        let answer = ask(&mut statement);
        self.idle.borrow_mut().insert(place, statement);
        answer
    }
}
