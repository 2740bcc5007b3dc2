//! The page that has the guide's rows, the code and the golden cases side by side.

use crate::cases;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../src/destination/impact/mapping.md");

#[test]
fn the_page_names_every_golden_case_and_no_other() {
    let cases: Vec<String> =
        cases().iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let quoted: BTreeSet<&str> = PAGE.split('`').skip(1).step_by(2).collect();
    let unnamed: Vec<_> = cases.iter().filter(|case| !quoted.contains(case.as_str())).collect();
    assert!(unnamed.is_empty(), "not on the page: {unnamed:?}");
    for line in PAGE.lines().filter(|line| line.starts_with("| ") && !line.contains("golden cases")) {
        let named = line.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let missing: Vec<_> =
            named.split('`').skip(1).step_by(2).filter(|name| !cases.iter().any(|case| case == name)).collect();
        assert!(missing.is_empty() || named.contains("`tests/"), "no such case: {missing:?}");
    }
}

/// What stands in for a case elsewhere is there.
#[test]
fn the_tests_that_the_page_names_exist() {
    let elsewhere = include_str!("../it/delivery.rs");
    assert!(PAGE.contains("`tests/it/delivery.rs`: `conversions_are_authenticated_and_page_loads_are_not`"));
    assert!(elsewhere.contains("async fn conversions_are_authenticated_and_page_loads_are_not()"));
}
