mod compact;
mod damage;
mod verdicts;

use super::statements::Statements;
use super::*;
use crate::clock::Time;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

fn config(folder: &Path) -> Config {
    Config::at(folder)
}

fn open(folder: &Path) -> Store {
    Store::open(&config(folder), Clock::System).unwrap()
}

fn draft(order: &str) -> DraftRow {
    DraftRow {
        program: "us".to_owned(),
        endpoint: "conversions".to_owned(),
        urgency: 0,
        ordered: true,
        follows: false,
        params: "[]".to_owned(),
        event: "Order Completed".to_owned(),
        message_id: None,
        order_id: Some(order.to_owned()),
        basis: "carried".to_owned(),
        click_id: None,
        unrepeatable: false,
        once: Vec::new(),
        anonymous: None,
        user: None,
        arrival: Time::from_seconds(1),
        call: None,
    }
}

fn append(order: &str) -> Vec<Change> {
    vec![Change::Append(Box::new(draft(order)))]
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_folder_and_its_files_are_the_owners_alone() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("a/data");
    let store = open(&folder);
    let token = store.token().unwrap();
    assert_eq!(token.len(), 64);
    store.commit(append("o1")).await.unwrap();
    assert_eq!(mode(&folder), 0o700);
    for file in ["selvedge.db", "selvedge.db-wal", "selvedge.db-shm", "selvedge.lock", "admin.token"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
    store.close().await;
    assert_eq!(open(&folder).token().unwrap(), token);
}

#[tokio::test]
async fn two_never_have_one_folder_open() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let second = Store::open(&config(folder.path()), Clock::System).err().unwrap();
    assert!(matches!(second, OpenError::InUse { .. }));
    assert!(second.to_string().contains(&folder.path().display().to_string()));
    first.close().await;
    assert_eq!(first.commit(append("o1")).await, Err(CommitError::Closed));
    open(folder.path());
}

#[test]
fn what_is_not_a_store_is_refused_and_left_alone() {
    type Make = fn(&Path);
    let cases: [(&str, Make); 3] = [
        ("another program's", |db| {
            rusqlite::Connection::open(db).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap()
        }),
        ("newer Selvedge", |db| {
            rusqlite::Connection::open(db).unwrap().pragma_update(None, "user_version", 99).unwrap()
        }),
        ("make it writable", |db| std::fs::create_dir(db).unwrap()),
    ];
    for (says, make) in cases {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("selvedge.db");
        make(&database);
        let before = std::fs::read(&database).ok();
        let error = Store::open(&config(folder.path()), Clock::System).err().unwrap();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(std::fs::read(&database).ok(), before, "{says}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_leaves_a_store_that_says_so() {
    // /proc takes no folders from anybody, not even from root, under whom tests may run.
    let error = Store::open(&config(Path::new("/proc/selvedge")), Clock::System).err().unwrap();
    assert!(matches!(error, OpenError::Folder { .. }));
    let store = Store::unavailable(error.to_string(), Clock::manual(Time::from_seconds(7)));
    let failed = store.commit(append("o1")).await;
    assert!(matches!(&failed, Err(CommitError::Unavailable(why)) if why.contains("/proc/selvedge")), "{failed:?}");
    assert!(store.delivery(DeliveryId(1)).await.is_err());
    store.submit(append("o1"));
    assert_eq!((store.stats().dropped, store.losses()), (1, 2));
    assert!(matches!(store.health(), Health::Failing { since, .. } if since == Time::from_seconds(7)));
}

#[tokio::test]
async fn many_commits_share_few_transactions() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    // All 64 wait before the writer sees the first: it is busy with a large batch.
    let large = store.commit((0..5000).flat_map(|i| append(&i.to_string())).collect());
    let small = (0..64).map(|i| store.commit(append(&format!("s{i}"))));
    let (first, rest) = tokio::join!(large, futures_util::future::join_all(small));
    assert_eq!(first.unwrap().len(), 5000);
    let mut ids: Vec<_> = rest.into_iter().map(|answer| answer.unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 64);
    let stats = store.stats();
    assert_eq!((stats.batches, stats.rows, stats.lost), (65, 5064, 0));
    assert!(stats.commits <= 4, "{stats:?}");
    assert!(stats.total >= stats.last && stats.last > Duration::ZERO);
}

#[test]
fn a_batch_that_fails_takes_no_other_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (watch, clock) = (Arc::new(Watch::new(Clock::System)), Clock::System);
    let opened = open::open(folder.path(), &clock).unwrap();
    // Refuses one order, after its batch has written another row.
    let trap = "CREATE TRIGGER trap BEFORE INSERT ON delivery WHEN new.order_id = 'bad'
        BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    opened.connection.execute_batch(trap).unwrap();
    let (inbox, outbox) = sync_channel(8);
    let mut answers = Vec::new();
    for orders in [vec!["a"], vec!["b", "bad"], vec!["c"]] {
        let (reply, answer) = oneshot::channel();
        let changes = orders.into_iter().flat_map(append).collect();
        inbox.send(Message::Batch(Batch { changes, reply: Some(reply) })).ok().unwrap();
        answers.push(answer);
    }
    // Whoever has gone is not written.
    let (reply, _) = oneshot::channel();
    inbox.send(Message::Batch(Batch { changes: append("gone"), reply: Some(reply) })).ok().unwrap();
    drop(inbox);
    let database = opened.database.clone();
    writer::run(opened, outbox, watch.clone(), clock, Rules::of(&config(folder.path())));
    let fared: Vec<bool> = answers.into_iter().map(|answer| answer.blocking_recv().unwrap().is_ok()).collect();
    assert_eq!(fared, [true, false, true]);
    assert_eq!(watch.health(), Health::Fine, "the disk is not to blame");
    assert_eq!((watch.stats().commits, watch.stats().batches, watch.stats().lost), (1, 2, 1));
    let stored = rusqlite::Connection::open(database).unwrap();
    let orders: String = stored.query_row("SELECT group_concat(order_id) FROM delivery", [], |row| row.get(0)).unwrap();
    assert_eq!(orders, "a,c");
}

