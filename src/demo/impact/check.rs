//! What impact.com demands of a form, as its reference for the brand API (version 14) states it.

use axum::http::request::Parts;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A conversion needs one of these to name its event type.
const EVENT_TYPES: [&str; 4] = ["ActionTrackerId", "EventTypeId", "EventTypeCode", "EventCode"];

/// A conversion needs one of these to be attributed by.
const ATTRIBUTION_KEYS: [&str; 14] = [
    "ClickId",
    "CustomerId",
    "CustomProfileId",
    "CustomClickId",
    "OrderPromoCode",
    "PromoCode",
    "MediaId",
    "MediaPartnerId",
    "UniqueUrl",
    "CallerId",
    "GoogAId",
    "AndroidId",
    "AppleIfa",
    "AppleIfv",
];

/// A page load needs one of these to know whose it is.
const PROFILE_KEYS: [&str; 7] =
    ["CustomProfileId", "ClickId", "CustomerId", "GoogAId", "AndroidId", "AppleIfa", "AppleIfv"];

/// A page load with one of these is an app's, which has no page.
const APP_KEYS: [&str; 3] = ["PropertyId", "ImpactAppId", "AppPackage"];

/// Fields that hold an amount.
const AMOUNTS: [&str; 5] =
    ["OrderDiscount", "OrderShipping", "OrderTax", "OrderSubTotalPostDiscount", "OrderSubTotalPreDiscount"];

/// The longest values of fields that are often too long.
const LENGTHS: [(&str, usize); 6] = [
    ("ClickId", 64),
    ("OrderId", 64),
    ("CustomProfileId", 70),
    ("CustomerId", 255),
    ("CustomerStatus", 40),
    ("EventTypeCode", 128),
];

/// One thing that is wrong with a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    field: &'static str,
    message: &'static str,
}

impl Fault {
    /// A body that is no form.
    pub(super) const NOT_A_FORM: Self =
        Self { field: "", message: "request body must be application/x-www-form-urlencoded" };

    /// A field that is not as it should be.
    pub(super) const fn new(field: &'static str, message: &'static str) -> Self {
        Self { field, message }
    }

    /// In one of the two spellings.
    pub(super) fn to_json(self, capitals: bool) -> Value {
        if capitals {
            json!({"Field": self.field, "Message": self.message})
        } else {
            json!({"field": self.field, "level": "ERROR", "message": self.message})
        }
    }
}

/// The fields of a form. An empty value counts as not sent; the first of two equal names stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a body; `None` when it does not say that it is a form.
    pub(super) fn read(parts: &Parts, body: &[u8]) -> Option<Self> {
        let kind = parts.headers.get("content-type")?.to_str().ok()?;
        let kind = kind.split(';').next()?.trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return None;
        }
        let mut fields = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            fields.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
        Some(Self(fields))
    }

    /// A field's value, if it was sent and is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All fields as an object of strings.
    pub(super) fn to_json(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect::<Map<_, _>>())
    }

    /// The form as a body.
    pub(super) fn to_query(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    fn has_one_of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.get(name).is_some())
    }
}

/// What is wrong with a conversion.
pub(super) fn conversion(form: &Form) -> Vec<Fault> {
    let mut faults = of_every_form(form);
    if form.get("OrderId").is_none() {
        faults.push(Fault { field: "OrderId", message: "OrderId is required" });
    }
    if !form.has_one_of(&EVENT_TYPES) {
        faults.push(Fault {
            field: "EventTypeId",
            message: "one of ActionTrackerId, EventTypeId, EventTypeCode is required",
        });
    }
    if !form.has_one_of(&ATTRIBUTION_KEYS) {
        faults.push(Fault { field: "ClickId", message: "at least one attribution key is required" });
    }
    if form.get("CurrencyCode").is_some_and(|code| code.len() != 3) {
        faults.push(Fault { field: "CurrencyCode", message: "CurrencyCode must be an ISO 4217 code" });
    }
    for field in AMOUNTS {
        if form.get(field).is_some_and(|amount| !is_decimal(amount)) {
            faults.push(Fault { field, message: "must be a decimal number" });
        }
    }
    faults.extend(items(form));
    faults
}

/// What is wrong with a page load.
pub(super) fn page_load(form: &Form) -> Vec<Fault> {
    let mut faults = of_every_form(form);
    if form.get("PageUrl").is_none() && !form.has_one_of(&APP_KEYS) {
        faults.push(Fault { field: "PageUrl", message: "PageUrl is required" });
    }
    if !form.has_one_of(&PROFILE_KEYS) {
        faults.push(Fault { field: "CustomProfileId", message: "CustomProfileId is required" });
    }
    if form.get("CustomerId").is_some_and(|id| !is_customer_id(id)) {
        let message = "CustomerId needs 7 or more characters, 3 of them distinct, and no white space";
        faults.push(Fault { field: "CustomerId", message });
    }
    faults
}

