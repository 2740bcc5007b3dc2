//! Who delivers: warnings where a call would be delivered twice, or by nobody.

use crate::{NEEDED, faults_of};

/// A program named `a`, whose campaign is this one.
fn program(name: &str, campaign: u32, lines: &str) -> String {
    format!(
        "[[impact.program]]\nname = \"{name}\"\naccount_sid = \"IR1\"\ncampaign_id = {campaign}\napi_key = {{ env = \"CARGO_PKG_NAME\" }}\n{lines}\n"
    )
}

/// The warnings about two programs and two sources, without their places.
fn warnings(one: (u32, &str), other: (u32, &str)) -> Vec<String> {
    let sources = "[[segment.source]]\nwrite_key = \"k1\"\nname = \"web\"\n[[segment.source]]\nwrite_key = \"k2\"\n";
    let text = [NEEDED, sources, &program("a", one.0, one.1), &program("b", other.0, other.1)].concat();
    let faults = faults_of(&text).into_iter();
    faults.map(|fault| fault.split_once(" warning ").unwrap_or_else(|| panic!("{fault}")).1.to_owned()).collect()
}

#[test]
fn programs_that_share_calls_and_a_campaign_or_a_switch_are_warned_of() {
    let twice = "a call that both `a` and `b` take is delivered twice: they are the same campaign";
    let both_ways =
        "a call that both `a` and `b` take is delivered twice: they are the same campaign, by Selvedge and by Segment";
    let beside = "Segment's own destination stays on for each call that `b` takes, also where `a` delivers it";
    let (segment, filter) = ("mode = \"segment\"", "filter = 'userId != null'");
    let web = "sources = [\"web\"]";
    let both = |one: &str, other: &str| format!("{one}\n{other}");
    for (one, other, expected) in [
        ((1, ""), (2, ""), None),
        ((1, ""), (1, ""), Some(twice)),
        ((1, filter), (1, ""), Some(twice)),
        ((1, filter), (1, filter), Some(twice)),
        ((1, filter), (1, "filter = 'userId = null'"), None),
        ((1, filter), (1, "filter = 'all'"), Some(twice)),
        ((1, ""), (1, "action_event_names = [\"A\"]\ninstall_event_names = []\npage_load_event_names = []"), None),
        ((1, ""), (1, "action_event_names = [\"A\"]\ninstall_event_names = []"), Some(twice)),
        ((1, web), (1, "sources = [\"k2\"]"), None),
        ((1, ""), (1, "sources = [\"k1\"]"), Some(twice)),
        ((1, ""), (2, segment), Some(beside)),
        ((1, ""), (1, segment), Some(both_ways)),
        ((1, "filter = 'userId = null'"), (2, &both(segment, filter)), None),
        ((1, filter), (2, &both(segment, filter)), Some(beside)),
        ((1, web), (2, &both(segment, "sources = [\"k2\"]")), None),
        ((1, web), (2, &both(segment, web)), Some(beside)),
        ((1, segment), (2, segment), None),
    ] {
        let mut found = warnings(one, other);
        found.retain(|warning| !warning.ends_with("delivered by no program"));
        assert_eq!(found, Vec::from_iter(expected), "{one:?} {other:?}");
    }
}

#[test]
fn a_source_that_no_program_takes_is_warned_of() {
    let web = "sources = [\"web\"]";
    assert_eq!(warnings((1, web), (2, web)), ["the calls of `k2` are delivered by no program"]);
    let by_segment = "sources = [\"web\"]\nmode = \"segment\"";
    assert_eq!(warnings((1, by_segment), (2, by_segment)), [""; 0]);
    let unlisted = format!("{NEEDED}[segment]\ndeliver_unlisted = true\n");
    let expected = "5:1 warning `deliver_unlisted` has no effect: no [[segment.source]] is listed, so that every write key is delivered";
    assert_eq!(faults_of(&unlisted), [expected]);
}

#[test]
fn settings_that_only_selvedge_heeds_are_warned_of_where_segment_delivers() {
    let lines = "mode = \"segment\"\nios_app_id = 1\nevent_type_ids = { A = 2 }\ndrop_properties = [\"a\"]\n\
        custom_parameter_mapping = { Text1 = \"c\" }\naction_event_names = [\"A\"]\nsample = 0.5";
    let expected = "in mode \"segment\" `ios_app_id`, `event_type_ids`, `custom_parameter_mapping`, `drop_properties` has no effect";
    assert_eq!(warnings((1, lines), (2, "mode = \"segment\"")), [expected]);
    let lines =
        "mode = \"segment\"\nrefund_event_names = [\"R\"]\ncancel_event_names = [\"C\"]\nupdate_event_names = [\"U\"]";
    let expected = "in mode \"segment\" `refund_event_names`, `cancel_event_names`, `update_event_names` has no effect";
    assert_eq!(warnings((1, lines), (2, "mode = \"segment\"")), [expected]);
    // What all programs share may be said once.
    let all = format!("{NEEDED}[impact]\nmode = \"segment\"\n{}", program("a", 1, "event_type_id = 7"));
    let found = faults_of(&all);
    assert_eq!(found[1], "7:1 warning in mode \"segment\" `event_type_id` has no effect");
    let own =
        format!("{NEEDED}[impact]\nmode = \"segment\"\n{}", program("a", 1, "mode = \"direct\"\nevent_type_id = 7"));
    assert_eq!(faults_of(&own).len(), 1, "only that no source is listed");
}
