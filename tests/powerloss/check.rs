//! Whether a store that has been through a power cut holds what it acknowledged.

use crate::child::delivery;
use selvedge::clock::Clock;
use selvedge::outbox::{Appended, Delivery, Filter, NewDelivery, Outbox, State};
use selvedge::store::{Config, Store};
use std::collections::BTreeMap;
use std::path::Path;

/// What was acknowledged of a delivery.
#[derive(Default)]
struct Known {
    order: String,
    leased: u32,
    ended: Option<State>,
}

/// Opens the store in `folder` and says what is wrong with it, given the acknowledgements so far.
pub(crate) async fn check(folder: &Path, acknowledged: &str) -> Vec<String> {
    let store = match Store::open(&Config::at(folder), Clock::System) {
        Ok(store) => store,
        Err(error) => return vec![format!("it does not open: {error}")],
    };
    let known = read(acknowledged);
    let outbox = Outbox::new(store.clone(), Clock::System);
    let rows = all(&outbox).await;
    let mut wrong = Vec::new();
    for (id, known) in &known {
        match rows.get(id) {
            None => wrong.push(format!("{id} ({}) is lost", known.order)),
            Some(row) => wrong.extend(compare(row, known).map(|what| format!("{id} ({}) {what}", known.order))),
        }
    }
    let mut orders: Vec<_> = rows.values().filter_map(|row| row.request.order_id.clone()).collect();
    orders.sort();
    if let Some(twice) = orders.windows(2).find(|pair| pair[0] == pair[1]) {
        wrong.push(format!("{} is there twice", twice[0]));
    }
    match outbox.append(vec![delivery("afterwards")], vec![]).await.as_deref() {
        Ok([Appended::New(id)]) if known.keys().all(|known| *known < id.0) => {}
        other => wrong.push(format!("the next append: {other:?}")),
    }
    store.close().await;
    let database = rusqlite::Connection::open(folder.join("selvedge.db")).unwrap();
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    if verdict != "ok" {
        wrong.push(format!("its integrity: {verdict}"));
    }
    if std::fs::read_dir(folder).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().contains("damaged"))
    {
        wrong.push("it was taken for damaged".to_owned());
    }
    wrong
}

/// A process that dies in the middle of its last word has not said it.
fn read(acknowledged: &str) -> BTreeMap<i64, Known> {
    let mut all = BTreeMap::<i64, Known>::new();
    for line in acknowledged.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let mut words = line.trim_end_matches('\n').split(' ');
        let (word, id) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        let known = all.entry(id).or_default();
        match word {
            "appended" => words.next().unwrap().clone_into(&mut known.order),
            "leased" => known.leased += 1,
            "delivered" => known.ended = Some(State::Delivered),
            "dead" => known.ended = Some(State::Dead),
            _ => {}
        }
    }
    // What was leased while its append's acknowledgement was still on its way.
    all.retain(|_, known| !known.order.is_empty());
    all
}

async fn all(outbox: &Outbox) -> BTreeMap<i64, Delivery> {
    let mut rows = BTreeMap::new();
    loop {
        let before = rows.keys().next().copied().map(selvedge::outbox::DeliveryId);
        let page = outbox.list(Filter { before, limit: Filter::LIMIT_MAX, ..Filter::default() }).await.unwrap();
        if page.is_empty() {
            return rows;
        }
        rows.extend(page.into_iter().map(|row| (row.id.0, row)));
    }
}

fn compare(row: &Delivery, known: &Known) -> Option<String> {
    let expected = NewDelivery { once: vec![], ..delivery(&known.order) };
    if row.request != expected {
        return Some(format!("has become {:?}", row.request));
    }
    if row.attempts < known.leased {
        return Some(format!("was leased {} times, and knows of {}", known.leased, row.attempts));
    }
    match (known.ended, row.state) {
        (Some(ended), state) if ended != state => Some(format!("was {ended:?}, and is {state:?}")),
        (_, State::Leased) => Some("is still leased".to_owned()),
        _ => None,
    }
}
