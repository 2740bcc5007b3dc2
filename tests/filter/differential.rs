//! Generated filters and events: both evaluators say the same, and what is printed is read as the same again.

use crate::oracle::{event, fql, holds, json, node};
use crate::verdict;
use proptest::prelude::*;
use selvedge::filter::Filter;
use std::cell::Cell;

/// How many filters are tried.
const CASES: u32 = 4_000;

#[test]
fn two_evaluators_say_the_same() {
    let taken = Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(CASES)
    });
    let tried = runner.run(&(node(), event()), |(node, values)| {
        let (filter, event) = (fql(&node), json(&values));
        let expected = holds(&node, &values);
        taken.set(taken.get() + u32::from(expected));
        prop_assert_eq!(verdict(&filter, &event), expected, "{}\n{}", filter, event);
        let read = Filter::parse(&filter).unwrap();
        prop_assert_eq!(Filter::parse(&read.to_string()), Ok(read), "{}", filter);
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
    // Both answers are tried enough.
    assert!((CASES / 10..CASES * 9 / 10).contains(&taken.get()), "{} of {CASES}", taken.get());
}
