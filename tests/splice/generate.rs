//! Bodies that look like Segment's, with everything that JSON allows in them.

use proptest::collection::vec;
use proptest::prelude::*;

/// One call, with white space, escapes, duplicate keys and every shape of `context.referrer`.
pub(crate) fn call() -> impl Strategy<Value = String> {
    object(member())
}

/// A batch of calls, with a context of its own at times.
pub(crate) fn batch() -> impl Strategy<Value = String> {
    let item = prop_oneof![9 => object(item_member()), 1 => scalar()];
    (vec(item, 0..6), prop::option::of(context()), space()).prop_map(|(items, context, space)| {
        let context = context.map(|context| format!(",\"context\":{context}")).unwrap_or_default();
        format!("{{\"batch\":{space}[{}]{space}{context},\"writeKey\":\"k\"}}", items.join(","))
    })
}

/// A call with a byte changed, cut, or doubled: often no JSON any more.
pub(crate) fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    (call(), any::<prop::sample::Index>(), any::<u8>(), 0..4u8).prop_map(|(text, index, byte, how)| {
        let mut bytes = text.into_bytes();
        let at = index.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => bytes.truncate(at),
            2 => drop(bytes.remove(at)),
            _ => bytes.insert(at, byte),
        }
        bytes
    })
}

fn member() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => context().prop_map(|value| format!("\"context\":{value}")),
        1 => context().prop_map(|value| format!("\"\\u0063ontext\":{value}")),
        1 => Just("\"integrations\":{\"All\":true}".to_owned()),
        1 => Just("\"anonymousId\":\"a-1\"".to_owned()),
        4 => (string(), value()).prop_map(|(key, value)| format!("{key}:{value}")),
    ]
}

fn item_member() -> impl Strategy<Value = String> {
    prop_oneof![3 => member(), 2 => Just("\"type\":\"track\"".to_owned()), 1 => Just("\"type\":\"page\"".to_owned())]
}

fn context() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        3 => referrer().prop_map(|value| format!("\"referrer\":{value}")),
        2 => (string(), value()).prop_map(|(key, value)| format!("{key}:{value}")),
    ];
    prop_oneof![6 => object(member), 1 => Just("null".to_owned()), 1 => scalar()]
}

fn referrer() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        Just("\"id\":\"x\"".to_owned()),
        Just("\"id\":null".to_owned()),
        Just("\"id\":\"\"".to_owned()),
        Just("\"type\":\"impactRadius\"".to_owned()),
        Just("\"type\":\"dataxu\"".to_owned()),
        Just("\"type\":null".to_owned()),
        Just("\"url\":\"https://a.b/?c\"".to_owned()),
    ];
    prop_oneof![6 => object(member), 1 => Just("null".to_owned()), 1 => scalar()]
}

fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            object((string(), inner).prop_map(|(key, value)| format!("{key}:{value}"))),
        ]
    })
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => string(),
        2 => any::<i64>().prop_map(|n| n.to_string()),
        1 => prop::sample::select(vec!["1.10", "-0", "1e400", "12345678901234567890", "0.1e-7", "true", "false", "null"])
            .prop_map(str::to_owned),
    ]
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z .:/?&=-]{0,6}",
        1 => Just("\\\"".to_owned()),
        1 => Just("\\\\".to_owned()),
        1 => Just("\\u00e9".to_owned()),
        1 => Just("\\ud83d\\ude00".to_owned()),
        1 => Just("é€😀".to_owned()),
        1 => Just("\\n\\/".to_owned()),
    ];
    vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn object(member: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (vec(member, 0..6), space(), space())
        .prop_map(|(members, a, b)| format!("{{{a}{}{b}}}", members.join(&format!("{b},{a}"))))
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
}
