//! The outbox against a model of it that fits a screen: whatever is done to both, with restarts in between, both say
//! the same.

use crate::clock::{Clock, Time};
use crate::destination::Endpoint;
use crate::outbox::*;
use crate::store;
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;

const START: Time = Time::from_seconds(1_800_000_000);
const LEASE: Duration = Duration::from_secs(300);

#[derive(Clone, Debug)]
enum Action {
    Append { order: u8, endpoint: Endpoint, unrepeatable: bool },
    Lease { limit: u32 },
    Done(usize),
    Again(usize, u64),
    Dead(usize),
    Retry(usize),
    Drop(usize),
    Pass(u64),
    Restart,
}

fn action() -> impl Strategy<Value = Action> {
    let endpoint = prop_oneof![Just(Endpoint::Conversions), Just(Endpoint::PageLoad)];
    let append = (0..6_u8, endpoint, prop::bool::weighted(0.2));
    prop_oneof![
        6 => append.prop_map(|(order, endpoint, unrepeatable)| Action::Append { order, endpoint, unrepeatable }),
        4 => (0..4_u32).prop_map(|limit| Action::Lease { limit }),
        2 => (0..20_usize).prop_map(Action::Done),
        2 => (0..20_usize, 0..400_u64).prop_map(|(which, after)| Action::Again(which, after)),
        2 => (0..20_usize).prop_map(Action::Dead),
        2 => (0..20_usize).prop_map(Action::Retry),
        1 => (0..20_usize).prop_map(Action::Drop),
        3 => (1..400_u64).prop_map(Action::Pass),
        1 => Just(Action::Restart),
    ]
}

#[derive(Clone, Debug)]
struct Row {
    id: i64,
    order: u8,
    endpoint: Endpoint,
    unrepeatable: bool,
    state: State,
    due: Time,
}

#[derive(Default)]
struct Model {
    rows: Vec<Row>,
    appended: i64,
}

impl Model {
    fn append(&mut self, order: u8, endpoint: Endpoint, unrepeatable: bool, now: Time) -> Appended {
        if self.rows.iter().any(|row| row.order == order && row.state != State::Dead) {
            return Appended::Duplicate;
        }
        self.appended += 1;
        self.rows.push(Row { id: self.appended, order, endpoint, unrepeatable, state: State::Waiting, due: now });
        Appended::New(DeliveryId(self.appended))
    }

    /// Who may be leased in which order of due times; equal ones in any order.
    fn lease(&mut self, limit: usize, taken: &[i64], now: Time) -> Vec<(Endpoint, Time)> {
        self.end_leases(|row| row.due <= now && row.unrepeatable, State::Dead);
        let mut due: Vec<_> =
            self.rows.iter().filter(|row| is_open(row) && row.due <= now).map(|row| (row.endpoint, row.due)).collect();
        due.sort_by_key(|(endpoint, due)| (*endpoint == Endpoint::PageLoad, *due));
        due.truncate(limit);
        for row in self.rows.iter_mut().filter(|row| taken.contains(&row.id)) {
            (row.state, row.due) = (State::Leased, now.plus(LEASE));
        }
        due
    }

    fn end_leases(&mut self, which: impl Fn(&Row) -> bool, state: State) {
        for row in self.rows.iter_mut().filter(|row| row.state == State::Leased && which(row)) {
            row.state = state;
        }
    }

    fn touch(&mut self, id: i64, from: &[State], to: State, due: Option<Time>) -> Touched {
        let Some(row) = self.rows.iter_mut().find(|row| row.id == id) else { return Touched::NotFound };
        if !from.contains(&row.state) {
            return Touched::WrongState(row.state);
        }
        row.state = to;
        row.due = due.unwrap_or(row.due);
        Touched::Done
    }

    fn retry(&mut self, id: i64, now: Time) -> Touched {
        let taken =
            |row: &Row| self.rows.iter().any(|o| o.order == row.order && o.id != row.id && o.state != State::Dead);
        if self.rows.iter().any(|row| row.id == id && row.state == State::Dead && taken(row)) {
            return Touched::Superseded;
        }
        self.touch(id, &[State::Waiting, State::Dead], State::Waiting, Some(now))
    }

