//! Damaged stores of every kind: each opens again, with all that could be read, and uses no number twice.

use super::*;
use crate::click::{Click, ClickId, Place};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::fs;
use tempfile::TempDir;

const ROWS: u8 = 200;
const NOW: Time = Time::from_seconds(1_900_000_000);

/// A store in which each of so many people has an order, a click and another id; left as after a kill, with its log.
async fn killed(rows: u8) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW);
    let store = Store::open(&config(folder.path()), clock.clone()).unwrap();
    for i in 0..rows {
        let once = OnceRow { key: [i; 32], until: NOW.plus(Duration::from_secs(9)) };
        let params = "p".repeat(usize::from(i) * 40);
        let new = DraftRow { params, once: vec![once], user: Some([i; 32]), ..draft(&i.to_string()) };
        let click = Click { id: ClickId::parse(format!("{i}click").as_bytes()).unwrap(), at: NOW, place: Place::Call };
        let until = NOW.plus(Duration::from_secs(99_999));
        let changes = vec![
            Change::Append(Box::new(new)),
            Change::Sighting { click: click.id.clone(), at: NOW, until },
            Change::Link { person: [i; 32], click, until, keep: Keep::Newest },
            Change::Join { one: [i; 32], other: [i ^ 128; 32], until, limit: 16 },
        ];
        store.commit(changes).await.unwrap();
    }
    let copy = tempfile::tempdir().unwrap();
    for file in [DATABASE, LOG] {
        fs::copy(folder.path().join(file), copy.path().join(file)).unwrap();
    }
    copy
}

const DATABASE: &str = "selvedge.db";
const LOG: &str = "selvedge.db-wal";

/// The same, closed: all is in the database.
async fn closed() -> TempDir {
    let folder = killed(ROWS).await;
    Store::open(&config(folder.path()), Clock::manual(NOW)).unwrap().close().await;
    assert!(!folder.path().join(LOG).exists());
    folder
}

/// What is left after it was opened, and one more order is on record.
struct Left {
    orders: BTreeSet<i64>,
    others: [i64; 4],
    /// Damaged databases that were set aside, and damaged logs.
    aside: Vec<PathBuf>,
    logs: Vec<PathBuf>,
}

async fn reopen(folder: &Path) -> Left {
    reopen_after(folder, ROWS).await
}

