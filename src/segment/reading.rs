//! The mapper's view of a call: the JSON value that Segment would hand to a destination.

use super::envelope::View;
use super::splice::{Edit, apply};
use serde::Deserialize;
use serde_json::{Map, Value};

impl View<'_> {
    /// The call as it goes on with `edits`, overlaid on its batch's `context` and `integrations`.
    ///
    /// `None` only when serde_json refuses what the scanner took.
    pub fn value(&self, edits: &[Edit]) -> Option<Value> {
        let object = self.own.object?;
        let edited = apply(self.text, object.node.span, edits);
        let mut call = parse(&edited)?;
        let members = call.as_object_mut()?;
        overlay(members, "context", self.batch_context());
        overlay(members, "integrations", self.batch.integrations.node.map(|node| node.raw(self.text)));
        Some(call)
    }
}

/// Lays the call's own object at `key` over the batch's.
fn overlay(call: &mut Map<String, Value>, key: &str, batch: Option<&[u8]>) {
    let Some(Value::Object(mut merged)) = batch.and_then(parse) else { return };
    match call.get_mut(key) {
        Some(Value::Object(own)) => {
            merged.append(own);
            *own = merged;
        }
        None | Some(Value::Null) => {
            call.insert(key.to_owned(), Value::Object(merged));
        }
        Some(_) => {}
    }
}

/// Reads a text that the scanner has bounded in depth. Half a surrogate pair, which JavaScript sends for a cut emoji
/// and serde_json refuses, is read as U+FFFD.
fn parse(text: &[u8]) -> Option<Value> {
    let read = |text: &[u8]| {
        let mut reader = serde_json::Deserializer::from_slice(text);
        reader.disable_recursion_limit();
        Value::deserialize(&mut reader).ok()
    };
    read(text).or_else(|| read(&without_lone_surrogates(text)))
}

fn without_lone_surrogates(text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at += found;
        match (unit(text, at), unit(text, at + 6)) {
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => at += 12,
            (Some(0xD800..0xE000), _) => {
                if let Some(escape) = out.get_mut(at..at + 6) {
                    escape.copy_from_slice(b"\\ufffd");
                }
                at += 6;
            }
            _ => at += 2,
        }
    }
    out
}

/// The code unit of the `\uXXXX` escape at `at`.
fn unit(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