fn of_every_form(form: &Form) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !form.get("CampaignId").is_some_and(|id| id.len() <= 10 && id.bytes().all(|b| b.is_ascii_digit())) {
        faults.push(Fault { field: "CampaignId", message: "CampaignId must be a number of at most 10 digits" });
    }
    match form.get("EventDate") {
        Some("NOW") => {}
        Some(date) if crate::clock::Time::parse(date).is_some() => {}
        _ => faults.push(Fault { field: "EventDate", message: "EventDate must be ISO 8601 with an offset, or NOW" }),
    }
    if form.get("CustomerEmail").is_some_and(|hash| !is_hash(hash)) {
        faults.push(Fault { field: "CustomerEmail", message: "CustomerEmail must be a SHA-1 or SHA-256 in hex" });
    }
    for (field, longest) in LENGTHS {
        if form.get(field).is_some_and(|value| value.chars().count() > longest) {
            faults.push(Fault { field, message: "value is too long" });
        }
    }
    faults
}

/// Items count from 1, and have a price or a subtotal.
fn items(form: &Form) -> Vec<Fault> {
    let mut faults = Vec::new();
    if form.0.keys().any(|name| name.starts_with("Item") && name.ends_with(|c: char| !c.is_ascii_digit())) {
        faults.push(Fault { field: "Item", message: "item fields need an index" });
    }
    if ["ItemSku0", "ItemName0", "ItemPrice0", "ItemQuantity0"].iter().any(|name| form.get(name).is_some()) {
        faults.push(Fault { field: "Item", message: "items count from 1" });
    }
    let both = |name: &str| {
        name.strip_prefix("ItemPrice").is_some_and(|index| form.get(&format!("ItemSubTotal{index}")).is_some())
    };
    if form.0.keys().any(|name| both(name)) {
        faults.push(Fault { field: "ItemPrice", message: "ItemPrice and ItemSubTotal exclude each other" });
    }
    faults
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    all_digits(whole) && all_digits(fraction)
}

fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The guide's rule for page loads.
fn is_customer_id(id: &str) -> bool {
    let distinct: std::collections::BTreeSet<char> = id.chars().collect();
    id.chars().count() >= 7 && distinct.len() >= 3 && !id.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        let request =
            http::Request::post("/").header("content-type", "application/x-www-form-urlencoded").body(()).unwrap();
        Form::read(&request.into_parts().0, text.as_bytes()).unwrap()
    }

    fn fields(faults: Vec<Fault>) -> Vec<&'static str> {
        faults.into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn a_conversion_is_checked_field_by_field() {
        let good = "CampaignId=1000&EventDate=2026-11-24T03:56:35Z&OrderId=o&EventTypeId=7&CustomerId=c";
        let cases: [(&str, &[&str]); 15] = [
            ("", &[]),
            ("&CampaignId=x", &[]), // the first of two equal names stands
            ("&OrderTax=1.1&OrderDiscount=-3&OrderShipping=0", &[]),
            ("&OrderTax=1,1", &["OrderTax"]),
            ("&OrderShipping=1e3", &["OrderShipping"]),
            ("&OrderDiscount=.5", &["OrderDiscount"]),
            ("&CurrencyCode=EURO", &["CurrencyCode"]),
            ("&CustomerEmail=ann%40example.com", &["CustomerEmail"]),
            ("&CustomerEmail=0c57fe03e81357df3acc1340bc9e353688e8f69e", &[]),
            ("&ItemSku1=a&ItemText1_2=b&ItemPrice1=1", &[]),
            ("&ItemSku0=a", &["Item"]),
            ("&ItemSku=a", &["Item"]),
            ("&ItemPrice2=1&ItemSubTotal2=2", &["ItemPrice"]),
            ("&ItemPrice2=1&ItemSubTotal3=2", &[]),
            ("&CustomerStatus=01234567890123456789012345678901234567890", &["CustomerStatus"]),
        ];
        for (more, expected) in cases {
            assert_eq!(fields(conversion(&form(&format!("{good}{more}")))), expected, "{more}");
        }
        assert_eq!(
            fields(conversion(&form("OrderId=&EventDate=2026-11-24"))),
            ["CampaignId", "EventDate", "OrderId", "EventTypeId", "ClickId"]
        );
    }

    #[test]
    fn a_page_load_is_checked_field_by_field() {
        let good = "CampaignId=1000&EventDate=NOW&CustomProfileId=a";
        let cases: [(&str, &[&str]); 6] = [
            ("&PageUrl=https%3A%2F%2Fshop.example%2F", &[]),
            ("&ImpactAppId=com.example", &[]),
            ("", &["PageUrl"]),
            ("&PageUrl=x&CustomerId=customer-1", &[]),
            ("&PageUrl=x&CustomerId=cust%20omer1", &["CustomerId"]),
            ("&PageUrl=x&CustomerId=1111112", &["CustomerId"]),
        ];
        for (more, expected) in cases {
            assert_eq!(fields(page_load(&form(&format!("{good}{more}")))), expected, "{more}");
        }
    }
}