async fn reopen_after(folder: &Path, max: u8) -> Left {
    let max = i64::from(max);
    let store = Store::open(&config(folder), Clock::manual(NOW)).unwrap();
    let next = store.commit(append("next")).await.unwrap();
    let [Effect::Appended(next)] = next[..] else { panic!("{next:?}") };
    assert!(next.0 > max, "number {next} was used before");
    assert_eq!(store.health(), Health::Fine);
    store.close().await;
    let c = Connection::open(folder.join(DATABASE)).unwrap();
    let verdict: String = c.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let ids = "SELECT id FROM delivery WHERE order_id NOT IN ('next', 'while')";
    let orders = c.prepare(ids).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let count = |table| c.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
    let tallied: i64 = c.query_row("SELECT sum(count) FROM tally", [], |row| row.get(0)).unwrap();
    assert_eq!(tallied, count("delivery"));
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let aside = files.filter(|path| path.to_string_lossy().contains(".damaged-"));
    let (logs, aside) = aside.partition(|path| path.to_string_lossy().ends_with("-wal"));
    Left { orders, others: ["once", "sighting", "link", "joined"].map(count), aside, logs }
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn what_is_sound_is_let_alone() {
    for folder in [killed(ROWS).await, closed().await] {
        let left = reopen(folder.path()).await;
        let rows = usize::from(ROWS);
        assert_eq!((left.orders.len(), left.others, left.aside), (rows, [200, 200, 200, 256], vec![]));
    }
}

#[tokio::test]
async fn a_file_cut_short_keeps_what_is_left_of_it() {
    let (mut most, mut least) = (0, usize::MAX);
    for tenth in 0..10 {
        let folder = closed().await;
        change(&folder.path().join(DATABASE), |bytes| bytes.truncate(bytes.len() * tenth / 10));
        let left = reopen(folder.path()).await;
        assert_eq!(left.aside.len(), usize::from(tenth > 0), "nothing is left of a file that is empty");
        (most, least) = (most.max(left.orders.len()), least.min(left.orders.len()));
    }
    assert!(least == 0 && most > 100, "{least} {most}");
    // Of an empty file the log still has all, as long as nothing was moved out of it.
    let few = 40;
    let folder = killed(few).await;
    change(&folder.path().join(DATABASE), Vec::clear);
    let left = reopen_after(folder.path(), few).await;
    assert!(left.aside.len() == 1 && left.orders.len() > 20, "{:?} {}", left.aside, left.orders.len());
}

#[tokio::test]
async fn a_page_that_is_garbage_costs_its_own_rows_only() {
    let sound = closed().await;
    let database = fs::read(sound.path().join(DATABASE)).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let (mut salvaged, mut lost) = (0, 0);
    for round in 0..40 {
        let folder = tempfile::tempdir().unwrap();
        let page = random.usize(1..database.len() / 4096) * 4096;
        let mut bytes = database.clone();
        match round % 3 {
            0 => bytes[page..page + 4096].fill(0),
            1 => bytes[page..page + 4096].fill_with(|| random.u8(..)),
            _ => bytes[page..page + 16].fill_with(|| random.u8(..)),
        }
        fs::write(folder.path().join(DATABASE), bytes).unwrap();
        let left = reopen(folder.path()).await;
        // An interior page of a tree is the way to all below it, and the schema is the way to all trees.
        let is_schema = database[page..page + 4096].windows(13).any(|bytes| bytes == b"CREATE TABLE ");
        let is_interior = is_schema || matches!(database[page], 2 | 5);
        let missing = usize::from(ROWS) - left.orders.len();
        assert!(is_interior || missing <= 40, "page {}: {missing} orders are lost", page / 4096);
        salvaged += usize::from(!left.aside.is_empty());
        lost += missing;
    }
    assert!(salvaged > 20 && lost > 0, "{salvaged} stores were salvaged, {lost} orders were lost");
}

#[tokio::test]
async fn a_schema_that_the_disk_has_changed_costs_what_it_names() {
    for (written, changed) in [
        (&b"receipt TEXT"[..], &b"rXceipt TEXT"[..]),
        (b"receipt TEXT", b"rec\x9cipt TEXT"),
        (b"click TEXT PRIMARY", b"cli\x9ck TEXT PRIMARY"),
        (b"delivery_order ON", b"delivery_orXer ON"),
    ] {
        let folder = closed().await;
        change(&folder.path().join(DATABASE), |bytes| {
            let at = memchr::memmem::find(bytes, written).unwrap();
            bytes[at..at + changed.len()].copy_from_slice(changed);
        });
        let left = reopen(folder.path()).await;
        let what = String::from_utf8_lossy(changed);
        assert_eq!((left.orders.len(), left.aside.len()), (usize::from(ROWS), 1), "{what}");
    }
}

#[tokio::test]
async fn garbage_is_set_aside_and_a_new_store_goes_on_with_new_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = "garbage ".repeat(1000);
    fs::write(folder.path().join(DATABASE), &garbage).unwrap();
    let left = reopen(folder.path()).await;
    assert_eq!(left.orders.len(), 0);
    assert_eq!(fs::read_to_string(&left.aside[0]).unwrap(), garbage);
    assert!(left.aside[0].to_string_lossy().ends_with("selvedge.db.damaged-1900000000"), "{:?}", left.aside);
}

#[tokio::test]
async fn a_log_that_is_damaged_before_its_end_is_told() {
    // So few that the log has not been emptied into the database yet.
    const FEW: u8 = 40;
    for (place, is_told) in [(0, true), (16, true), (40, true), (9000, true), (usize::MAX, false)] {
        let folder = killed(FEW).await;
        change(&folder.path().join(LOG), |log| {
            // Behind the last frame there are frames of an older log.
            let is_current = |frame: &&[u8]| frame[8..16] == log[16..24];
            let end = 32 + 4120 * log[32..].chunks_exact(4120).take_while(is_current).count();
            log[place.min(end - 1)] ^= 1;
        });
        let left = reopen_after(folder.path(), if is_told { FEW } else { FEW - 1 }).await;
        assert_eq!(!left.logs.is_empty(), is_told, "byte {place}");
        // What cannot be told from a power cut is the last transaction.
        let lost = usize::from(FEW) - left.orders.len();
        assert!(if is_told { lost > 1 } else { lost == 1 }, "byte {place}: {lost} are lost");
    }
}

