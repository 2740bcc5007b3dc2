//! Sightings, links and joins.

use super::statements::Statements;
use super::{Effect, Hash, Keep, LinkRow, PersonRow, ReadError, Store};
use crate::click::{Click, ClickId, Place};
use crate::clock::Time;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::LazyLock;

/// The first time stays, unless it has ended.
pub(super) fn sighting(
    c: &Statements<'_>,
    click: &ClickId,
    at: Time,
    until: Time,
    now: Time,
) -> rusqlite::Result<Effect> {
    let sql = "INSERT INTO sighting (click, at, until) VALUES (?1, ?2, ?3)
        ON CONFLICT (click) DO UPDATE SET at = excluded.at, until = excluded.until WHERE until <= ?4";
    c.execute(sql, params![click.as_str(), at.millis(), until.millis(), now.millis()])?;
    Ok(Effect::Written)
}

static NEWEST: LazyLock<String> = LazyLock::new(|| link_if("excluded.at > link.at"));
static OLDEST: LazyLock<String> = LazyLock::new(|| link_if("excluded.at < link.at"));

fn link_if(better: &str) -> String {
    format!(
        "INSERT INTO link (person, click, at, place, until) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (person) DO UPDATE
        SET click = excluded.click, at = excluded.at, place = excluded.place, until = excluded.until
        WHERE link.until <= ?6 OR CASE WHEN link.click = excluded.click THEN excluded.at < link.at ELSE {better} END"
    )
}

/// The better click stays; the same click keeps its earlier time; one that has ended makes room.
pub(super) fn link(
    c: &Statements<'_>,
    person: &Hash,
    click: &Click,
    until: Time,
    keep: Keep,
    now: Time,
) -> rusqlite::Result<Effect> {
    let sql = match keep {
        Keep::Newest => &*NEWEST,
        Keep::Oldest => &*OLDEST,
    };
    let (at, until, now) = (click.at.millis(), until.millis(), now.millis());
    c.execute(sql, params![person, click.id.as_str(), at, place_name(click.place), until, now])?;
    Ok(Effect::Written)
}

/// Both directions, unless either has its fill of others.
pub(super) fn join(
    c: &Statements<'_>,
    one: &Hash,
    other: &Hash,
    until: Time,
    limit: u32,
    now: Time,
) -> rusqlite::Result<Effect> {
    let sql = "INSERT INTO joined (one, other, until)
        SELECT ?1, ?2, ?3 WHERE (SELECT count(*) FROM joined WHERE one = ?1 AND other <> ?2 AND until > ?5) < ?4
        ON CONFLICT (one, other) DO UPDATE SET until = max(until, excluded.until)";
    for (one, other) in [(one, other), (other, one)] {
        c.execute(sql, params![one, other, until.millis(), limit, now.millis()])?;
    }
    Ok(Effect::Written)
}

pub(super) fn forget(c: &Statements<'_>, person: &Hash) -> rusqlite::Result<Effect> {
    c.execute("DELETE FROM link WHERE person = ?1", [person])?;
    c.execute("DELETE FROM joined WHERE (other, one) IN (SELECT one, other FROM joined WHERE one = ?1)", [person])?;
    c.execute("DELETE FROM joined WHERE one = ?1", [person])?;
    Ok(Effect::Written)
}

pub(super) fn unsee(c: &Statements<'_>, click: &ClickId) -> rusqlite::Result<Effect> {
    c.execute("DELETE FROM sighting WHERE click = ?1", [click.as_str()])?;
    Ok(Effect::Written)
}

/// Removes at most `limit` rows of each table that have ended; whether there may be more.
pub(super) fn sweep(c: &Statements<'_>, now: Time, limit: u32) -> rusqlite::Result<bool> {
    let mut more = false;
    for sql in [
        "DELETE FROM sighting WHERE click IN (SELECT click FROM sighting WHERE until <= ?1 LIMIT ?2)",
        "DELETE FROM link WHERE person IN (SELECT person FROM link WHERE until <= ?1 LIMIT ?2)",
        "DELETE FROM joined WHERE (one, other) IN (SELECT one, other FROM joined WHERE until <= ?1 LIMIT ?2)",
    ] {
        more |= c.execute(sql, params![now.millis(), limit])? == limit as usize;
    }
    Ok(more)
}

impl Store {
    /// When a click was first seen; `None` when it never was, or that has been forgotten.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn sighting(&self, click: &ClickId, now: Time) -> Result<Option<Time>, ReadError> {
        let click = click.clone();
        let read = move |c: &Connection| {
            c.prepare_cached("SELECT at FROM sighting WHERE click = ?1 AND until > ?2")?
                .query_row(params![click.as_str(), now.millis()], |row| row.get(0).map(Time::from_millis))
                .optional()
        };
        self.readers()?.read(read).await
    }

    /// What is known of each of these people, in their order; at most `others_max` joins each, the last to end first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn people(&self, people: Vec<Hash>, others_max: u32, now: Time) -> Result<Vec<PersonRow>, ReadError> {
        let read = move |c: &Connection| people.iter().map(|person| read_person(c, person, others_max, now)).collect();
        self.readers()?.read(read).await
    }

    /// Which of these clicks are linked to anybody but these people. It looks through all links.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn clicks_of_others(&self, clicks: &[ClickId], people: &[Hash]) -> Result<Vec<String>, ReadError> {
        let clicks = serde_json::json!(clicks.iter().map(ClickId::as_str).collect::<Vec<_>>()).to_string();
        let people = serde_json::json!(people.iter().map(hex::encode_upper).collect::<Vec<_>>()).to_string();
        let read = move |c: &Connection| {
            let sql = "SELECT DISTINCT click FROM link WHERE click IN (SELECT value FROM json_each(?1))
                AND hex(person) NOT IN (SELECT value FROM json_each(?2))";
            c.prepare_cached(sql)?.query_map([clicks, people], |row| row.get(0))?.collect()
        };
        self.readers()?.read(read).await
    }
}

fn read_person(c: &Connection, person: &Hash, others_max: u32, now: Time) -> rusqlite::Result<PersonRow> {
    let link = c
        .prepare_cached("SELECT click, at, place, until FROM link WHERE person = ?1 AND until > ?2")?
        .query_row(params![person, now.millis()], read_link)
        .optional()?;
    let others = c
        .prepare_cached("SELECT other, until FROM joined WHERE one = ?1 AND until > ?2 ORDER BY until DESC LIMIT ?3")?
        .query_map(params![person, now.millis(), others_max], |row| Ok((row.get(0)?, Time::from_millis(row.get(1)?))))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(PersonRow { link, others })
}

fn read_link(row: &Row<'_>) -> rusqlite::Result<LinkRow> {
    let id = ClickId::parse(row.get_ref(0)?.as_bytes()?).map_err(|why| damaged(0, format!("{why:?}")))?;
    let place: String = row.get(2)?;
    let place = place_of(&place).ok_or_else(|| damaged(2, place))?;
    let click = Click { id, at: Time::from_millis(row.get(1)?), place };
    Ok(LinkRow { click, until: Time::from_millis(row.get(3)?) })
}

/// The error for a column that holds what was never written there.
pub(super) fn damaged(column: usize, found: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, found.into())
}

fn place_name(place: Place) -> &'static str {
    match place {
        Place::Landing => "landing",
        Place::Call => "call",
        Place::Said => "said",
        Place::Cookie => "cookie",
    }
}

fn place_of(name: &str) -> Option<Place> {
    [Place::Landing, Place::Call, Place::Said, Place::Cookie].into_iter().find(|place| place_name(*place) == name)
}
