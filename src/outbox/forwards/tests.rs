use super::*;
use crate::clock::Clock;
use crate::store::{self, State, Touched};
use std::path::Path;
use std::time::Duration;

const START: Time = Time::from_seconds(1_800_000_000);

fn open(folder: &Path, key: Option<&str>) -> Forwards {
    let store = Store::open(&store::Config::at(folder), Clock::manual(START)).unwrap();
    Forwards::new(store, key.map(Secret::new).as_ref())
}

fn missed(body: &str) -> Missed {
    Missed {
        method: "POST".to_owned(),
        path: "/v1/t?a=\n".to_owned(),
        fields: vec![("content-type".to_owned(), "text/plain".to_owned())],
        body: Bytes::from(body.to_owned()),
        arrival: START,
        people: vec![PersonKey([1; 32])],
        write_key: Some("k".to_owned()),
    }
}

async fn next(forwards: &Forwards) -> Option<Waiting> {
    forwards.next(0, START.minus(Duration::from_secs(60))).await.unwrap()
}

async fn next_body(forwards: &Forwards) -> Option<String> {
    next(forwards).await.map(|waiting| String::from_utf8(waiting.missed.body.to_vec()).unwrap())
}

#[tokio::test]
async fn they_go_out_in_order_and_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut forwards = open(folder.path(), None);
    for body in ["one\n", "two", "six"] {
        assert_eq!(forwards.keep(missed(body)).await.unwrap(), Kept::Stored);
    }
    forwards.news().await;
    forwards.store.close().await;
    forwards = open(folder.path(), None);
    let first = next(&forwards).await.unwrap();
    assert_eq!((&first.missed, first.attempts), (&Missed { people: vec![], ..missed("one\n") }, 0));
    forwards.again(first.id, false).await.unwrap();
    assert_eq!(next(&forwards).await.unwrap().attempts, 1);
    assert_ne!(
        forwards.next(first.place, START.minus(Duration::from_secs(60))).await.unwrap().map(|behind| behind.id),
        Some(first.id)
    );
    forwards.again(first.id, true).await.unwrap();
    assert_eq!(next_body(&forwards).await.as_deref(), Some("two"));
    forwards.taken(2).await.unwrap();
    forwards.refuse(3, "400").await.unwrap();
    assert_eq!(next_body(&forwards).await.as_deref(), Some("one\n"));
    let backlog = Backlog { waiting: 1, locked: 0, dead: 1, oldest: Some(START) };
    assert_eq!(forwards.backlog().await.unwrap(), backlog);
}

#[tokio::test]
async fn a_key_keeps_them_from_the_eyes_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let (key, other) = ("a1".repeat(32), "b2".repeat(32));
    let forwards = open(folder.path(), Some(&key));
    forwards.keep(missed("a secret body")).await.unwrap();
    assert_eq!(next_body(&forwards).await.as_deref(), Some("a secret body"));
    forwards.store.close().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"secret" || part == b"/v1/t?"));
    }
    for key in [Some(other.as_str()), None] {
        let forwards = open(folder.path(), key);
        assert_eq!(next_body(&forwards).await, None, "it waits, and holds nobody up");
        let backlog = forwards.backlog().await.unwrap();
        assert_eq!((backlog.waiting, backlog.locked, backlog.dead), (1, 1, 0));
        assert!(forwards.next(0, START).await.unwrap().is_none(), "it is known, and not looked at again");
        assert_eq!(forwards.backlog().await.unwrap().dead, 0);
        forwards.store.close().await;
    }
    let forwards = open(folder.path(), Some(&key));
    assert_eq!(next_body(&forwards).await.as_deref(), Some("a secret body"));
}

