//! Times: what is read is printed so that it is read again.

use super::NOW;
use selvedge::clock::Time;

/// The last second that can be printed, which is printed as its end.
const LAST: i64 = 253_402_207_200;

pub fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(time) = Time::parse(text) else { return };
    let again = Time::parse(&time.iso8601()).unwrap();
    assert!(again == time || (again.seconds(), time.seconds()) == (LAST, LAST), "{time:?} {again:?}");
    for sent_at in [time, NOW] {
        let corrected = time.seen_from(Some(sent_at), NOW);
        assert!(Time::parse(&corrected.iso8601()).is_some(), "{corrected:?}");
        assert_eq!(corrected.since(NOW).is_zero(), corrected <= NOW);
    }
    assert_eq!(time.seen_from(Some(time), NOW), NOW);
    assert_eq!(time.seen_from(None, NOW), time);
}
