//! A body without somebody's calls: they are cut out of its bytes, and every other byte stays as it came.

use super::call::{Call, Names};
use super::envelope::{Expect, Untouched};
use super::scan::{Cursor, Node, ScanError, Shape, Span};
use super::splice::{Edit, apply, whole};
use std::borrow::Cow;

/// What is left of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// All of it.
    All,
    /// This.
    Some(Vec<u8>),
    /// No call.
    Nothing,
}

/// One call as far as it tells whose it is; other than in [`super::Envelope`] its type does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its bytes.
    pub raw: &'a [u8],
    /// `anonymousId`
    pub anonymous_id: Option<Cow<'a, str>>,
    /// `userId`
    pub user_id: Option<Cow<'a, str>>,
    /// `previousId`
    pub previous_id: Option<Cow<'a, str>>,
}

/// Cuts the calls of `text` out of which `goes` says so.
///
/// # Errors
/// The body cannot be read, or holds no batch where one is expected.
pub fn without(text: &[u8], expect: Expect, mut goes: impl FnMut(&Part<'_>) -> bool) -> Result<Rest, Untouched> {
    let (top, batches) = walk(text)?;
    if let Expect::One(_) = expect {
        return Ok(if goes(&part(text, &top)) { Rest::Nothing } else { Rest::All });
    }
    if batches.is_empty() {
        return Err(Untouched::UnknownShape);
    }
    // Of duplicate keys the last counts; but nothing of somebody stays in the others.
    let mut cuts = Vec::new();
    let mut left = 0;
    for elements in &batches {
        let gone: Vec<bool> =
            elements.iter().map(|(_, call)| call.as_ref().is_some_and(|call| goes(&part(text, call)))).collect();
        left = gone.iter().filter(|gone| !**gone).count();
        cuts.extend(cut(elements, &gone));
    }
    match (cuts.is_empty(), left) {
        (true, _) => Ok(Rest::All),
        (false, 0) => Ok(Rest::Nothing),
        (false, _) => Ok(Rest::Some(apply(text, whole(text), &cuts))),
    }
}

/// An element of a batch, which is a call if it is an object.
type Element = (Node, Option<Call>);

fn walk(text: &[u8]) -> Result<(Call, Vec<Vec<Element>>), Untouched> {
    if std::str::from_utf8(text).is_err() {
        return Err(Untouched::NotJson);
    }
    let names = Names { parameters: Vec::new(), integration: "", referrer_type: "" };
    let mut cursor = Cursor::new(text);
    if cursor.shape()? != Shape::Object {
        cursor.value()?;
        return Err(Untouched::UnknownShape);
    }
    let mut batches = Vec::new();
    let top = Call::walk(&mut cursor, &names, |cursor, key| {
        if key == b"batch" && cursor.shape()? == Shape::Array {
            batches.push(elements(cursor, &names)?);
            return Ok(());
        }
        cursor.value().map(drop)
    })?;
    cursor.finish()?;
    Ok((top, batches))
}

fn elements(cursor: &mut Cursor<'_>, names: &Names) -> Result<Vec<Element>, ScanError> {
    let mut elements = Vec::new();
    cursor.array(|cursor| {
        if cursor.shape()? != Shape::Object {
            elements.push((cursor.value()?, None));
            return Ok(());
        }
        let call = Call::walk(cursor, names, |cursor, _| cursor.value().map(drop))?;
        elements.extend(call.object.map(|object| (object.node, Some(call))));
        Ok(())
    })?;
    Ok(elements)
}

fn part<'a>(text: &'a [u8], call: &Call) -> Part<'a> {
    let id = |node: Option<Node>| node.filter(|node| !node.is_blank())?.scalar(text);
    Part {
        raw: call.object.map_or(&[], |object| object.node.raw(text)),
        anonymous_id: id(call.anonymous_id),
        user_id: id(call.user_id),
        previous_id: id(call.previous_id),
    }
}