#[tokio::test]
async fn damage_that_is_met_while_running_is_told_and_salvaged_at_the_next_start() {
    let folder = closed().await;
    let store = Store::open(&config(folder.path()), Clock::manual(NOW)).unwrap();
    assert!(store.delivery(DeliveryId(3)).await.unwrap().is_some());
    change(&folder.path().join(DATABASE), |bytes| bytes[200 * 4096..].fill(7));
    let mut found = 0;
    for id in 1..=i64::from(ROWS) {
        found += usize::from(store.delivery(DeliveryId(id)).await.is_ok_and(|row| row.is_some()));
    }
    let Health::Failing { reason, .. } = store.health() else { panic!("nothing was noticed") };
    assert!(reason.contains("restart"), "{reason}");
    assert!(store.commit(append("while")).await.is_ok());
    assert!(matches!(store.health(), Health::Failing { .. }), "that one can be written says nothing");
    store.close().await;
    let left = reopen(folder.path()).await;
    assert!(left.aside.len() == 1 && left.orders.len() >= found && found > 50, "{} {found}", left.orders.len());
}

#[tokio::test]
async fn a_salvage_that_is_cut_short_is_taken_up_again() {
    let folder = closed().await;
    let database = folder.path().join(DATABASE);
    let sound = fs::read(&database).unwrap();
    for (damaged, fresh, complete) in
        [(true, true, false), (true, false, true), (false, false, true), (true, true, true)]
    {
        let folder = tempfile::tempdir().unwrap();
        let file = |end: &str| folder.path().join(format!("{DATABASE}{end}"));
        if damaged {
            fs::write(file(""), [&sound[..8192], &vec![9; sound.len() - 8192]].concat()).unwrap();
        }
        if fresh {
            fs::write(file(".salvage"), &sound[..5000]).unwrap();
        }
        if complete {
            fs::write(file(".salvaged"), &sound).unwrap();
        }
        let left = reopen(folder.path()).await;
        assert_eq!(left.aside.len(), usize::from(damaged), "{damaged} {fresh} {complete}");
        assert_eq!(left.orders.len(), if complete { usize::from(ROWS) } else { 0 });
        assert!(!file(".salvage").exists() && !file(".salvaged").exists());
    }
}

#[tokio::test]
async fn a_store_of_the_first_format_keeps_its_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    let old = Connection::open(folder.path().join(DATABASE)).unwrap();
    old.execute_batch(schema::STEPS[0]).unwrap();
    old.execute_batch("PRAGMA application_id = 0x53454c56; PRAGMA user_version = 1; PRAGMA journal_mode = WAL")
        .unwrap();
    let insert =
        "INSERT INTO delivery (state, program, endpoint, urgency, params, event, order_id, basis, unrepeatable,
        arrival, due, created) VALUES (?1, 'us', 'conversions', 0, '[]', 'Order Completed', ?2, 'carried', 0, 1, 1, 1)";
    for (state, order) in [("waiting", "o1"), ("leased", "o2")] {
        old.execute(insert, [state, order]).unwrap();
    }
    drop(old);
    let store = open(folder.path());
    let lease = Change::Lease { limit: 9, deadline: Time::from_seconds(9), caps: vec![] };
    let effects = store.commit([append("o3"), vec![lease]].concat()).await.unwrap();
    let Effect::Leased(rows) = &effects[1] else { panic!("{effects:?}") };
    let orders: Vec<_> = rows.iter().filter_map(|row| row.draft.order_id.as_deref()).collect();
    assert_eq!(orders, ["o1", "o2", "o3"]);
    assert_eq!(store.depth().await.unwrap().iter().map(|depth| depth.count).sum::<u64>(), 3);
}

#[tokio::test]
async fn a_program_does_not_wait_for_a_store_that_takes_its_time() {
    let folder = closed().await;
    let stranger = Connection::open(folder.path().join(DATABASE)).unwrap();
    stranger.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let store = Store::start_within(&config(folder.path()), Clock::manual(NOW), Duration::ZERO);
    let refused = store.commit(append("early")).await;
    assert!(matches!(&refused, Err(CommitError::Unavailable(why)) if why.contains("being opened")), "{refused:?}");
    assert!(store.token().is_ok() && store.delivery(DeliveryId(1)).await.is_err());
    drop(stranger);
    while store.commit(append("later")).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.health(), Health::Fine);
    store.close().await;
}
