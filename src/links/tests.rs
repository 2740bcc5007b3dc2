use super::*;
use crate::click::Place;
use crate::store;
use std::path::Path;

const DAY: Duration = Duration::from_secs(86_400);
const WINDOW: Duration = Duration::from_secs(30 * 86_400);
/// The first day of every test.
const START: Time = Time::from_seconds(1_800_000_000);

struct Bench {
    folder: tempfile::TempDir,
    clock: Clock,
    links: Links,
}

impl Bench {
    fn new(policy: Policy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let links = links(folder.path(), policy, &clock);
        Self { folder, clock, links }
    }

    async fn reopen(&mut self) {
        self.links.store.close().await;
        self.links = links(self.folder.path(), self.links.settings.policy, &self.clock);
    }

    /// Teaches and commits; how many changes there were.
    async fn learn(&self, click: Option<Click>, people: &[PersonKey], joins: &[(PersonKey, PersonKey)]) -> usize {
        let changes = self.links.teach(&Lesson { click, people: people.to_vec(), joins: joins.to_vec() });
        let count = changes.len();
        self.links.store.commit(changes).await.unwrap();
        count
    }

    async fn finds(&self, person: PersonKey) -> Option<String> {
        match self.links.look_up(&person).await {
            Found::Click(click) => Some(click.id.as_str().to_owned()),
            Found::Shared => Some("(shared)".to_owned()),
            Found::Nothing => None,
        }
    }
}

fn links(folder: &Path, policy: Policy, clock: &Clock) -> Links {
    let store = Store::open(&store::Config::at(folder), clock.clone()).unwrap();
    Links::new(store, Settings { window: WINDOW, policy }, clock.clone())
}

fn click(id: &str, day: u32) -> Option<Click> {
    Some(Click { id: ClickId::parse(id.as_bytes()).unwrap(), at: START.plus(DAY * day), place: Place::Landing })
}

fn anonymous(id: &str) -> PersonKey {
    PersonKey::of("default", IdKind::Anonymous, id).unwrap()
}

fn user(id: &str) -> PersonKey {
    PersonKey::of("default", IdKind::User, id).unwrap()
}

#[tokio::test]
async fn links_survive_a_restart() {
    let mut bench = Bench::new(Policy::Last);
    assert_eq!(bench.finds(user("u")).await, None);
    assert_eq!(bench.learn(click("c1", 0), &[anonymous("a"), user("u")], &[]).await, 3);
    assert_eq!(bench.learn(click("c1", 0), &[anonymous("a"), user("u")], &[]).await, 0, "all of it is known");
    for _ in 0..2 {
        assert_eq!(bench.finds(anonymous("a")).await.as_deref(), Some("c1"));
        assert_eq!(bench.finds(user("u")).await.as_deref(), Some("c1"));
        assert_eq!(bench.finds(user("a")).await, None, "another kind of id");
        bench.reopen().await;
    }
}

#[tokio::test]
async fn a_lesson_counts_before_it_is_on_the_disk_and_against_what_is_there() {
    for (policy, expected) in [(Policy::Last, "late"), (Policy::First, "early")] {
        for (stored, taught) in [("late", "early"), ("early", "late")] {
            let mut bench = Bench::new(policy);
            let day = |id: &str| if id == "late" { 2 } else { 1 };
            bench.learn(click(stored, day(stored)), &[user("u")], &[]).await;
            bench.reopen().await;
            let changes = bench.links.teach(&Lesson {
                click: click(taught, day(taught)),
                people: vec![user("u")],
                joins: vec![],
            });
            assert_eq!(bench.finds(user("u")).await.as_deref(), Some(expected), "{policy:?}: {stored}, then {taught}");
            bench.links.store.commit(changes).await.unwrap();
            bench.reopen().await;
            assert_eq!(
                bench.finds(user("u")).await.as_deref(),
                Some(expected),
                "{policy:?}: stored {stored}, then {taught}"
            );
        }
    }
}

#[tokio::test]
async fn the_first_sighting_never_moves_until_it_is_forgotten() {
    let mut bench = Bench::new(Policy::Last);
    let id = click("c1", 0).unwrap().id;
    assert_eq!(bench.links.first_seen(&id).await, None);
    bench.learn(click("c1", 1), &[], &[]).await;
    bench.learn(click("c1", 5), &[], &[]).await;
    bench.reopen().await;
    // Not even when memory does not know it yet.
    bench.learn(click("c1", 9), &[], &[]).await;
    bench.reopen().await;
    assert_eq!(bench.links.first_seen(&id).await, Some(START.plus(DAY)));
    bench.clock.set(START.plus(DAY * 62));
    bench.reopen().await;
    assert_eq!(bench.links.first_seen(&id).await, None);
    bench.learn(click("c1", 62), &[], &[]).await;
    bench.reopen().await;
    assert_eq!(bench.links.first_seen(&id).await, Some(START.plus(DAY * 62)));
}

#[tokio::test]
async fn links_end_with_the_window_counted_from_the_click() {
    for policy in [Policy::Last, Policy::First] {
        let mut bench = Bench::new(policy);
        bench.clock.set(START.plus(DAY * 10));
        bench.learn(click("c1", 0), &[user("u")], &[]).await;
        bench.clock.set(START.plus(DAY * 30).minus(Duration::from_millis(1)));
        assert_eq!(bench.finds(user("u")).await.as_deref(), Some("c1"));
        bench.clock.set(START.plus(DAY * 30));
        assert_eq!(bench.finds(user("u")).await, None, "in memory");
        bench.reopen().await;
        assert_eq!(bench.finds(user("u")).await, None, "on the disk");
        assert_eq!(bench.learn(click("c1", 0), &[user("v")], &[]).await, 1, "only its sighting");
        // An ended link makes room, under either policy.
        bench.learn(click("c2", 30), &[user("u")], &[]).await;
        bench.reopen().await;
        assert_eq!(bench.finds(user("u")).await.as_deref(), Some("c2"));
    }
}

