//! The outbox against a model of it that fits two screens: whatever is done to both, with restarts, crashes and a clock
//! that is set back in between, both say the same; and in the end everything is delivered or dead.
//!
//! `SELVEDGE_MODEL_CASES` says how many lives are tried; `SELVEDGE_MODEL_SEED` tries those of a run that failed again.

use crate::clock::{Clock, Time};
use crate::destination::Endpoint;
use crate::outbox::*;
use crate::store;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const START: Time = Time::from_seconds(1_800_000_000);
const LEASE: Duration = Duration::from_secs(300);
/// How long the first of a line holds the others up.
const HEAD: Duration = Duration::from_secs(900);
const CASES: u32 = 250;

#[derive(Clone, Copy, Debug)]
struct New {
    order: u8,
    endpoint: Endpoint,
    program: &'static str,
    unrepeatable: bool,
    /// The user and the anonymous id.
    people: [Option<u8>; 2],
}

#[derive(Clone, Debug)]
enum Action {
    Append(New),
    /// With caps on the first lanes of [`LANES`].
    Lease(u32, Vec<u32>),
    Done(usize),
    Again(usize, u64),
    Dead(usize),
    Retry(usize),
    Drop(usize),
    Pass(u64),
    SetBack(u64),
    Restart,
    Crash,
}

const LANES: [(&str, Endpoint); 3] =
    [("us", Endpoint::Conversions), ("us", Endpoint::PageLoad), ("ca", Endpoint::Conversions)];

fn action() -> impl Strategy<Value = Action> {
    let person = || prop::option::weighted(0.6, 0..2_u8);
    let program = prop::bool::weighted(0.8).prop_map(|is_us| if is_us { "us" } else { "ca" });
    let endpoint = prop_oneof![2 => Just(Endpoint::Conversions), 1 => Just(Endpoint::PageLoad)];
    let append = (0..9_u8, endpoint, program, prop::bool::weighted(0.2), [person(), person()]);
    prop_oneof![
        8 => append.prop_map(|(order, endpoint, program, unrepeatable, people)| {
            Action::Append(New { order, endpoint, program, unrepeatable, people })
        }),
        5 => (0..5_u32, prop::collection::vec(0..3_u32, 0..=3)).prop_map(|(limit, caps)| Action::Lease(limit, caps)),
        3 => (0..20_usize).prop_map(Action::Done),
        2 => (0..20_usize, 0..400_u64).prop_map(|(which, after)| Action::Again(which, after)),
        2 => (0..20_usize).prop_map(Action::Dead),
        2 => (0..20_usize).prop_map(Action::Retry),
        1 => (0..20_usize).prop_map(Action::Drop),
        3 => (1..600_u64).prop_map(Action::Pass),
        1 => (1..2000_u64).prop_map(Action::SetBack),
        1 => Just(Action::Restart),
        1 => Just(Action::Crash),
    ]
}

#[derive(Clone, Debug)]
struct Row {
    id: i64,
    new: New,
    is_urgent: bool,
    state: State,
    due: Time,
    created: Time,
    is_behind: bool,
}

impl Row {
    fn is_open(&self) -> bool {
        matches!(self.state, State::Waiting | State::Leased)
    }

    fn is_ordered(&self) -> bool {
        self.new.endpoint == Endpoint::Conversions
    }

    fn shares(&self, id: usize, other: &Self) -> bool {
        self.new.people[id].is_some() && self.new.people[id] == other.new.people[id] && self.is_of_program(other)
    }

    fn is_of_program(&self, other: &Self) -> bool {
        self.new.program == other.new.program
    }

    fn place(&self) -> (Time, i64) {
        (self.created, self.id)
    }

    /// Whether it holds up those of its person that come after it.
    fn holds_up(&self, now: Time) -> bool {
        self.is_open() && self.is_ordered() && self.created > now.minus(HEAD)
    }
}

#[derive(Default)]
struct Model {
    rows: Vec<Row>,
    appended: i64,
}

