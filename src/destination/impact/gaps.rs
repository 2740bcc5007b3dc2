//! Why rows of the mapping gave nothing, for people.

use super::super::{Gap, Param, Request};
use super::items::{self, numbered};
use super::mapping::{Mapper, Plan, Platform};
use super::table::{ITEM, Row, Rule};
use super::{REFERRER_TYPE, path, refund, value};
use serde_json::Value;
use std::collections::HashMap;

/// What goes into the name of a gap where an item's number goes.
const ANY: &str = "{i}";

impl Mapper<'_> {
    /// The rows that gave `request` nothing, and the custom mappings that led nowhere, in the order of the table.
    pub(super) fn gaps(&self, request: &Request) -> Vec<Gap> {
        let params: HashMap<&str, &Param> = request.params.iter().map(|param| (&*param.name, param)).collect();
        if let Plan::Change(kind) = self.plan {
            return self.gaps_of_change(kind, &params);
        }
        let mut gaps = Vec::new();
        for row in self.plan.table() {
            if let Rule::Items = row.rule {
                gaps.extend(self.gaps_of_items(&params));
                continue;
            }
            let param = params.get(row.name).copied();
            let why = [self.astray(row.name, param), param.is_none().then(|| self.why(row))];
            gaps.extend(told(row.name, why));
        }
        for (name, _) in &self.program.custom_parameter_mapping {
            if !self.plan.table().iter().any(|row| row.name == name) {
                gaps.extend(told(name, [self.astray(name, params.get(name.as_str()).copied()), None]));
            }
        }
        gaps
    }

    /// What happens to an order is mapped by [`refund`], and heeds the custom mapping of the order's id only.
    fn gaps_of_change(&self, kind: refund::Kind, params: &HashMap<&str, &Param>) -> Vec<Gap> {
        let param = |name: &str| params.get(name).copied();
        let absent = |name: &str, paths: &[&str]| param(name).is_none().then(|| self.tried(paths));
        let mut gaps = Vec::new();
        gaps.extend(told("ActionId", [Some("the verdict on the order gives it".to_owned()), None]));
        let unset = param("ActionTrackerId").is_none().then(|| "settings.eventTypeId is not set".to_owned());
        gaps.extend(told("ActionTrackerId", [unset, None]));
        let order_id = [self.astray("OrderId", param("OrderId")), absent("OrderId", &refund::ORDER_ID)];
        gaps.extend(told("OrderId", order_id));
        let products = refund::products(self.subject.call);
        match kind {
            refund::Kind::Refunded if products.is_some() => gaps.extend(gaps_of_returned(products.unwrap_or_default())),
            refund::Kind::Refunded => {
                let compared = "compared, not sent: the order is taken back if this is all of it".to_owned();
                let amount = absent("Amount", &refund::GIVEN_BACK).unwrap_or(compared);
                gaps.extend(told("Amount", [Some(amount), None]));
            }
            refund::Kind::Cancelled => {}
            refund::Kind::Updated => {
                gaps.extend(told("Amount", [absent("Amount", &refund::AMOUNT), None]));
                gaps.extend(told("CustomerStatus", [absent("CustomerStatus", &[refund::STATUS]), None]));
            }
        }
        gaps
    }

    /// How a custom mapping led nowhere, and what stands in for it.
    fn astray(&self, name: &str, param: Option<&Param>) -> Option<String> {
        let (_, path) = self.program.custom_parameter_mapping.iter().find(|(renamed, _)| renamed == name)?;
        if self.custom(name).is_some() {
            return None;
        }
        let stand_in = param.map(|param| format!("; {} stands in", param.source)).unwrap_or_default();
        Some(format!("custom: {}{stand_in}", self.at_path(path)))
    }

    /// Why a row gave nothing.
    fn why(&self, row: &Row) -> String {
        if let Some((value, source)) = self.of_row(row) {
            return format!("{source} {}", self.flaw(row.name, &value).unwrap_or_default());
        }
        let tried = self.tried(row.rule.paths());
        match row.rule {
            Rule::AppleOnly(_) if self.platform == Platform::Android => "not on Android".to_owned(),
            Rule::GoogleId(path) if self.platform == Platform::Android => {
                self.tried(&[path, "context.device.advertisingId"])
            }
            Rule::Email(paths) => self.tried(&self.email_paths(paths)),
            Rule::PostDiscount(_) if self.products().is_some() => {
                "properties.products is defined (footnote 4)".to_owned()
            }
            Rule::EventCode => "only on installs".to_owned(),
            Rule::EventTypeId if matches!(self.plan, Plan::Install) => "not on installs".to_owned(),
            Rule::EventTypeId => "settings.eventTypeId is not set".to_owned(),
            Rule::AppId(_) => format!("settings.appId is not set for this platform, {tried}"),
            Rule::IpAddress(_) | Rule::UserAgent(_) => format!("{tried}, and the visitor's is unknown"),
            Rule::PageLoadClickId if !self.shared.send_click_id_on_page_load => {
                "send_click_id_on_page_load is off".to_owned()
            }
            Rule::ClickId | Rule::PageLoadClickId => self.no_click().to_owned(),
            _ => tried,
        }
    }

    fn no_click(&self) -> &'static str {
        let referrer = |key| path::find(self.subject.call, "context.referrer")?.get(key);
        match (referrer("id"), referrer("type").and_then(Value::as_str)) {
            (None, _) => "the call earned no click",
            (Some(_), Some(REFERRER_TYPE)) => "the click in context.referrer.id is expired, or no click ID",
            (Some(_), _) => "context.referrer.type is not impactRadius (footnote 1)",
        }
    }

    /// What stands at each of the paths; neighbours in the same state are told together.
    fn tried(&self, paths: &[&str]) -> String {
        let state = |path: &&str| self.state(path);
        let runs = paths.chunk_by(|left, right| state(left) == state(right));
        let told = runs.map(|run| match run {
            [path] => self.at_path(path),
            _ => format!("{} are {}", run.join(", "), run.first().map(state).unwrap_or_default()),
        });
        told.collect::<Vec<_>>().join(", ")
    }

    fn at_path(&self, path: &str) -> String {
        format!("{path} is {}", self.state(path))
    }

    fn state(&self, path: &str) -> &'static str {
        match path::find(self.subject.call, path) {
            None if path::find(self.whole, path).is_some() => "dropped (drop_properties)",
            found => value::state(found),
        }
    }

    /// The rows of items: told once for all items that lack the parameter for the same reason.
    fn gaps_of_items(&self, params: &HashMap<&str, &Param>) -> Vec<Gap> {
        let products = self.products().unwrap_or_default();
        if products.is_empty() {
            let why = match self.products() {
                Some(_) => "properties.products is empty".to_owned(),
                None => self.at_path("properties.products"),
            };
            return vec![Gap { name: format!("Item…{ANY}").into(), why }];
        }
        let custom = &self.program.custom_mapping_for_products;
        let added =
            custom.iter().map(|(name, _)| name.as_str()).filter(|name| !ITEM.iter().any(|(row, _)| row == name));
        let mut gaps = Vec::new();
        let no_objects = products
            .iter()
            .map(|product| (!product.is_object()).then(|| format!("no object but {}", value::state(Some(product)))));
        gaps.extend(counted(&format!("Item…{ANY}"), no_objects));
        for name in ITEM.iter().map(|(name, _)| *name).chain(added) {
            let whys = (1..).zip(products).map(|(number, product)| {
                let sent = |name: &str| params.get(numbered(name, number).as_str()).copied();
                if sent("ItemSubTotal").is_some() && name == "ItemPrice" {
                    return Some("ItemSubTotal goes instead".to_owned());
                }
                product.is_object().then(|| items::why(product, number, name, custom, sent(name)))?
            });
            gaps.extend(counted(&items::with(name, ANY), whys));
        }
        gaps
    }
}