    fn give_up(&mut self, id: i64) -> Touched {
        match self.rows.iter().position(|row| row.id == id && row.state == State::Dead) {
            Some(dead) => {
                self.rows.remove(dead);
                Touched::Done
            }
            None => self.touch(id, &[State::Waiting], State::Dead, None),
        }
    }
}

fn is_open(row: &Row) -> bool {
    matches!(row.state, State::Waiting | State::Leased)
}

fn open(folder: &Path, clock: &Clock) -> Outbox {
    let store = Store::open(&store::Config::at(folder), clock.clone()).unwrap();
    Outbox::new(store, clock.clone())
}

fn delivery(order: u8, endpoint: Endpoint, unrepeatable: bool) -> NewDelivery {
    NewDelivery {
        program: "us".to_owned(),
        endpoint,
        params: vec![],
        event: "page".to_owned(),
        message_id: None,
        order_id: None,
        basis: "none".to_owned(),
        click_id: None,
        unrepeatable,
        once: vec![OnceKey::order("us", "ACT", &order.to_string(), START)],
        anonymous: None,
        user: None,
        arrival: START,
        call: None,
    }
}

async fn play(actions: &[Action]) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let (mut outbox, mut model) = (open(folder.path(), &clock), Model::default());
    let any = [State::Waiting, State::Leased, State::Delivered, State::Dead];
    for action in actions {
        let now = clock.now();
        // Numbers of deliveries that are, were, or never will be there.
        let id = |which: usize| which as i64 + 1;
        match *action {
            Action::Append { order, endpoint, unrepeatable } => {
                let real = outbox.append(vec![delivery(order, endpoint, unrepeatable)], vec![]).await.unwrap();
                assert_eq!(real, [model.append(order, endpoint, unrepeatable, now)]);
            }
            Action::Lease { limit } => {
                let before = model.rows.clone();
                let real = outbox.lease(limit, now.plus(LEASE), vec![]).await.unwrap();
                let ids: Vec<i64> = real.iter().map(|delivery| delivery.id.0).collect();
                let due =
                    |id: &i64| before.iter().find(|row| row.id == *id).map(|row| (row.endpoint, row.due)).unwrap();
                assert_eq!(ids.iter().map(due).collect::<Vec<_>>(), model.lease(limit as usize, &ids, now));
            }
            Action::Done(n) => {
                let expected = model.touch(id(n), &any, State::Delivered, None);
                assert_eq!(outbox.done(DeliveryId(id(n)), None).await.unwrap(), expected);
            }
            Action::Again(n, after) => {
                let at = now.plus(Duration::from_secs(after));
                let expected = model.touch(id(n), &[State::Leased], State::Waiting, Some(at));
                assert_eq!(outbox.again(DeliveryId(id(n)), at, String::new()).await.unwrap(), expected);
            }
            Action::Dead(n) => {
                let expected = model.touch(id(n), &[State::Leased], State::Dead, None);
                assert_eq!(outbox.dead(DeliveryId(id(n)), "refused", String::new()).await.unwrap(), expected);
            }
            Action::Retry(n) => assert_eq!(outbox.retry(DeliveryId(id(n))).await.unwrap(), model.retry(id(n), now)),
            Action::Drop(n) => assert_eq!(outbox.drop(DeliveryId(id(n))).await.unwrap(), model.give_up(id(n))),
            Action::Pass(seconds) => clock.set(now.plus(Duration::from_secs(seconds))),
            Action::Restart => {
                outbox.store.close().await;
                outbox = open(folder.path(), &clock);
                model.end_leases(|row| row.unrepeatable, State::Dead);
                model.rows.iter_mut().filter(|row| row.state == State::Leased).for_each(|row| row.due = now);
                model.end_leases(|_| true, State::Waiting);
            }
        }
        let real = outbox.list(Filter { limit: Filter::LIMIT_MAX, ..Filter::default() }).await.unwrap();
        let real: Vec<_> = real.iter().rev().map(|d| (d.id.0, d.state, is_due(d.state).then_some(d.due))).collect();
        let expected: Vec<_> =
            model.rows.iter().map(|row| (row.id, row.state, is_due(row.state).then_some(row.due))).collect();
        assert_eq!(real, expected, "after {action:?}");
    }
}

/// Only what is not ended is due.
fn is_due(state: State) -> bool {
    matches!(state, State::Waiting | State::Leased)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_outbox_does_what_its_model_does(actions in prop::collection::vec(action(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(play(&actions));
    }
}