impl Model {
    fn append(&mut self, new: New, now: Time) -> Appended {
        if self.rows.iter().any(|row| row.new.order == new.order && row.state != State::Dead) {
            return Appended::Duplicate;
        }
        self.appended += 1;
        let (id, is_urgent) = (self.appended, new.endpoint == Endpoint::Conversions);
        let mut row = Row { id, new, is_urgent, state: State::Waiting, due: now, created: now, is_behind: false };
        let kinds = if row.is_ordered() { 0..2 } else { 0..0 };
        for id in kinds {
            let same = self.rows.iter_mut().filter(|other| other.shares(id, &row));
            same.filter(|other| other.state == State::Waiting).for_each(|other| other.is_urgent = true);
            let in_front = self.rows.iter().filter(|other| other.shares(id, &row) && other.holds_up(now));
            if let Some(created) = in_front.map(|other| other.created).max() {
                row.due = row.due.max(created.min(now).plus(HEAD));
            }
        }
        row.is_behind = row.due > now;
        self.rows.push(row);
        Appended::New(DeliveryId(self.appended))
    }

    /// What is leased, in its order.
    fn lease(&mut self, limit: u32, caps: &[u32], now: Time) -> Vec<i64> {
        self.end_ambiguous(|row| row.due <= now, now);
        let mut due: Vec<_> = self.rows.iter().filter(|row| row.is_open() && row.due <= now).cloned().collect();
        due.sort_by_key(|row| (!row.is_urgent, row.due, row.id));
        let mut room: Vec<_> = LANES.into_iter().zip(caps.iter().copied()).collect();
        due.retain(|row| match room.iter_mut().find(|(lane, _)| *lane == (row.new.program, row.new.endpoint)) {
            Some((_, 0)) => false,
            Some((_, room)) => {
                *room -= 1;
                true
            }
            None => true,
        });
        due.truncate(limit as usize);
        let ids: Vec<i64> = due.iter().map(|row| row.id).collect();
        for row in self.rows.iter_mut().filter(|row| ids.contains(&row.id)) {
            (row.state, row.due, row.is_behind) = (State::Leased, now.plus(LEASE), false);
        }
        ids
    }

    /// What must not be sent twice, and may have been.
    fn end_ambiguous(&mut self, which: impl Fn(&Row) -> bool, now: Time) {
        let ambiguous = self.rows.iter().filter(|row| row.state == State::Leased && row.new.unrepeatable && which(row));
        for id in ambiguous.map(|row| row.id).collect::<Vec<_>>() {
            self.end(id, &[State::Leased], State::Dead, now);
        }
    }

    fn touch(&mut self, id: i64, from: &[State], change: impl FnOnce(&mut Row)) -> Touched {
        match self.rows.iter_mut().find(|row| row.id == id) {
            None => Touched::NotFound,
            Some(row) if !from.contains(&row.state) => Touched::WrongState(row.state),
            Some(row) => {
                change(row);
                Touched::Done
            }
        }
    }

    /// Its turn is over, and the next one's may have come.
    fn end(&mut self, id: i64, from: &[State], state: State, now: Time) -> Touched {
        let touched = self.touch(id, from, |row| row.state = state);
        let Some(left) = self.rows.iter().find(|row| row.id == id).cloned() else { return touched };
        if touched != Touched::Done || !left.is_ordered() {
            return touched;
        }
        for kind in [0, 1] {
            let behind = self.rows.iter().filter(|row| row.is_open() && row.is_behind && row.created >= left.created);
            let next = behind.filter(|row| row.shares(kind, &left)).min_by_key(|row| row.place()).cloned();
            let Some(next) = next else { continue };
            let is_before = |row: &Row| row.holds_up(now) && row.place() < next.place();
            if !self.rows.iter().any(|row| is_before(row) && (row.shares(0, &next) || row.shares(1, &next))) {
                self.touch(next.id, &State::ALL, |row| (row.due, row.is_behind) = (now, false));
            }
        }
        touched
    }