#[tokio::test]
async fn a_full_disk_is_told_and_gets_over() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::System;
    let opened = open::open(folder.path(), &clock).unwrap();
    let pages: i64 = opened.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    opened.connection.pragma_update(None, "max_page_count", pages).unwrap();
    let watch = Arc::new(Watch::new(clock.clone()));
    let (inbox, outbox) = sync_channel(8);
    let (seen, rules) = (watch.clone(), Rules::of(&config(folder.path())));
    let thread = std::thread::spawn(move || writer::run(opened, outbox, seen, clock, rules));
    let commit = async |order: &str| {
        let (reply, answer) = oneshot::channel();
        inbox.send(Message::Batch(Batch { changes: append(order), reply: Some(reply) })).ok().unwrap();
        answer.await.unwrap()
    };
    let failed = commit(&"x".repeat(100_000)).await;
    assert!(matches!(&failed, Err(CommitError::Failed(why)) if why.contains("full")), "{failed:?}");
    assert!(matches!(watch.health(), Health::Failing { .. }));
    assert_eq!(watch.stats().lost, 1);
    // What still fits is written, and that is what health goes by.
    assert!(commit("small").await.is_ok());
    assert_eq!(watch.health(), Health::Fine);
    inbox.send(Message::Stop).ok().unwrap();
    thread.join().unwrap();
}

/// Where the child of the kill test keeps its store.
const CHILD: &str = "SELVEDGE_TEST_KILL_CHILD";