#[tokio::test]
async fn those_that_can_be_read_pass_those_that_cannot_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let (key, other) = ("a1".repeat(32), "b2".repeat(32));
    for (key, body) in [(&key, "one"), (&other, "two"), (&key, "three"), (&other, "four"), (&key, "five")] {
        let forwards = open(folder.path(), Some(key));
        forwards.keep(missed(body)).await.unwrap();
        forwards.store.close().await;
    }
    let forwards = open(folder.path(), Some(&other));
    for (id, record) in [(6, &b"\0no head"[..]), (7, b"\x07"), (8, b"")] {
        let new = NewForward { record: record.to_vec(), arrival: START, people: Vec::new() };
        assert_eq!(forwards.store.commit(vec![Change::Keep(Box::new(new))]).await.unwrap(), [Effect::Kept(id)]);
    }
    for (id, body) in [(2, "two"), (4, "four")] {
        assert_eq!(next_body(&forwards).await.as_deref(), Some(body));
        forwards.taken(id).await.unwrap();
    }
    assert_eq!(next_body(&forwards).await, None);
    let backlog = Backlog { waiting: 3, locked: 3, dead: 3, oldest: Some(START) };
    assert_eq!(forwards.backlog().await.unwrap(), backlog, "what is damaged is told apart");
    forwards.taken(1).await.unwrap();
    assert_eq!(forwards.backlog().await.unwrap().locked, 2);
    forwards.store.close().await;

    let forwards = open(folder.path(), None);
    assert!(forwards.next(0, START).await.unwrap().is_none());
    let backlog = Backlog { waiting: 0, locked: 0, dead: 5, oldest: None };
    assert_eq!(forwards.backlog().await.unwrap(), backlog, "they do not wait for ever");
}

#[tokio::test]
async fn people_are_found_and_leave() {
    let folder = tempfile::tempdir().unwrap();
    let forwards = open(folder.path(), None);
    let (one, other) = (PersonKey([1; 32]), PersonKey([2; 32]));
    forwards.keep(Missed { people: vec![one, other], ..missed("both") }).await.unwrap();
    forwards.keep(Missed { people: vec![], ..missed("nobody") }).await.unwrap();
    assert_eq!(forwards.of(&[one, other]).await.unwrap().len(), 1);
    forwards.rewrite(1, missed("other"), &[one]).await.unwrap();
    assert!(forwards.of(&[one]).await.unwrap().is_empty());
    assert_eq!(forwards.of(&[other]).await.unwrap()[0].missed.as_ref().unwrap().body, "other");
}

#[tokio::test]
async fn a_store_that_is_full_takes_none() {
    let folder = tempfile::tempdir().unwrap();
    let config = store::Config { size_max: 1, ..store::Config::at(folder.path()) };
    let forwards = Forwards::new(Store::open(&config, Clock::manual(START)).unwrap(), None);
    assert_eq!(forwards.keep(missed("x")).await.unwrap(), Kept::Full);
    let unavailable = Forwards::new(Store::unavailable("no disk", Clock::manual(START)), None);
    assert!(unavailable.keep(missed("x")).await.is_err());
    assert!(tokio::time::timeout(Duration::from_millis(1), unavailable.news()).await.is_err());
}

#[tokio::test]
async fn a_person_wants_an_old_one_sent_and_gives_others_up() {
    let folder = tempfile::tempdir().unwrap();
    let forwards = open(folder.path(), None);
    for body in ["one", "two"] {
        forwards.keep(missed(body)).await.unwrap();
    }
    forwards.refuse(1, EXPIRED).await.unwrap();
    let [done, none] = [Touched::Done, Touched::NotFound];
    assert_eq!(forwards.retry(&[1, 2, 3]).await.unwrap(), [done, Touched::WrongState(State::Waiting), none]);
    assert!(!next(&forwards).await.unwrap().is_wanted, "the other one was before it");
    assert_eq!(forwards.give_up(&[2, 3]).await.unwrap(), [done, none]);
    let wanted = next(&forwards).await.unwrap();
    assert!(wanted.id == 1 && wanted.is_wanted);
    assert_eq!(forwards.give_up(&[2, 2]).await.unwrap(), [done, none]);
    assert_eq!(forwards.backlog().await.unwrap(), Backlog { waiting: 1, locked: 0, dead: 0, oldest: Some(START) });
}