    fn retry(&mut self, id: i64, now: Time) -> Touched {
        let is_taken = |row: &Row| {
            self.rows.iter().any(|o| o.new.order == row.new.order && o.id != row.id && o.state != State::Dead)
        };
        if self.rows.iter().any(|row| row.id == id && row.state == State::Dead && is_taken(row)) {
            return Touched::Superseded;
        }
        self.touch(id, &[State::Waiting, State::Dead], |row| {
            row.created = if row.state == State::Dead { now } else { row.created };
            (row.state, row.due, row.is_behind) = (State::Waiting, now, false);
        })
    }

    fn give_up(&mut self, id: i64, now: Time) -> Touched {
        match self.rows.iter().position(|row| row.id == id && row.state == State::Dead) {
            Some(dead) => {
                self.rows.remove(dead);
                Touched::Done
            }
            None => self.end(id, &[State::Waiting], State::Dead, now),
        }
    }

    /// The process is another.
    fn restart(&mut self, now: Time) {
        self.end_ambiguous(|_| true, now);
        for row in self.rows.iter_mut().filter(|row| row.state == State::Leased) {
            (row.state, row.due) = (State::Waiting, now);
        }
    }
}

fn open(folder: &Path, clock: &Clock) -> Outbox {
    let store = Store::open(&store::Config::at(folder), clock.clone()).unwrap();
    Outbox::new(store, clock.clone())
}

fn delivery(new: New) -> NewDelivery {
    let [user, anonymous] = new.people.map(|person| person.map(|id| PersonKey([id; 32])));
    NewDelivery {
        program: new.program.to_owned(),
        endpoint: new.endpoint,
        params: vec![],
        event: "page".to_owned(),
        message_id: None,
        order_id: None,
        basis: "none".to_owned(),
        click_id: None,
        unrepeatable: new.unrepeatable,
        once: vec![OnceKey::order("us", "ACT", &new.order.to_string(), START)],
        anonymous,
        user,
        arrival: START,
        call: None,
    }
}

/// Where a store's files cost no disk, if the machine has such a place.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// The outbox and its model, side by side.
struct Both {
    folder: TempDir,
    clock: Clock,
    outbox: Outbox,
    model: Model,
}

impl Both {
    fn new() -> Self {
        let (folder, clock) = (folder(), Clock::manual(START));
        let outbox = open(folder.path(), &clock);
        Self { folder, clock, outbox, model: Model::default() }
    }

    async fn act(&mut self, action: &Action) {
        let (outbox, model, now) = (&self.outbox, &mut self.model, self.clock.now());
        // Numbers of deliveries that are, were, or never will be there.
        let id = |which: usize| which as i64 + 1;
        match action {
            Action::Append(new) => {
                let real = outbox.append(vec![delivery(*new)], vec![]).await.unwrap();
                assert_eq!(real, [model.append(*new, now)]);
            }
            Action::Lease(limit, caps) => {
                let given = LANES.into_iter().zip(caps);
                let given = given.map(|((program, endpoint), most)| Cap { lane: lane(program, endpoint), most: *most });
                let real = outbox.lease(*limit, now.plus(LEASE), given.collect()).await.unwrap();
                let ids: Vec<i64> = real.iter().map(|delivery| delivery.id.0).collect();
                assert_eq!(ids, model.lease(*limit, caps, now), "{action:?}");
            }
            Action::Done(n) => {
                let expected = model.end(id(*n), &State::ALL, State::Delivered, now);
                assert_eq!(outbox.done(DeliveryId(id(*n)), None, None).await.unwrap(), expected);
            }
            Action::Again(n, after) => {
                let at = now.plus(Duration::from_secs(*after));
                let expected = model.touch(id(*n), &[State::Leased], |row| (row.state, row.due) = (State::Waiting, at));
                assert_eq!(outbox.again(DeliveryId(id(*n)), at, String::new()).await.unwrap(), expected);
            }
            Action::Dead(n) => {
                let expected = model.end(id(*n), &[State::Leased], State::Dead, now);
                assert_eq!(outbox.dead(DeliveryId(id(*n)), "refused", String::new()).await.unwrap(), expected);
            }
            Action::Retry(n) => assert_eq!(outbox.retry(DeliveryId(id(*n))).await.unwrap(), model.retry(id(*n), now)),
            Action::Drop(n) => assert_eq!(outbox.drop(DeliveryId(id(*n))).await.unwrap(), model.give_up(id(*n), now)),
            Action::Pass(seconds) => self.clock.set(now.plus(Duration::from_secs(*seconds))),
            Action::SetBack(seconds) => self.clock.set(now.minus(Duration::from_secs(*seconds))),
            Action::Restart => {
                outbox.store.close().await;
                self.outbox = open(self.folder.path(), &self.clock);
                model.restart(now);
            }
            Action::Crash => self.crash(),
        }
    }

