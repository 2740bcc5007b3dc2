//! What is added to a body is spliced into its bytes; every other byte stays as it came.

use super::call::Object;
use super::scan::{Node, Span};

/// One change to a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    at: Span,
    text: String,
    member_of: Option<Object>,
}

impl Edit {
    /// Puts `text` in the place of a value.
    pub fn replace(node: Node, text: impl Into<String>) -> Self {
        Self { at: node.span, text: text.into(), member_of: None }
    }

    /// Puts a member (`"key":value`) in front of an object's others.
    pub fn member(object: Object, text: impl Into<String>) -> Self {
        let front = object.node.span.start + 1;
        Self { at: Span { start: front, end: front }, text: text.into(), member_of: Some(object) }
    }

    /// Takes a place out.
    pub fn cut(at: Span) -> Self {
        Self { at, text: String::new(), member_of: None }
    }

    /// By how many bytes the text grows at the most.
    pub fn growth(&self) -> usize {
        self.text.len() + 1
    }
}

/// Applies `edits` to the bytes of `text` inside `within`.
///
/// Several members put in front of the same object keep the order in which they are given.
pub fn apply(text: &[u8], within: Span, edits: &[Edit]) -> Vec<u8> {
    let mut ordered: Vec<&Edit> = edits.iter().collect();
    ordered.sort_by_key(|edit| edit.at.start);
    let grown: usize = edits.iter().map(Edit::growth).sum();
    let mut out = Vec::with_capacity(within.of(text).len() + grown);
    let mut copied = within.start;
    for (index, edit) in ordered.iter().enumerate() {
        out.extend_from_slice(Span { start: copied, end: edit.at.start }.of(text));
        out.extend_from_slice(edit.text.as_bytes());
        copied = edit.at.end;
        if let Some(object) = edit.member_of {
            let another = ordered.get(index + 1).is_some_and(|next| next.member_of == Some(object));
            if another || !object.empty {
                out.push(b',');
            }
        }
    }
    out.extend_from_slice(Span { start: copied, end: within.end }.of(text));
    out
}

