//! From a refund, a cancellation or a change of an order to a request of impact.com's Actions API.
//!
//! The guide has no table for these; the rows are Segment's events and the documented fields of Actions:
//!
//! | event | request | |
//! |---|---|---|
//! | refunded, without products | DELETE | the whole action is reversed: `ITEM_RETURNED`; an amount is compared with the order's, not sent |
//! | refunded, with products | PUT | each product's `Sku`, by `ItemSubTotalDelta` = −price × quantity: `ITEM_RETURNED` |
//! | cancelled | DELETE | `REJECTED` |
//! | updated | PUT | `Amount` = the order's new revenue: `ORDER_UPDATE`; products alone are no new amount |

use super::super::{Conversion, Endpoint, Order, Param, Request, Unfit};
use super::config::Program;
use super::verdict::value_of;
use super::{path, value};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// What happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Refunded,
    Cancelled,
    Updated,
}

/// Where an order's id is: as for conversions, but a refund's own messageId is not its order's.
pub(super) const ORDER_ID: [&str; 3] = ["properties.orderId", "properties.order_id", "properties.transactionID"];
/// What an order amounts to after a change, as an action counts it: without shipping and tax.
pub(super) const AMOUNT: [&str; 2] = ["properties.revenue", "properties.subtotal"];
/// What a refund without products gives back; the first is the closest to what was sent of the order.
pub(super) const GIVEN_BACK: [&str; 3] = ["properties.revenue", "properties.subtotal", "properties.total"];
/// What the customer has become by a change.
pub(super) const STATUS: &str = "context.traits.status";
/// More than any currency has, and a little for prices that were divided.
const PLACES: usize = 12;
/// What makes a second reversal of one order the same, whatever called for it; no event type is called so.
const REVERSAL: &str = "DELETE Actions";
/// The documented reason of a change.
const ORDER_UPDATE: &str = "ORDER_UPDATE";

/// Maps what happened to an order.
pub(super) fn request(program: &Program, call: &Value, kind: Kind) -> Request {
    let order_id = order_id(program, call);
    let mut params: Vec<Param> = order_id.clone().into_iter().collect();
    params.extend(program.event_type_id.clone().filter(|id| !id.is_empty()).map(|value| Param {
        name: "ActionTrackerId".into(),
        value,
        source: "settings.eventTypeId".into(),
    }));
    let (mut is_reversal, mut is_relative) = (false, false);
    match (kind, products(call)) {
        (Kind::Refunded, Some(products)) => {
            is_relative = true;
            params.push(constant("Reason", "ITEM_RETURNED"));
            params.extend(items(products));
        }
        (Kind::Updated, products) => {
            params.push(constant("Reason", ORDER_UPDATE));
            match (AMOUNT.into_iter().find_map(|place| at(call, place, "Amount")), products) {
                (None, Some(products)) => params.extend(items(products).into_iter().filter(|item| is_sku(&item.name))),
                (amount, _) => params.extend(amount),
            }
            params.extend(at(call, STATUS, "CustomerStatus"));
        }
        (Kind::Refunded, None) => {
            is_reversal = true;
            params.push(constant("DispositionCode", "ITEM_RETURNED"));
            params.extend(GIVEN_BACK.into_iter().find_map(|place| at(call, place, "Amount")));
        }
        (Kind::Cancelled, _) => {
            is_reversal = true;
            params.push(constant("DispositionCode", "REJECTED"));
        }
    }
    // Whether an amount is all of its order is not known yet: it must keep no other reversal back.
    let is_certain = is_reversal && !params.iter().any(|param| param.name == "Amount");
    let order = order_id.map(|id| Order { id: id.value, event_type: is_certain.then(|| REVERSAL.to_owned()) });
    // What is taken off an amount would be taken off twice.
    Request { endpoint: Endpoint::Actions, params, order, unrepeatable: is_relative }
}

/// The products that it is about; `None` where it names none.
pub(super) fn products(call: &Value) -> Option<&[Value]> {
    match path::find(call, "properties.products")? {
        Value::Null => None,
        Value::Array(list) => Some(list.as_slice()).filter(|list| !list.is_empty()),
        // Lest a whole order be taken back for what somebody wrote without its list.
        other => Some(std::slice::from_ref(other)),
    }
}

