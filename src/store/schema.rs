//! The tables, and how an older store becomes a newer one.

use rusqlite::Connection;

/// Marks the file as ours (`SELV`).
const APPLICATION: i64 = 0x5345_4c56;

/// One step for each format, in order. A step, once released, is never changed.
pub(super) const STEPS: [&str; 4] = [FIRST, SECOND, THIRD, FOURTH];

/// The newest format.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

/// Times are milliseconds since the Unix epoch; people and keys are SHA-256.
const FIRST: &str = "
CREATE TABLE sighting (click TEXT PRIMARY KEY, at INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX sighting_until ON sighting (until);

CREATE TABLE link (
  person BLOB PRIMARY KEY, click TEXT NOT NULL, at INTEGER NOT NULL, place TEXT NOT NULL, until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX link_until ON link (until);

CREATE TABLE joined (one BLOB NOT NULL, other BLOB NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (one, other)) WITHOUT ROWID;
CREATE INDEX joined_until ON joined (until);

CREATE TABLE delivery (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'leased', 'delivered', 'dead')),
  program TEXT NOT NULL, endpoint TEXT NOT NULL, urgency INTEGER NOT NULL,
  params TEXT NOT NULL, event TEXT NOT NULL, message_id TEXT, order_id TEXT, basis TEXT NOT NULL, click_id TEXT,
  unrepeatable INTEGER NOT NULL, anonymous BLOB, user BLOB, arrival INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL, created INTEGER NOT NULL, ended INTEGER,
  reason TEXT, last_error TEXT, receipt TEXT
);
CREATE INDEX delivery_due ON delivery (urgency, due, program) WHERE ended IS NULL;
CREATE INDEX delivery_fragile ON delivery (due) WHERE state = 'leased' AND unrepeatable = 1;
CREATE INDEX delivery_ended ON delivery (state, ended) WHERE ended IS NOT NULL;
CREATE INDEX delivery_dead ON delivery (id) WHERE state = 'dead';
CREATE INDEX delivery_depth ON delivery (endpoint, state, created);
CREATE INDEX delivery_order ON delivery (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX delivery_message ON delivery (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX delivery_anonymous ON delivery (anonymous) WHERE anonymous IS NOT NULL;
CREATE INDEX delivery_user ON delivery (user) WHERE user IS NOT NULL;

CREATE TABLE once (key BLOB NOT NULL, delivery INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (key, delivery)) WITHOUT ROWID;
CREATE INDEX once_delivery ON once (delivery);
CREATE INDEX once_until ON once (until);

CREATE TABLE probe (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL);
";

/// Deliveries go in lines, keep the call they came from, and are told apart from damaged ones by a sum; `tally` counts
/// them, so that nobody has to.
const SECOND: &str = "
ALTER TABLE delivery ADD COLUMN ordered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN behind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN sum INTEGER;
ALTER TABLE delivery ADD COLUMN call TEXT;

DROP INDEX delivery_due;
DROP INDEX delivery_fragile;
DROP INDEX delivery_depth;
DROP INDEX delivery_message;
DROP INDEX delivery_anonymous;
DROP INDEX delivery_user;
CREATE INDEX delivery_lane ON delivery (program, endpoint, urgency, due) WHERE ended IS NULL;
CREATE INDEX delivery_leased ON delivery (due) WHERE state = 'leased';
CREATE INDEX delivery_open ON delivery (endpoint, created) WHERE ended IS NULL;
CREATE INDEX delivery_anonymous ON delivery (anonymous, created) WHERE anonymous IS NOT NULL;
CREATE INDEX delivery_user ON delivery (user, created) WHERE user IS NOT NULL;

CREATE TABLE tally (
  program TEXT NOT NULL, endpoint TEXT NOT NULL, state TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (program, endpoint, state)
) WITHOUT ROWID;
INSERT INTO tally SELECT program, endpoint, state, count(*) FROM delivery GROUP BY program, endpoint, state;
CREATE TRIGGER delivery_added AFTER INSERT ON delivery BEGIN
  INSERT INTO tally VALUES (new.program, new.endpoint, new.state, 1)
    ON CONFLICT (program, endpoint, state) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER delivery_changed AFTER UPDATE OF state ON delivery WHEN old.state <> new.state BEGIN
  UPDATE tally SET count = count - 1 WHERE (program, endpoint, state) = (old.program, old.endpoint, old.state);
  INSERT INTO tally VALUES (new.program, new.endpoint, new.state, 1)
    ON CONFLICT (program, endpoint, state) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER delivery_removed AFTER DELETE ON delivery BEGIN
  UPDATE tally SET count = count - 1 WHERE (program, endpoint, state) = (old.program, old.endpoint, old.state);
END;
";

/// Requests that their target missed, and whose calls they hold.
const THIRD: &str = "
CREATE TABLE forward (
  id INTEGER PRIMARY KEY AUTOINCREMENT, place INTEGER NOT NULL, record BLOB NOT NULL, arrival INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, ended INTEGER, reason TEXT
);
CREATE INDEX forward_place ON forward (place);
CREATE INDEX forward_turn ON forward (place) WHERE ended IS NULL;
CREATE INDEX forward_ended ON forward (ended) WHERE ended IS NOT NULL;
CREATE TABLE forward_person (person BLOB NOT NULL, forward INTEGER NOT NULL, PRIMARY KEY (person, forward)) WITHOUT ROWID;
CREATE INDEX forward_person_forward ON forward_person (forward);
";

/// What destinations say later of what they took, and deliveries that wait for that.
const FOURTH: &str = "
ALTER TABLE delivery ADD COLUMN verdict TEXT;
ALTER TABLE delivery ADD COLUMN verdict_reason TEXT;
ALTER TABLE delivery ADD COLUMN action_id TEXT;
ALTER TABLE delivery ADD COLUMN ask_at INTEGER;
ALTER TABLE delivery ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN held_by INTEGER;
CREATE INDEX delivery_ask ON delivery (program, ask_at) WHERE ask_at IS NOT NULL;
CREATE INDEX delivery_refused ON delivery (id) WHERE verdict = 'refused';
CREATE INDEX delivery_held ON delivery (held_by) WHERE held_by IS NOT NULL;
";

/// What is wrong with a database file.
pub(super) enum Fault {
    /// Not ours.
    Foreign(String),
    /// From the future.
    Newer { found: i64 },
    /// The disk has changed it.
    Damaged(String),
    /// The system's complaint about a file beside it.
    Io(std::io::Error),
    /// SQLite's own complaint.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// Refuses what is not ours or too new, before anything is written to it.
pub(super) fn check(connection: &Connection) -> Result<(), Fault> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match () {
        () if tables > 0 && application != APPLICATION => Err(Fault::Foreign("another program's database".to_owned())),
        () if found > NEWEST => Err(Fault::Newer { found }),
        () => Ok(()),
    }
}

/// Looks whether every table, index and trigger says what was written: the names in them are as easily changed by a disk as
/// what they hold.
///
/// # Errors
/// [`Fault::Damaged`], with the first that does not.
pub(super) fn compare(connection: &Connection) -> Result<(), Fault> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let mut sound = Connection::open_in_memory()?;
    migrate_to(&mut sound, found)?;
    let sql = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
    let wanted: Vec<(String, String)> =
        sound.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut there = connection.prepare("SELECT count(*) FROM sqlite_schema WHERE name = ?1 AND sql = ?2")?;
    for (name, written) in wanted {
        let count: i64 = there.query_row([&name, &written], |row| row.get(0))?;
        if count != 1 {
            return Err(Fault::Damaged(format!("the schema does not say what was written of {name}")));
        }
    }
    Ok(())
}

/// Brings the tables up to date, each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Fault> {
    migrate_to(connection, NEWEST)
}

fn migrate_to(connection: &mut Connection, newest: i64) -> Result<(), Fault> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (format, step) in (1..).zip(STEPS).filter(|(format, _)| *format > found && *format <= newest) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", format)?;
        transaction.commit()?;
    }
    Ok(())
}
