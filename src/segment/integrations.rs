//! `integrations`: switching the network's own destination off for a call that is delivered here.

use super::call::{Names, Object};
use super::envelope::View;
use super::scan::Shape;
use super::splice::Edit;
use crate::metrics::Label;

/// What switching off comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suppression {
    /// These edits do it.
    Edits(Vec<Edit>),
    /// These edits do it, and options for the destination are lost.
    OptionsReplaced(Vec<Edit>),
    /// It is off already.
    AlreadyOff,
    /// It cannot be switched off (`integrations` is no object, or the call has no room for it): it stays on.
    Left,
}

impl Label for &Suppression {
    fn label(self) -> &'static str {
        match self {
            Suppression::Edits(_) => "set",
            Suppression::OptionsReplaced(_) => "options_replaced",
            Suppression::AlreadyOff => "already_off",
            Suppression::Left => "left",
        }
    }
}

/// The edits that set `integrations[names.integration]` to false for this call.
pub fn suppress(view: &View<'_>, names: &Names) -> Suppression {
    let (own, effective) = view.integrations();
    if effective.is_some_and(|value| value.raw(view.text) == b"false") {
        return Suppression::AlreadyOff;
    }
    let off = format!("\"{}\":false", names.integration);
    let edit = match (own.node, own.own, view.own.object) {
        (None, _, Some(call)) => Edit::member(call, format!("\"integrations\":{{{off}}}")),
        (Some(node), _, _) if node.shape == Shape::Null => Edit::replace(node, format!("{{{off}}}")),
        (Some(node), _, _) if node.shape != Shape::Object => return Suppression::Left,
        (Some(_), Some(value), _) => Edit::replace(value, "false"),
        (Some(node), None, _) => Edit::member(Object { node, empty: own.empty }, off),
        (None, _, None) => return Suppression::Left,
    };
    match effective.map(|value| value.shape) {
        Some(Shape::Object) => Suppression::OptionsReplaced(vec![edit]),
        _ => Suppression::Edits(vec![edit]),
    }
}