/// The form of a mapped refund, and how it names its action: by the id that the verdict on its order gave, else by the
/// event type and the order's id.
///
/// # Errors
/// See [`Unfit`].
pub fn addressed(params: &[(String, String)], about: Option<Conversion<'_>>) -> Result<Vec<(String, String)>, Unfit> {
    if let Some(unfit) = flaw(params) {
        return Err(unfit);
    }
    let mut form = match about.and_then(|about| about.action_id) {
        Some(id) => vec![("ActionId".to_owned(), id.to_owned())],
        None => {
            let sent = about.and_then(|about| value_of(about.params, "EventTypeId"));
            let event_type = sent.or_else(|| value_of(params, "ActionTrackerId")).ok_or(Unfit::NoActionId)?;
            let order = value_of(params, "OrderId").ok_or(Unfit::NoActionId)?;
            vec![("ActionTrackerId".to_owned(), event_type.to_owned()), ("OrderId".to_owned(), order.to_owned())]
        }
    };
    let mut ours = vec!["ActionTrackerId", "OrderId"];
    if is_reversal(params) {
        if value_of(params, "Amount").is_some_and(|amount| !is_whole(amount, about)) {
            return Err(Unfit::PartWithoutProducts);
        }
        ours.push("Amount");
    }
    form.extend(params.iter().filter(|(name, _)| !ours.contains(&name.as_str())).cloned());
    Ok(form)
}

/// What keeps a mapped refund from going out, whatever becomes of its order.
pub(in crate::destination) fn flaw(params: &[(String, String)]) -> Option<Unfit> {
    if value_of(params, "OrderId").is_none() {
        return Some(Unfit::NoActionId);
    }
    if is_reversal(params) {
        return None;
    }
    let is_update = value_of(params, "Reason") == Some(ORDER_UPDATE);
    let is_read = |(name, sku): &(String, String)| {
        let number = name.strip_prefix("Sku").unwrap_or_default();
        !sku.is_empty() && value_of(params, &format!("ItemSubTotalDelta{number}")).is_some()
    };
    let mut skus = params.iter().filter(|(name, _)| is_sku(name)).peekable();
    let has_products = skus.peek().is_some();
    if has_products && is_update {
        Some(Unfit::ProductsWithoutAmount)
    } else if !skus.all(is_read) {
        Some(Unfit::UnreadableProduct)
    } else if value_of(params, "Amount").is_some_and(|amount| decimal(amount).is_none()) {
        Some(Unfit::BadAmount)
    } else {
        let changes = ["Amount", "CustomerStatus"];
        let changes = has_products || changes.iter().any(|name| value_of(params, name).is_some());
        (!changes).then_some(Unfit::NothingToChange)
    }
}

/// Whether so much is at least what was sent of the order; not if that is not known, lest a whole action be reversed for a
/// part of it.
fn is_whole(amount: &str, about: Option<Conversion<'_>>) -> bool {
    let given_back = money(amount.trim_start_matches('-'));
    let sent = about.and_then(|about| amount_of(about.params));
    given_back.zip(sent).is_some_and(|(given_back, sent)| given_back >= sent)
}

/// What a conversion amounted to: by its order, else by its items; `None` where an item's amount is not known.
fn amount_of(params: &[(String, String)]) -> Option<u128> {
    let sent: HashMap<&str, &str> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if let Some(amount) = sent.get("OrderSubTotalPostDiscount") {
        return money(amount);
    }
    let items: HashSet<&str> = sent.keys().filter_map(|name| item_of(name)).collect();
    if items.is_empty() {
        return None;
    }
    let sum = items.into_iter().try_fold(0u128, |sum, item| sum.checked_add(amount_of_item(&sent, item)?))?;
    sum.checked_sub(sent.get("OrderDiscount").map_or(Some(0), |discount| money(discount))?)
}

/// By its subtotal, else by price × quantity.
fn amount_of_item(sent: &HashMap<&str, &str>, item: &str) -> Option<u128> {
    let of = |name: &str| sent.get(format!("{name}{item}").as_str()).copied();
    match of("ItemSubTotal") {
        Some(amount) => money(amount),
        None => product(of("ItemPrice")?, of("ItemQuantity")?).and_then(in_last_unit),
    }
}

/// The number of the item that a parameter is about: 2 of `ItemSku2`, and of `ItemText2_1`.
fn item_of(name: &str) -> Option<&str> {
    let name = name.strip_prefix("Item")?.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    Some(name.split_once('_').map_or(name, |(number, _)| number)).filter(|number| !number.is_empty())
}

/// A plain decimal number of at most [`PLACES`], in its last unit.
fn money(text: &str) -> Option<u128> {
    decimal(text).and_then(in_last_unit)
}

fn in_last_unit((digits, places): (u128, usize)) -> Option<u128> {
    digits.checked_mul(10u128.pow(u32::try_from(PLACES.checked_sub(places)?).ok()?))
}

/// Whether a mapped refund takes its whole action back.
pub(super) fn is_reversal(params: &[(String, String)]) -> bool {
    value_of(params, "DispositionCode").is_some()
}