#[tokio::test]
async fn joined_ids_share_their_clicks() {
    for (policy, expected) in [(Policy::Last, "c2"), (Policy::First, "c1")] {
        let mut bench = Bench::new(policy);
        bench.learn(click("c1", 0), &[anonymous("a")], &[]).await;
        assert_eq!(bench.finds(user("u")).await, None, "remembered as nothing");
        assert_eq!(bench.learn(None, &[], &[(anonymous("a"), user("u")), (user("u"), user("u"))]).await, 1);
        assert_eq!(bench.learn(None, &[], &[(anonymous("a"), user("u"))]).await, 0);
        assert_eq!(bench.finds(user("u")).await.as_deref(), Some("c1"));
        bench.clock.set(START.plus(DAY));
        bench.learn(click("c2", 1), &[user("u")], &[]).await;
        for _ in 0..2 {
            for person in [anonymous("a"), user("u")] {
                assert_eq!(bench.finds(person).await.as_deref(), Some(expected), "{policy:?}");
            }
            bench.reopen().await;
        }
    }
}

#[tokio::test]
async fn an_id_of_too_many_is_shared() {
    let mut bench = Bench::new(Policy::Last);
    bench.learn(click("c1", 0), &[anonymous("kiosk")], &[]).await;
    for i in 0..OTHERS_MAX {
        bench.learn(None, &[], &[(anonymous("kiosk"), user(&format!("u{i}")))]).await;
    }
    assert_eq!(bench.finds(anonymous("kiosk")).await.as_deref(), Some("c1"), "sixteen are not too many");
    assert_eq!(bench.finds(user("u3")).await.as_deref(), Some("c1"));
    for i in OTHERS_MAX..3 * OTHERS_MAX {
        bench.learn(None, &[], &[(anonymous("kiosk"), user(&format!("u{i}")))]).await;
    }
    for _ in 0..2 {
        assert_eq!(bench.finds(anonymous("kiosk")).await.as_deref(), Some("(shared)"));
        assert_eq!(bench.finds(user("u3")).await, None, "nobody's click comes by way of it");
        let entry = bench.links.show("default", IdKind::Anonymous, "kiosk").await.unwrap().unwrap();
        assert_eq!((entry.joined, entry.found), (OTHERS_MAX as usize + 1, Found::Shared));
        bench.reopen().await;
    }
    bench.clock.set(START.plus(WINDOW));
    bench.learn(click("c2", 30), &[anonymous("kiosk")], &[]).await;
    assert_eq!(bench.finds(anonymous("kiosk")).await.as_deref(), Some("c2"), "joins end with the window");
}

#[tokio::test]
async fn what_is_forgotten_is_gone_from_both_sides() {
    let mut bench = Bench::new(Policy::Last);
    bench.learn(click("c1", 0), &[anonymous("a")], &[(anonymous("a"), user("u"))]).await;
    assert_eq!(bench.finds(user("u")).await.as_deref(), Some("c1"));
    let entry = bench.links.show("default", IdKind::Anonymous, "a").await.unwrap().unwrap();
    assert_eq!((entry.click, entry.until, entry.joined), (click("c1", 0), Some(START.plus(WINDOW)), 1));
    assert!(bench.links.forget("default", IdKind::Anonymous, "a").await.unwrap());
    assert!(!bench.links.forget("default", IdKind::Anonymous, "null").await.unwrap());
    for _ in 0..2 {
        assert_eq!(bench.finds(user("u")).await, None);
        assert_eq!(bench.links.show("default", IdKind::Anonymous, "a").await.unwrap(), None);
        assert_eq!(bench.links.show("default", IdKind::User, "u").await.unwrap(), None);
        bench.reopen().await;
    }
}

#[tokio::test]
async fn what_the_store_lost_is_taught_again() {
    let mut bench = Bench::new(Policy::Last);
    let lesson = Lesson { click: click("c1", 0), people: vec![user("u")], joins: vec![(anonymous("a"), user("u"))] };
    assert_eq!(bench.links.teach(&lesson).len(), 3);
    assert_eq!(bench.links.teach(&lesson).len(), 0);
    // The commit of the first three fails.
    bench.links.store.close().await;
    assert!(bench.links.store.commit(vec![Change::Forget { person: user("x").0 }]).await.is_err());
    assert_eq!(bench.links.teach(&lesson).len(), 3);
    // And with the store away, memory still serves what it was taught.
    assert_eq!(bench.finds(user("u")).await.as_deref(), Some("c1"));
    assert_eq!(bench.links.first_seen(&click("c2", 0).unwrap().id).await, None);
    assert!(bench.links.read_failures() > 0);
    bench.reopen().await;
    assert_eq!(bench.finds(user("u")).await, None);
}

#[tokio::test]
async fn what_was_recalled_needs_no_reading() {
    let mut bench = Bench::new(Policy::Last);
    bench.learn(click("one", 0), &[anonymous("a"), user("u")], &[]).await;
    bench.reopen().await;
    bench.links.recall(&[anonymous("a"), anonymous("b")]).await;
    bench.links.store.close().await;
    assert_eq!(bench.finds(anonymous("a")).await.as_deref(), Some("one"));
    assert_eq!(bench.links.read_failures(), 0);
    assert_eq!(bench.finds(user("u")).await, None);
    assert_eq!(bench.links.read_failures(), 1);
}
