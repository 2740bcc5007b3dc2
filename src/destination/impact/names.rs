//! The parameters that impact.com documents, and what is doubtful about a name that is none of them.
//!
//! Source: impact.com's brand API reference (version 14), "Submit a conversion", the conversion data reference and "Page
//! load"; and the guide, where it uses older names (`AppleAdTrack`, `ImpactAppId`). A name that is not here is sent all the
//! same: an account can have parameters that no reference names.

use super::items::numbered;
use crate::fault::nearest;

/// The parameters of a call as a whole.
const WHOLE: &[&str] = &[
    "ActionTrackerId",
    "Amount",
    "AndroidId",
    "AppInstallRef",
    "AppName",
    "AppPackage",
    "AppVer",
    "AppleAdTrack",
    "AppleIfa",
    "AppleIfv",
    "CallerId",
    "CampaignId",
    "ClickId",
    "CountryCode",
    "Currency",
    "CurrencyCode",
    "CustomClickId",
    "CustomProfileId",
    "CustomerCity",
    "CustomerCountry",
    "CustomerEmail",
    "CustomerId",
    "CustomerPostCode",
    "CustomerRegion",
    "CustomerStatus",
    "DeviceCarrier",
    "DeviceLocale",
    "DeviceMfr",
    "DeviceModel",
    "DeviceOs",
    "DeviceOsVer",
    "DispositionCode",
    "EventCode",
    "EventDate",
    "EventTypeCode",
    "EventTypeId",
    "GiftPurchase",
    "GoogAId",
    "ImpactAppId",
    "IpAddress",
    "Latitude",
    "LocationId",
    "LocationName",
    "LocationType",
    "Longitude",
    "MediaId",
    "MediaPartnerId",
    "Note",
    "Oid",
    "OrderDiscount",
    "OrderDiscountRate",
    "OrderId",
    "OrderMargin",
    "OrderPromoCode",
    "OrderShipping",
    "OrderSubTotalPostDiscount",
    "OrderSubTotalPreDiscount",
    "OrderTax",
    "PageUrl",
    "PaymentType",
    "PhoneNumber",
    "PromoCode",
    "PropertyId",
    "ReferringUrl",
    "SharedId",
    "TrackingConsent",
    "UniqueUrl",
    "UserAgent",
];

/// Parameters that there are several of, and the last one's number.
const NUMBERED: &[(&str, u32)] = &[("SubId", 3), ("Text", 50), ("Numeric", 10), ("Money", 3), ("Date", 10)];

/// The parameters of an item, without its number.
const ITEM: &[&str] = &[
    "ItemBrand",
    "ItemCategory",
    "ItemDeliveryType",
    "ItemDiscount",
    "ItemDiscountRate",
    "ItemMpn",
    "ItemName",
    "ItemPrice",
    "ItemPromoCode",
    "ItemQuantity",
    "ItemSku",
    "ItemSubCategory",
    "ItemSubTotal",
    "ItemTotalDiscount",
];

/// Parameters of an item that there are several of (`ItemText_1`, of the second item `ItemText2_1`).
const ITEM_NUMBERED: &[(&str, u32)] = &[("ItemText_", 50), ("ItemNumeric_", 10), ("ItemDate_", 10), ("ItemMoney_", 3)];

/// Other names of rows of the guide, which go out whether they are mapped or not.
const ALIASES: &[(&str, &str)] = &[
    ("ActionTrackerId", "EventTypeId"),
    ("Currency", "CurrencyCode"),
    ("Oid", "OrderId"),
    ("PromoCode", "OrderPromoCode"),
];

/// What is doubtful, and what helps.
type Doubt = (String, String);

/// What is doubtful about the target of a custom parameter mapping.
pub(super) fn doubt(name: &str) -> Option<Doubt> {
    if let Some((_, row)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        let help = format!("map `{row}` instead: both would go out");
        return Some((format!("`{name}` is another name of `{row}`"), help));
    }
    if WHOLE.contains(&name) || is_numbered(name, NUMBERED) || unnumbered(name).is_some_and(|item| is_item(&item)) {
        return None;
    }
    if is_item(name) {
        let first = numbered(name, 1);
        let help =
            format!("write the item's number, `{first}`, or map it for all items in `custom_mapping_for_products`");
        return Some((format!("`{name}` does not say which item it is about"), help));
    }
    Some(unknown(name, "parameter", WHOLE, NUMBERED))
}

/// What is doubtful about the target of a custom mapping for products.
pub(super) fn doubt_of_item(name: &str) -> Option<Doubt> {
    if is_item(name) {
        return None;
    }
    if let Some(item) = unnumbered(name).filter(|item| is_item(item)) {
        let message = format!("`{name}` has a number, and would get another one for each item");
        return Some((message, format!("write `{item}`")));
    }
    if WHOLE.contains(&name) || is_numbered(name, NUMBERED) {
        let help = "map it in `custom_parameter_mapping`".to_owned();
        return Some((format!("`{name}` is no parameter of an item"), help));
    }
    Some(unknown(name, "parameter of an item", ITEM, ITEM_NUMBERED))
}

fn unknown(name: &str, what: &str, names: &[&str], numbered: &[(&str, u32)]) -> Doubt {
    let family = numbered.iter().find(|(family, _)| name.starts_with(family));
    let help = match (family, nearest(name, names.iter().copied())) {
        (Some((family, last)), _) => format!("there are `{family}1` to `{family}{last}`"),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => "it is sent all the same: see that your account has it".to_owned(),
    };
    (format!("`{name}` is no {what} that impact.com documents"), help)
}

fn is_item(name: &str) -> bool {
    ITEM.contains(&name) || is_numbered(name, ITEM_NUMBERED)
}

fn is_numbered(name: &str, families: &[(&str, u32)]) -> bool {
    families.iter().any(|(family, last)| {
        let number = name.strip_prefix(family).filter(|number| number.starts_with(|first| matches!(first, '1'..='9')));
        number.and_then(|number| number.parse::<u32>().ok()).is_some_and(|number| number <= *last)
    })
}

/// The name of an item's parameter without the item's number: `ItemPrice` of `ItemPrice2`.
fn unnumbered(name: &str) -> Option<String> {
    let (before, after) = name.split_once('_').map_or((name, String::new()), |(a, b)| (a, format!("_{b}")));
    let bare = before.trim_end_matches(|last: char| last.is_ascii_digit());
    let number = before.strip_prefix(bare).filter(|number| number.starts_with(|first| matches!(first, '1'..='9')));
    number.map(|_| format!("{bare}{after}"))
}