fn order_id(program: &Program, call: &Value) -> Option<Param> {
    let custom = program.custom_parameter_mapping.iter().find(|(name, _)| name == "OrderId");
    let custom = custom.and_then(|(_, place)| {
        let value = value::text(path::find(call, place)?)?;
        Some(Param { name: "OrderId".into(), value, source: format!("custom: {place}").into() })
    });
    let by_rule = |place: &'static str| {
        let value = value::truthy_text(path::find(call, place)?)?;
        Some(Param { name: "OrderId".into(), value, source: place.into() })
    };
    custom.or_else(|| ORDER_ID.into_iter().find_map(by_rule))
}

fn at(call: &Value, place: &'static str, name: &'static str) -> Option<Param> {
    Some(Param { name: name.into(), value: value::text(path::find(call, place)?)?, source: place.into() })
}

fn constant(name: &'static str, value: &str) -> Param {
    Param { name: name.into(), value: value.to_owned(), source: "constant".into() }
}

fn is_sku(name: &str) -> bool {
    name.strip_prefix("Sku").is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
}

/// All of the products. One that cannot be read has a `Sku`, perhaps an empty one, and no delta: it keeps all of them from
/// going out, for an order of which a part cannot be told must not be half refunded.
fn items(products: &[Value]) -> Vec<Param> {
    let mut params = Vec::new();
    for (index, product) in products.iter().enumerate() {
        // The first has no number.
        let number = if index == 0 { String::new() } else { (index + 1).to_string() };
        let mut add = |name: &str, value: String, inner: &str| {
            let source = format!("properties.products[{index}].{inner}");
            params.push(Param { name: format!("{name}{number}").into(), value, source: source.into() });
        };
        let of = |name: &str| product.get(name).and_then(value::text);
        add("Sku", of("sku").unwrap_or_default(), "sku");
        let quantity = match product.get("quantity") {
            None | Some(Value::Null) => Some("1".to_owned()),
            Some(quantity) => value::text(quantity),
        };
        let delta = of("price").zip(quantity).and_then(|(price, quantity)| minus_product(&price, &quantity));
        if let Some(delta) = delta {
            add("ItemSubTotalDelta", delta, "price × quantity");
        }
        if let Some(category) = of("category") {
            add("Category", category, "category");
        }
    }
    params
}

