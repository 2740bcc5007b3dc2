//! Verdicts on record, and deliveries that wait for them.

use super::*;

const START: Time = Time::from_seconds(1_800_000_000);

fn after(seconds: u64) -> Time {
    START.plus(Duration::from_secs(seconds))
}

fn settled(verdict: Verdict) -> Box<VerdictRow> {
    let action_id = (verdict == Verdict::Accepted).then(|| "1000.1.2".to_owned());
    Box::new(VerdictRow { verdict, reason: Some("CONV_DUPLICATE".to_owned()), action_id, ask_at: None, asked: 2 })
}

/// Appends these rows; their numbers.
async fn add(store: &Store, rows: Vec<DraftRow>) -> Vec<DeliveryId> {
    let effects = store.commit(rows.into_iter().map(|row| Change::Append(Box::new(row))).collect()).await.unwrap();
    effects
        .into_iter()
        .map(|effect| if let Effect::Appended(id) = effect { id } else { panic!("{effect:?}") })
        .collect()
}

async fn done(store: &Store, id: DeliveryId, ask_at: Option<Time>) {
    let verdict = ask_at.map(|at| Box::new(VerdictRow::pending(at)));
    store.commit(vec![Change::Done { id, receipt: Some("/s".to_owned()), verdict }]).await.unwrap();
}

async fn leased(store: &Store) -> Vec<DeliveryId> {
    let lease = Change::Lease { limit: 9, deadline: after(9000), caps: vec![] };
    let effects = store.commit(vec![lease]).await.unwrap();
    let [Effect::Leased(rows)] = &effects[..] else { panic!("{effects:?}") };
    rows.iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn verdicts_are_asked_for_in_the_order_in_which_they_are_due() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&config(folder.path()), Clock::manual(after(100))).unwrap();
    let mut rows: Vec<_> = ["a", "b", "c", "d"].map(draft).into();
    rows.push(DraftRow { program: "uk".to_owned(), ..draft("e") });
    let ids = add(&store, rows).await;
    for (id, at) in ids.iter().zip([Some(after(40)), Some(after(20)), None, Some(after(300)), Some(after(60))]) {
        done(&store, *id, at).await;
    }
    let asks = store.asks().await.unwrap();
    assert_eq!(asks, [("uk".to_owned(), after(60)), ("us".to_owned(), after(20))]);
    let to_ask = async |limit| {
        let rows = store.to_ask("us".to_owned(), after(100), limit).await.unwrap();
        rows.into_iter().map(|row| row.draft.order_id.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((to_ask(9).await, to_ask(1).await), (vec!["b".to_owned(), "a".to_owned()], vec!["b".to_owned()]));
    let judge = |id: DeliveryId, verdict| Change::Judge { id, verdict };
    let later = Box::new(VerdictRow { asked: 1, ..VerdictRow::pending(after(200)) });
    let changes = vec![
        judge(ids[1], later),
        judge(ids[0], settled(Verdict::Accepted)),
        // Nobody asks for that one, and this one is settled already.
        judge(ids[2], settled(Verdict::Refused)),
        judge(ids[0], settled(Verdict::Refused)),
        judge(ids[4], settled(Verdict::Refused)),
    ];
    store.commit(changes).await.unwrap();
    assert_eq!(to_ask(9).await, Vec::<String>::new());
    assert_eq!(store.asks().await.unwrap(), [("us".to_owned(), after(200))]);
    let verdict = async |id| store.delivery(id).await.unwrap().unwrap().verdict;
    assert_eq!(verdict(ids[0]).await, Some(*settled(Verdict::Accepted)));
    assert_eq!((verdict(ids[2]).await, verdict(ids[1]).await.unwrap().asked), (None, 1));

    let filter = DeliveryFilter { verdict: Some(Verdict::Refused), ..DeliveryFilter::default() };
    assert_eq!(store.deliveries(filter.clone()).await.unwrap().len(), 1);
    assert_eq!(store.count_deliveries(filter).await.unwrap(), (1, Some(ids[4])));
    let by_reason = DeliveryFilter { reason: Some("CONV_DUPLICATE".to_owned()), ..DeliveryFilter::default() };
    assert_eq!(store.deliveries(by_reason).await.unwrap().len(), 2);
    let counts = store.count_verdicts(DeliveryFilter::default()).await.unwrap();
    let counts: Vec<_> = counts.iter().map(|count| (count.program.as_str(), count.verdict, count.count)).collect();
    let expected = [
        ("uk", Some(Verdict::Refused), 1),
        ("us", None, 1),
        ("us", Some(Verdict::Accepted), 1),
        ("us", Some(Verdict::Pending), 2),
    ];
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn what_follows_an_order_waits_for_its_verdict() {
    for end in ["verdict", "no verdict", "dead", "dropped", "erased"] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&config(folder.path()), Clock::manual(START)).unwrap();
        let follower =
            |order| DraftRow { follows: true, ordered: false, endpoint: "actions".to_owned(), ..draft(order) };
        let other = DraftRow { program: "uk".to_owned(), ..follower("o1") };
        let uk = DraftRow { program: "uk".to_owned(), ..draft("o1") };
        for made in add(&store, vec![draft("o2"), uk]).await {
            done(&store, made, None).await;
        }
        let ids = add(&store, vec![draft("o1"), follower("o1"), follower("o1"), follower("o2"), other]).await;
        let [order, first, second, elsewhere, uk] = ids[..] else { panic!("{ids:?}") };
        assert_eq!(leased(&store).await, [order, elsewhere, uk], "{end}");
        let dead = || Change::Dead { id: order, reason: "refused".to_owned(), detail: String::new() };
        match end {
            "verdict" => {
                done(&store, order, Some(after(60))).await;
                assert_eq!(leased(&store).await, []);
                store.commit(vec![Change::Judge { id: order, verdict: settled(Verdict::Accepted) }]).await.unwrap();
            }
            "no verdict" => done(&store, order, None).await,
            "dead" => _ = store.commit(vec![dead()]).await.unwrap(),
            "dropped" => {
                let again = Change::Again { id: order, at: after(60), why: String::new() };
                store.commit(vec![again, Change::Drop { id: order }]).await.unwrap();
            }
            _ => {
                done(&store, order, Some(after(60))).await;
                store.commit(vec![Change::Erase { id: order }]).await.unwrap();
            }
        }
        // Of one order one after the other.
        assert_eq!(leased(&store).await, [first], "{end}");
        done(&store, first, None).await;
        assert_eq!(leased(&store).await, [second], "{end}");
    }
}