/// Not a test by itself: with the variable set, it appends until it is killed, and prints what was acknowledged.
#[tokio::test]
async fn child_that_appends_until_it_is_killed() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let store = open(Path::new(&folder));
    for i in 0.. {
        let both = (store.commit(append(&format!("{i}a"))), store.commit(append(&format!("{i}b"))));
        let (one, other) = tokio::join!(both.0, both.1);
        for effect in one.unwrap().into_iter().chain(other.unwrap()) {
            let Effect::Appended(id) = effect else { panic!("{effect:?}") };
            println!("acknowledged {id}");
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    use std::io::BufRead;
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 1..=3 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::child_that_appends_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // The first line may follow on the harness's own `test … `.
        let ids =
            lines.filter_map(|line| line.split("acknowledged ").nth(1).and_then(|id| id.trim().parse::<i64>().ok()));
        let mut acknowledged = Vec::new();
        for id in ids {
            acknowledged.push(id);
            if acknowledged.len() == 40 * round {
                // SIGKILL, in the middle of its work; what it wrote to the pipe before that is still read.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(acknowledged.len() >= 40 * round, "the child said too little");
        assert!(acknowledged[0] > last, "a number was used twice");
        last = *acknowledged.iter().max().unwrap();
        let store = open(folder.path());
        for id in acknowledged {
            assert!(store.delivery(DeliveryId(id)).await.unwrap().is_some(), "{id} is lost");
        }
        store.close().await;
    }
}

#[test]
fn what_has_had_its_time_is_swept_in_slices() {
    let folder = tempfile::tempdir().unwrap();
    let day = |days: i64| Time::from_seconds(days * 86_400);
    let opened = open::open(folder.path(), &Clock::manual(day(0))).unwrap();
    let c = &Statements::new(&opened.connection);
    let Config { keep_delivered: delivered, keep_dead: dead, waiting_max, size_max, .. } = config(folder.path());
    let (kept, room) = (deliveries::Kept { delivered, dead }, deliveries::Room { waiting_max, size_max });
    for i in 0..10 {
        let hash = [i; 32];
        let once = OnceRow { key: hash, until: day(30) };
        let new = DraftRow { once: vec![once], ..draft("o") };
        let Effect::Appended(id) = deliveries::append(c, &new, room, day(0)).unwrap() else { panic!() };
        match i {
            0..4 => _ = deliveries::done(c, id, None, None, day(0)).unwrap(),
            4..8 => _ = deliveries::give_up(c, id, day(0)).unwrap(),
            _ => {}
        }
        let id = crate::click::ClickId::parse(b"c").unwrap();
        let click = crate::click::Click { id, at: day(0), place: crate::click::Place::Call };
        people::sighting(c, &click.id, day(0), day(60), day(0)).unwrap();
        people::link(c, &hash, &click, day(30), Keep::Newest, day(0)).unwrap();
        people::join(c, &hash, &[99; 32], day(20), 17, day(0)).unwrap();
    }
    let count =
        |table: &str| -> i64 { c.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap() };
    let counts = || ["delivery", "once", "sighting", "link", "joined"].map(count);
    for (at, expected) in [
        (day(6), [10, 10, 1, 10, 20]),
        // What was made goes after a week, and leaves its key until that ends.
        (day(7), [6, 10, 1, 10, 20]),
        (day(20), [6, 10, 1, 10, 0]),
        (day(30), [6, 0, 1, 0, 0]),
        (day(60), [6, 0, 0, 0, 0]),
        // What waits stays, whatever its age.
        (day(90), [2, 0, 0, 0, 0]),
        (day(9000), [2, 0, 0, 0, 0]),
    ] {
        while people::sweep(c, at, 3).unwrap() || deliveries::sweep(c, kept, at, 3).unwrap() {}
        assert_eq!(counts(), expected, "{}", at.iso8601());
    }
}

#[tokio::test]
async fn nothing_of_what_was_erased_is_left_in_any_file() {
    // Rows of all sizes that grow: SQLite moves them from page to page, and by this seed leaves dozens of copies behind.
    let mut rng = fastrand::Rng::with_seed(32);
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let lease = Change::Lease { limit: 30, deadline: Time::from_seconds(9_000_000_000), caps: vec![] };
    for round in 0..60 {
        let mut changes = Vec::new();
        for number in 0..40 {
            let (name, user) = if rng.u32(..40) == 0 { ("ada-secret", [1; 32]) } else { ("other", [2; 32]) };
            let words = |count: usize| format!("{name} ").repeat(count);
            let order = format!("{:08x}-{name}-{}", rng.u32(..), round * 40 + number);
            let (params, call) = (words(rng.usize(..120)), Some(words(rng.usize(..150))));
            let (message_id, click_id) = (Some(order.clone()), Some(name.to_owned()));
            let row =
                DraftRow { params, message_id, click_id, call, user: Some(user), ordered: false, ..draft(&order) };
            changes.push(Change::Append(Box::new(row)));
        }
        changes.push(lease.clone());
        let Some(Effect::Leased(rows)) = store.commit(changes).await.unwrap().pop() else { panic!("no lease") };
        let ends = rows.into_iter().map(|row| {
            let words = row.draft.click_id.unwrap().repeat(rng.usize(..100));
            match rng.u32(..3) {
                0 => Change::Done { id: row.id, receipt: Some(words), verdict: None },
                1 => Change::Dead { id: row.id, reason: "refused".to_owned(), detail: words },
                _ => Change::Again { id: row.id, at: Time::from_seconds(1), why: words },
            }
        });
        store.commit(ends.collect()).await.unwrap();
    }
    let erased: Vec<_> = store.deliveries_of(vec![[1; 32]]).await.unwrap();
    assert!(erased.len() > 20);
    store.commit(erased.iter().map(|row| Change::Erase { id: row.id }).collect()).await.unwrap();
    assert_eq!(store.scrub(0).await, Ok(false), "too large");
    assert_eq!(store.scrub(u64::MAX).await, Ok(true));
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert_eq!(memchr::memmem::find(&bytes, b"ada-secret"), None);
    }
    assert!(!store.deliveries_of(vec![[2; 32]]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_log_that_is_read_is_emptied_when_the_read_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.commit(append("o1")).await.unwrap();
    let reader = rusqlite::Connection::open(folder.path().join("selvedge.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM delivery").unwrap();
    store.commit(append("o2")).await.unwrap();
    let log = folder.path().join("selvedge.db-wal");
    let (scrubbed, ()) = tokio::join!(store.scrub(0), async {
        // A commit goes through although the log cannot be emptied, and then the read ends.
        store.commit(append("o3")).await.unwrap();
        assert!(std::fs::metadata(&log).unwrap().len() > 0);
        reader.execute_batch("COMMIT").unwrap();
    });
    assert_eq!(scrubbed, Ok(false));
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
}
