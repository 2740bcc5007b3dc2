//! The items of an order: the guide's `Item…{i}` rows and the Custom Mapping for Products.

use super::super::Param;
use super::table::ITEM;
use super::{path, value};
use serde_json::Value;
use std::collections::HashSet;

/// The parameters of all products, numbered from 1.
///
/// `custom` replaces or adds rows: impact.com's name without the number, and a path inside the product. An entry that is
/// no object has no parameters, but keeps its number.
pub(super) fn params(products: &[Value], custom: &[(String, String)]) -> Vec<Param> {
    (1..).zip(products).flat_map(|(number, product)| one(product, number, custom)).collect()
}

fn one(product: &Value, number: usize, custom: &[(String, String)]) -> Vec<Param> {
    if !product.is_object() {
        return Vec::new();
    }
    let param = |name: &str, inner: &str, origin: &str| {
        Some(Param {
            name: numbered(name, number).into(),
            value: value::text(path::find(product, inner)?)?,
            source: format!("{origin}properties.products[{}].{inner}", number - 1).into(),
        })
    };
    let custom_of = |name: &str| {
        let (_, inner) = custom.iter().find(|(renamed, _)| renamed == name)?;
        param(name, inner, "custom: ")
    };
    let mapped = ITEM.iter().filter_map(|(name, inner)| custom_of(name).or_else(|| param(name, inner, "")));
    let added = custom.iter().filter(|(name, _)| !ITEM.iter().any(|(row, _)| row == name));
    mapped.chain(added.filter_map(|(name, inner)| param(name, inner, "custom: "))).collect()
}

/// Takes out the price of every item that has a subtotal, wherever the two came from: impact.com takes the price of one
/// or the subtotal of all, never both.
pub(super) fn drop_prices(params: &mut Vec<Param>) {
    let number = |param: &Param, name: &str| param.name.strip_prefix(name).map(str::to_owned);
    let subtotals: HashSet<String> = params.iter().filter_map(|param| number(param, "ItemSubTotal")).collect();
    if !subtotals.is_empty() {
        params.retain(|param| number(param, "ItemPrice").is_none_or(|item| !subtotals.contains(&item)));
    }
}

/// Why the product of this number has no value for a parameter, or none where its custom mapping leads; `param` is what is
/// sent all the same.
pub(super) fn why(
    product: &Value,
    number: usize,
    name: &str,
    custom: &[(String, String)],
    param: Option<&Param>,
) -> Option<String> {
    let at = |inner: &str| format!("{inner} is {}", value::state(path::find(product, inner)));
    let row = ITEM.iter().find(|(row, _)| *row == name).map(|(_, inner)| *inner);
    let astray = custom.iter().find(|(renamed, _)| renamed == name).map(|(_, inner)| inner);
    let astray = astray.filter(|inner| path::find(product, inner).and_then(value::text).is_none());
    // The same words for all items that their own row stands in for.
    let stand_in = |param: &Param| match row {
        Some(row) if param.source == format!("properties.products[{}].{row}", number - 1) => row.to_owned(),
        _ => param.source.to_string(),
    };
    match (astray, row, param) {
        (Some(inner), _, Some(param)) => Some(format!("custom: {}; {} stands in", at(inner), stand_in(param))),
        (Some(inner), Some(row), None) => Some(format!("custom: {}, {}", at(inner), at(row))),
        (Some(inner), None, None) => Some(format!("custom: {}", at(inner))),
        (None, row, None) => row.map(at),
        (None, _, Some(_)) => None,
    }
}

/// The name with an item's number: at its end, or before the `_` of `ItemText_1`.
pub(super) fn numbered(name: &str, number: usize) -> String {
    with(name, &number.to_string())
}

/// The name with `number` in its place.
pub(super) fn with(name: &str, number: &str) -> String {
    match name.split_once('_') {
        Some((before, after)) => format!("{before}{number}_{after}"),
        None => format!("{name}{number}"),
    }
}
