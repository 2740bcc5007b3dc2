//! A store whose deliveries have had their time gives back the room, while it goes on.

use super::*;
use rusqlite::Connection;

const BACKLOG: usize = 1000;

fn bytes(folder: &Path) -> u64 {
    std::fs::metadata(folder.join("selvedge.db")).unwrap().len()
}

/// Leases and ends all that is due.
async fn deliver(store: &Store) {
    let lease = Change::Lease { limit: 5000, deadline: Time::from_seconds(i64::MAX / 2000), caps: vec![] };
    let effects = store.commit(vec![lease]).await.unwrap();
    let Effect::Leased(rows) = &effects[0] else { panic!("{effects:?}") };
    store
        .commit(rows.iter().map(|row| Change::Done { id: row.id, receipt: None, verdict: None }).collect())
        .await
        .unwrap();
}

fn large(order: &str) -> Change {
    Change::Append(Box::new(DraftRow { params: format!("[{}]", "7,".repeat(2000)), ..draft(order) }))
}

#[tokio::test]
async fn the_file_shrinks_between_commits_when_a_backlog_has_had_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let store =
        Store::open(&Config { keep_delivered: Duration::ZERO, ..config(folder.path()) }, Clock::System).unwrap();
    store.commit((0..BACKLOG).map(|i| large(&format!("old-{i}"))).collect()).await.unwrap();
    deliver(&store).await;
    let most = bytes(folder.path());
    assert!(most > 4 << 20, "{most}");
    let mut meanwhile = 0;
    while bytes(folder.path()) > most / 8 {
        assert!(meanwhile < 20_000, "{} of {most} bytes are left", bytes(folder.path()));
        meanwhile += 1;
        store.commit(append(&format!("new-{meanwhile}"))).await.unwrap();
        deliver(&store).await;
    }
    store.commit(append("last")).await.unwrap();
    store.close().await;
    let c = Connection::open(folder.path().join("selvedge.db")).unwrap();
    let verdict: String = c.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let last: String = c.query_row("SELECT order_id FROM delivery ORDER BY id DESC", [], |row| row.get(0)).unwrap();
    assert_eq!(last, "last");
}

#[tokio::test]
async fn a_store_that_could_not_shrink_is_written_anew_once() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).close().await;
    let database = folder.path().join("selvedge.db");
    let c = Connection::open(&database).unwrap();
    c.execute_batch("PRAGMA auto_vacuum = NONE; VACUUM").unwrap();
    drop(c);
    let store = open(folder.path());
    store.commit(append("o1")).await.unwrap();
    store.close().await;
    let mode: i64 =
        Connection::open(&database).unwrap().pragma_query_value(None, "auto_vacuum", |row| row.get(0)).unwrap();
    assert_eq!(mode, 2);
}
