//! What a call without a click asks: whose click its ids have. Those of the last hours are in memory, the rest in the store.

use divan::{Bencher, black_box};
use selvedge::click::{Click, ClickId, Place, Policy};
use selvedge::clock::{Clock, Time};
use selvedge::links::{Found, IdKind, Lesson, Links, Settings};
use selvedge::store::{Config, PersonKey, Store};
use std::cell::Cell;
use std::time::Duration;
use tokio::runtime::Runtime;

/// More than a page of the store holds, and few enough to be there at once.
const PEOPLE: u64 = 10_000;

const NOW: Time = Time::from_seconds(1_795_508_131);

#[divan::bench(sample_size = 1000)]
fn key_of_an_id(bencher: Bencher) {
    bencher.bench_local(|| PersonKey::of("default", IdKind::User, black_box("customer-1001")).unwrap());
}

#[divan::bench(sample_size = 10, sample_count = 200, args = ["in memory", "from the store"])]
fn look_up(bencher: Bencher, place: &str) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW);
    let store = Store::open(&Config::at(folder.path()), clock.clone()).unwrap();
    let links = || Links::new(store.clone(), Settings { window: DAYS, policy: Policy::Last }, clock.clone());
    let teacher = links();
    let changes = (0..PEOPLE).flat_map(|number| teacher.teach(&lesson(number))).collect();
    runtime.block_on(store.commit(changes)).unwrap();
    // A pupil that has learned nothing yet reads all.
    let asked = if place == "in memory" { teacher } else { links() };
    let next = Cell::new(0);
    bencher
        .with_inputs(|| {
            // In another order than they were written in, and nobody twice in so many rounds.
            let number = next.replace(next.get() + 1) * 7_919 % PEOPLE;
            key(number)
        })
        .bench_local_refs(|key| {
            let found = runtime.block_on(asked.look_up(key));
            assert!(matches!(found, Found::Click(_)));
        });
    runtime.block_on(store.close());
}

/// A referral window.
const DAYS: Duration = Duration::from_secs(30 * 86_400);

fn key(number: u64) -> PersonKey {
    PersonKey::of("default", IdKind::User, &format!("customer-{number}")).unwrap()
}

fn lesson(number: u64) -> Lesson {
    let id = ClickId::parse(format!("2uz3sQWFlxyJRcqwUx0Mo38bUkHzZTRx{number}").as_bytes()).unwrap();
    Lesson { click: Some(Click { id, at: NOW, place: Place::Cookie }), people: vec![key(number)], joins: Vec::new() }
}