/// What the products of a refund do not say.
fn gaps_of_returned(products: &[Value]) -> Vec<Gap> {
    let fields = [("Sku{i}", "sku"), ("ItemSubTotalDelta{i}", "price"), ("Category{i}", "category")];
    let absent = |product: &Value, field| {
        let found = product.get(field);
        found.and_then(value::text).is_none().then(|| format!("{field} is {}", value::state(found)))
    };
    fields
        .into_iter()
        .flat_map(|(name, field)| counted(name, products.iter().map(move |product| absent(product, field))))
        .collect()
}

fn told(name: &str, why: [Option<String>; 2]) -> Option<Gap> {
    let why: Vec<String> = why.into_iter().flatten().collect();
    (!why.is_empty()).then(|| Gap { name: name.to_owned().into(), why: why.join(", ") })
}

/// One gap for each reason, with the number of products that it is true of.
fn counted(name: &str, whys: impl Iterator<Item = Option<String>>) -> Vec<Gap> {
    let mut reasons: Vec<(String, usize, usize)> = Vec::new();
    let mut all = 0;
    for (index, why) in whys.enumerate() {
        all += 1;
        let Some(why) = why else { continue };
        match reasons.iter_mut().find(|(reason, ..)| *reason == why) {
            Some((_, _, count)) => *count += 1,
            None => reasons.push((why, index, 1)),
        }
    }
    let told = |(why, first, count): (String, usize, usize)| {
        let of = if count == all {
            String::new()
        } else {
            format!(": {count} of {all} products, the first products[{first}]")
        };
        Gap { name: name.to_owned().into(), why: why + &of }
    };
    reasons.into_iter().map(told).collect()
}