/// The place of the whole of a text.
pub fn whole(text: &[u8]) -> Span {
    Span { start: 0, end: u32::try_from(text.len()).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::click::ClickId;
    use crate::segment::integrations::{Suppression, suppress};
    use crate::segment::referrer::{Kept, enrich, said};
    use crate::segment::{CallKind, Envelope, Expect, Names};

    fn names() -> Names {
        Names {
            parameters: vec!["im_ref".into()],
            integration: "Impact Partnership Cloud",
            referrer_type: "impactRadius",
        }
    }

    const R: &str = r#""referrer":{"id":"c1","type":"impactRadius"}"#;

    fn enriched(text: &str, expect: Expect, overwrite: bool) -> Result<String, Kept> {
        let names = names();
        let envelope = Envelope::read(text.as_bytes(), expect, &names).unwrap();
        let id = ClickId::parse(b"c1").unwrap();
        let mut edits = Vec::new();
        for view in envelope.calls() {
            edits.extend(enrich(&view, &id, &names, overwrite)?);
        }
        Ok(String::from_utf8(apply(text.as_bytes(), whole(text.as_bytes()), &edits)).unwrap())
    }

    #[test]
    fn context_referrer_by_every_ruling() {
        let one = Expect::One(CallKind::Track);
        for (before, after) in [
            (r#"{"a": 1}"#, Ok(format!(r#"{{"context":{{{R}}},"a": 1}}"#))),
            ("{}", Ok(format!(r#"{{"context":{{{R}}}}}"#))),
            (r#"{"context":null,"a":1.10}"#, Ok(format!(r#"{{"context":{{{R}}},"a":1.10}}"#))),
            (r#"{"context":"x"}"#, Err(Kept::NotAnObject)),
            (r#"{"context":[]}"#, Err(Kept::NotAnObject)),
            (r#"{"context": { } }"#, Ok(format!(r#"{{"context": {{{R} }} }}"#))),
            (r#"{"context":{"ip":"1"}}"#, Ok(format!(r#"{{"context":{{{R},"ip":"1"}}}}"#))),
            (r#"{"\u0063ontext":{"ip":"1"}}"#, Ok(format!(r#"{{"\u0063ontext":{{{R},"ip":"1"}}}}"#))),
            (r#"{"context":{"referrer":null}}"#, Ok(format!(r#"{{"context":{{{R}}}}}"#))),
            (r#"{"context":{"referrer":7}}"#, Err(Kept::NotAnObject)),
            (r#"{"context":{"referrer":{}}}"#, Ok(format!(r#"{{"context":{{{R}}}}}"#))),
            (
                r#"{"context":{"referrer":{"url":"u"}}}"#,
                Ok(r#"{"context":{"referrer":{"id":"c1","type":"impactRadius","url":"u"}}}"#.into()),
            ),
            (
                r#"{"context":{"referrer":{"id":null,"url":"u","type":""}}}"#,
                Ok(r#"{"context":{"referrer":{"id":"c1","url":"u","type":"impactRadius"}}}"#.into()),
            ),
            (
                r#"{"context":{"referrer":{"type":"impactRadius"}}}"#,
                Ok(r#"{"context":{"referrer":{"id":"c1","type":"impactRadius"}}}"#.into()),
            ),
            (r#"{"context":{"referrer":{"type":"impactRadius","id":"mine"}}}"#, Err(Kept::Said)),
            (r#"{"context":{"referrer":{"type":"dataxu","id":"x"}}}"#, Err(Kept::OtherType)),
            (r#"{"context":{"referrer":{"id":"x"}}}"#, Err(Kept::OtherType)),
            (
                r#"{"context":{"referrer":{"url":"first"}},"context":{"b":1}}"#,
                Ok(format!(r#"{{"context":{{"referrer":{{"url":"first"}}}},"context":{{{R},"b":1}}}}"#)),
            ),
        ] {
            assert_eq!(enriched(before, one, false), after, "{before}");
        }
        let overwritten = enriched(r#"{"context":{"referrer":{"type":"dataxu","id":"x","link":"l"}}}"#, one, true);
        assert_eq!(overwritten, Ok(r#"{"context":{"referrer":{"type":"impactRadius","id":"c1","link":"l"}}}"#.into()));
    }

    #[test]
    fn an_item_is_spliced_through_its_batch() {
        let before = r#"{"batch":[{"type":"track"},7,{"type":"page","context":null}],"context":{"referrer":{"url":"u"}},"sentAt":"x"}"#;
        let r = r#"{"id":"c1","type":"impactRadius","url":"u"}"#;
        let after = format!(
            r#"{{"batch":[{{"context":{{"referrer":{r}}},"type":"track"}},7,{{"type":"page","context":{{"referrer":{r}}}}}],"context":{{"referrer":{{"url":"u"}}}},"sentAt":"x"}}"#
        );
        assert_eq!(enriched(before, Expect::Batch, false), Ok(after));
    }

    #[test]
    fn a_batch_speaks_for_its_items() {
        let names = names();
        let text = br#"{"batch":[{"type":"track"},{"type":"track","context":{"referrer":{}}}],"context":{"referrer":{"type":"impactRadius","id":"b"}}}"#;
        let envelope = Envelope::read(text, Expect::Batch, &names).unwrap();
        let said: Vec<_> = envelope.calls().map(|view| said(&view, &names).map(|id| id.as_str().to_owned())).collect();
        assert_eq!(said, [Some("b".to_owned()), None]);
    }

    #[test]
    fn switching_the_own_destination_off() {
        let names = names();
        for (before, after, options) in [
            (r#"{"a":1}"#, Some(r#"{"integrations":{"Impact Partnership Cloud":false},"a":1}"#), false),
            (r#"{"integrations":{}}"#, Some(r#"{"integrations":{"Impact Partnership Cloud":false}}"#), false),
            (
                r#"{"integrations":{"All":true}}"#,
                Some(r#"{"integrations":{"Impact Partnership Cloud":false,"All":true}}"#),
                false,
            ),
            (
                r#"{"integrations":{"Impact Partnership Cloud":true}}"#,
                Some(r#"{"integrations":{"Impact Partnership Cloud":false}}"#),
                false,
            ),
            (
                r#"{"integrations":{"Impact Partnership Cloud":{"x":1}}}"#,
                Some(r#"{"integrations":{"Impact Partnership Cloud":false}}"#),
                true,
            ),
            (r#"{"integrations":{"Impact Partnership Cloud":false}}"#, None, false),
            (r#"{"integrations":null}"#, Some(r#"{"integrations":{"Impact Partnership Cloud":false}}"#), false),
            (r#"{"integrations":true}"#, None, false),
        ] {
            let envelope = Envelope::read(before.as_bytes(), Expect::One(CallKind::Track), &names).unwrap();
            let view = envelope.calls().next().unwrap();
            let (edits, replaced) = match suppress(&view, &names) {
                Suppression::Edits(edits) => (Some(edits), false),
                Suppression::OptionsReplaced(edits) => (Some(edits), true),
                Suppression::AlreadyOff | Suppression::Left => (None, false),
            };
            let spliced = edits
                .map(|edits| String::from_utf8(apply(before.as_bytes(), whole(before.as_bytes()), &edits)).unwrap());
            assert_eq!((spliced.as_deref(), replaced), (after, options), "{before}");
        }
    }

    #[test]
    fn two_members_in_front_of_one_object_keep_their_order() {
        let names = names();
        let id = ClickId::parse(b"c1").unwrap();
        for (before, after) in [
            ("{}", format!(r#"{{"context":{{{R}}},"integrations":{{"Impact Partnership Cloud":false}}}}"#)),
            (
                r#"{ "z":0}"#,
                format!(r#"{{"context":{{{R}}},"integrations":{{"Impact Partnership Cloud":false}}, "z":0}}"#),
            ),
        ] {
            let envelope = Envelope::read(before.as_bytes(), Expect::One(CallKind::Track), &names).unwrap();
            let view = envelope.calls().next().unwrap();
            let mut edits = enrich(&view, &id, &names, false).unwrap();
            if let Suppression::Edits(more) = suppress(&view, &names) {
                edits.extend(more);
            }
            assert_eq!(String::from_utf8(apply(before.as_bytes(), whole(before.as_bytes()), &edits)).unwrap(), after);
        }
    }
}
