use super::*;
use http::HeaderValue;
use http::header::{ACCEPT, COOKIE};
use std::time::Duration;

const NOW: Time = Time::from_seconds(1_800_000_000);
const DAY: u64 = 24 * 60 * 60;

fn config(policy: Policy) -> Config {
    Config {
        parameters: vec!["im_ref".into()],
        window: Duration::from_secs(30 * DAY),
        policy,
        tolerance: Duration::from_secs(300),
        cookie_name: "im_ref".into(),
        cookie_domain: None,
        cookie_key: None,
        twin: true,
        renew_anonymous_id: false,
        bots: Vec::new(),
    }
}

fn ago(days: u64) -> Time {
    NOW.minus(Duration::from_secs(days * DAY))
}

fn click(id: &str, at: Time, place: Place) -> Click {
    Click { id: ClickId::parse(id.as_bytes()).unwrap(), at, place }
}

/// A document with the given query, cookies and further fields.
fn visit(query: Option<&str>, cookies: &str, more: &[(&'static str, &'static str)], config: &Config) -> Visit {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("text/html"));
    headers.insert(COOKIE, cookies.parse().unwrap());
    for (name, value) in more {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    let fallbacks = Fallbacks { plain: vec!["irclickid".into()], session: Vec::new() };
    Visit::read(&Method::GET, query, &headers, config, &fallbacks, NOW)
}

/// The master cookie of a click that is some days old.
fn master(id: &str, days: u64) -> String {
    format!("im_ref=1.{}.-.{id}", ago(days).seconds())
}

#[test]
fn what_a_document_leaves_behind() {
    use Policy::{First, Last};
    let set = |id, at| Master::Set(click(id, at, Place::Landing));
    let adopted = |id, at| Master::Set(click(id, at, Place::Cookie));
    let a = Some("im_ref=a");
    let foreign = || "irclickid=f".to_owned();
    let none = String::new;
    for (policy, query, cookies, seen, master, outcome) in [
        (Last, None, none(), None, Master::Keep, Outcome::None),
        (Last, Some("x=1"), none(), None, Master::Keep, Outcome::None),
        (Last, a, none(), None, set("a", NOW), Outcome::Captured),
        (Last, a, none(), Some(ago(3)), set("a", ago(3)), Outcome::Captured),
        (Last, a, none(), Some(ago(31)), Master::Keep, Outcome::Expired),
        (Last, a, none(), Some(NOW.plus(Duration::from_secs(9))), set("a", NOW), Outcome::Captured),
        (Last, a, master("a", 5), Some(ago(5)), Master::Keep, Outcome::Same),
        (Last, a, master("a", 5), None, Master::Keep, Outcome::Same),
        (Last, a, master("b", 5), None, set("a", NOW), Outcome::Captured),
        (Last, a, master("b", 5), Some(ago(9)), Master::Keep, Outcome::KeptLast),
        (First, a, master("b", 5), None, Master::Keep, Outcome::KeptFirst),
        (First, a, master("b", 5), Some(ago(9)), set("a", ago(9)), Outcome::Captured),
        (First, a, master("b", 31), None, set("a", NOW), Outcome::Captured),
        (Last, a, master("a", 31), None, Master::Delete, Outcome::Expired),
        (Last, a, master("b", 31), Some(ago(40)), Master::Delete, Outcome::Expired),
        (Last, a, master("b", 1), Some(ago(40)), Master::Keep, Outcome::Expired),
        (Last, None, master("b", 31), None, Master::Delete, Outcome::CarriedExpired),
        (Last, None, master("b", 1), None, Master::Keep, Outcome::None),
        (Last, None, foreign(), None, adopted("f", NOW), Outcome::Adopted),
        (Last, None, foreign(), Some(ago(4)), adopted("f", ago(4)), Outcome::Adopted),
        (Last, None, foreign(), Some(ago(40)), Master::Keep, Outcome::Expired),
        (First, a, foreign(), None, set("a", NOW), Outcome::Captured),
        (Last, Some("im_ref=~a"), none(), None, Master::Keep, Outcome::Bad(BadClickId::Generated)),
        (Last, Some("im_ref=~a"), master("b", 1), None, Master::Keep, Outcome::Bad(BadClickId::Generated)),
        (Last, Some("im_ref=~a&im_ref=a"), none(), None, set("a", NOW), Outcome::Captured),
    ] {
        let config = config(policy);
        let visit = visit(query, &cookies, &[], &config);
        let decided = decide(&visit, seen, &config, NOW);
        assert_eq!(decided, Capture { master, outcome }, "{policy:?} {query:?} {cookies} {seen:?}");
    }
}

#[test]
fn only_a_person_who_opens_a_document_captures() {
    for (more, query, outcome) in [
        (&[("sec-fetch-dest", "image")][..], "im_ref=a", Outcome::NotDocument),
        (&[("sec-purpose", "prefetch")], "im_ref=a", Outcome::Prefetch),
        (&[("user-agent", "Googlebot/2.1")], "im_ref=a", Outcome::Bot),
        (&[("user-agent", "Googlebot/2.1"), ("purpose", "prefetch")], "im_ref=a", Outcome::Prefetch),
        (&[("sec-fetch-dest", "image")], "im_ref=", Outcome::Bad(BadClickId::Empty)),
        (&[("sec-fetch-dest", "image")], "x=1", Outcome::None),
        (&[("user-agent", "Mozilla/5.0 Firefox/140.0")], "im_ref=a", Outcome::Captured),
    ] {
        let config = config(Policy::Last);
        let visit = visit(Some(query), "irclickid=f", more, &config);
        let decided = decide(&visit, None, &config, NOW);
        assert_eq!(decided.outcome, outcome, "{more:?} {query}");
        assert_eq!(visit.candidate().is_some(), outcome == Outcome::Captured);
        assert_eq!(matches!(decided.master, Master::Set(_)), outcome == Outcome::Captured);
    }
}

#[test]
fn the_click_in_force_follows_the_master() {
    let config = config(Policy::Last);
    for (query, cookies, id) in [
        (Some("im_ref=a"), master("b", 1), Some("a")),
        (None, master("b", 1), Some("b")),
        (None, master("b", 31), None),
        (None, "irclickid=f".into(), Some("f")),
    ] {
        let visit = visit(query, &cookies, &[], &config);
        let decided = decide(&visit, None, &config, NOW);
        assert_eq!(decided.click(&visit).map(|click| click.id.as_str()), id, "{query:?} {cookies}");
    }
}
