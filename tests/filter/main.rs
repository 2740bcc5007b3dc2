//! Filters: the language against the examples of its documentation and against a simple evaluator, its faults, the command,
//! and programs that choose their calls.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's panic is its report")]

mod command;
mod differential;
mod faults;
mod oracle;
mod programs;

use selvedge::filter::{Event, Filter, Part};
use serde_json::{Value, json};

/// What a filter is for an event.
pub(crate) fn verdict(filter: &str, event: &Value) -> bool {
    let read = Filter::parse(filter).unwrap_or_else(|fault| panic!("{filter}: {}", fault.message));
    let (event, takes) = (Event::new(event), read.takes(&Event::new(event)));
    let told: Option<Part> = read.parts(&event);
    assert_eq!(told.is_none_or(|told| told.value == json!(true)), takes, "{filter}");
    takes
}

/// The event of Segment's documentation of FQL.
fn documented() -> Value {
    json!({
        "event": "Button Clicked", "type": "track",
        "context": {"library": {"name": "analytics.js", "version": "1.0"}},
        "properties": {"features": ["discounts", "dark-mode"]},
    })
}

#[test]
fn the_examples_of_the_documentation() {
    for (filter, expected) in [
        ("event = 'Button Clicked'", true),
        ("event = 'Screen Tapped'", false),
        ("context.path.path = '/login'", false),
        ("type = 'identify' or type = 'track'", true),
        ("event = 'Button Clicked' and type = 'track'", true),
        ("match( context.library.version, '1.*' )", true),
        ("match( context.library.version, '2.*' )", false),
        ("type = 'track' and ( event = 'Click' or match( event, 'Button *' ) )", true),
        ("!contains( context.library.name, 'js' )", false),
        ("'dark-mode' in properties.features", true),
        ("'blink' in properties.features", false),
        ("!( type in ['track', 'identify'] )", false),
        ("all", true),
        (" all\n", true),
    ] {
        assert_eq!(verdict(filter, &documented()), expected, "{filter}");
    }
}

#[test]
fn precedence_types_and_nulls() {
    let text = r#"{
        "yes": true, "no": false, "null": null, "text": "ä b", "one": 1.0, "big": 12345678901234567890, "list": [1, "a", [2]],
        "object": {"a": 1}, "product 1": {"price": 1.10}, "and": "word", "order": true, "x.y": 2, "two words": {"in": 3}
    }"#;
    let event: Value = serde_json::from_str(text).unwrap();
    for (filter, expected) in [
        ("yes or no and no", true),
        ("(yes or no) and no", false),
        ("no and no or yes", true),
        ("!no and yes", true),
        ("!(yes and no) and yes", true),
        // Only `true` counts as true.
        ("yes", true),
        ("text", false),
        ("one", false),
        ("missing or yes", true),
        ("missing and yes", false),
        ("!missing", true),
        ("!text", true),
        ("lowercase(text)", false),
        ("'true'", false),
        ("true", true),
        ("null or true", true),
        // A path that leads nowhere is null.
        ("missing = null", true),
        ("text.deeper = null", true),
        ("missing != null", false),
        ("missing != 'x'", true),
        // Strict types.
        ("one = 1", true),
        ("one = '1'", false),
        ("one != '1'", true),
        ("text > 1", false),
        ("text < 1", false),
        ("'b' > 'a'", false),
        ("null >= null", false),
        ("null = false", false),
        ("list = [1, 'a', [2]]", true),
        ("list = ['a', 1, [2]]", false),
        ("object = object", true),
        ("object = list", false),
        ("1 in list", true),
        ("[2] in list", false),
        ("null in [null]", true),
        ("missing in ['x', null]", true),
        ("1 in one", false),
        ("one in [0, +1.00]", true),
        ("text in [lowercase(text), 'y']", true),
        // Digits.
        ("big = 12345678901234567890", true),
        ("big = 12345678901234567891", false),
        ("big < 12345678901234567890.5", true),
        ("product\\ 1.price = 1.1", true),
        ("product\\ 1.price >= +01.10", true),
        // Paths and keywords.
        ("\\and = 'word'", true),
        ("order and x\\.y = 2", true),
        ("two\\ words.in = 3", true),
        ("list.1 = 'a'", true),
        ("\"it's\" = \"it's\"", true),
        ("'say \"a\\b\"' = 'say \"a\\b\"'", true),
    ] {
        assert_eq!(verdict(filter, &event), expected, "{filter}");
    }
}

#[test]
fn functions() {
    let event = json!({"text": "Ab ß", "list": [1, 2], "n": 2.50, "yes": true, "object": {}});
    for filter in [
        "contains(text, 'b ')",
        "contains(text, '')",
        "contains(missing, 'x') = false",
        "contains(list, 1) = false",
        "match(text, 'A*')",
        "match(missing, '*') = false",
        "match(text, '[') = false",
        "match('a\\b', 'a\\\\b')",
        "length(text) = 5",
        "length('ア') = 3",
        "length(list) = 2",
        "length([]) = 0",
        "length(missing) = 0",
        "length(n) = null",
        "length(object) = null",
        "lowercase(text) = 'ab ß'",
        "uppercase(text) = 'AB SS'",
        "lowercase(missing) = null",
        "uppercase(n) = null",
        "snakecase('test string') = 'test_string'",
        "kebabcase('test string') = 'test-string'",
        "titlecase('test string') = 'Test String'",
        "titlecase(list) = null",
        "typeof(text) = 'string'",
        "typeof(n) = 'number'",
        "typeof(list) = 'list'",
        "typeof(yes) = 'bool'",
        "typeof(missing) = 'null'",
        "typeof(object) = 'object'",
        "bool('true') and !bool('false') and bool('yes') = null",
        "bool(1) and !bool(0.0) and !bool(null) and bool(list) and !bool([])",
        "bool(object) = null",
        "string(2.50) = '2.50' and string(true) = 'true' and string('x') = 'x'",
        "string(list) = '[1,2]' and string(null) = null and string(object) = null",
        "number('2.5') = 2.5 and number(n) = n and number('1e2') = 100",
        "number('x') = null and number('') = null and number(' 1') = null and number(yes) = null and number('+1') = null",
        "length(lowercase(string([text, n]))) > 3",
    ] {
        assert!(verdict(filter, &event), "{filter}");
    }
}

#[test]
fn a_filter_is_printed_as_it_was_understood() {
    for (filter, printed) in [
        ("a or b and c", "a or (b and c)"),
        ("(((a)))", "a"),
        ("!a and !( b=1 )", "!a and !(b = 1)"),
        ("x in[1,  'it']", "x in [1, 'it']"),
        ("\"it's\"='\"'", "\"it's\" = '\"'"),
        ("p\\ 1.\\2 =+01.50", "p\\ 1.2 = 1.50"),
        ("(\\all)", "\\all"),
        ("\\null = null", "\\null = null"),
        ("match( lowercase(a) , 'x*')", "match(lowercase(a), 'x*')"),
    ] {
        let read = Filter::parse(filter).unwrap();
        assert_eq!(read.to_string(), printed);
        assert_eq!(Filter::parse(printed).as_ref(), Ok(&read), "{printed}");
    }
}