#[tokio::test]
async fn what_is_faster_than_its_order_waits_for_it_an_hour_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = Store::open(&config(folder.path()), clock.clone()).unwrap();
    let follower = |order| DraftRow { follows: true, ordered: false, endpoint: "actions".to_owned(), ..draft(order) };
    let ids = add(&store, vec![follower("o1"), follower("o2"), draft("o1")]).await;
    let [early, alone, order] = ids[..] else { panic!("{ids:?}") };
    assert_eq!(leased(&store).await, [order]);
    done(&store, order, Some(after(7200))).await;
    clock.set(after(3599));
    assert_eq!(leased(&store).await, []);
    clock.set(after(3600));
    assert_eq!(leased(&store).await, [alone]);
    store.commit(vec![Change::Judge { id: order, verdict: settled(Verdict::Accepted) }]).await.unwrap();
    assert_eq!(leased(&store).await, [early]);
}

#[tokio::test]
async fn a_store_of_the_third_format_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let old = rusqlite::Connection::open(folder.path().join("selvedge.db")).unwrap();
    schema::STEPS[..3].iter().for_each(|step| old.execute_batch(step).unwrap());
    old.execute_batch("PRAGMA application_id = 0x53454c56; PRAGMA user_version = 3; PRAGMA journal_mode = WAL")
        .unwrap();
    let insert = "INSERT INTO delivery (state, program, endpoint, urgency, params, event, order_id, basis, unrepeatable,
        arrival, due, created, ended, receipt, ordered) VALUES (?1, 'us', 'conversions', 0, '[]', 'Order Completed', ?2, 'carried', 0, 1, 1, 1, ?3, '/s', 1)";
    for (state, order, ended) in
        [("waiting", "o1", None), ("leased", "o2", None), ("delivered", "o3", Some(START.millis()))]
    {
        old.execute(insert, rusqlite::params![state, order, ended]).unwrap();
    }
    drop(old);
    let store = Store::open(&config(folder.path()), Clock::manual(START)).unwrap();
    let rows = store.deliveries(DeliveryFilter::default()).await.unwrap();
    let told: Vec<_> =
        rows.iter().map(|row| (row.draft.order_id.as_deref().unwrap(), row.state, &row.verdict)).collect();
    assert_eq!(told, [("o3", State::Delivered, &None), ("o2", State::Waiting, &None), ("o1", State::Waiting, &None)]);
    assert_eq!(store.asks().await.unwrap(), []);
    assert_eq!(leased(&store).await.len(), 2);
    done(&store, DeliveryId(1), Some(after(60))).await;
    assert_eq!(store.asks().await.unwrap(), [("us".to_owned(), after(60))]);
}

#[test]
fn what_has_no_verdict_yet_stays_a_while_longer() {
    let folder = tempfile::tempdir().unwrap();
    let day = |days: i64| Time::from_seconds(days * 86_400);
    let opened = open::open(folder.path(), &Clock::manual(day(0))).unwrap();
    let c = &Statements::new(&opened.connection);
    let room = deliveries::Room { waiting_max: 99, size_max: u64::MAX };
    let kept = deliveries::Kept { delivered: Duration::ZERO, dead: Duration::ZERO };
    for verdict in [None, Some(VerdictRow::pending(day(1))), Some(VerdictRow::unknown("unanswered"))] {
        let Effect::Appended(id) = deliveries::append(c, &draft("o"), room, day(0)).unwrap() else { panic!() };
        deliveries::done(c, id, None, verdict.as_ref(), day(0)).unwrap();
    }
    let follower = DraftRow { follows: true, ordered: false, ..draft("o") };
    deliveries::append(c, &follower, room, day(0)).unwrap();
    let count = |what: &str| -> i64 {
        c.query_row(&format!("SELECT count(*) FROM delivery WHERE {what}"), [], |row| row.get(0)).unwrap()
    };
    for (at, delivered, held) in [(day(0), 1, 1), (day(6), 1, 1), (day(7), 0, 0)] {
        while deliveries::sweep(c, kept, at, 3).unwrap() {}
        assert_eq!((count("state = 'delivered'"), count("held_by IS NOT NULL")), (delivered, held), "{}", at.iso8601());
    }
}