    /// Goes on with a copy of the files as they are, while the store has them open.
    fn crash(&mut self) {
        let copy = folder();
        for file in ["selvedge.db", "selvedge.db-wal", "selvedge.lock"] {
            std::fs::copy(self.folder.path().join(file), copy.path().join(file)).unwrap();
        }
        self.outbox = open(copy.path(), &self.clock);
        self.folder = copy;
        self.model.restart(self.clock.now());
    }

    async fn compare(&self, action: &Action) {
        let real = self.outbox.list(Filter { limit: Filter::LIMIT_MAX, ..Filter::default() }).await.unwrap();
        // Only what has not ended is due.
        let due = |state, due| matches!(state, State::Waiting | State::Leased).then_some(due);
        let real: Vec<_> = real.iter().rev().map(|d| (d.id.0, d.state, due(d.state, d.due), d.created)).collect();
        let rows = self.model.rows.iter();
        let expected: Vec<_> = rows.map(|row| (row.id, row.state, due(row.state, row.due), row.created)).collect();
        assert_eq!(real, expected, "after {action:?}");
        let counted: u64 = self.outbox.depth().await.unwrap().iter().map(|depth| depth.count).sum();
        assert_eq!(counted, real.len() as u64);
    }

    /// With a destination that takes everything, nothing is left, however it came to stand where it stands.
    async fn drain(&mut self) {
        self.clock.set(self.clock.now().plus(Duration::from_secs(86_400)));
        loop {
            let now = self.clock.now();
            let leased = self.outbox.lease(3, now.plus(LEASE), vec![]).await.unwrap();
            if leased.is_empty() {
                break;
            }
            for delivery in leased {
                assert_eq!(self.outbox.done(delivery.id, None, None).await.unwrap(), Touched::Done);
            }
        }
        let depth = self.outbox.depth().await.unwrap();
        let open = depth.iter().find(|depth| matches!(depth.state, State::Waiting | State::Leased));
        assert!(open.is_none(), "left behind: {open:?}");
    }
}

#[test]
fn the_outbox_does_what_its_model_does() {
    let number = |variable: &str| std::env::var(variable).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("SELVEDGE_MODEL_SEED").unwrap_or_else(|| fastrand::u64(..));
    let cases = number("SELVEDGE_MODEL_CASES").map_or(CASES, |cases| u32::try_from(cases).unwrap());
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let seed_bytes = [seed.to_le_bytes(); 4].concat();
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed_bytes));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let lived = runner.run(&prop::collection::vec(action(), 1..60), |actions| {
        runtime.block_on(async {
            let mut both = Both::new();
            for action in &actions {
                both.act(action).await;
                both.compare(action).await;
            }
            both.drain().await;
        });
        Ok(())
    });
    match lived {
        Ok(()) => {}
        Err(TestError::Fail(why, actions)) => panic!("SELVEDGE_MODEL_SEED={seed}: {why}\n{actions:#?}"),
        Err(error) => panic!("SELVEDGE_MODEL_SEED={seed}: {error}"),
    }
}
