//! impact.com's answers: a line with the status, fields one to a line, an empty line, the body.

use super::{NOW, fields, first_line};
use selvedge::delivery::retry::{self, AFTER_MAX, Made, Step};
use selvedge::destination::impact::answer::{Answer, outcome, quota};
use selvedge::destination::{Endpoint, Outcome};
use std::time::Duration;

pub fn target(bytes: &[u8]) {
    let (status, rest) = first_line(bytes);
    let Some(status) = std::str::from_utf8(status).ok().and_then(|text| text.trim().parse::<u16>().ok()) else {
        return;
    };
    let end = rest.windows(2).position(|two| two == b"\n\n").unwrap_or(rest.len());
    let (head, body) = (&rest[..end], rest.get(end + 2..).unwrap_or_default());
    let answer = Answer { status, headers: fields(head), body: body.to_vec() };
    // Whatever the fields say, it is read or not there.
    _ = quota(&answer, NOW);
    for endpoint in Endpoint::ALL {
        let outcome = outcome(&answer, endpoint, NOW);
        check(status, &outcome);
        for jitter in [0.0, 0.999] {
            let minute = Duration::from_secs(60);
            let made = Made { number: 7, age: minute, age_max: 60 * minute, unrepeatable: false };
            match retry::next(&outcome, made, jitter) {
                Step::Again(wait) => assert!(wait <= AFTER_MAX + Duration::from_secs(300)),
                Step::Done => assert!((200..300).contains(&status)),
                Step::Dead(_) => assert!((400..500).contains(&status)),
            }
        }
    }
}

/// The status decides; the words are one line that a person can read.
fn check(status: u16, outcome: &Outcome) {
    let words = match outcome {
        Outcome::Accepted { receipt } => {
            assert!((200..300).contains(&status));
            receipt.as_deref().unwrap_or_default()
        }
        Outcome::NoAccess { detail, .. } => {
            assert!(matches!(status, 401 | 403 | 404));
            detail
        }
        Outcome::Refused { detail, .. } => {
            assert!((400..500).contains(&status) && status != 429);
            detail
        }
        Outcome::Unfit(unfit) => panic!("an answer is never {unfit:?}"),
        Outcome::Retry { detail, .. } => {
            assert!(status == 429 || !(200..500).contains(&status) || (300..400).contains(&status));
            detail
        }
    };
    assert!(words.chars().count() <= 300 && words == words.trim() && !words.contains(char::is_control), "{words:?}");
}