/// Each element that goes takes the comma in front with it, or, where nothing that stays is in front, the one behind.
fn cut(elements: &[Element], gone: &[bool]) -> Vec<Edit> {
    let mut cuts = Vec::new();
    let mut stays_in_front = false;
    let behind = elements.iter().skip(1).map(|(node, _)| Some(node.span)).chain([None]);
    let mut in_front = None;
    for (((node, _), gone), behind) in elements.iter().zip(gone).zip(behind) {
        if *gone {
            let span = match (stays_in_front, in_front, behind) {
                (true, Some(end), _) => Span { start: end, end: node.span.end },
                (_, _, Some(behind)) => Span { start: node.span.start, end: behind.start },
                (_, _, None) => node.span,
            };
            cuts.push(Edit::cut(span));
        }
        stays_in_front |= !gone;
        in_front = Some(node.span.end);
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::CallKind;
    use proptest::prelude::*;

    fn without_u1(text: &str, expect: Expect) -> Result<Rest, Untouched> {
        without(text.as_bytes(), expect, |part| {
            [&part.anonymous_id, &part.user_id, &part.previous_id].into_iter().flatten().any(|id| id == "1")
        })
    }

    #[test]
    fn what_is_cut_takes_its_comma_along() {
        let some = |text: &str| Ok(Rest::Some(text.as_bytes().to_vec()));
        for (text, rest) in [
            (r#"{"batch":[{"userId":"2"}, {"a":"1"}]}"#, Ok(Rest::All)),
            (r#"{"batch":[]}"#, Ok(Rest::All)),
            (r#"{"batch":[{"userId":"1"}]}"#, Ok(Rest::Nothing)),
            (r#"{"batch":[{"userId":"1"},{"anonymousId":1}]}"#, Ok(Rest::Nothing)),
            (r#"{"batch":[ {"userId":"1"} , {"n":1.10} ],"b":2}"#, some(r#"{"batch":[ {"n":1.10} ],"b":2}"#)),
            (r#"{"batch":[ {"n":1} , {"userId":"\u0031"} ]}"#, some(r#"{"batch":[ {"n":1} ]}"#)),
            (r#"{"batch":[{"n":1},{"previousId":"1"} , {"n":2}]}"#, some(r#"{"batch":[{"n":1} , {"n":2}]}"#)),
            (r#"{"batch":[{"userId":"1"},{"userId":"1"},7,{"userId":"1"},null]}"#, some(r#"{"batch":[7,null]}"#)),
            (r#"{"batch":[{"userId":"1"}],"batch":[{"n":1}]}"#, some(r#"{"batch":[],"batch":[{"n":1}]}"#)),
            (r#"{"userId":"1"}"#, Err(Untouched::UnknownShape)),
            (r#"{"batch":{}}"#, Err(Untouched::UnknownShape)),
            ("[]", Err(Untouched::UnknownShape)),
            (r#"{"batch":[{"userId":"1"}]"#, Err(Untouched::NotJson)),
        ] {
            assert_eq!(without_u1(text, Expect::Batch), rest, "{text}");
        }
    }

    #[test]
    fn a_call_stays_or_goes() {
        let one = Expect::One(CallKind::Track);
        assert_eq!(without_u1(r#"{"userId":"1"}"#, one), Ok(Rest::Nothing));
        assert_eq!(without_u1(r#"{"userId":"2","properties":{"userId":"1"}}"#, one), Ok(Rest::All));
        assert_eq!(without_u1("no", one), Err(Untouched::NotJson));
    }

    proptest! {
        #[test]
        fn what_stays_is_as_it_was(calls in prop::collection::vec((any::<bool>(), "[ \n]{0,2}", 0..100u32), 0..12)) {
            let spelled = |goes: bool, n: u32| format!(r#"{{"userId":"{}","n":{n}.0}}"#, if goes { 1 } else { 2 });
            let items: Vec<_> = calls.iter().map(|(goes, space, n)| format!("{space}{}", spelled(*goes, *n))).collect();
            let text = format!(r#"{{"batch":[{}],"sentAt":"x"}}"#, items.join(","));
            let stay: Vec<_> = calls.iter().filter(|(goes, ..)| !goes).map(|(_, _, n)| spelled(false, *n)).collect();
            let rest = match without_u1(&text, Expect::Batch).unwrap() {
                Rest::All => { prop_assert_eq!(stay.len(), calls.len()); text }
                Rest::Some(rest) => String::from_utf8(rest).unwrap(),
                Rest::Nothing => { prop_assert!(stay.is_empty()); return Ok(()) }
            };
            let plain: String = rest.chars().filter(|c| !c.is_whitespace()).collect();
            prop_assert_eq!(plain, format!(r#"{{"batch":[{}],"sentAt":"x"}}"#, stay.join(",")));
        }
    }
}
