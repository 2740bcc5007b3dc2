//! `context.referrer`: what a call gets, and what it keeps.

use super::call::{Names, Object, Referrer};
use super::envelope::View;
use super::scan::{Node, Shape};
use super::splice::{Edit, apply};
use crate::click::ClickId;
use crate::metrics::Label;

/// Why a call's `context.referrer` stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It already holds a click of ours.
    Said,
    /// It is of another type, and overwriting is off.
    OtherType,
    /// It, or `context`, is neither an object nor null.
    NotAnObject,
    /// The call or its batch would pass Segment's limit.
    TooLarge,
}

impl Label for Kept {
    fn label(self) -> &'static str {
        match self {
            Self::Said => "said",
            Self::OtherType => "other_type",
            Self::NotAnObject => "not_an_object",
            Self::TooLarge => "too_large",
        }
    }
}

/// The click that the call itself names: a `context.referrer` of our type with an id.
pub fn said(view: &View<'_>, names: &Names) -> Option<ClickId> {
    let referrer = view.referrer();
    if !is_ours(&referrer, view.text, names) {
        return None;
    }
    let id = referrer.id.filter(|id| !id.is_blank())?.scalar(view.text)?;
    ClickId::parse(id.as_bytes()).ok()
}

/// The edits that give the call `id` as its referrer.
pub fn enrich(view: &View<'_>, id: &ClickId, names: &Names, overwrite: bool) -> Result<Vec<Edit>, Kept> {
    let context = &view.own.context;
    let Some(call) = view.own.object else { return Err(Kept::NotAnObject) };
    let ours = Ours { id, names, overwrite, text: view.text };
    match context.node {
        None => Ok(vec![Edit::member(
            call,
            format!("\"context\":{{\"referrer\":{}}}", ours.after(view.batch.context.referrer)?),
        )]),
        Some(node) if node.shape == Shape::Null => {
            Ok(vec![Edit::replace(node, format!("{{\"referrer\":{}}}", ours.after(view.batch.context.referrer)?))])
        }
        Some(node) if node.shape != Shape::Object => Err(Kept::NotAnObject),
        Some(node) => match context.referrer.node {
            None => {
                let object = Object { node, empty: context.empty };
                Ok(vec![Edit::member(object, format!("\"referrer\":{}", ours.after(view.batch.context.referrer)?))])
            }
            Some(_) => ours.within(&context.referrer),
        },
    }
}

struct Ours<'a> {
    id: &'a ClickId,
    names: &'a Names,
    overwrite: bool,
    text: &'a [u8],
}

impl Ours<'_> {
    /// The edits to a referrer that is there.
    fn within(&self, referrer: &Referrer) -> Result<Vec<Edit>, Kept> {
        let Some(node) = referrer.node else { return Err(Kept::NotAnObject) };
        match node.shape {
            Shape::Null => return Ok(vec![Edit::replace(node, self.object())]),
            Shape::Object => {}
            Shape::Bool | Shape::Number | Shape::String | Shape::Array => return Err(Kept::NotAnObject),
        }
        let object = Object { node, empty: referrer.empty };
        let has_id = referrer.id.is_some_and(|id| !id.is_blank());
        let has_type = referrer.kind.is_some_and(|kind| !kind.is_blank());
        match (is_ours(referrer, self.text, self.names), has_id) {
            (true, true) => Err(Kept::Said),
            (true, false) => Ok(vec![self.set(object, referrer.id, "id", self.id.as_str())]),
            (false, has_id) if (has_id || has_type) && !self.overwrite => Err(Kept::OtherType),
            (false, _) => Ok(vec![
                self.set(object, referrer.id, "id", self.id.as_str()),
                self.set(object, referrer.kind, "type", self.names.referrer_type),
            ]),
        }
    }

    /// The referrer of an item that has none of its own: its batch's, with our click in it.
    fn after(&self, batch: Referrer) -> Result<String, Kept> {
        match batch.node {
            None => Ok(self.object()),
            Some(node) if node.shape == Shape::Null => Ok(self.object()),
            Some(node) => {
                let edits = self.within(&batch)?;
                Ok(String::from_utf8_lossy(&apply(self.text, node.span, &edits)).into_owned())
            }
        }
    }

    fn set(&self, object: Object, there: Option<Node>, key: &str, value: &str) -> Edit {
        match there {
            Some(node) => Edit::replace(node, format!("\"{value}\"")),
            None => Edit::member(object, format!("\"{key}\":\"{value}\"")),
        }
    }

    /// A click ID is visible ASCII without quotes and backslashes: it needs no escaping.
    fn object(&self) -> String {
        format!("{{\"id\":\"{}\",\"type\":\"{}\"}}", self.id.as_str(), self.names.referrer_type)
    }
}

fn is_ours(referrer: &Referrer, text: &[u8], names: &Names) -> bool {
    referrer.kind.and_then(|kind| kind.string(text)).is_some_and(|kind| kind == names.referrer_type)
}