/// `-(price × quantity)`, to the last digit; `None` where one is no plain decimal number, or below zero.
fn minus_product(price: &str, quantity: &str) -> Option<String> {
    let (number, places) = product(price, quantity)?;
    let sign = if number == 0 { "" } else { "-" };
    let padded = format!("{number:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at_checked(padded.len().checked_sub(places)?)?;
    Some(if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// `price × quantity`, as [`decimal`] has numbers.
fn product(price: &str, quantity: &str) -> Option<(u128, usize)> {
    let ((price, places), (quantity, more)) = (decimal(price)?, decimal(quantity)?);
    Some((price.checked_mul(quantity)?, places + more))
}

/// The digits of a number, and how many of them stand behind its dot.
fn decimal(text: &str) -> Option<(u128, usize)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = [whole, fraction].concat();
    let plain = !whole.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    Some((digits.parse().ok().filter(|_| plain)?, fraction.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_product_takes_off() {
        for (price, quantity, expected) in [
            ("12.50", "2", Some("-25.00")),
            ("0.10", "3", Some("-0.30")),
            ("7", "1", Some("-7")),
            ("0", "2", Some("0")),
            ("0.00", "1", Some("0.00")),
            ("0.333", "0.5", Some("-0.1665")),
            ("99999999999999999999.99", "1", Some("-99999999999999999999.99")),
            ("-1", "2", None),
            ("1e3", "2", None),
            (".5", "2", None),
            ("", "2", None),
            ("1,5", "2", None),
            ("9", "340282366920938463463374607431768211455", None),
        ] {
            assert_eq!(minus_product(price, quantity).as_deref(), expected, "{price} × {quantity}");
        }
    }

    fn form(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn how_a_refund_names_its_action() {
        let whole = form(&[("OrderId", "o1"), ("ActionTrackerId", "7"), ("DispositionCode", "ITEM_RETURNED")]);
        let bare = form(&[("OrderId", "o1"), ("DispositionCode", "ITEM_RETURNED")]);
        let sent = form(&[("OrderId", "o1"), ("EventTypeId", "8")]);
        let known = Conversion { action_id: Some("1000.1.2"), params: &sent };
        let unnamed = Conversion { action_id: None, params: &sent };
        let by_id = form(&[("ActionId", "1000.1.2"), ("DispositionCode", "ITEM_RETURNED")]);
        let by_order = |event_type| {
            Ok(form(&[("ActionTrackerId", event_type), ("OrderId", "o1"), ("DispositionCode", "ITEM_RETURNED")]))
        };
        assert_eq!(addressed(&whole, Some(known)), Ok(by_id.clone()));
        assert_eq!(addressed(&bare, Some(known)), Ok(by_id));
        // The order's own event type goes before the setting.
        assert_eq!(addressed(&whole, Some(unnamed)), by_order("8"));
        assert_eq!(addressed(&whole, None), by_order("7"));
        assert_eq!(addressed(&bare, None), Err(Unfit::NoActionId));
        assert_eq!(addressed(&form(&[("DispositionCode", "REJECTED")]), Some(unnamed)), Err(Unfit::NoActionId));
    }

    #[test]
    fn what_cannot_go_out_says_why() {
        let sent = form(&[]);
        let known = Conversion { action_id: Some("1000.1.2"), params: &sent };
        for (reason, fields, expected) in [
            ("ORDER_UPDATE", &[][..], Some(Unfit::NothingToChange)),
            ("ORDER_UPDATE", &[("Amount", "-8.10")], Some(Unfit::BadAmount)),
            ("ORDER_UPDATE", &[("Amount", "-0")], Some(Unfit::BadAmount)),
            ("ORDER_UPDATE", &[("Amount", "much"), ("CustomerStatus", "NEW")], Some(Unfit::BadAmount)),
            ("ORDER_UPDATE", &[("Amount", "0")], None),
            ("ORDER_UPDATE", &[("Amount", "8.10")], None),
            ("ORDER_UPDATE", &[("CustomerStatus", "NEW")], None),
            ("ORDER_UPDATE", &[("Sku", "s"), ("CustomerStatus", "NEW")], Some(Unfit::ProductsWithoutAmount)),
            ("ITEM_RETURNED", &[("Sku", "s"), ("ItemSubTotalDelta", "-1")], None),
            ("ITEM_RETURNED", &[("Sku", ""), ("ItemSubTotalDelta", "-1")], Some(Unfit::UnreadableProduct)),
            (
                "ITEM_RETURNED",
                &[("Sku", "s"), ("ItemSubTotalDelta", "-1"), ("Sku2", "t")],
                Some(Unfit::UnreadableProduct),
            ),
        ] {
            let mapped = form(&[&[("OrderId", "o1"), ("Reason", reason)], fields].concat());
            assert_eq!(addressed(&mapped, Some(known)).err(), expected, "{reason} {fields:?}");
        }
    }

    #[test]
    fn an_amount_takes_an_action_back_only_if_it_is_all_of_the_order() {
        let by_order = form(&[("OrderSubTotalPostDiscount", "30.10"), ("ItemSubTotal1", "1")]);
        let by_items = form(&[("ItemSubTotal1", "20"), ("ItemSubTotal2", "10.5"), ("OrderDiscount", "0.40")]);
        let unknown = form(&[("OrderId", "o1")]);
        let odd = form(&[("OrderSubTotalPostDiscount", "30.1e0")]);
        let priced = [("ItemPrice1", "12.50"), ("ItemQuantity1", "2"), ("ItemSku2", "s")];
        let by_price =
            form(&[&priced[..], &[("ItemPrice2", "3"), ("ItemQuantity2", "2"), ("OrderDiscount", "0.90")]].concat());
        let mixed = form(&[&priced[..], &[("ItemSubTotal2", "5.1"), ("ItemText2_1", "t")]].concat());
        // Of one of two items nobody knows how many there were, or what it cost.
        let uncounted = form(&[&priced[..], &[("ItemPrice2", "3")]].concat());
        let unpriced = form(&priced);
        for (amount, sent, is_sent) in [
            ("30.1", &by_order, true),
            ("30.10", &by_items, true),
            ("-30.10", &by_order, true),
            ("35", &by_order, true),
            ("30.09", &by_order, false),
            ("10", &by_items, false),
            ("much", &by_order, false),
            ("30.1", &unknown, false),
            ("30.1", &odd, false),
            ("30.1", &by_price, true),
            ("30.09", &by_price, false),
            ("30.1", &mixed, true),
            ("30.09", &mixed, false),
            ("30.1", &uncounted, false),
            ("30.1", &unpriced, false),
        ] {
            let refund = form(&[("OrderId", "o1"), ("DispositionCode", "ITEM_RETURNED"), ("Amount", amount)]);
            let about = Conversion { action_id: Some("1.2.3"), params: sent };
            let whole = form(&[("ActionId", "1.2.3"), ("DispositionCode", "ITEM_RETURNED")]);
            let expected = if is_sent { Ok(whole) } else { Err(Unfit::PartWithoutProducts) };
            assert_eq!(addressed(&refund, Some(about)), expected, "{amount} of {sent:?}");
        }
    }
}
